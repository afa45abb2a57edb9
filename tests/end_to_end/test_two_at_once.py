"""Several processes on one lane: nothing is lost, nothing is torn, what works once works once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from tests.end_to_end.governed import Lane
from tests.end_to_end.killing import Killable

from civiltime.programme.ledger import Record, parse_ledger


def at_once(lane: Lane, *commands: Sequence[str | Path]) -> list[tuple[int, Any]]:
    """Commands in processes of their own, all started before one is awaited."""
    start = [sys.executable, "-m", "civiltime"]
    both = [
        subprocess.Popen(
            [*start, *map(str, command), "-w", str(lane.root), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for command in commands
    ]
    said = [process.communicate()[0] for process in both]
    return [(p.returncode, json.loads(out)) for p, out in zip(both, said, strict=True)]


def asking(reason: str) -> list[str | Path]:
    return [
        "exception", "request", "--requester", "Dora", "--reason", reason, "--gate",
        "override_rate", "--ceiling", "0.01", "--seed", "42", "--expires", "2099-12-31",
    ]  # fmt: skip


def ledger(lane: Lane) -> tuple[Record, ...]:
    """The ledger's lines, their chain proved."""
    return parse_ledger(lane.ledger.read_bytes())


def test_every_request_made_at_once_is_in_the_ledger(lane: Lane) -> None:
    said = at_once(lane, *(asking(f"reason {n}") for n in range(6)))
    assert [code for code, _ in said] == [0] * 6
    written = {Path(document["path"]).read_bytes() for _, document in said}
    assert {json.loads(raw)["reason"] for raw in written} == {f"reason {n}" for n in range(6)}
    assert [r.event for r in ledger(lane)] == ["requested"] * 6
    assert len({r.subject_sha256_hex for r in ledger(lane)}) == 6


def test_of_two_approvals_at_once_one_is_written(lane: Lane) -> None:
    request = lane.ask_exception()
    approving: list[str | Path] = ["approve", request, "--key", lane.key("Cleo")]
    said = at_once(lane, *[approving] * 3)
    assert sorted(code for code, _ in said) == [0, 1, 1]
    assert {d["error"]["code"] for code, d in said if code} == {"2A-GV-028"}
    assert [r.event for r in ledger(lane)] == ["requested", "approved"]


def test_of_two_candidates_at_once_one_uses_the_reopen(frozen: Lane) -> None:
    """Both may run, because the lane is open from then on; it was opened once."""
    frozen.approved(frozen.ask_reopen("--state", "S1", "--knob", "tz_nudge"))
    said = at_once(frozen, ["run", "--seed", "42"], ["run", "--seed", "42"])
    assert [code for code, _ in said] == [0, 0], said
    assert [r.event for r in ledger(frozen)].count("used") == 1


def test_of_two_freezes_at_once_one_is_new(lane: Lane) -> None:
    said = at_once(lane, ["freeze"], ["freeze"])
    assert [code for code, _ in said] == [0, 0], said
    assert sorted(d["publish"] for _, d in said) == ["NEW", "REUSE"]
    assert [r.event for r in ledger(lane)] == ["frozen"]


def test_a_request_killed_anywhere_leaves_a_whole_ledger(lane: Lane, killable: Killable) -> None:
    lane.ask_exception()
    for number in count(1):
        before = ledger(lane)
        killed = killable.killed(number, *asking(f"try {number}"), "-w", lane.root)
        after = ledger(lane)
        assert after[: len(before)] == before
        assert len(after) - len(before) in ({0, 1} if killed else {1})
        if not killed:
            break
    assert number > 5
    lane.approved(lane.ask_exception(), "Cleo")
