"""Comparing builds in a workspace: a sitting and its judgement, or a judgement made again.

The law (specification 5.7): a sitting writes both sides' timings and then the comparison, which
names both by digest.  Timings are judged again only where that comparison still names them as they
are, so a file that was edited since is refused (2A-PF-004).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from civiltime.errors import CivilTimeError
from civiltime.performance.artefacts import (
    UNUSABLE,
    Evidence,
    evidence,
    read_artefact,
    write_artefact,
)
from civiltime.performance.bench import SIDES, Side, find_executable
from civiltime.performance.budgets import open_budgets
from civiltime.performance.compare import compare, require_pair, require_unaltered
from civiltime.performance.pairs import ROUNDS
from civiltime.performance.sitting import sit
from civiltime.programme.decisions import approved_waivers
from civiltime.workspace.clock import now_utc
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_file
from civiltime.workspace.runs import open_run

TIMINGS = "segment2a_popt_timings"
COMPARISON = "segment2a_popt_comparison"
LOCK = "segment2a_popt4_integrated"


def measure(
    workspace: Workspace,
    run_id: str,
    builds: Mapping[Side, Path],
    state: str,
    rounds: int | None = None,
    witnesses: Sequence[str] = (),
    progress: Callable[[str, float], None] = lambda _label, _share: None,
) -> tuple[dict[str, Any], Path]:
    """Hold a sitting on a run, write its three artefacts; the comparison and its file."""
    run = open_run(workspace, run_id)
    others = [open_run(workspace, w) for w in dict.fromkeys(witnesses) if w != run_id]
    executables = {side: find_executable(builds[side]) for side in SIDES}
    timings = sit(run, executables, ROUNDS if rounds is None else rounds, others, progress)
    names: dict[Side, Evidence] = {}
    for side in SIDES:
        path = workspace.path(TIMINGS, sitting_id=timings[side]["sitting_id"], side=side)
        write_artefact(path, timings[side], TIMINGS)
        names[side] = evidence(workspace.relative(path), sha256_file(path))
    return _judge(workspace, timings, names, state)


def rejudge(
    workspace: Workspace, one: Path, two: Path, state: str | None = None
) -> tuple[dict[str, Any], Path]:
    """Judge a sitting's timings again, by the budgets and waivers that hold now.

    2A-PF-004 where a file is none, or was altered; 2A-PF-005 where they are no pair; 2A-PF-009
    where a lock rests on the comparison as it is.
    """
    read = [read_artefact(workspace, path, TIMINGS) for path in (one, two)]
    baseline, candidate = require_pair(read[0][0], read[1][0])
    timings: dict[Side, Mapping[str, Any]] = {"baseline": baseline, "candidate": candidate}
    names: dict[Side, Evidence] = {doc["side"]: name for doc, name in read}
    path = workspace.path(COMPARISON, sitting_id=candidate["sitting_id"])
    before, _ = read_artefact(workspace, path, COMPARISON)
    for side in SIDES:
        require_unaltered(timings[side], names[side]["path"])
        _require_named(before, side, names[side])
    _require_free(workspace, path)
    return _judge(workspace, timings, names, state or before["state"])


def read_comparison(workspace: Workspace, path: Path) -> tuple[dict[str, Any], Evidence]:
    """A comparison that is still what its timings give, and its name.

    2A-PF-004 where a file is none or was altered, 2A-PF-010 where the comparison says anything
    else than its timings give by the budgets and waivers that hold now.
    """
    document, name = read_artefact(workspace, path, COMPARISON)
    timings: dict[Side, dict[str, Any]] = {}
    for side in SIDES:
        timings[side], found = read_artefact(workspace, Path(document[side]["path"]), TIMINGS)
        _require_named(document, side, found)
        require_unaltered(timings[side], found["path"])
    again = compare(
        *require_pair(timings["baseline"], timings["candidate"]),
        document["state"],
        open_budgets(workspace),
        approved_waivers(workspace, now_utc()),
    )
    if {**document, **again} != document:
        where = name["path"]
        raise CivilTimeError(
            "2A-PF-010",
            f"{where} isn't what its timings give by the budgets and waivers of now",
            {"path": where},
        )
    return document, name


def _require_named(comparison: Mapping[str, Any], side: Side, found: Evidence) -> None:
    """2A-PF-004 unless the comparison names these timings as they are."""
    if comparison[side]["sha256_hex"] != found["sha256_hex"]:
        where = found["path"]
        raise CivilTimeError(UNUSABLE, f"{where} was altered after the sitting", {"path": where})


def _judge(
    workspace: Workspace,
    timings: Mapping[Side, Mapping[str, Any]],
    names: Mapping[Side, Evidence],
    state: str,
) -> tuple[dict[str, Any], Path]:
    now = now_utc()
    baseline, candidate = require_pair(timings["baseline"], timings["candidate"])
    waivers = approved_waivers(workspace, now)
    document: dict[str, Any] = {
        **compare(baseline, candidate, state, open_budgets(workspace), waivers),
        "baseline": names["baseline"],
        "candidate": names["candidate"],
        "generated_utc": now,
    }
    path = workspace.path(COMPARISON, sitting_id=document["sitting_id"])
    write_artefact(path, document, COMPARISON)
    return document, path


def _require_free(workspace: Workspace, comparison: Path) -> None:
    """2A-PF-009 where a lock names this comparison."""
    where, digest = workspace.relative(comparison), sha256_file(comparison)
    for lock in sorted(workspace.lane_root.glob(f"reports/{LOCK}_*.json")):
        try:
            named = json.loads(lock.read_bytes())["evidence"]["comparison"]
        except (OSError, ValueError, LookupError, TypeError):
            continue
        if named == evidence(where, digest):
            raise CivilTimeError(
                "2A-PF-009", f"{workspace.relative(lock)} rests on {where}", {"path": where}
            )
