"""Whether the lane takes a new candidate (specification 5.5).

The law: an open lane does, and any lane repeats what it has: a run that its freeze pins, or one
that verifies.  A frozen one takes a new one when an approval in force opens it, which is then used
up; once opened, the lane stays open until it is frozen again, for candidates that differ from the
pinned runs only in what the reopen names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from civiltime.consumers.verify import Verification, verify_gate
from civiltime.errors import CivilTimeError
from civiltime.programme.approvals import Approval, presented, require_in_force
from civiltime.programme.lane import OPEN, Posture, changed_knobs, posture
from civiltime.programme.ledger import Ledger, read_ledger, writing
from civiltime.workspace.config import Workspace
from civiltime.workspace.runs import open_run


def require_open_lane(workspace: Workspace, run_id: str | None = None) -> None:
    """Pass where a new run may start; one that the lane has, whole, may always be repeated.

    Uses up an approved reopen where one is needed.  2A-GV-040 where the lane is frozen,
    2A-GV-024 where a policy changed that the reopen doesn't name.
    """
    stands = posture(workspace, read_ledger(workspace))
    if stands.freeze is None or (run_id is not None and _repeats(workspace, run_id, stands.freeze)):
        return
    with writing(workspace) as ledger:
        stands = posture(workspace, ledger.records)
        if stands.lifted is not None:
            _require_within(workspace, stands, stands.lifted.detail["knobs"].split())
        else:
            _lift(workspace, ledger, stands)


def _repeats(workspace: Workspace, run_id: str, freeze: Mapping[str, Any]) -> bool:
    """Whether the freeze pins the run, or it verifies; a receipt alone is a new candidate."""
    try:
        run = open_run(workspace, run_id)
    except CivilTimeError:
        return False
    result = Verification(run.id)
    if run.id not in {entry["run_id"] for entry in freeze["runs"].values()}:
        verify_gate(run, result)
    return not result.findings


def _lift(workspace: Workspace, ledger: Ledger, stands: Posture) -> None:
    """Use the first approval in force; refuse with what is wrong with each."""
    refusals = []
    for approval in presented(workspace, "reopen", OPEN):
        try:
            request = require_in_force(approval).request
        except CivilTimeError as refusal:
            refusals.append(f"{_name(approval)}: {refusal}")
            continue
        knobs: list[str] = request.document["knobs"]
        _require_within(workspace, stands, knobs)
        ledger.append(
            "used", request.sha256_hex, OPEN, who=approval.approver.who, knobs=" ".join(knobs)
        )
        return
    status = stands.freeze["status"] if stands.freeze else ""
    why = f"; not opened by {'; '.join(refusals)}" if refusals else ""
    raise CivilTimeError("2A-GV-040", f"{workspace.lane} is {status}{why}", {"status": status})


def _name(approval: Approval) -> str:
    try:
        return f"request {approval.request.id}"
    except CivilTimeError:
        return "an unreadable approval"


def _require_within(workspace: Workspace, stands: Posture, knobs: Iterable[str]) -> None:
    named = set(knobs)
    changed = changed_knobs(workspace, stands.freeze) if stands.freeze else []
    strange = [
        policy if field is None else f"{policy}.{field}"
        for policy, field in changed
        if policy not in named and f"{policy}.{field}" not in named
    ]
    if strange:
        raise CivilTimeError(
            "2A-GV-024",
            f"{', '.join(strange)} changed since the freeze; the reopen names "
            f"{', '.join(sorted(named)) or 'no policy'}",
            {"changed": list(strange)},
        )
