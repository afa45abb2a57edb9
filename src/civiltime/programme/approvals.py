"""Approvals: signed requests, and whether one is in force.

The law (specification 5.5): an approval is in force when

1. it is signed, by a key of the sealed ``approvers.yaml``, over exactly this content;
2. the approver isn't the requester, and may approve what is asked for;
3. it hasn't expired, and this lane's ledger has it;
4. it wasn't used before;
5. the evidence is what the request names, and so is what it wants to replace.

:data:`CHECKS` holds these in order; whoever uses an approval stops at the first that fails,
``civiltime verify`` shows all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from civiltime.errors import CivilTimeError
from civiltime.policy.approvers import Approver, same_person
from civiltime.programme import authorities
from civiltime.programme.envelope import open_envelope, require_signed_by
from civiltime.programme.evidence import require_unchanged
from civiltime.programme.lane import OPEN, Posture, posture, sealed_approvers
from civiltime.programme.ledger import Record, read_ledger, used
from civiltime.programme.requests import Kind, Request, read_request
from civiltime.workspace.clock import now_utc
from civiltime.workspace.config import Workspace

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope


@dataclass(frozen=True)
class Approval:
    """An envelope beside the lane it is presented to, at an instant, for some acts.

    ``acts`` empty means whatever the request asks for.
    """

    workspace: Workspace
    raw: bytes
    records: tuple[Record, ...]
    at_utc: str
    acts: tuple[str, ...] = ()

    @cached_property
    def envelope(self) -> Envelope:
        """The envelope; 2A-GV-020 and 022."""
        return open_envelope(self.raw)

    @cached_property
    def request(self) -> Request:
        """What is signed; 2A-GV-010."""
        return read_request(self.envelope.payload)

    @cached_property
    def posture(self) -> Posture:
        """Where the lane stands."""
        return posture(self.workspace, self.records)

    @cached_property
    def approver(self) -> Approver:
        """Whose key signed; 2A-GV-021."""
        (keyid,) = self.envelope.signatures
        found = sealed_approvers(self.workspace, self.posture).by_keyid(keyid)
        if found is None:
            raise CivilTimeError("2A-GV-021", f"approvers.yaml has no key {keyid}", {"key": keyid})
        return found

    @property
    def wanted(self) -> tuple[str, ...]:
        """The acts that it is presented for."""
        return self.acts or acts(self.request)

    @property
    def uses(self) -> tuple[Record, ...]:
        """The lines that say that it took effect."""
        found = (used(self.records, self.request.sha256_hex, act) for act in acts(self.request))
        return tuple(r for r in found if r is not None)


def acts(request: Request) -> tuple[str, ...]:
    """What an approved request lets happen, each once."""
    if request.kind != "reopen":
        return (request.kind,)
    opens = (OPEN,) if request.frozen_sha256_hex else ()
    return opens + tuple(f"pin {name}" for name in request.authorities)


def signed(approval: Approval) -> None:
    """The file is an envelope with a signature."""
    _ = approval.envelope


def listed(approval: Approval) -> None:
    """The key stands in the sealed approvers.yaml."""
    _ = approval.approver


def genuine(approval: Approval) -> None:
    """The signature fits the content."""
    require_signed_by(approval.envelope, approval.approver.key)


def well_formed(approval: Approval) -> None:
    """The content is a request."""
    _ = approval.request


def two_people(approval: Approval) -> None:
    """Somebody else than the requester approved."""
    who = approval.approver.who
    if same_person(who, approval.request.requester):
        raise CivilTimeError("2A-GV-023", f"{who} asked for it and approved it", {"who": who})


def within_remit(approval: Approval) -> None:
    """The approver may approve everything that is asked for."""
    missing = sorted(approval.request.needs - approval.approver.may_approve)
    if missing:
        raise CivilTimeError(
            "2A-GV-024",
            f"{approval.approver.who} may not approve {' and '.join(missing)}",
            {"who": approval.approver.who, "missing": list(missing)},
        )


def not_expired(approval: Approval) -> None:
    """It was still valid when it took effect, or is at this instant."""
    uses = approval.uses
    at_utc = max(r.recorded_utc for r in uses) if uses else approval.at_utc
    if approval.request.expires_utc < at_utc:
        raise CivilTimeError("2A-GV-025", f"it expired at {approval.request.expires_utc}")


def of_this_lane(approval: Approval) -> None:
    """The request was written and approved in this lane, as its ledger says."""
    request = approval.request
    known = {r.event for r in approval.records if r.subject_sha256_hex == request.sha256_hex}
    if request.lane != approval.workspace.lane or not {"requested", "approved"} <= known:
        raise CivilTimeError(
            "2A-GV-024",
            f"the ledger of {approval.workspace.lane} has no approval of request {request.id}",
            {"request": request.id, "lane": request.lane},
        )


def names_the_act(approval: Approval) -> None:
    """What it is presented for is what it asks for."""
    strange = [act for act in approval.wanted if act not in acts(approval.request)]
    if strange:
        raise CivilTimeError(
            "2A-GV-024",
            f"request {approval.request.id} asks for {', '.join(acts(approval.request))}, not for "
            f"{', '.join(strange)}",
        )


def unused(approval: Approval) -> None:
    """It didn't take effect before."""
    for record in approval.uses:
        if record.act in approval.wanted:
            raise CivilTimeError(
                "2A-GV-026",
                f"request {approval.request.id} took effect at {record.recorded_utc} "
                f"({record.act}; line {record.sequence} of the ledger)",
                {"request": approval.request.id, "act": record.act},
            )


def evidence_there(approval: Approval) -> None:
    """The evidence is what the request names, or was when an exception or waiver was approved."""
    request = approval.request
    known = {r.event for r in approval.records if r.subject_sha256_hex == request.sha256_hex}
    # a certification shown to win an exception is replaced by the one that rests on it
    if request.kind == "reopen" or "approved" not in known:
        require_unchanged(approval.workspace, request.evidence)


def up_to_date(approval: Approval) -> None:
    """The freeze and the pins are those that the request wants to replace."""
    request = approval.request
    if OPEN in approval.wanted and approval.posture.freeze_sha256_hex != request.frozen_sha256_hex:
        raise CivilTimeError(
            "2A-GV-027", f"request {request.id} is about a freeze that isn't the present one"
        )
    for name, wanted in request.authorities.items():
        if f"pin {name}" in approval.wanted:
            authorities.require_pinned(approval.workspace, name, wanted["replaces_sha256_hex"])


Check = Callable[[Approval], None]
CHECKS: tuple[Check, ...] = (
    signed,
    listed,
    genuine,
    well_formed,
    two_people,
    within_remit,
    not_expired,
    of_this_lane,
    names_the_act,
    unused,
    evidence_there,
    up_to_date,
)
AT_SIGNING = tuple(check for check in CHECKS if check is not of_this_lane)


def require_in_force(approval: Approval, checks: Iterable[Check] = CHECKS) -> Approval:
    """The approval; raises the first refusal."""
    for check in checks:
        check(approval)
    return approval


@dataclass(frozen=True)
class Finding:
    """One check of an approval, and what it refused; ``unknown`` where it couldn't be asked."""

    check: str
    refusal: CivilTimeError | None = None
    unknown: bool = False

    @property
    def result(self) -> str:
        """``pass``, ``fail`` or ``unknown``."""
        return "unknown" if self.unknown else "fail" if self.refusal else "pass"


def examine(approval: Approval) -> list[Finding]:
    """Every check.  One that needs what an earlier one refused is unknown."""
    findings: list[Finding] = []
    for check in CHECKS:
        name = (check.__doc__ or "").rstrip(".")
        try:
            check(approval)
        except CivilTimeError as refusal:
            known = {str(f.refusal) for f in findings}
            findings.append(Finding(name, refusal, unknown=str(refusal) in known))
        else:
            findings.append(Finding(name))
    return findings


def load_approval(workspace: Workspace, path: Path, *acts_wanted: str) -> Approval:
    """An approval from its file, beside the lane as it is now; 2A-GV-020 where none is."""
    try:
        raw = path.read_bytes()
    except OSError as problem:
        raise CivilTimeError(
            "2A-GV-020", f"{path} can't be read: {problem.strerror}", {"path": str(path)}
        ) from None
    return Approval(workspace, raw, read_ledger(workspace), now_utc(), acts_wanted)


def presented(workspace: Workspace, kind: Kind, *acts_wanted: str) -> Iterator[Approval]:
    """Every envelope of a kind that the lane holds, in force or not, in order of its name."""
    pattern = workspace.path("approval", kind=kind, request_id="*")
    for path in sorted(pattern.parent.glob(pattern.name)):
        yield load_approval(workspace, path, *acts_wanted)
