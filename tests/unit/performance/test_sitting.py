"""A side that gives another result in one round than before is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Small

from civiltime.errors import CivilTimeError
from civiltime.performance import sitting
from civiltime.performance.bench import TIMED, Bench
from civiltime.performance.sitting import Seat, medians
from civiltime.workspace.config import open_workspace
from civiltime.workspace.runs import Run, open_run

DECIDED = {"S0": {"a check": "pass"}}


@pytest.fixture
def seated(small_run: Small, monkeypatch: pytest.MonkeyPatch) -> tuple[Seat, Run]:
    """A side that has shown what it publishes and decides; each round finds the same."""
    workspace = open_workspace(small_run.root)
    run = open_run(workspace, small_run.run_id)
    seat = Seat(Bench("candidate", Path("unused"), workspace), {})
    seat.outputs = sitting._outputs(run.folder)
    seat.decisions = {**DECIDED, "verify": {"intact": "exit 0"}}
    monkeypatch.setattr(sitting, "_repeat", lambda _seat, _run: ({}, DECIDED))
    return seat, run


def test_a_round_like_the_first_counts(seated: tuple[Seat, Run]) -> None:
    found = sitting._round(*seated, 3, 2)
    assert (found["round"], found["turn"]) == (3, 2)


def test_other_bytes_in_a_round_are_refused(seated: tuple[Seat, Run]) -> None:
    seat, run = seated
    (table,) = run.partition("site_timezones").glob("*.parquet")
    table.write_bytes(table.read_bytes() + b"!")
    with pytest.raises(CivilTimeError, match="candidate: round 3 published other bytes") as caught:
        sitting._round(seat, run, 3, 2)
    assert caught.value.code == "2A-PF-007"


def test_another_decision_in_a_round_is_refused(
    seated: tuple[Seat, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    other: Any = {"S0": {"a check": "warn"}}
    monkeypatch.setattr(sitting, "_repeat", lambda _seat, _run: ({}, other))
    with pytest.raises(CivilTimeError, match="candidate: round 3 decided otherwise") as caught:
        sitting._round(*seated, 3, 2)
    assert caught.value.code == "2A-PF-007"


def test_medians_are_of_each_measure_alone() -> None:
    rounds = [
        {"measures": {s: {"wall_ms": w, "cpu_ms": c, "peak_rss_bytes": 1.0} for s in TIMED}}
        for w, c in ((1.0, 9.0), (2.0, 8.0), (30.0, 1.0))
    ]
    assert medians(rounds)["total"] == {"wall_ms": 2.0, "cpu_ms": 8.0, "peak_rss_bytes": 1.0}
