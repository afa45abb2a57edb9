"""Which report of each upstream authority the lane has agreed on.

The law (specification 5.2): once an authority was pinned and relied on, only an approved reopen
pins another.  ``authorities.yaml`` is a file that anyone can edit, together with the report that
it names, so what was agreed is read elsewhere: the governance ledger's last word about a pin; for
an authority that the ledger doesn't know, what the lane's newest run verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from civiltime.errors import CivilTimeError, Invalid
from civiltime.programme.ledger import Record, read_ledger
from civiltime.states.context import read_report
from civiltime.workspace.config import Workspace
from civiltime.workspace.runs import list_run_ids, open_run

PIN = "pin "
REPORT_SHA256 = "report_sha256_hex"


def agreed_pins(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """For each authority: the SHA-256 of its agreed report, and who says so."""
    found = _verified_by_runs(workspace)
    for name, digest in _last_words(read_ledger(workspace)).items():
        found[name] = (digest, "the governance ledger")
    return found


def require_agreed(workspace: Workspace, pinned: Mapping[str, str]) -> None:
    """:class:`Invalid` unless every agreed authority is pinned (name -> SHA-256) as agreed."""
    for name, (digest, who) in agreed_pins(workspace).items():
        present = pinned.get(name)
        if present != digest:
            raise Invalid(
                f"{name}: authorities.yaml pins {f'{present[:12]}…' if present else 'nothing'}, "
                f"{who} says {digest[:12]}…; only an approved reopen pins another report",
                authority=name,
                actual=present,
                agreed=digest,
            )


def _last_words(records: Iterable[Record]) -> dict[str, str]:
    """What the ledger pinned each authority to: at first, or by an approval that was used."""
    found: dict[str, str] = {}
    for record in records:
        name = record.act.removeprefix(PIN)
        if record.event == "pinned":
            found[name] = record.subject_sha256_hex
        elif record.event == "used" and name != record.act:
            found[name] = record.detail[REPORT_SHA256]
    return found


def _verified_by_runs(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """What S0 verified in the newest run that knows each authority; failed runs say nothing."""
    newest: dict[str, tuple[str, str, str]] = {}
    for run_id in list_run_ids(workspace):
        try:
            run = open_run(workspace, run_id)
            report = read_report(run.report_path("S0"), f"S0's report of run {run_id}", run)
        except (CivilTimeError, Invalid):
            continue
        verified: Mapping[str, Any] = report["checks"].get("authorities", {})
        for name, authority in verified.items():
            seen = (run.receipt.created_utc, authority["sha256_hex"], f"run {run_id}")
            newest[name] = max(newest.get(name, seen), seen)
    return {name: (digest, who) for name, (_, digest, who) in newest.items()}
