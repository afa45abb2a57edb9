"""Pinning an authority: the first time freely, and anew only by an approved reopen.

The law (specification 5.2 and 5.5): what is pinned is exactly what the reopen names, and an
approval pins once.  Its use is written to the ledger before the pin; where a process died in
between, the same command writes the pin that the ledger promises.
"""

from __future__ import annotations

import json
from pathlib import Path

from civiltime.errors import CivilTimeError
from civiltime.programme.agreed import PIN, REPORT_SHA256, agreed_pins
from civiltime.programme.approvals import CHECKS, Approval, load_approval, require_in_force, unused
from civiltime.programme.authorities import POSTURES, Authority, read_pins
from civiltime.programme.evidence import named
from civiltime.programme.ledger import Ledger, used, writing
from civiltime.workspace.config import Workspace
from civiltime.workspace.publish import Publish, replace_file
from civiltime.workspace.runs import RUN_ID


def authority_of(workspace: Workspace, name: str, report: Path, run_id: str | None) -> Authority:
    """The pin that a report makes; 2A-GV-051 where it can't.

    The run is the one given, or the ``run_id`` that the report states.
    """
    if name not in POSTURES:
        raise CivilTimeError(
            "2A-GV-051", f"{name!r} is not an authority; they are {', '.join(POSTURES)}"
        )
    path, digest = named(workspace, report, "2A-GV-051")
    stated = run_id or _stated_run(workspace.root / path)
    if stated is None or not RUN_ID.fullmatch(stated):
        raise CivilTimeError("2A-GV-051", f"{path} names no run; give --run-id", {"path": path})
    return Authority(name, POSTURES[name], path, digest, stated)


def _stated_run(report: Path) -> str | None:
    try:
        found = json.loads(report.read_bytes())["run_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def pin_authority(
    workspace: Workspace,
    name: str,
    report: Path,
    *,
    run_id: str | None = None,
    approval: Path | None = None,
) -> tuple[Authority, Publish]:
    """Pin an authority: ``NEW``, or ``REUSE`` where it is pinned so already.

    2A-GV-050 where another report is pinned and no approval is given, else the code of the
    approval's refusal.
    """
    wanted = authority_of(workspace, name, report, run_id)
    with writing(workspace) as ledger:
        pins = read_pins(workspace)
        present = pins.authorities.get(name)
        if approval is None:
            if present == wanted:
                return wanted, "REUSE"
            if present is not None:
                raise CivilTimeError(
                    "2A-GV-050", f"{name} is pinned to {present.report}", {"authority": name}
                )
            agreed, who = agreed_pins(workspace).get(name, (wanted.sha256_hex, ""))
            if agreed != wanted.sha256_hex:
                raise CivilTimeError(
                    "2A-GV-050",
                    f"{name} was taken out of authorities.yaml; {who} says {agreed[:12]}…",
                    {"authority": name, "agreed": agreed},
                )
            ledger.append("pinned", wanted.sha256_hex, f"{PIN}{name}", report=wanted.report)
        else:
            _use(workspace, ledger, name, wanted, approval)
        replace_file(workspace.path("authorities"), pins.with_pin(wanted).yaml())
        return wanted, "NEW"


def _use(workspace: Workspace, ledger: Ledger, name: str, wanted: Authority, path: Path) -> None:
    """Use up the approval for this pin; one that a dead process had just used may finish."""
    act = f"{PIN}{name}"
    approval = load_approval(workspace, path, act)

    def unused_or_cut_short(approval: Approval) -> None:
        if not _cut_short(approval, name):
            unused(approval)

    require_in_force(approval, [unused_or_cut_short if c is unused else c for c in CHECKS])
    asked = approval.request.authorities[name]
    if any(asked[field] != getattr(wanted, field) for field in ("report", "sha256_hex", "run_id")):
        raise CivilTimeError(
            "2A-GV-024",
            f"request {approval.request.id} pins {name} to {asked['report']} "
            f"({asked['sha256_hex'][:12]}…) of run {asked['run_id']}, not to {wanted.report} "
            f"({wanted.sha256_hex[:12]}…) of run {wanted.run_id}",
        )
    if used(ledger.records, approval.request.sha256_hex, act) is None:
        ledger.append(
            "used",
            approval.request.sha256_hex,
            act,
            who=approval.approver.who,
            **{REPORT_SHA256: wanted.sha256_hex},
        )


def _cut_short(approval: Approval, name: str) -> bool:
    """Whether the ledger's last word about this pin is this approval, and the pin isn't written."""
    about = [
        r for r in approval.records if r.act == f"{PIN}{name}" and r.event in {"used", "pinned"}
    ]
    if not about or about[-1].subject_sha256_hex != approval.request.sha256_hex:
        return False
    pinned = read_pins(approval.workspace).authorities.get(name)
    replaces = approval.request.authorities[name]["replaces_sha256_hex"]
    return bool((None if pinned is None else pinned.sha256_hex) == replaces)
