"""``civiltime demo --full``: the whole programme, and what it left on the disk.

12,000 sites, as in the certified world of the other tests: both postures have the verdicts there
that they have at full size.  What is asked here is read from the disk; of what the demo tells,
only the names of its files.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Said, civiltime

from civiltime.programme.ledger import parse_ledger
from civiltime.workspace.digest import sha256_file
from civiltime.workspace.strict_yaml import parse_document

SITES = "12000"
SEEDS = {"42", "7", "101", "202"}
PHASES = ("p0", "p1", "p2", "p3", "p4")
CONTROL = "0" * 31 + "c"

pytestmark = pytest.mark.slow


class Told:
    """The story's workspace."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lane = root / "runs/fix-data-engine/segment_2A"
        self.reports = self.lane / "reports"
        self.said = self.tell()

    def tell(self, *options: str) -> Said:
        """The command."""
        return civiltime(
            "demo", "--full", "--sites", SITES, "-w", self.root, *(options or ["--json"])
        )

    def bytes(self) -> dict[str, str]:
        """The digest of every file of the lane but the locks."""
        files = (p for p in self.lane.rglob("*") if p.is_file() and p.name != ".lock")
        return {p.relative_to(self.lane).as_posix(): sha256_file(p) for p in files}

    def certifications(self) -> dict[str, Any]:
        """The certifications by verdict."""
        found = [read(p) for p in self.reports.glob("segment2a_certification_*.json")]
        return {document["verdict"]: document for document in found}

    def closures(self, pattern: str) -> dict[str, Any]:
        """Closures by phase."""
        found = [read(p) for p in self.reports.glob(pattern)]
        return {document["phase"].lower(): document for document in found}


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_bytes())


def runs_of(document: Mapping[str, Any]) -> dict[str, str]:
    """Run by seed."""
    return {seed: entry["run_id"] for seed, entry in document["seeds"].items()}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The story, told once."""
    story = Told(tmp_path_factory.mktemp("full") / "workspace")
    assert story.said.code == 0, story.said.out + story.said.err
    return story


def test_the_first_cycle_fails_and_the_second_is_at_b_plus(told: Told) -> None:
    judged = told.certifications()
    assert set(judged) == {"FAIL_REALISM", "PASS_BPLUS"}
    before, after = judged["FAIL_REALISM"], judged["PASS_BPLUS"]
    assert set(before["seeds"]) == set(after["seeds"]) == SEEDS
    assert {e["verdict"] for e in before["seeds"].values()} == {"FAIL_REALISM"}
    assert {e["verdict"] for e in after["seeds"].values()} == {"PASS_BPLUS"}
    compared = after["movement"]["baseline"]["certification_sha256"]
    assert compared == before["certification_sha256"]
    assert not set(runs_of(before).values()) & set(runs_of(after).values())


def test_the_control_failed_closed_under_a_policy_that_is_put_back(told: Told) -> None:
    (path,) = told.lane.glob(f"{CONTROL}/reports/**/state=S1/**/*.json")
    report = read(path)
    assert (report["status"], report["errors"][0]["code"]) == ("fail", "2A-S1-090")
    assert not list(told.lane.glob(f"{CONTROL}/data/**/s1_tz_lookup"))
    policy = told.root / "config/layer1/2A/policy/lookup.yaml"
    default = resources.files("civiltime.policy").joinpath("defaults", "lookup.yaml")
    assert policy.read_bytes() == default.read_bytes()


@pytest.mark.parametrize(
    ("pattern", "verdict", "decisions"),
    [
        (
            "past/segment2a_*_closure_*.json",
            "FAIL_REALISM",
            ("BASELINE_LOCKED", "GOVERNED", "FAIL_REALISM", "UPSTREAM_CONSTRAINED",
             "FROZEN_BEST_EFFORT_FAIL_REALISM"),
        ),
        (
            "segment2a_*_closure.json",
            "PASS_BPLUS",
            ("BASELINE_LOCKED", "GOVERNED", "PASS_BPLUS", "NOTHING_TO_CORRECT",
             "LOCKED_PASS_BPLUS"),
        ),
    ],
)  # fmt: skip
def test_every_phase_closed_in_both_cycles(
    told: Told, pattern: str, verdict: str, decisions: tuple[str, ...]
) -> None:
    closures = told.closures(pattern)
    assert tuple(closures[phase]["decision"] for phase in PHASES) == decisions
    judged = told.certifications()[verdict]
    for closure in closures.values():
        about = read(told.root / closure["certification"]["path"])
        assert runs_of(about) == runs_of(judged)
    assert CONTROL in closures["p1"]["runs"]
    files = sorted(told.reports.glob(pattern))
    for path, follower in zip(files, PHASES[1:], strict=False):
        assert closures[follower]["previous_sha256_hex"] == sha256_file(path)


def test_exhaustion_was_counted_over_every_row_of_the_watched_countries(told: Told) -> None:
    closure = told.closures("past/segment2a_*_closure_*.json")["p3"]
    reason = {c["id"]: c["reason"] for c in closure["conditions"]}["correction"]
    counted = re.match(r"exhausted: ([\d,]+) rows, each decided by its polygon alone", reason)
    assert counted
    assert int(counted[1].replace(",", "")) > 1_000
    assert read(told.reports / "segment2a_watchlist.json")["entries"] == []


def test_the_freeze_named_its_blockers_and_the_lock_has_none(told: Told) -> None:
    (path,) = told.reports.glob("past/segment2a_freeze_*.json")
    before, lock = read(path), read(told.reports / "segment2a_freeze.json")
    assert before["status"] == "FROZEN_BEST_EFFORT_FAIL_REALISM"
    assert {b["seed"] for b in before["blockers"]} == SEEDS
    assert {b["owning_surface"] for b in before["blockers"]} == {"1B: placement of the sites"}
    assert len(before["reopen_contract"]) == 4
    assert (lock["status"], lock["blockers"]) == ("LOCKED_PASS_BPLUS", [])
    frozen = {seed: run["run_id"] for seed, run in lock["runs"].items()}
    assert frozen == runs_of(told.certifications()["PASS_BPLUS"])


def test_the_ledger_tells_who_did_what_in_which_order(told: Told) -> None:
    records = parse_ledger((told.reports / "governance.jsonl").read_bytes())
    assert [(r.event, r.act, r.who) for r in records] == [
        ("pinned", "pin 1A", None),
        ("pinned", "pin 1B", None),
        ("frozen", "FROZEN_BEST_EFFORT_FAIL_REALISM", None),
        ("requested", "reopen", "Dora"),
        ("approved", "reopen", "Ben"),
        ("used", "pin 1B", "Ben"),
        ("used", "open", "Ben"),
        ("frozen", "LOCKED_PASS_BPLUS", None),
    ]
    (path,) = told.reports.glob("past/segment2a_freeze_*.json")
    assert records[2].subject_sha256_hex == sha256_file(path)
    lock = told.reports / "segment2a_freeze.json"
    assert records[-1].subject_sha256_hex == sha256_file(lock)


def test_the_reopen_pinned_what_it_asked_for(told: Told) -> None:
    (path,) = (p for p in told.reports.glob("governance/reopen_*.json") if "approval" not in p.name)
    request = read(path)
    (wanted,) = request["authorities"]
    assert (request["states"], request["knobs"]) == (["S0"], [])
    expected = {m["metric"] for m in request["expected_movement"]}
    failed = failing(told.certifications()["FAIL_REALISM"])
    assert expected == failed - {"cohorts_not_empty"}  # which has no figure to move
    pins = parse_document((told.root / "authorities.yaml").read_bytes(), "authorities").data
    pinned = pins["authorities"]["1B"]
    assert pinned["sha256_hex"] == wanted["sha256_hex"] != wanted["replaces_sha256_hex"]
    assert sha256_file(told.root / pinned["report"]) == wanted["sha256_hex"]
    for seen in request["evidence"]:
        assert sha256_file(told.root / seen["path"]) == seen["sha256_hex"]


def failing(judged: Mapping[str, Any]) -> set[str]:
    """Ids of the gates that fail on any seed."""
    gates = [gate for entry in judged["seeds"].values() for gate in entry["gates"]]
    return {gate["id"] for gate in gates if gate["band"] == "FAIL"}


def test_storage_is_clean_and_no_key_lies_in_it(told: Told) -> None:
    (line,) = (told.reports / "retention.jsonl").read_text().splitlines()
    deleted = json.loads(line)
    assert deleted["role"] == "failed"
    assert not (told.lane / deleted["run_id"]).exists()
    runs = {p.parent.name for p in told.lane.glob("*/run_receipt.json")}
    judged = told.certifications().values()
    assert runs == {CONTROL, *(run for d in judged for run in runs_of(d).values())}
    keys = sorted(told.root.with_name("workspace-keys").iterdir())
    assert [key.name for key in keys] == ["ben.key", "dora.key"]
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert not list(told.root.rglob("*.key"))


def test_performance_has_a_baseline_and_no_lock(told: Told) -> None:
    run_id = runs_of(told.certifications()["PASS_BPLUS"])["42"]
    baseline = read(told.reports / f"segment2a_popt0_baseline_{run_id}.json")
    assert baseline["runs"][0]["run_id"] == run_id
    assert (told.reports / f"segment2a_popt0_hotspots_{run_id}.json").is_file()
    assert not list(told.reports.glob("segment2a_popt4_*"))


def test_every_artefact_is_listed_and_every_step_names_files_that_are_there(told: Told) -> None:
    document = told.said.json
    assert (document["verdict"], document["told_before"]) == ("PASS_BPLUS", False)
    files = {p for p in told.reports.rglob("*") if p.is_file() and not p.name.startswith(".")}
    assert {told.root / path for path in document["artefacts"]} == files
    named = {path for step in document["steps"] for path in step["artefacts"]}
    assert named
    assert all((told.root / path).is_file() for path in named)


def test_again_changes_no_byte(told: Told) -> None:
    before = told.bytes()
    again = told.tell("--json").json
    assert (again["told_before"], again["verdict"]) == (True, "PASS_BPLUS")
    assert again["lock"] == told.said.json["lock"]
    assert again["artefacts"] == told.said.json["artefacts"]
    page = told.tell("-w", str(told.root))
    assert page.code == 0
    assert "LOCKED_PASS_BPLUS" in page.out
    assert told.bytes() == before


def test_a_locked_lane_takes_no_run_from_the_demo_either(told: Told) -> None:
    before = {p.name for p in told.lane.iterdir()}
    said = civiltime(
        "demo", "--posture", "population", "--sites", "100", "--seeds", "42",
        "-w", told.root, "--json",
    )  # fmt: skip
    assert said.error == "2A-GV-040"
    assert {p.name for p in told.lane.iterdir()} == before


def test_a_workspace_that_isnt_the_storys_is_left_alone(told: Told, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    assert civiltime("init", root).code == 0
    said = civiltime("demo", "--full", "-w", root, "--json")
    assert said.error == "2A-WS-003"
    assert not (root / "runs").exists()
    broken = tmp_path / "broken"
    shutil.copytree(told.root, broken, ignore=shutil.ignore_patterns("cache", "plots"))
    (broken / "runs/fix-data-engine/segment_2A/reports/segment2a_freeze.json").unlink()
    assert civiltime("demo", "--full", "-w", broken, "--json").error.startswith("2A-")


@pytest.mark.parametrize(
    "options", [("--posture", "collapsed"), ("--seeds", "42"), ("--sites", "11999")]
)
def test_options_that_the_story_doesnt_have(options: tuple[str, str], tmp_path: Path) -> None:
    assert civiltime("demo", "--full", *options, "-w", tmp_path / "no").code == 2
    assert not (tmp_path / "no").exists()
