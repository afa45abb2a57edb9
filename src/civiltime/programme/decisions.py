"""Writing requests and approving them, and what is approved.

The law (specification 5.5): the tool computes every digest of a request; an approval is written
only where it would be in force; both are entered in the lane's ledger, under its lock.  An
approved exception or waiver holds until it expires, or until a freeze rests on it; nothing that
isn't in force counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civiltime.certify.gates import Exemption
from civiltime.errors import CivilTimeError, Invalid
from civiltime.programme.approvals import (
    AT_SIGNING,
    CHECKS,
    Approval,
    not_expired,
    presented,
    require_in_force,
    unused,
)
from civiltime.programme.authorities import Authority, read_pins
from civiltime.programme.envelope import sign_request
from civiltime.programme.evidence import named
from civiltime.programme.keys import load_signer
from civiltime.programme.lane import posture
from civiltime.programme.ledger import read_ledger, used, writing
from civiltime.programme.requests import (
    Kind,
    Request,
    expiry,
    make_request,
    read_request,
    reopening,
)
from civiltime.workspace.clock import now_utc
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import document_digest
from civiltime.workspace.publish import publish_file


@dataclass(frozen=True)
class ApprovedException(Exemption):
    """One cap, raised to a ceiling, for the named seeds, and nothing else."""

    reason: str
    approver: str
    expires_utc: str
    request_sha256_hex: str
    evidence_sha256_hex: str
    """Digest of the list of evidence that was approved: paths and digests."""


@dataclass(frozen=True)
class ApprovedWaiver:
    """A state's budget that may be missed, up to a ceiling in the measure's unit."""

    id: str
    state: str
    measure: str
    ceiling: float
    reason: str
    approver: str
    expires_utc: str


def write_request(
    workspace: Workspace,
    kind: Kind,
    own: Mapping[str, Any],
    *,
    requester: str,
    reason: str,
    evidence: Sequence[Path] = (),
    expires: str | None = None,
) -> tuple[Request, Path]:
    """Write a request of ``kind`` with its ``own`` fields; the request and its file.

    2A-GV-010 where it is incomplete, 2A-GV-011 where evidence is missing.
    """
    created = now_utc()
    files = dict(named(workspace, path) for path in evidence)
    request = make_request(
        {
            "kind": kind,
            "lane": workspace.lane,
            "requester": requester,
            "reason": reason,
            "created_utc": created,
            "expires_utc": expiry(expires, created),
            "evidence": [{"path": p, "sha256_hex": files[p]} for p in sorted(files)],
            **own,
        }
    )
    path = workspace.path(f"{kind}_request", request_id=request.id)
    with writing(workspace) as ledger:
        publish_file(path, request.raw)
        ledger.append("requested", request.sha256_hex, kind, who=request.requester)
    return request, path


def reopen_fields(
    workspace: Workspace,
    *,
    states: Sequence[str] = (),
    knobs: Sequence[str] = (),
    movements: Sequence[str] = (),
    authorities: Sequence[Authority] = (),
) -> dict[str, Any]:
    """What a reopen request says of its own: with states about the present freeze.

    2A-GV-010 where the lane isn't frozen and states are named.
    """
    stands = posture(workspace, read_ledger(workspace))
    if states and not stands.frozen:
        raise CivilTimeError("2A-GV-010", f"{workspace.lane} isn't frozen: it takes candidates")
    pinned = read_pins(workspace).authorities
    return reopening(
        frozen_sha256_hex=stands.freeze_sha256_hex if states else None,
        states=states,
        knobs=knobs,
        movements=movements,
        authorities=[
            {
                "name": a.name,
                "replaces_sha256_hex": pinned[a.name].sha256_hex if a.name in pinned else None,
                "report": a.report,
                "sha256_hex": a.sha256_hex,
                "run_id": a.run_id,
            }
            for a in authorities
        ],
    )


def approve(
    workspace: Workspace, path: Path, key: Path, *, kind: Kind | None = None
) -> tuple[Approval, Path]:
    """Sign a request of this lane; the approval and its file.

    Refused under the code of the first check that fails, 2A-GV-022 where the ledger doesn't
    know the request as it stands, and 2A-GV-028 where it is approved already.
    """
    try:
        request = read_request(path.read_bytes())
    except OSError as problem:
        raise CivilTimeError(
            "2A-GV-010", f"{path} can't be read: {problem.strerror}", {"path": str(path)}
        ) from None
    if kind is not None and request.kind != kind:
        raise CivilTimeError("2A-GV-010", f"{path} is a {request.kind} request, not a {kind}")
    signer = load_signer(key)
    target = workspace.path("approval", kind=request.kind, request_id=request.id)
    with writing(workspace) as ledger:
        known = {r.event for r in ledger.records if r.subject_sha256_hex == request.sha256_hex}
        if request.lane != workspace.lane or "requested" not in known:
            raise CivilTimeError(
                "2A-GV-022",
                f"the ledger of {workspace.lane} has no request {request.id}: {path.name} was "
                "changed after it was written, or belongs to another lane",
                {"request": request.id},
            )
        if "approved" in known:
            raise _approved(workspace, target)
        raw = sign_request(request, signer)
        approval = Approval(workspace, raw, ledger.records, now_utc())
        require_in_force(approval, AT_SIGNING)
        try:
            publish_file(target, raw)
        except Invalid:
            raise _approved(workspace, target) from None
        ledger.append("approved", request.sha256_hex, request.kind, who=approval.approver.who)
    return approval, target


def _approved(workspace: Workspace, target: Path) -> CivilTimeError:
    where = workspace.relative(target)
    return CivilTimeError("2A-GV-028", f"it is approved: {where}", {"path": where})


def approved_exceptions(workspace: Workspace, at_utc: str) -> list[ApprovedException]:
    """The exceptions that hold at an instant; raises where nobody can tell."""
    return [
        ApprovedException(
            approval.request.id,
            own["gate"],
            float(own["ceiling"]),
            tuple(int(seed) for seed in own["seeds"]),
            own["reason"],
            approval.approver.who,
            approval.request.expires_utc,
            approval.request.sha256_hex,
            document_digest(own["evidence"]),
        )
        for approval, own in holding(workspace, "exception", at_utc)
    ]


def approved_waivers(workspace: Workspace, at_utc: str) -> list[ApprovedWaiver]:
    """The waivers that hold at an instant; raises where nobody can tell."""
    return [
        ApprovedWaiver(
            approval.request.id,
            own["state"],
            own["measure"],
            float(own["ceiling"]),
            own["reason"],
            approval.approver.who,
            approval.request.expires_utc,
        )
        for approval, own in holding(workspace, "waiver", at_utc)
    ]


def holding(
    workspace: Workspace, kind: Kind, at_utc: str
) -> Iterator[tuple[Approval, Mapping[str, Any]]]:
    """Approvals of a kind that are sound, not expired, and that no earlier freeze used up.

    One that isn't sound is left out; a broken ledger or freeze, or approvers that aren't
    sealed, refuse (2A-GV-002, 003, 030, 041).
    """
    sound = [check for check in CHECKS if check not in {unused, not_expired}]
    for approval in presented(workspace, kind):
        try:
            request = require_in_force(approval, sound).request
        except CivilTimeError as refusal:
            if refusal.code in _NOBODY_CAN_TELL:
                raise
            continue
        spent = used(approval.records, request.sha256_hex, kind)
        if at_utc <= min(request.expires_utc, spent.recorded_utc if spent else at_utc):
            yield approval, request.document


_NOBODY_CAN_TELL = {"2A-GV-002", "2A-GV-003", "2A-GV-030", "2A-GV-041"}
