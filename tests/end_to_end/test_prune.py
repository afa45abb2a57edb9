"""Pruning: what stays, what goes, and that nothing goes without its line in the record."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import civiltime
from tests.end_to_end.governed import Lane
from tests.end_to_end.killing import Killable
from tests.end_to_end.refusals import files, refused

from civiltime.contracts import schema
from civiltime.workspace.config import open_workspace
from civiltime.workspace.digest import canonical_json, sha256_file
from civiltime.workspace.publish import people_json
from civiltime.workspace.runs import open_run

CERTIFIED = "0" * 31 + "1"
FAILED, OLD, NEW = (digit * 32 for digit in "234")


@pytest.fixture(scope="module")
def crowded_template(lane_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lane with a certified run, a failed one, a superseded one and a candidate."""
    lane = Lane(lane_template / "workspace").copied(tmp_path_factory.mktemp("crowded"))
    assert lane.run_id == CERTIFIED
    lane.edit("tz_overrides.yaml", "[]", "[")
    assert made(lane, FAILED).error == "2A-S0-030"
    lane.edit("tz_overrides.yaml", "[", "[]")
    for run_id in (OLD, NEW):
        assert made(lane, run_id).code == 0
    return lane.root


@pytest.fixture
def crowded(crowded_template: Path, tmp_path: Path) -> Lane:
    """A fresh copy of it."""
    shutil.copytree(crowded_template, tmp_path / "workspace")
    return Lane(tmp_path / "workspace")


def made(lane: Lane, run_id: str) -> Any:
    return lane.cli("run", "--seed", "42", "--run-id", run_id)


def there(lane: Lane) -> set[str]:
    """The runs on the disk."""
    return {p.name for p in lane.folder.parent.iterdir() if len(p.name) == 32}


def record(lane: Lane) -> list[dict[str, Any]]:
    """The lines of the record, each proved to be canonical."""
    lines = (lane.reports / "retention.jsonl").read_bytes().splitlines()
    found = [json.loads(line) for line in lines]
    assert [canonical_json(line) for line in found] == lines
    return found


def pin(lane: Lane, run_id: str) -> None:
    """Let a timing baseline name a run."""
    said = lane.cli("perf", "baseline", run_id)
    assert said.code == 0, said.err


def test_what_goes_is_shown_with_its_reason_and_nothing_changes(crowded: Lane) -> None:
    before = files(crowded.root)
    said = crowded.cli("runs", "prune").json
    assert [(r["run_id"], r["role"]) for r in said["runs"]] == [
        (FAILED, "failed"),
        (OLD, "superseded"),
    ]
    assert [r["reason"] for r in said["runs"]] == [
        "S0 failed with 2A-S0-030",
        "run 44444444 of its seed is newer",
    ]
    folder = crowded.folder.parent / OLD
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    assert said["runs"][1]["bytes"] == size
    assert said["deleted"] is False
    shown = civiltime("runs", "prune", "-w", crowded.root)
    assert "nothing is deleted without --yes" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100
    assert files(crowded.root) == before


def test_the_list_shows_roles_that_follow_from_artefacts(crowded: Lane) -> None:
    def listed() -> dict[str, str]:
        return {r["run_id"]: r["role"] for r in crowded.cli("runs", "list").json["runs"]}

    assert listed() == {
        CERTIFIED: "superseded", FAILED: "failed", OLD: "superseded", NEW: "candidate",
    }  # fmt: skip
    pin(crowded, OLD)
    assert listed()[OLD] == "baseline"
    assert crowded.cli("certify").code == 3
    assert listed()[CERTIFIED] == "superseded"
    shutil.rmtree(crowded.reports)
    assert listed()[CERTIFIED] == "superseded"


def test_with_yes_they_are_deleted_and_recorded(crowded: Lane) -> None:
    folder = crowded.folder.parent / OLD
    workspace = open_workspace(crowded.root)
    flag = open_run(workspace, OLD).path("validation_passed_flag_2A")
    digests = sha256_file(folder / "run_receipt.json"), flag.read_text().split()[-1]
    kept = {p: d for p, d in files(crowded.root).items() if FAILED not in p and OLD not in p}
    said = crowded.cli("runs", "prune", "--yes").json
    assert {r["run_id"] for r in said["runs"]} == {FAILED, OLD}
    assert there(crowded) == {CERTIFIED, NEW}
    failed, old = record(crowded)
    assert (failed["run_id"], failed["flag_sha256_hex"]) == (FAILED, None)
    assert (old["receipt_sha256_hex"], old["flag_sha256_hex"]) == digests
    assert old["bytes"] == said["runs"][1]["bytes"]
    record_path = "runs/fix-data-engine/segment_2A/reports/retention.jsonl"
    assert {p: d for p, d in files(crowded.root).items() if p != record_path} == kept
    assert crowded.cli("runs", "prune", "--yes").json["runs"] == []
    assert len(record(crowded)) == 2
    assert crowded.cli("certify").code == 3
    assert crowded.cli("verify", CERTIFIED).code == 0


def test_only_the_named_run_goes(crowded: Lane) -> None:
    assert crowded.cli("runs", "prune", OLD, "--yes").code == 0
    assert there(crowded) == {CERTIFIED, FAILED, NEW}


@pytest.mark.parametrize("yes", [(), ("--yes",)])
def test_a_kept_run_isnt_deleted_even_when_named(crowded: Lane, yes: tuple[str, ...]) -> None:
    message = refused(crowded.root, "2A-RT-002", "runs", "prune", CERTIFIED, OLD, *yes)
    assert f"pinned by {crowded.certification.name}" in message
    assert "newest" in refused(crowded.root, "2A-RT-002", "runs", "prune", NEW, *yes)
    refused(crowded.root, "2A-WS-011", "runs", "prune", "e" * 32, *yes)
    refused(crowded.root, "2A-WS-011", "runs", "prune", "../" + OLD, *yes)


def test_freezes_and_timing_baselines_pin(crowded: Lane) -> None:
    crowded.freeze()
    pin(crowded, OLD)
    crowded.certification.unlink()
    said = crowded.cli("runs", "prune", "--yes").json
    assert [r["run_id"] for r in said["runs"]] == [FAILED]
    assert there(crowded) == {CERTIFIED, OLD, NEW}


def test_a_certification_that_another_is_compared_with_pins_baselines(crowded: Lane) -> None:
    assert crowded.cli("certify", "--baseline", crowded.certification).code == 3
    standing = crowded.cli("runs", "show", CERTIFIED).json["standing"]
    assert standing == {
        "role": "baseline",
        "kept": True,
        "reason": f"pinned by {crowded.certification.name}",
    }
    shown = civiltime("runs", "show", CERTIFIED, "-w", crowded.root)
    assert "role    baseline, kept\n" in shown.out


def example(shape: Any) -> Any:
    """The least document of a shape; a run id in it is that of ``OLD``."""
    if "const" in shape or "enum" in shape:
        return shape.get("const", shape.get("enum", [None])[0])
    kind = shape["type"][0] if isinstance(shape["type"], list) else shape["type"]
    if kind == "object":
        return {name: example(shape["properties"][name]) for name in shape.get("required", ())}
    if kind == "array":
        return [example(shape["items"]) for _ in range(shape.get("minItems", 0))]
    if kind == "string":
        texts = (OLD, "0" * 64, "42", "2026-01-01T00:00:00.000000Z", "0" * 16, "1.0.0")
        return next(t for t in texts if re.search(shape.get("pattern", ""), t))
    return {"boolean": True, "integer": 1, "number": 1, "null": None}[kind]


def test_an_integrated_lock_pins_its_witness(crowded: Lane) -> None:
    lock = example(schema("segment2a_popt4_integrated"))
    path = crowded.reports / f"segment2a_popt4_integrated_{OLD}.json"
    path.write_bytes(people_json(lock))
    assert crowded.cli("runs", "show", OLD).json["standing"]["role"] == "witness"
    assert [r["run_id"] for r in crowded.cli("runs", "prune").json["runs"]] == [FAILED]


def damaged_certification(lane: Lane) -> None:
    path = lane.certification
    path.write_bytes(path.read_bytes().replace(b"FAIL_REALISM", b"PASS_BPLUS", 1))


def torn_certification(lane: Lane) -> None:
    lane.certification.write_bytes(lane.certification.read_bytes()[:1000])


def lost_freeze(lane: Lane) -> None:
    lane.freeze()
    (lane.reports / "segment2a_freeze.json").unlink()


def edited_ledger(lane: Lane) -> None:
    lane.freeze()
    lane.ledger.write_bytes(lane.ledger.read_bytes().replace(b'"sequence":1', b'"sequence":2'))


def lock_that_is_none(lane: Lane) -> None:
    (lane.reports / f"segment2a_popt4_integrated_{OLD}.json").write_text("{}")


@pytest.mark.parametrize("yes", [(), ("--yes",)])
@pytest.mark.parametrize(
    "damage",
    [damaged_certification, torn_certification, lost_freeze, edited_ledger, lock_that_is_none],
)
def test_where_an_artefact_cant_be_read_nothing_goes(
    crowded: Lane, damage: Any, yes: tuple[str, ...]
) -> None:
    damage(crowded)
    refused(crowded.root, "2A-RT-001", "runs", "prune", *yes)
    refused(crowded.root, "2A-RT-001", "runs", "prune", OLD, *yes)
    said = crowded.cli("runs", "list")
    assert (said.code, {r["role"] for r in said.json["runs"]}) == (0, {"unknown"})
    assert "2A-RT-001" in said.err


@pytest.mark.parametrize("damage", [b'{"run_id":', b"{}\n", b"\xff\n"])
def test_a_record_that_isnt_as_it_was_written_stops_every_deletion(
    crowded: Lane, damage: bytes
) -> None:
    assert crowded.cli("runs", "prune", OLD, "--yes").code == 0
    path = crowded.reports / "retention.jsonl"
    path.write_bytes(path.read_bytes() + damage)
    assert "line 2" in refused(crowded.root, "2A-RT-003", "runs", "prune", "--yes")


def test_a_run_at_work_is_never_deleted(crowded: Lane) -> None:
    with open_run(open_workspace(crowded.root), OLD).locked():
        said = crowded.cli("runs", "prune", "--yes").json
        assert said["at_work"] == [OLD]
        assert OLD in there(crowded)
        shown = civiltime("runs", "prune", "--yes", "-w", crowded.root)
        assert "another process works on it" in shown.out
    assert crowded.cli("runs", "prune", "--yes").json["at_work"] == []
    assert there(crowded) == {CERTIFIED, NEW}


def test_a_run_whose_receipt_is_lost_may_go(crowded: Lane) -> None:
    (crowded.folder.parent / OLD / "run_receipt.json").unlink()
    assert crowded.cli("runs", "prune", OLD, "--yes").code == 0
    (line,) = record(crowded)
    assert (line["role"], line["receipt_sha256_hex"]) == ("failed", None)


def test_a_run_made_again_under_a_pruned_id_gets_a_line_of_its_own(crowded: Lane) -> None:
    assert crowded.cli("runs", "prune", OLD, "--yes").code == 0
    assert made(crowded, OLD).code == 0
    assert made(crowded, "5" * 32).code == 0
    assert crowded.cli("runs", "prune", OLD, "--yes").code == 0
    assert [line["run_id"] for line in record(crowded)] == [OLD, OLD]


def test_two_prunes_at_once_record_each_deletion_once(crowded: Lane) -> None:
    command = [sys.executable, "-m", "civiltime", "runs", "prune", "--yes", "-w", str(crowded.root)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(out.count(OLD) for out in said) == 1
    assert there(crowded) == {CERTIFIED, NEW}
    assert sorted(line["run_id"] for line in record(crowded)) == [FAILED, OLD]


def test_a_prune_killed_anywhere_leaves_whole_runs_and_the_next_one_finishes_it(
    crowded_template: Path, tmp_path: Path, killable: Killable
) -> None:
    whole = files(crowded_template)
    for number in chain(range(1, 16), range(16, 4000, 40)):
        lane = Lane(tmp_path / f"killed-{number}")
        shutil.copytree(crowded_template, lane.root)
        killed = killable.killed(number, "runs", "prune", "--yes", "-w", lane.root)
        for run_id in there(lane):
            prefix = f"runs/fix-data-engine/segment_2A/{run_id}/"
            left = {p: d for p, d in files(lane.root).items() if p.startswith(prefix)}
            assert left == {p: d for p, d in whole.items() if p.startswith(prefix)}, number
        gone = {CERTIFIED, FAILED, OLD, NEW} - there(lane)
        if gone:
            assert gone <= {line["run_id"] for line in record(lane)}
        assert lane.cli("runs", "list").code == 0
        assert lane.cli("runs", "prune", "--yes").code == 0
        assert there(lane) == {CERTIFIED, NEW}
        assert sorted(line["run_id"] for line in record(lane)) == [FAILED, OLD]
        names = {p.name for p in lane.folder.parent.iterdir()}
        assert names == {CERTIFIED, NEW, "reports"}
        assert not [p for p in lane.reports.iterdir() if p.suffix == ".tmp"]
        shutil.rmtree(lane.root)
        if not killed:
            break
    assert number > 50, "it was killed amid the removal, too"
