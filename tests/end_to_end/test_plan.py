"""``run --plan`` and the run that follows it, through the command line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import SEED, Small, civiltime
from tests.end_to_end.governed import Lane
from tests.end_to_end.refusals import files, refused


def planned(small: Small, *arguments: str) -> Any:
    """The plan of the run; planning changes nothing."""
    before = files(small.root)
    said = small.cli("run", "--plan", "--seed", str(SEED), *arguments)
    assert said.code == 0, said.err
    assert files(small.root) == before
    return said.json


def running(plan: Any) -> str:
    """The states that a plan, or a run, executes."""
    return " ".join(s for s, found in plan["states"].items() if found["decision"] == "run")


def repeated(small: Small) -> Any:
    return planned(small, "--run-id", small.run_id)


def edit(small: Small) -> None:
    """Change a policy's bytes, and nothing of what it says."""
    path = small.config("tz_nudge.yml")
    path.write_bytes(path.read_bytes() + b"# edited\n")


def test_a_run_that_isnt_there_yet_is_planned_whole_and_not_made(small: Small) -> None:
    for arguments in ((), ("--run-id", small.run_id)):
        plan = planned(small, *arguments)
        assert running(plan) == "S0 S1 S2 S3 S4 S5"
        assert plan["states"]["S0"]["reasons"] == ["the run is new"]
        assert plan["new_run_needed"] == []
    assert not small.folder.exists()


def test_a_folder_without_a_receipt_is_no_run_and_gets_none(small: Small) -> None:
    small.folder.mkdir(parents=True)
    assert running(repeated(small)) == "S0 S1 S2 S3 S4 S5"


def test_the_plan_is_what_the_run_then_does(small_run: Small) -> None:
    assert running(repeated(small_run)) == ""
    shutil.rmtree(small_run.partition("tz_timetable_cache"))
    plan = repeated(small_run)
    assert running(plan) == "S3 S4 S5"
    assert plan["states"]["S3"]["reasons"] == ["tz_timetable_cache is missing"]
    assert plan["states"]["S4"]["reasons"][0] == "tz_timetable_cache is missing"
    before = {s: small_run.report(s) for s in ("S0", "S1", "S2")}
    said = small_run.run()
    assert (said.code, running(said.json)) == (0, "S3 S4 S5")
    assert {s: small_run.report(s) for s in before} == before
    assert running(repeated(small_run)) == ""
    assert small_run.cli("verify", small_run.run_id).code == 0


def test_a_kept_state_says_so_to_a_person_and_in_the_log(small_run: Small) -> None:
    arguments = ("--seed", str(SEED), "--run-id", small_run.run_id, "-w", small_run.root)
    shown = civiltime("run", *arguments)
    rows = [line.split() for line in shown.out.splitlines()[2:8]]
    assert [(r[0], *r[-4:]) for r in rows] == [
        (f"S{n}", "KEEP", "pass", "REUSE", "-") for n in range(6)
    ]
    log = (small_run.folder / "logs/layer1/2A/segment_2A.jsonl").read_text()
    assert log.count('"STATE_KEPT"') == 6


def test_a_plan_is_shown_within_a_hundred_columns(small_run: Small) -> None:
    arguments = ("--plan", "--seed", str(SEED), "--run-id", small_run.run_id)
    for _ in range(2):
        shown = civiltime("run", *arguments, "-w", small_run.root)
        assert max(map(len, shown.out.splitlines())) <= 100, shown.out
        edit(small_run)
        stranger = small_run.folder / "data/layer1/2A/stranger.txt"
        stranger.write_text("")
    assert "a new run is needed" in shown.out


def test_a_sealed_input_that_changed_needs_a_new_run(small_run: Small) -> None:
    edit(small_run)
    plan = repeated(small_run)
    assert running(plan) == "S0 S1 S2 S3 S4 S5"
    assert plan["new_run_needed"] == plan["states"]["S0"]["reasons"] == ["tz_nudge changed"]
    assert small_run.run().code == 1
    other = small_run.cli("run", "--seed", str(SEED))
    assert other.code == 0, other.err


def test_another_pinned_release_needs_a_new_run(small_run: Small) -> None:
    path = small_run.root / "civiltime.toml"
    text = path.read_text()
    assert 'tzdb = "2026c"' in text
    path.write_text(text.replace('tzdb = "2026c"', 'tzdb = "2026b"'))
    plan = repeated(small_run)
    assert plan["new_run_needed"] == ["tzdb is pinned to 2026b, the run sealed another"]
    assert running(plan) == "S0 S1 S2 S3 S4 S5"


def test_upstream_sites_that_changed_are_found(small_run: Small) -> None:
    (path,) = (small_run.upstream).rglob("part-*.parquet")
    path.write_bytes(path.read_bytes() + b"\0")
    assert "site_locations changed" in repeated(small_run)["new_run_needed"]


def test_a_stranger_among_the_published_runs_the_checks_of_s5(small_run: Small) -> None:
    (small_run.folder / "data/layer1/2A/stranger.txt").write_text("")
    assert running(repeated(small_run)) == "S5"
    assert small_run.run().error == "2A-S5-012"


def test_authorities_are_verified_though_everything_is_kept(lane: Lane) -> None:
    report = lane.root / "runs/lock.json"
    report.write_text('{"run_id": "' + "ab" * 16 + '"}')
    assert running(repeated(lane)) == ""
    assert lane.cli("authorities", "pin", "1B", report).code == 0
    plan = repeated(lane)
    assert (running(plan), plan["new_run_needed"]) == ("S0 S1 S2 S3 S4 S5", [])
    assert lane.run().code == 0
    assert running(repeated(lane)) == ""
    report.write_text("{}")
    assert running(repeated(lane)) == "S0 S1 S2 S3 S4 S5"
    assert lane.run().error == "2A-S0-090"


def test_a_plan_in_a_frozen_lane_uses_up_no_reopen(frozen: Lane) -> None:
    approval = frozen.approved(frozen.ask_reopen())
    planned(frozen)
    assert frozen.verify(approval) == ""


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("2A-WS-011", ("--seed", "42", "--run-id", "../x")),
        ("2A-WS-020", ("--seed", "43")),
        ("2A-WS-013", ("--seed", "7", "--run-id", "0" * 31 + "1")),
    ],
)
def test_what_cant_run_cant_be_planned(
    small_run: Small, code: str, arguments: tuple[str | Path, ...]
) -> None:
    refused(small_run.root, code, "run", "--plan", *arguments)
