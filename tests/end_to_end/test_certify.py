"""Certifications of real runs: the figures, the bytes, the exit status, the baseline."""

from __future__ import annotations

import csv
import json
import math
import os
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import shapely
from scipy import stats
from tests.end_to_end.certified_world import LANE, SEEDS, SITES, World

from civiltime.errors import CivilTimeError
from civiltime.report.evidence import Evidence
from civiltime.report.plots import Plot, draw_plots
from civiltime.report.write import write_report
from civiltime.workspace.config import find_workspace
from civiltime.workspace.digest import self_digest, sha256_file
from civiltime.workspace.publish import people_json

MULTI = (
    "c_multi_share_two_zones",
    "c_multi_median_top1",
    "c_multi_median_gap",
    "c_multi_median_entropy",
)


def close(value: Any) -> Any:
    """What is the same to 1e-12, or as absent."""
    return None if value is None else pytest.approx(value, rel=1e-12, abs=1e-12)


def written(world: World) -> dict[str, bytes]:
    """Every file of the lane's reports, its lock aside."""
    return {
        p.name: p.read_bytes()
        for p in sorted((world.root / LANE / "reports").iterdir())
        if p.name != ".lock"
    }


def rows_of(world: World, dataset: str, run_id: str) -> list[dict[str, Any]]:
    (folder,) = world.run_folder(run_id).glob(f"data/layer1/2A/{dataset}/*/*")
    columns = {
        "site_timezones": ["legal_country_iso", "tzid"],
        "s1_tz_lookup": ["legal_country_iso", "override_applied", "lon_deg", "lat_deg"],
    }[dataset]
    rows: list[dict[str, Any]] = pq.read_table(folder, columns=columns).to_pylist()
    return rows


def plain_countries(world: World, run_id: str) -> dict[str, dict[str, Any]]:
    """Each country's figures, from the published rows and the boundaries alone."""
    (path,) = world.root.glob("reference/spatial/tz_world/*/tz_world.parquet")
    zones: dict[str, set[str]] = defaultdict(set)
    for row in pq.read_table(path, columns=["country_iso", "tzid"]).to_pylist():
        zones[row["country_iso"]].add(row["tzid"])
    places: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows_of(world, "s1_tz_lookup", run_id):
        places[row["legal_country_iso"]].append((row["lon_deg"], row["lat_deg"]))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows_of(world, "site_timezones", run_id):
        counts[row["legal_country_iso"]][row["tzid"]] += 1
    found = {}
    for iso, seen in counts.items():
        n = seen.total()
        first, second = [*sorted(seen.values(), reverse=True), 0][:2]
        entropy = -math.fsum(k / n * math.log(k / n) for k in seen.values())
        support = len(zones[iso])
        found[iso] = {
            "sites": n,
            "support": support,
            "distinct": len(seen),
            "top1_share": first / n,
            "top1_top2_gap": (first - second) / n if len(seen) > 1 else 1.0,
            "entropy_norm": entropy / math.log(support) if support > 1 else 0.0,
            "top1_tzid": min(z for z, k in seen.items() if k == first),
            "places": places[iso],
        }
    return found


def plain_metrics(countries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    multi = [c for c in countries.values() if c["support"] >= 2 and c["sites"] >= 100]
    every = [c for c in countries.values() if c["sites"] >= 500]
    large = [c for c in every if c["support"] >= 2]

    def share(of: list[dict[str, Any]]) -> float | None:
        return sum(c["top1_share"] < 0.95 for c in of) / len(of) if of else None

    return {
        "sites": sum(c["sites"] for c in countries.values()),
        "countries": len(countries),
        "c_multi": len(multi),
        "c_large": len(large),
        "c_large_multi_tz": len(large),
        "c_large_all": len(every),
        "c_single": len([c for c in countries.values() if c not in multi and c not in large]),
        "c_multi_share_two_zones": sum(c["distinct"] >= 2 for c in multi) / len(multi),
        "c_multi_median_top1": statistics.median(c["top1_share"] for c in multi),
        "c_multi_median_gap": statistics.median(c["top1_top2_gap"] for c in multi),
        "c_multi_median_entropy": statistics.median(c["entropy_norm"] for c in multi),
        "c_large_share_top1_below": share(large),
        "c_large_share_top1_below_multi_tz": share(large),
        "c_large_share_top1_below_all": share(every),
    }


@pytest.mark.parametrize("posture", ["stratified", "collapsed"])
def test_every_figure_is_that_of_plain_python_over_the_rows(world: World, posture: str) -> None:
    document = world.certify("--runs", world.named(posture)).json
    (csv_path,) = (world.root / LANE / "reports").glob("*country_diagnostics*.csv")
    with csv_path.open(newline="") as file:
        in_csv = {(r["seed"], r["country"]): r for r in csv.DictReader(file)}
    in_parquet = {
        (str(r["seed"]), r["country"]): r
        for r in pq.read_table(csv_path.with_suffix(".parquet")).to_pylist()
    }
    assert in_csv.keys() == in_parquet.keys()
    over: dict[str, list[float]] = defaultdict(list)
    for seed, run_id in world.ids[posture].items():
        countries = plain_countries(world, run_id)
        assert {c for s, c in in_csv if s == str(seed)} == countries.keys()
        for iso, expected in countries.items():
            places = expected.pop("places")
            row = in_parquet[str(seed), iso]
            assert {k: row[k] for k in expected} == {
                k: close(v) if isinstance(v, float) else v for k, v in expected.items()
            }
            for name in ("top1_share", "entropy_norm", "hull_km2"):
                assert float(in_csv[str(seed), iso][name]) == row[name]
            lon, lat = np.radians(np.array(places)).T
            if np.ptp(lon) < np.pi:
                hull = shapely.MultiPoint(np.stack([lon, np.sin(lat)], axis=1)).convex_hull
                assert row["hull_km2"] == pytest.approx(hull.area * 6371.0072**2, rel=1e-6, abs=1)
        found = dict(document["seeds"][str(seed)]["metrics"])
        assert (found.pop("fallback_rate"), found.pop("override_rate")) == (0.0, 0.0)
        assert not any(r["override_applied"] for r in rows_of(world, "s1_tz_lookup", run_id))
        expected = plain_metrics(countries)
        assert found == {k: close(v) for k, v in expected.items()}
        for name in MULTI:
            over[name].append(expected[name])
        judged = [r for (s, _), r in in_parquet.items() if s == str(seed) and r["sites"] >= 30]
        coupled = next(c for c in document["coupling"] if c["seed"] == str(seed))
        assert coupled["countries"] == len(judged)
        if posture == "stratified":  # a collapsed country has one zone, whatever its spread
            rho = stats.spearmanr([r["hull_km2"] for r in judged], [r["distinct"] for r in judged])
            assert coupled["rho"] == close(rho.statistic)
        else:
            assert coupled["rho"] is None
    for row in document["stability"]:
        values = over[row["metric"]]
        mean = statistics.mean(values)
        expected_cv = statistics.pstdev(values) / mean if mean else 0.0
        assert row["cv"] == close(expected_cv)


def test_the_same_runs_give_the_same_bytes_from_anywhere(world: World, tmp_path: Path) -> None:
    assert world.certify().code == 0
    before = written(world)
    assert sorted(name.split("_4")[0] + Path(name).suffix for name in before) == [
        "segment2a_certification.json",
        "segment2a_country_diagnostics.csv",
        "segment2a_country_diagnostics.parquet",
        "segment2a_seed_metrics.json",
    ]
    for name in ("topology", "reality"):
        for path in (world.root / "cache" / name).iterdir():
            path.unlink()
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "tr_TR.UTF-8",
        "POLARS_MAX_THREADS": "1",
    }
    backwards = ",".join(reversed(world.named().split(",")))
    command = [sys.executable, "-m", "civiltime", "certify", "--runs", backwards, "--json"]
    done = subprocess.run(
        [*command, "-w", str(world.root)],
        cwd="/",
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert written(world) == before
    document = json.loads(done.stdout)
    path = world.root / document.pop("certification_path")
    assert document == json.loads(path.read_bytes())


def test_json_and_page_say_the_same(world: World) -> None:
    from tests.conftest import civiltime

    said = world.certify()
    document = said.json
    assert (said.code, document["verdict"]) == (0, "PASS_BPLUS")
    assert document["runset"] == "_".join(f"{s}-{world.ids['stratified'][s][:8]}" for s in SEEDS)
    assert set(document["seeds"]) == {str(s) for s in SEEDS}
    assert document["seeds"]["42"]["metrics"]["sites"] == SITES
    newest = max(world.receipt(r)["created_utc"] for r in world.ids["stratified"].values())
    assert document["generated_utc"] == newest
    shown = civiltime("certify", "-w", world.root, "--runs", world.named())
    assert shown.code == 0
    assert document["one_line"] in shown.out
    assert max(map(len, shown.out.splitlines()[:-1])) <= 100
    for gate in document["seeds"]["42"]["gates"]:
        assert gate["id"] in shown.out


def test_a_failed_verdict_ends_with_3_and_says_what_reality_scores(world: World) -> None:
    from tests.conftest import civiltime

    shown = civiltime("certify", "-w", world.root, "--runs", world.named("collapsed"))
    assert shown.code == 3
    assert "FAIL_REALISM" in shown.out
    assert "upstream_collapse" in shown.out
    assert "real cities score" in shown.out
    assert max(map(len, shown.out.splitlines()[:-1])) <= 100


def test_without_runs_the_newest_of_the_newest_upstream_are_taken(world: World) -> None:
    ids = world.ids["stratified"]
    assert world.cli("certify").json["runset"].startswith(f"42-{ids[42][:8]}_7-{ids[7][:8]}")
    newer = world.again(7)
    assert f"_7-{newer[:8]}_101-{ids[101][:8]}" in world.cli("certify").json["runset"]
    collapsed = world.again(42, "collapsed")
    said = world.cli("certify")
    assert said.json["runset"].startswith(f"42-{collapsed[:8]}_7-{world.ids['collapsed'][7][:8]}")
    assert said.code == 3


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        ("42:{42},42:{42}", "seed 42 stands twice"),
        ("42:{42},042:{42}", "seed 42 stands twice"),
        ("42:{42},9:{7}", "doesn't require seed 9"),
        ("42", "'42' is not SEED:RUN_ID"),
        ("42:", "'42:' is not SEED:RUN_ID"),
        ("-1:{42}", "is not SEED:RUN_ID"),
        ("x:{42}", "is not SEED:RUN_ID"),
        ("9" * 5000 + ":{42}", "is not SEED:RUN_ID"),
        ("42:{42},7:../../../stolen", "'../../../stolen' is not a run id"),
        ("42:{42},7:ABC", "'ABC' is not a run id"),
        (" , ", "no run is named"),
        ("", "no run is named"),
    ],
)
def test_what_isnt_a_list_of_runs_is_refused(world: World, runs: str, says: str) -> None:
    for seed, run_id in world.ids["stratified"].items():
        runs = runs.replace(f"{{{seed}}}", run_id)
    said = world.certify("--runs", runs)
    assert said.error == "2A-CT-005"
    assert says in said.json["error"]["message"]
    assert not (world.root / LANE / "reports").exists()


def test_blanks_and_order_of_runs_dont_matter(world: World) -> None:
    loose = "  ,".join(reversed(world.named().split(","))) + ", "
    assert world.certify("--runs", loose).json == world.certify().json


# ------------------------------------------------------------------------------ baseline


def path_of(world: World, document: Any) -> Path:
    return world.root / str(document["certification_path"])


def test_against_a_baseline_each_axis_has_its_verdict(world: World) -> None:
    before = world.certify("--runs", world.named("collapsed")).json
    now = world.certify("--baseline", path_of(world, before)).json
    moved = now["movement"]
    assert moved["baseline"] == {
        "runset": before["runset"],
        "verdict": "FAIL_REALISM",
        "certification_sha256": before["certification_sha256"],
    }
    verdicts = {a["axis"]: a["verdict"] for a in moved["axes"]}
    assert {verdicts[name] for name in MULTI} == {"improved"}
    assert {verdicts["fallback_rate"], verdicts["override_rate"]} == {"unchanged"}
    assert moved["coverage"]["lift_pp"] > 50
    assert moved["coverage"]["p_value"] < 1e-6
    for found in moved["distributions"]:
        table = [
            pq.read_table(str(path_of(world, d)).replace("_certification_", "_country_diagnostics_")
                          .replace(".json", ".parquet")).to_pylist()
            for d in (now, before)
        ]  # fmt: skip
        values = [[r[found["measure"]] for r in rows if r["c_multi"]] for rows in table]
        assert found["ks"] == close(stats.ks_2samp(*values).statistic)
        assert found["wasserstein"] == close(stats.wasserstein_distance(*values))
    back = world.certify("--runs", world.named("collapsed"), "--baseline", path_of(world, now))
    verdicts = {a["axis"]: a["verdict"] for a in back.json["movement"]["axes"]}
    assert {verdicts[name] for name in MULTI} == {"regressed"}


def test_nothing_is_compared_with_itself(world: World) -> None:
    path = path_of(world, world.certify().json)
    before = path.read_bytes()
    said = world.certify("--baseline", path)
    assert said.error == "2A-CT-003"
    assert "is of the same runs" in said.json["error"]["message"]
    assert path.read_bytes() == before


def test_a_page_of_another_certification_doesnt_stay(world: World) -> None:
    baseline = path_of(world, world.certify("--runs", world.named("collapsed")).json)
    path = path_of(world, world.certify().json)
    assert world.cli("report", path).code == 0
    drawn = [path.with_suffix(".html"), *path.parent.glob("plots/*")]
    assert len(drawn) == 19
    world.certify()
    assert all(p.is_file() for p in drawn)  # the same bytes: the page shows them
    world.certify("--baseline", baseline)
    assert not any(p.exists() for p in drawn)


def test_a_page_of_a_certification_that_is_replaced_meanwhile_isnt_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = path_of(world, world.certify("--runs", world.named("collapsed")).json)
    path = path_of(world, world.certify().json)

    def certified_meanwhile(evidence: Evidence) -> tuple[Plot, ...]:
        assert world.certify("--baseline", baseline).code == 0
        return draw_plots(evidence)

    monkeypatch.setattr("civiltime.report.write.draw_plots", certified_meanwhile)
    with pytest.raises(CivilTimeError, match="certified again while it was drawn") as caught:
        write_report(find_workspace(world.root), path)
    assert caught.value.code == "2A-CT-004"
    assert not path.with_suffix(".html").exists()
    assert not list(path.parent.glob("plots/*"))
    monkeypatch.undo()
    assert world.cli("report", path).code == 0


def test_the_movement_is_shown(world: World) -> None:
    from tests.conftest import civiltime

    before = path_of(world, world.certify("--runs", world.named("collapsed")).json)
    said = civiltime("certify", "-w", world.root, "--runs", world.named(), "--baseline", before)
    assert said.code == 0
    assert "against the baseline" in said.out
    assert "improved" in said.out


def altered(path: Path, old: bytes, new: bytes) -> None:
    raw = path.read_bytes()
    assert old in raw
    path.write_bytes(raw.replace(old, new, 1))


def test_a_baseline_that_isnt_as_it_was_written_is_refused(world: World) -> None:
    path = path_of(world, world.certify("--runs", world.named("collapsed")).json)
    table = Path(str(path).replace("_certification_", "_country_diagnostics_"))
    table = table.with_suffix(".parquet")
    raw, rows = path.read_bytes(), table.read_bytes()

    def refused(says: str, baseline: Path = path) -> None:
        said = world.certify("--baseline", baseline)
        assert said.error == "2A-CT-003"
        assert says in said.json["error"]["message"], said.json["error"]["message"]
        path.write_bytes(raw)
        table.write_bytes(rows)

    altered(path, b'"FAIL_REALISM"', b'"PASS_BPLUS"')
    refused("was changed after it was written")
    path.write_bytes(b"{}")
    refused(path.name)
    for damaged in (b"", b"[]", b"null", b"\xff\xfe", b'{"a":', b"[" * 100_000, raw[:-20]):
        path.write_bytes(damaged)
        refused(path.name)
    altered(path, b'"certification_sha256"', b'"certification_sha257"')
    refused(path.name)
    altered(path, b'"sites": 12000', b'"sites": NaN')
    refused(path.name)
    altered(path, b'"sites": 12000', b'"sites": 1e999')
    refused(path.name)
    table.write_bytes(rows[:-1] + b"x")
    refused("was changed after it was written")
    table.unlink()
    refused(table.name)
    refused("No such file", path.with_name("nothing.json"))
    refused("Is a directory", path.parent)
    refused("run_receipt", world.run_folder(world.ids["stratified"][42]) / "run_receipt.json")
    assert world.certify("--baseline", path).code == 0


def test_a_certification_of_another_form_is_refused_whatever_digest_it_bears(world: World) -> None:
    baseline = path_of(world, world.certify("--runs", world.named("collapsed")).json)
    path = path_of(world, world.certify("--baseline", baseline).json)
    sound = json.loads(path.read_bytes())
    del sound["certification_sha256"]

    def refused(where: str, key: str, value: object) -> None:
        forged = json.loads(json.dumps(sound))
        part = reduce(lambda found, name: found[name], where.split("."), forged)
        part[key] = value
        path.write_bytes(people_json({**forged, "certification_sha256": self_digest(forged)}))
        said = world.cli("report", path)
        assert said.error == "2A-CT-004", said.json
        assert f"({where}" in said.json["error"]["message"], said.json

    refused("movement", "axes", 7)
    refused("movement.gini_top1", "value", "much")
    refused("movement.baseline", "seen", True)
    refused("policy.cohorts.c_large", "eligibility", "some")
    refused("policy.thresholds.fallback_rate", "b", None)
    refused("seeds.42.governance", "fallback_count", -1)
    refused("reference_world", "cities_sha256", "0")


def test_a_table_that_is_bound_and_is_no_country_table_is_refused(world: World) -> None:
    path = path_of(world, world.certify("--runs", world.named("collapsed")).json)
    table = Path(str(path).replace("_certification_", "_country_diagnostics_"))
    table = table.with_suffix(".parquet")
    rows = pl.read_parquet(table)

    def refused(says: str, content: pl.DataFrame | bytes) -> None:
        if isinstance(content, bytes):
            table.write_bytes(content)
        else:
            content.write_parquet(table)
        document = json.loads(path.read_bytes())
        del document["certification_sha256"]
        document["diagnostics"] = {"parquet_sha256": sha256_file(table)}
        path.write_bytes(people_json({**document, "certification_sha256": self_digest(document)}))
        for said, code in (
            (world.certify("--baseline", path), "2A-CT-003"),
            (world.cli("report", path), "2A-CT-004"),
        ):
            assert said.error == code, said.json
            assert says in said.json["error"]["message"], said.json

    refused("can't be read as Parquet", b"")
    refused("can't be read as Parquet", b"PAR1" * 5)
    refused("lacks run_id", rows.select("seed"))
    refused("column c_multi is string", rows.with_columns(pl.col("c_multi").cast(pl.String)))
    for nothing in (None, float("nan"), float("inf")):
        less = pl.lit(nothing, pl.Float64).alias("top1_share")
        refused("column top1_share lacks a value", rows.with_columns(less))
