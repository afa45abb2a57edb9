"""What ``civiltime triage`` is asked about: a run or a certification, from disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from civiltime.certify.certify import read_certification
from civiltime.consumers.verify import STATES, verify_run
from civiltime.errors import CivilTimeError
from civiltime.programme.triage import (
    Triaged,
    triage_certification,
    triage_findings,
    triage_report,
    triage_unfinished,
)
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import self_digest
from civiltime.workspace.runs import RUN_ID, Run, open_run
from civiltime.workspace.shape import check_document


def triage(workspace: Workspace, target: str) -> tuple[str, list[Triaged]]:
    """What the target is, and its findings; none where all is well.

    A certification is a file, or the name of one in the lane's reports.  2A-WS-011 for a run
    that isn't there, 2A-WS-012 for a report that isn't what was written, 2A-CT-004 for a
    certification that can't be read.
    """
    if RUN_ID.fullmatch(target):
        run = open_run(workspace, target)
        return f"run {run.id}, seed {run.receipt.seed}", _run(run)
    path = Path(target)
    if path.name and not path.is_file():
        path = workspace.path("segment2a_certification", runset="any").with_name(path.name)
    document = read_certification(path)
    return f"{path.name}: {document['verdict']}", triage_certification(document)


def _run(run: Run) -> list[Triaged]:
    """The first state that didn't pass; else what verifying from disk finds."""
    for state in STATES:
        path = run.report_path(state)
        if not path.is_file():
            return triage_unfinished(state, run.id, run.receipt.seed)
        where = run.workspace.relative(path)
        try:
            report = json.loads(path.read_bytes())
            check_document(report, "run_report", where)
            claimed = report.pop("report_sha256")
            sound = claimed == self_digest(report) and report["run_id"] == run.id
        except (OSError, ValueError, RecursionError) as error:
            raise CivilTimeError("2A-WS-012", f"{where}: {error}", {"run_id": run.id}) from None
        if not sound:
            message = f"{where} was changed after it was written"
            raise CivilTimeError("2A-WS-012", message, {"run_id": run.id})
        if report["status"] != "pass":
            return _failed(report, where)
    return triage_findings(verify_run(run).findings)


def _failed(report: Mapping[str, Any], where: str) -> list[Triaged]:
    """What a failed report says; 2A-WS-012 where no state wrote that, whatever its digest."""
    with suppress(LookupError, TypeError, AttributeError):
        if found := triage_report(report):
            return found
    message = f"{where} says that its state failed, and not how"
    raise CivilTimeError("2A-WS-012", message, {"run_id": report["run_id"]})
