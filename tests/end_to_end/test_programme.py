"""The programme's phases on a real lane: each condition open before and proved after, no forgery.

The lane has one required seed and twelve sites.  It fails realism, because twelve sites make no
cohort; where all of them lie inside one polygon, nothing in 2A can change that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import civiltime, sites
from tests.end_to_end.governed import Lane

from civiltime.workspace.digest import self_digest, sha256_file
from civiltime.workspace.publish import people_json

CONTROL = "0" * 31 + "2"
BETTER = "3" * 32


def standing(lane: Lane) -> dict[str, Any]:
    """What ``programme status`` says, by phase."""
    said = lane.cli("programme", "status")
    assert said.code == 0, said.err
    return {phase["phase"]: phase for phase in said.json["phases"]}


def condition(lane: Lane, phase: str, name: str) -> tuple[bool, str]:
    """Whether a condition is proved, and the reason."""
    rows = {c["id"]: c for c in standing(lane)[phase]["conditions"]}
    return rows[name]["proved"], rows[name]["reason"]


def close(lane: Lane, *phases: str) -> list[dict[str, Any]]:
    """Close phases; their closures."""
    closures = []
    for phase in phases:
        said = lane.cli("programme", "close", phase)
        assert said.code == 0, said.out
        closures.append(said.json["closure"])
    return closures


def refused(lane: Lane, phase: str, code: str, *words: str) -> None:
    """Closing a phase is refused, and nothing is written."""
    before = closures(lane)
    said = lane.cli("programme", "close", phase)
    assert said.error == code, said.out
    for word in words:
        assert word in said.json["error"]["message"]
    assert closures(lane) == before


def closures(lane: Lane) -> dict[str, bytes]:
    """Every closure on the disk."""
    return {p.name: p.read_bytes() for p in sorted(lane.reports.glob("*_closure.json"))}


def pin_authorities(lane: Lane) -> None:
    """Both upstream authorities, pinned."""
    for name, run_id in (("1A", "ab" * 16), ("1B", "cd" * 16)):
        path = lane.root / f"runs/{name}.json"
        path.write_text(json.dumps({"run_id": run_id}))
        said = lane.cli("authorities", "pin", name, path)
        assert said.code == 0, said.out


def make_control(lane: Lane) -> None:
    """A run that must fail: ties are guessed, and the cap stops that."""
    before = lane.config("lookup.yaml").read_bytes()
    lane.edit(
        "lookup.yaml", "country_consistent_tiebreak: true", "country_consistent_tiebreak: false"
    )
    assert lane.cli("run", "--seed", "42", "--run-id", CONTROL).error == "2A-S1-090"
    lane.config("lookup.yaml").write_bytes(before)


def watch(lane: Lane) -> dict[str, Any]:
    """The watchlist, written."""
    said = lane.cli("programme", "watchlist")
    assert said.code == 0, said.out
    document: dict[str, Any] = said.json
    return document


@pytest.fixture
def ready(lane: Lane) -> Lane:
    """A lane in which P0, P1 and P2 can close."""
    pin_authorities(lane)
    make_control(lane)
    return lane


@pytest.fixture
def alone(lane: Lane) -> Lane:
    """The same, over sites that one polygon covers each."""
    rows = [(1, "CH", n, 8.5417, 47.3769) for n in range(1, 13)]
    shutil.rmtree(lane.folder)
    for path in lane.reports.glob("segment2a_*"):
        path.unlink()
    make_control(lane)  # it needs the overlap that the other sites don't have
    lane.publish_sites(sites(*rows))
    assert lane.run().code == 0
    assert lane.cli("certify").code == 3
    pin_authorities(lane)
    return lane


def test_the_whole_programme_of_a_constrained_lane(alone: Lane) -> None:
    assert [p["closure"] for p in standing(alone).values()] == ["ready", *["open"] * 4]
    first, second, third = close(alone, "P0", "P1", "P2")
    assert [c["decision"] for c in (first, second, third)] == [
        "BASELINE_LOCKED", "GOVERNED", "FAIL_REALISM",
    ]  # fmt: skip
    assert CONTROL in second["runs"]
    assert condition(alone, "P3", "watchlist")[0] is False
    assert {e["country"] for e in watch(alone)["entries"]} == {None}
    (fourth,) = close(alone, "P3")
    assert fourth["decision"] == "UPSTREAM_CONSTRAINED"
    assert condition(alone, "P4", "freeze")[0] is False
    refused(alone, "P4", "2A-PH-001", "run civiltime freeze")
    alone.freeze()
    (last,) = close(alone, "P4")
    assert last["decision"] == "FROZEN_BEST_EFFORT_FAIL_REALISM"
    phases = standing(alone)
    assert {p["closure"] for p in phases.values()} == {"closed"}
    written = closures(alone)
    assert alone.cli("programme", "close", "P4").json["publish"] == "REUSE"
    assert closures(alone) == written
    page = civiltime("programme", "status", "-w", alone.root)
    assert all(len(line) <= 100 for line in page.out.splitlines())
    pruned = alone.cli("runs", "prune", "--yes")
    assert pruned.code == 0
    assert (alone.folder.parent / CONTROL).is_dir()


def test_phases_close_in_order_only(ready: Lane) -> None:
    for phase in ("P1", "P2", "P3", "P4"):
        refused(ready, phase, "2A-PH-002", "P0 isn't closed")
    close(ready, "P0")
    refused(ready, "P2", "2A-PH-002", "P1 isn't closed")


def test_p0_needs_the_frozen_upstream(lane: Lane) -> None:
    assert condition(lane, "P0", "authorities")[0] is False
    refused(lane, "P0", "2A-PH-001", "1A isn't pinned")
    pin_authorities(lane)
    assert condition(lane, "P0", "authorities")[0] is True
    close(lane, "P0")
    (lane.root / "runs/1A.json").write_text("{}")
    assert standing(lane)["P0"]["closure"] == "unsound"
    refused(lane, "P1", "2A-PH-002", "1A's report isn't the one")


def test_p0_takes_no_authority_that_was_pinned_by_hand(lane: Lane) -> None:
    pin_authorities(lane)
    report, said = lane.root / "runs/1A.json", lane.root / "authorities.yaml"
    agreed = sha256_file(report)
    report.write_text(json.dumps({"run_id": "ab" * 16, "other": 1}))
    said.write_text(said.read_text("utf-8").replace(agreed, sha256_file(report)), "utf-8")
    refused(lane, "P0", "2A-PH-001", "the governance ledger says")


def test_without_certification_nothing_is_proved(lane: Lane) -> None:
    lane.certification.unlink()
    rows = [c for p in standing(lane).values() for c in p["conditions"]]
    proved = {c["id"] for c in rows if c["proved"]}
    assert proved == set()
    assert lane.cli("programme", "watchlist").error == "2A-PH-004"


def test_p1_needs_a_run_that_failed_closed(lane: Lane) -> None:
    pin_authorities(lane)
    close(lane, "P0")
    refused(lane, "P1", "2A-PH-001", "no run of the lane failed closed")
    make_control(lane)
    proved, reason = condition(lane, "P1", "negative_control")
    assert (proved, reason) == (True, f"run {CONTROL} stopped in S1 with 2A-S1-090")


def forge_control(lane: Lane, change: Callable[[Any], object], *, signed: bool = True) -> None:
    """Change the failed report, and give it the digest that fits."""
    (path,) = (lane.folder.parent / CONTROL).glob("reports/layer1/2A/state=S1/**/*.json")
    report = json.loads(path.read_bytes())
    change(report)
    if signed:
        del report["report_sha256"]
        report["report_sha256"] = self_digest(report)
    path.write_bytes(people_json(report))


CONTROLS: list[tuple[str, Callable[[Any], object]]] = [
    ("breach no cap", lambda r: r["counts"].update(fallbacks_within=0, fallbacks_outside=0)),
    ("of another run", lambda r: r.update(seed=7)),
    ("no validator failed", lambda r: r.update(validators=[])),
    ("went on", lambda r: r.update(status="pass")),
]


@pytest.mark.parametrize(("why", "change"), CONTROLS, ids=[why for why, _ in CONTROLS])
def test_a_forged_negative_control_proves_nothing(
    ready: Lane, why: str, change: Callable[[Any], object]
) -> None:
    close(ready, "P0")
    forge_control(ready, change)
    proved, reason = condition(ready, "P1", "negative_control")
    assert not proved
    assert why in reason


def test_a_control_that_was_edited_or_published_proves_nothing(ready: Lane) -> None:
    forge_control(ready, lambda r: r.update(started_utc=r["finished_utc"]), signed=False)
    assert "was changed" in condition(ready, "P1", "negative_control")[1]
    forge_control(ready, lambda r: r.update(started_utc=r["finished_utc"]))
    assert condition(ready, "P1", "negative_control")[0]
    shutil.copytree(
        ready.folder / "data", ready.folder.parent / CONTROL / "data", dirs_exist_ok=True
    )
    assert "published" in condition(ready, "P1", "negative_control")[1]


def edit_json(path: Path, change: Callable[[Any], object], digest: str | None) -> None:
    """Change a document, with the digest of itself that fits, or without."""
    document = json.loads(path.read_bytes())
    change(document)
    if digest:
        del document[digest]
        document[digest] = self_digest(document)
    path.write_bytes(people_json(document))


def better(document: Any) -> None:
    """Figures nicer than the runs give."""
    document["seeds"]["42"]["metrics"]["fallback_rate"] = 0.0
    document["seeds"]["42"]["metrics"]["c_multi"] = 3


@pytest.mark.parametrize("digest", [None, "certification_sha256"])
def test_edited_figures_prove_nothing(ready: Lane, digest: str | None) -> None:
    close(ready, "P0", "P1", "P2")
    edit_json(ready.certification, better, digest)
    phases = standing(ready)
    assert [p["closure"] for p in phases.values()] == ["unsound"] * 3 + ["open"] * 2
    assert not condition(ready, "P2", "deterministic")[0]
    refused(ready, "P3", "2A-PH-002", "P0 isn't closed")


@pytest.mark.parametrize("name", ["country_diagnostics", "seed_metrics"])
def test_edited_tables_prove_nothing(ready: Lane, name: str) -> None:
    for path in ready.reports.glob(f"segment2a_{name}_*"):
        path.write_bytes(path.read_bytes() + b"\n")
    assert "isn't what scoring its runs again gives" in condition(ready, "P2", "diagnostics")[1]
    for path in ready.reports.glob(f"segment2a_{name}_*"):
        path.unlink()
    assert "is missing" in condition(ready, "P2", "diagnostics")[1]
    assert ready.cli("certify", "--runs", f"42:{ready.run_id}").code == 3
    assert condition(ready, "P2", "diagnostics")[0]


def test_a_changed_run_proves_nothing(ready: Lane) -> None:
    close(ready, "P0", "P1")
    (part,) = (ready.folder / "data").rglob("s1_tz_lookup/**/*.parquet")
    part.write_bytes(part.read_bytes() + b"x")
    assert standing(ready)["P0"]["closure"] == "unsound"
    assert not condition(ready, "P0", "lineage")[0]
    refused(ready, "P2", "2A-PH-002")


def test_a_closure_of_another_phase_or_lane_doesnt_stand(ready: Lane, tmp_path: Path) -> None:
    close(ready, "P0")
    p0, p1 = (ready.reports / f"segment2a_{p}_closure.json" for p in ("p0", "p1"))
    p1.write_bytes(p0.read_bytes())
    found = standing(ready)["P1"]
    assert (found["closure"], "is that of P0" in found["problem"]) == ("unsound", True)
    p1.unlink()
    edit_json(p0, lambda d: d.update(phase="P1"), "closure_sha256")
    p0.rename(p1)
    assert standing(ready)["P1"]["closure"] == "unsound"
    p1.unlink()
    other = ready.copied(tmp_path / "other")
    shutil.rmtree(other.folder)
    assert other.cli("run", "--seed", "42", "--run-id", BETTER).code == 0
    other.certification.unlink()
    assert other.cli("certify").code == 3
    close(other, "P0")
    p0.write_bytes((other.reports / "segment2a_p0_closure.json").read_bytes())
    found = standing(ready)["P0"]
    assert (found["closure"], "rests on" in found["problem"]) == ("unsound", True)
    close(ready, "P0")
    assert standing(ready)["P0"]["closure"] == "closed"


FORGED: list[tuple[str, Callable[[Any], object], str | None]] = [
    ("a decision", lambda d: d.update(decision="CERTIFIED"), "closure_sha256"),
    ("a reason", lambda d: d["conditions"][0].update(reason="yes"), "closure_sha256"),
    ("no conditions but one", lambda d: d.update(conditions=d["conditions"][:1]), "closure_sha256"),
    ("another phase before", lambda d: d.update(previous_sha256_hex="1" * 64), "closure_sha256"),
    ("an unsigned edit", lambda d: d.update(decision="CERTIFIED"), None),
]


@pytest.mark.parametrize(("change", "digest"), [f[1:] for f in FORGED], ids=[f[0] for f in FORGED])
def test_an_edited_closure_doesnt_stand(
    ready: Lane, change: Callable[[Any], object], digest: str | None
) -> None:
    close(ready, "P0")
    edit_json(ready.reports / "segment2a_p0_closure.json", change, digest)
    assert standing(ready)["P0"]["closure"] == "unsound"
    refused(ready, "P1", "2A-PH-002", "P0 isn't closed")


def test_exhaustion_isnt_proved_while_a_policy_can_act(ready: Lane) -> None:
    close(ready, "P0", "P1", "P2")
    watch(ready)
    refused(ready, "P3", "2A-PH-001", "a policy can still act", "IL 1")


def test_an_edited_watchlist_proves_nothing(ready: Lane) -> None:
    close(ready, "P0", "P1", "P2")
    watch(ready)
    assert condition(ready, "P3", "watchlist")[0]
    path = ready.reports / "segment2a_watchlist.json"
    edit_json(path, lambda d: d.update(entries=[]), "watchlist_sha256")
    assert "isn't what P2's certification gives" in condition(ready, "P3", "watchlist")[1]


@pytest.fixture
def guessing(lane: Lane) -> Lane:
    """A lane whose baseline guesses where zones overlap, because its lookup lets it."""
    shutil.rmtree(lane.folder)
    for path in lane.reports.glob("segment2a_*"):
        path.unlink()
    pin_authorities(lane)
    make_control(lane)
    lane.edit("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 0.5")
    lane.edit(
        "lookup.yaml", "country_consistent_tiebreak: true", "country_consistent_tiebreak: false"
    )
    assert lane.run().code == 0
    assert lane.cli("certify").code == 3
    return lane


def test_a_bounded_correction_closes_p3(guessing: Lane) -> None:
    close(guessing, "P0", "P1", "P2")
    assert watch(guessing)["entries"][0]["metric"] == "fallback_rate"
    refused(guessing, "P3", "2A-PH-001", "governance is 2A's own")
    guessing.edit(
        "lookup.yaml", "country_consistent_tiebreak: false", "country_consistent_tiebreak: true"
    )
    assert guessing.cli("run", "--seed", "42", "--run-id", BETTER).code == 0
    assert guessing.cli("certify").code == 3
    (closed,) = close(guessing, "P3")
    assert closed["decision"] == "CORRECTED"
    told = {c["id"]: c["reason"] for c in closed["conditions"]}
    assert told["correction"] == "better than the baseline: fallback_rate"
    assert [p["closure"] for p in standing(guessing).values()] == ["closed"] * 4 + ["open"]


def test_more_fallbacks_are_no_correction(ready: Lane) -> None:
    close(ready, "P0", "P1", "P2")
    ready.edit("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 0.5")
    ready.edit(
        "lookup.yaml", "country_consistent_tiebreak: true", "country_consistent_tiebreak: false"
    )
    assert ready.cli("run", "--seed", "42", "--run-id", BETTER).code == 0
    assert ready.cli("certify").code == 3
    assert "the fallback rate rose" in condition(ready, "P3", "no_inflation")[1]
    assert not condition(ready, "P3", "correction")[0]


def test_another_baseline_is_refused_once_p0_is_closed(guessing: Lane) -> None:
    first = guessing.certification
    assert guessing.cli("run", "--seed", "42", "--run-id", BETTER).code == 0
    assert guessing.cli("certify").code == 3
    second = first.with_name(f"segment2a_certification_42-{BETTER[:8]}.json")
    said = guessing.cli("programme", "close", "P0", "--baseline", second)
    assert said.json["closure"]["certification"]["path"].endswith(second.name)
    said = guessing.cli("programme", "close", "P0", "--baseline", first)
    assert said.error == "2A-PH-003"
    assert guessing.cli("programme", "close", "P1", "--baseline", first).code == 2


def test_p4_needs_clean_storage(alone: Lane) -> None:
    assert condition(alone, "P4", "retained")[0] is False
    close(alone, "P0", "P1")
    assert condition(alone, "P4", "retained")[0] is True
