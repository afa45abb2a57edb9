"""``perf compare`` and ``perf lock`` on a governed lane: one real A/A sitting, and what refuses.

No test asserts a speed: a change that helps or harms is written into a real sitting's timings.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import pytest
from tests.conftest import SEED, SITES_CSV, Said, civiltime
from tests.end_to_end.governed import LATER, REQUESTER, Lane

from civiltime.cli.perf import TERMINATED
from civiltime.consumers.verify import STATES
from civiltime.performance.artefacts import evidence, write_artefact
from civiltime.performance.budgets import open_budgets
from civiltime.performance.compare import compare
from civiltime.performance.sitting import medians
from civiltime.workspace.config import open_workspace
from civiltime.workspace.digest import digest_folder, partition_hash, self_digest, sha256_file
from civiltime.workspace.publish import people_json

SLOW = """\
semver: 1.0.0
reference_sites: 31257
budgets:
  - {state: S1, measure: wall_ms, target: 0.001, stretch: 1e9, per_million_sites: 0}
  - {state: S4, measure: wall_ms, target: 0.001, stretch: 0.002, per_million_sites: 0}
"""
ANEW = ("--seed", str(SEED))
WITNESS, REFUSED = "a" * 32, "b" * 32
AT_SEA = """\
merchant_id,legal_country_iso,site_order,lon_deg,lat_deg
1,US,1,-140.0,-45.0
"""
"""A site at sea, of a country without a zone in the small world: a run that must fail."""
BUILD = Path(sys.executable).parent
WIDE = """\
semver: 1.0.0
reference_sites: 31257
budgets:
  - {state: total, measure: wall_ms, target: 1e9, stretch: 1e9, per_million_sites: 0}
"""


@pytest.fixture(scope="module")
def sat_once(lane_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A lane in which the same build sat against itself, and a baseline."""
    lane = Lane(lane_template / "workspace").copied(tmp_path_factory.mktemp("sitting"))
    _budgets(lane, WIDE)
    for witness, seed, csv in ((WITNESS, SEED + 1, SITES_CSV), (REFUSED, SEED + 2, AT_SEA)):
        sites = lane.root.parent / f"{seed}.csv"
        sites.write_text(csv)
        said = lane.cli("ingest", "sites", sites, "--seed", str(seed))
        fingerprint = said.json["manifest_fingerprint"]
        lane.cli("run", "--seed", str(seed), "--fingerprint", fingerprint, "--run-id", witness)
    with pytest.MonkeyPatch.context() as patch:  # two rounds show all but a verdict
        patch.setattr("civiltime.performance.pairs.MIN_ROUNDS", 2)
        said = lane.cli(
            "perf", "compare", "--baseline", BUILD, "--candidate", BUILD / "civiltime",
            "--run", lane.run_id, "--rounds", "2", "--witness", WITNESS, "--witness", REFUSED,
        )  # fmt: skip
    assert said.code in {0, 3}, said.err
    assert lane.cli("perf", "baseline", lane.run_id).code == 0
    rewrite(lane)
    return lane.root.parent, said


@pytest.fixture
def sat(sat_once: tuple[Path, Said], tmp_path: Path) -> Lane:
    """A fresh copy of it."""
    shutil.copytree(sat_once[0], tmp_path / "lane")
    return Lane(tmp_path / "lane" / "workspace")


def _budgets(lane: Lane, text: str) -> None:
    path = lane.root / "config/layer1/2A/performance/budgets.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def timings(lane: Lane, side: str) -> Path:
    """A side's timings."""
    (path,) = lane.reports.glob(f"segment2a_popt_timings_*_{side}.json")
    return path


def comparison(lane: Lane) -> Path:
    """The sitting's comparison."""
    (path,) = lane.reports.glob("segment2a_popt_comparison_*.json")
    return path


def baseline(lane: Lane) -> Path:
    """The POPT.0 baseline."""
    return lane.reports / f"segment2a_popt0_baseline_{lane.run_id}.json"


def rewrite(lane: Lane, factor: float = 1.0, run_id: str | None = None) -> Path:
    """The sitting as if the candidate's times were the baseline's by a factor, in 10 rounds."""
    workspace = open_workspace(lane.root)
    before, after = (json.loads(timings(lane, s).read_bytes()) for s in ("baseline", "candidate"))
    for document in (before, after):
        document["inputs"]["run_id"] = run_id or document["inputs"]["run_id"]
        twice = document["rounds"][:2]
        document["rounds"] = [{**deepcopy(twice[n % 2]), "round": n + 1} for n in range(10)]
    for theirs, ours in zip(before["rounds"], after["rounds"], strict=True):
        ours["measures"] = deepcopy(theirs["measures"])
        for row in ours["measures"].values():
            row["wall_ms"] *= factor
    names = {}
    for side, document in (("baseline", before), ("candidate", after)):
        document["medians"] = medians(document["rounds"])
        path = timings(lane, side)
        write_artefact(path, document, "segment2a_popt_timings")
        names[side] = evidence(workspace.relative(path), sha256_file(path))
    document = compare(before, after, "total", open_budgets(workspace))
    document |= {**names, "generated_utc": before["started_utc"]}
    write_artefact(comparison(lane), document, "segment2a_popt_comparison")
    return comparison(lane)


def improved(lane: Lane, run_id: str | None = None) -> Path:
    """The sitting as if the candidate took half of the time."""
    return rewrite(lane, 0.5, run_id)


def locked(lane: Lane, *more: str | Path) -> Said:
    """Try to lock the run."""
    return lane.cli(
        "perf", "lock", lane.run_id, "--baseline", baseline(lane),
        "--certification", lane.certification, *more,
    )  # fmt: skip


def held(said: Said) -> set[str]:
    """The conditions of a lock that don't hold."""
    assert said.code == 3, said.err
    assert (said.json["path"], said.json["lock"]["status"]) == (None, "HOLD")
    return {c["id"] for c in said.json["lock"]["conditions"] if not c["holds"]}


# ------------------------------------------------------------------------------ compare


def test_the_same_build_against_itself_is_equivalent_and_no_faster(
    sat_once: tuple[Path, Said],
) -> None:
    """Of the run and of a witness; it refuses the same damage."""
    found = sat_once[1].json["comparison"]
    conditions = {c["id"]: c["holds"] for c in found["conditions"]}
    assert sat_once[1].code == 3
    assert found["decision"] == "HOLD"
    proved = {name for name, holds in conditions.items() if holds}
    assert {"equivalent", "downstream_green", "decision_parity"} <= proved
    assert "faster" not in proved
    assert found["differing"] == []
    assert found["builds"]["baseline"] == found["builds"]["candidate"]
    assert found["inputs"]["witnesses"] == [WITNESS, REFUSED]


def test_sides_alternate_and_publish_and_decide_what_the_run_did(sat: Lane) -> None:
    other, document = (json.loads(timings(sat, s).read_bytes()) for s in ("baseline", "candidate"))
    assert [r["turn"] for r in other["rounds"]] == [1, 2] * 5
    assert [r["turn"] for r in document["rounds"]] == [2, 1] * 5
    published = partition_hash(digest_folder(sat.folder / "data"))
    assert {r["outputs_sha256"] for r in document["rounds"]} == {published}
    decided = document["decisions"]
    for state in STATES:
        ran = {v["id"]: v["result"] for v in sat.report(state)["validators"]}
        assert decided[state] == ran
    assert decided["certify"]["verdict"] == "FAIL_REALISM"
    refused = document["witnesses"][REFUSED]["decisions"]
    assert (refused["run"]["exit"], refused["run"]["codes"]) == ("1", "2A-S1-055")
    assert "fail" in refused["S1"].values()
    assert "S2" not in refused
    assert decided["verify"]["intact"] == "exit 0"
    assert all("2A-RD" in decided["verify"][f"{what} damaged"] for what in ("tables", "bundle"))


def test_judged_again_a_sitting_says_the_same(sat: Lane) -> None:
    before = json.loads(comparison(sat).read_bytes())
    said = sat.cli("perf", "compare", timings(sat, "candidate"), timings(sat, "baseline"))
    after = said.json["comparison"]
    assert said.code == 3
    assert {**after, "generated_utc": ""} == {**before, "generated_utc": ""}


@pytest.mark.parametrize(
    ("key", "value"),
    [("sitting_id", "f" * 32), ("machine", None), ("inputs", None), ("side", "baseline")],
)
def test_what_is_no_pair_is_refused(sat: Lane, key: str, value: str | None) -> None:
    document = json.loads(timings(sat, "candidate").read_bytes())
    if value is None:
        inner = "logical_cpus" if key == "machine" else "sites"
        document[key][inner] += 1
    else:
        document[key] = value
    other = sat.reports / "other.json"
    other.write_text(json.dumps(document))
    assert sat.cli("perf", "compare", timings(sat, "baseline"), other).error == "2A-PF-005"


@pytest.mark.parametrize("key", ["measures", "decisions", "rounds"])
def test_timings_without_all_that_was_timed_or_decided_are_refused(sat: Lane, key: str) -> None:
    path = timings(sat, "candidate")
    document = json.loads(path.read_bytes())
    if key == "measures":
        for row in document["rounds"]:
            del row["measures"]["S3"]
    elif key == "decisions":
        del document["decisions"]["verify"]
    else:
        document["rounds"] = []
    path.write_text(json.dumps(document))
    refused = sat.cli("perf", "compare", timings(sat, "baseline"), path).error
    assert refused == ("2A-PF-005" if key == "rounds" else "2A-PF-004")


@pytest.mark.parametrize("both", [False, True])
def test_altered_timings_are_refused(sat: Lane, both: bool) -> None:
    path = timings(sat, "candidate")
    document = json.loads(path.read_bytes())
    for row in document["rounds"]:
        row["measures"]["total"]["wall_ms"] /= 2
    if both:
        document["medians"] = medians(document["rounds"])
    path.write_text(json.dumps(document))
    assert sat.cli("perf", "compare", timings(sat, "baseline"), path).error == "2A-PF-004"


def test_a_build_that_cannot_run_is_refused(lane: Lane) -> None:
    said = lane.cli(
        "perf", "compare", "--baseline", BUILD, "--candidate", lane.root, "--run", lane.run_id
    )
    assert said.error == "2A-PF-007"
    said = lane.cli(
        "perf", "compare", "--baseline", BUILD, "--candidate", BUILD, "--run", lane.run_id,
        "--rounds", "9",
    )  # fmt: skip
    assert said.error == "2A-PF-006"


def test_a_sitting_that_is_ended_leaves_nothing_behind(lane: Lane, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    builds: list[str | Path] = ["--baseline", BUILD, "--candidate", BUILD]
    command = [BUILD / "civiltime", "perf", "compare", *builds]
    process = subprocess.Popen(
        [*command, "--run", lane.run_id, "-w", lane.root],
        env={**os.environ, "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
    )
    with process:
        deadline = time.monotonic() + 60
        while not list(scratch.glob("civiltime-cost-*/stdout")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.terminate()
        assert process.wait(30) == TERMINATED
    assert not list(scratch.iterdir())


# -------------------------------------------------------------------- baseline, hotspots


def test_a_baseline_ranks_its_states_and_selects_the_next(sat: Lane) -> None:
    _budgets(sat, SLOW)
    said = sat.cli("perf", "hotspots", baseline(sat)).json["hotspots"]
    shares = [h["share"] for h in said["hotspots"]]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert (said["decision"], said["next_state"]) == ("GO", "S4")
    assert {s["state"]: s["band"] for s in said["standings"]} == {"S1": "AMBER", "S4": "RED"}


def test_an_incomplete_run_is_no_baseline(sat: Lane) -> None:
    (path,) = sat.folder.glob("reports/layer1/2A/state=S3/**/*_run_report.json")
    path.unlink()
    assert sat.cli("perf", "baseline", sat.run_id).error == "2A-PF-001"
    assert locked(sat).error == "2A-PF-001"


def test_runs_under_other_policies_are_no_repeats(sat: Lane) -> None:
    sat.edit("certification.yaml", "min_sites: 100", "min_sites: 101")
    other = sat.cli("run", "--seed", "42").json["run_id"]
    assert sat.cli("perf", "baseline", sat.run_id, other).error == "2A-PF-002"


def test_unsound_budgets_are_refused(sat: Lane) -> None:
    _budgets(sat, WIDE.replace("target: 1e9", "target: 2e9"))
    said = sat.cli("perf", "hotspots", baseline(sat))
    assert said.error == "2A-PF-003"
    assert "line 4" in said.json["error"]["message"]


def test_what_is_no_artefact_of_the_workspace_is_refused(sat: Lane, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes(baseline(sat).read_bytes())
    broken = sat.reports / "broken.json"
    for text in ("", "[]", '{"segment": "2A"}'):
        broken.write_text(text)
        assert sat.cli("perf", "hotspots", broken).error == "2A-PF-004"
    assert sat.cli("perf", "hotspots", outside).error == "2A-PF-004"
    assert sat.cli("perf", "hotspots", sat.reports / "none.json").error == "2A-PF-004"


def test_a_run_has_one_baseline(sat: Lane) -> None:
    assert sat.cli("perf", "baseline", sat.run_id).json["publish"] == "REUSE"
    document = json.loads(baseline(sat).read_bytes())
    document["machine"]["logical_cpus"] += 1
    baseline(sat).write_text(json.dumps(document))
    assert sat.cli("perf", "baseline", sat.run_id).error == "2A-PF-009"


def test_what_people_read_fits_100_columns(sat: Lane) -> None:
    path = improved(sat)
    for arguments in (
        ("baseline", sat.run_id),
        ("hotspots", baseline(sat)),
        ("compare", timings(sat, "baseline"), timings(sat, "candidate")),
        ("lock", sat.run_id, "--baseline", baseline(sat), "--comparison", path),
        ("lock", sat.run_id, "--baseline", baseline(sat)),
    ):
        said = civiltime("perf", *arguments, "-w", sat.root)
        assert said.code in {0, 3}, said.err
        lines = [line for line in said.out.splitlines() if str(sat.root) not in line]
        assert max(map(len, lines)) <= 100, arguments


# --------------------------------------------------------------------------------- lock


def test_green_locked_once_and_for_all(sat: Lane) -> None:
    said = locked(sat, "--comparison", improved(sat))
    assert said.code == 0, said.out
    assert said.json["lock"]["status"] == "GREEN_LOCKED"
    assert set(said.json["lock"]["checks"].values()) == {True}
    again = locked(sat, "--comparison", comparison(sat))
    assert (again.code, again.json["lock"]) == (0, said.json["lock"])
    refused = sat.cli("perf", "compare", timings(sat, "baseline"), timings(sat, "candidate"))
    assert refused.error == "2A-PF-009"


def test_what_is_locked_stays_and_cannot_be_pruned(sat: Lane) -> None:
    made = sat.cli("perf", "baseline", sat.cli("run", *ANEW).json["run_id"])
    baseline(sat).unlink()
    said = sat.cli(
        "perf", "lock", sat.run_id, "--baseline", made.json["path"],
        "--certification", sat.certification, "--comparison", improved(sat),
    )  # fmt: skip
    assert said.code == 0, said.err
    sat.certification.unlink()
    (row,) = (r for r in sat.cli("runs", "list").json["runs"] if r["run_id"] == sat.run_id)
    assert (row["role"], row["kept"]) == ("witness", True)
    assert row["reason"] == f"pinned by {Path(said.json['path']).name}"
    sat.cli("runs", "prune", "--yes")
    assert sat.folder.is_dir()


def test_without_a_faster_chain_it_is_held_and_nothing_pinned(sat: Lane) -> None:
    assert held(locked(sat)) == {"runtime_material"}
    assert held(locked(sat, "--comparison", comparison(sat))) == {"runtime_material"}
    assert not list(sat.reports.glob("segment2a_popt4*"))


def test_a_changed_byte_holds_the_lock(sat: Lane) -> None:
    path = improved(sat)
    (table,) = sat.partition("site_timezones").glob("*.parquet")
    table.write_bytes(table.read_bytes()[:-1] + b"!")
    assert "structural_all_pass" in held(locked(sat, "--comparison", path))


def test_a_comparison_of_another_run_is_refused(sat: Lane) -> None:
    assert locked(sat, "--comparison", improved(sat, run_id="f" * 32)).error == "2A-PF-008"


def test_a_comparison_that_its_timings_do_not_give_is_refused(sat: Lane) -> None:
    path = comparison(sat)
    document = json.loads(path.read_bytes())
    for entry in document["conditions"]:
        entry["holds"] = True
    path.write_text(json.dumps({**document, "decision": "GO", "reason": ""}))
    assert locked(sat, "--comparison", path).error == "2A-PF-010"


def test_timings_that_the_comparison_does_not_name_are_refused(sat: Lane) -> None:
    path = comparison(sat)
    timings(sat, "candidate").write_bytes(timings(sat, "candidate").read_bytes() + b"\n")
    assert locked(sat, "--comparison", path).error == "2A-PF-004"


def test_a_certification_of_another_run_is_refused(sat: Lane) -> None:
    other = sat.cli("run", *ANEW).json["run_id"]
    said = sat.cli(
        "perf", "lock", other, "--baseline", baseline(sat), "--certification", sat.certification
    )
    assert said.error == "2A-PF-008"


def test_a_certification_that_its_run_does_not_give_holds_the_lock(sat: Lane) -> None:
    document = json.loads(sat.certification.read_bytes())
    del document["certification_sha256"]
    for gate in document["seeds"]["42"]["gates"]:
        gate["band"] = "B+"
    sound = {**document, "certification_sha256": self_digest(document)}
    sat.certification.write_bytes(people_json(sound))
    assert held(locked(sat, "--comparison", improved(sat))) == {"structural_all_pass"}
    assert not list(sat.reports.glob("segment2a_popt4*"))


def test_a_baseline_of_another_upstream_is_refused(sat: Lane) -> None:
    made = sat.cli("perf", "baseline", WITNESS)
    said = sat.cli("perf", "lock", sat.run_id, "--baseline", made.json["path"])
    assert said.error == "2A-PF-008"


def test_another_lock_of_the_run_is_refused(sat: Lane) -> None:
    path = improved(sat)
    assert locked(sat, "--comparison", path).code == 0
    said = sat.cli(
        "perf", "lock", sat.run_id, "--baseline", baseline(sat), "--comparison", path
    )  # scored now: other evidence
    assert said.error == "2A-PF-009"


def test_an_altered_baseline_is_refused(sat: Lane) -> None:
    document = json.loads(baseline(sat).read_bytes())
    document["states"][1]["wall_ms"] *= 2
    baseline(sat).write_text(json.dumps(document))
    assert sat.cli("perf", "hotspots", baseline(sat)).error == "2A-PF-004"
    assert locked(sat).error == "2A-PF-004"


def test_over_budget_stays_open_until_a_waiver_accepts_it(sat: Lane) -> None:
    _budgets(sat, WIDE.replace("1e9", "0.001"))
    path = improved(sat)
    assert "budget" in held(locked(sat, "--comparison", path))
    request = sat.asked(
        "waiver", "request", "--requester", REQUESTER, "--reason", "a test", "--state", "total",
        "--measure", "wall_ms", "--ceiling", "1e9", "--expires", LATER,
    )  # fmt: skip
    assert "budget" in held(locked(sat, "--comparison", path))
    sat.approved(request, "Cleo")
    said = sat.cli("perf", "compare", timings(sat, "baseline"), timings(sat, "candidate"))
    assert said.json["comparison"]["decision"] == "GO", said.json["comparison"]["reason"]
    said = locked(sat, "--comparison", path)
    assert said.code == 0, said.out
    assert [s["band"] for s in said.json["lock"]["standings"]] == ["AMBER"]
    assert [w["approver"] for w in said.json["lock"]["waivers"]] == ["Cleo"]
