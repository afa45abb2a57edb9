"""Comparing builds in a workspace: a sitting and its judgement, or a judgement made again.

The law (specification 5.7): a sitting writes both sides' timings and then the comparison, which
names both by digest.  Timings are judged again only where that comparison still names them as they
are, so a file that was edited since is refused (2A-PF-004).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
from civiltime.performance.budgets import open_budgets
from civiltime.performance.compare import compare, require_pair, require_unaltered
from civiltime.performance.sitting import SIDES, Side, find_executable, sit
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
    rounds: int,
    progress: Callable[[str, float], None] = lambda _label, _share: None,
) -> tuple[dict[str, Any], Path]:
    """Hold a sitting on a run, write its three artefacts; the comparison and its file."""
    run = open_run(workspace, run_id)
    executables = {side: find_executable(builds[side]) for side in SIDES}
    timings = sit(run, executables, rounds, progress)
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
        if before[side]["sha256_hex"] != names[side]["sha256_hex"]:
            where = names[side]["path"]
            raise CivilTimeError(
                UNUSABLE, f"{where} was altered after the sitting", {"path": where}
            )
    _require_free(workspace, path)
    return _judge(workspace, timings, names, state or before["state"])


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
