"""Where the programme stands, and closing a phase.

The law (specification 5.4): phases are strictly ordered.  A closure is only written when every
condition was proved at that moment, and it follows from them alone: whoever asks later builds it
anew from the artefacts, and it stands only while the bytes are the same and every phase before
it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from civiltime.errors import CivilTimeError, ContextValue, Invalid
from civiltime.programme.evidence import named
from civiltime.programme.ledger import GENESIS, writing
from civiltime.programme.past import keep_past
from civiltime.programme.phases import p0, p1, p2, p3, p4
from civiltime.programme.phases.condition import Finding, Phase, ask
from civiltime.programme.phases.dossier import CERTIFICATION, Dossier, OpenError, Scores
from civiltime.programme.watchlist import write_watchlist
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import self_digest, sha256_bytes
from civiltime.workspace.publish import Publish, people_json, replace_file
from civiltime.workspace.runs import RUN_ID
from civiltime.workspace.shape import check_document

PHASES: tuple[Phase, ...] = tuple(m.PHASE for m in (p0, p1, p2, p3, p4))
CLOSURE = "segment2a_phase_closure"


@dataclass(frozen=True)
class PhaseStanding:
    """A phase with the answers of its conditions now."""

    phase: Phase
    findings: tuple[Finding, ...]
    dossier: Dossier
    closure: Literal["closed", "ready", "open", "unsound"]
    problem: str
    """Why its closure doesn't stand, or which phase must close first."""
    document: Mapping[str, Any] | None
    """The closure that its proofs make; None while a condition is open."""

    @property
    def closed(self) -> bool:
        """Whether its closure stands."""
        return self.closure == "closed"


def programme_standing(
    workspace: Workspace, baseline: Path | None = None
) -> tuple[PhaseStanding, ...]:
    """Every phase, everything asked anew.  ``baseline`` is what P0 is to be about."""
    scores = Scores(workspace)
    found: list[PhaseStanding] = []
    earlier: dict[str, Path] = {}
    for phase in PHASES:
        previous = found[-1] if found else None
        chosen = baseline if phase is PHASES[0] else None
        standing = _standing(
            phase, Dossier(workspace, scores, earlier=dict(earlier)), previous, chosen
        )
        if standing.dossier.path is not None:
            earlier[phase.id] = standing.dossier.path
        found.append(standing)
    return tuple(found)


def _standing(
    phase: Phase, dossier: Dossier, previous: PhaseStanding | None, chosen: Path | None
) -> PhaseStanding:
    path = dossier.workspace.path(CLOSURE, phase=phase.id.lower())
    raw = path.read_bytes() if path.is_file() else None
    record, problem = _read(dossier.workspace, phase, raw)
    if chosen is not None:
        dossier = dossier.about(chosen)
    elif record is not None:
        subject = dossier.workspace.root / record["certification"]["path"]
        dossier = dossier.about(subject, tuple(record["runs"]))
    else:
        dossier = _undecided(phase, dossier)
    findings = tuple(ask(condition, dossier) for condition in phase.conditions)
    document = None
    if all(f.proved for f in findings):
        before = _digest(dossier.workspace, previous)
        document = closure(phase, dossier, findings, before)
    standing = PhaseStanding(phase, findings, dossier, "open", problem, document)
    if raw is None:
        return _unclosed(standing, previous)
    if not problem and document is None:
        problem = next(f.reason for f in findings if not f.proved)
    if not problem and people_json(document) != raw:
        problem = "it isn't what the artefacts prove now"
    if not problem and previous is not None and not previous.closed:
        problem = f"{previous.phase.id} isn't closed"
    return replace(standing, closure="unsound" if problem else "closed", problem=problem)


def _undecided(phase: Phase, dossier: Dossier) -> Dossier:
    """The dossier of a phase that isn't closed; without certification where there is none."""
    try:
        return dossier.about(phase.subject(dossier))
    except (OpenError, CivilTimeError):
        return dossier


def _unclosed(standing: PhaseStanding, previous: PhaseStanding | None) -> PhaseStanding:
    if previous is not None and not previous.closed:
        return replace(standing, problem=f"{previous.phase.id} must close first")
    return replace(standing, closure="open" if standing.document is None else "ready")


def _digest(workspace: Workspace, previous: PhaseStanding | None) -> str:
    """The SHA-256 of the closure before."""
    if previous is None:
        return GENESIS
    path = workspace.path(CLOSURE, phase=previous.phase.id.lower())
    return sha256_bytes(path.read_bytes()) if path.is_file() else GENESIS


def _read(
    workspace: Workspace, phase: Phase, raw: bytes | None
) -> tuple[Mapping[str, Any] | None, str]:
    """A closure that may stand, or None and what is wrong with it."""
    if raw is None:
        return None, ""
    try:
        document: dict[str, Any] = json.loads(raw)
        check_document(document, CLOSURE, "its closure")
        body = {name: value for name, value in document.items() if name != "closure_sha256"}
        if document["closure_sha256"] != self_digest(body):
            raise Invalid("its closure was changed after it was written")
        if document["phase"] != phase.id or document["lane"] != workspace.lane:
            raise Invalid(f"its closure is that of {document['phase']} of {document['lane']}")
        subject = workspace.root / document["certification"]["path"]
        pattern = workspace.path(CERTIFICATION, runset="*")
        if subject not in set(pattern.parent.glob(pattern.name)):
            raise Invalid(f"its closure rests on {document['certification']['path']}")
    except (Invalid, ValueError, RecursionError) as error:
        return None, error.message if isinstance(error, Invalid) else f"its closure: {error}"
    return document, ""


def closure(
    phase: Phase, dossier: Dossier, findings: tuple[Finding, ...], previous_sha256_hex: str
) -> dict[str, Any]:
    """The closure that proofs make; nothing else has a part in it."""
    name, digest = named(dossier.workspace, dossier.subject)
    judged = dossier.judged
    runs = {e["run_id"] for e in judged["seeds"].values() if e["run_id"]}
    runs |= {part for f in findings for path in f.evidence for part in path.split("/")}
    body = {
        "segment": "2A",
        "lane": dossier.workspace.lane,
        "phase": phase.id,
        "decision": phase.decide(dossier),
        "generated_utc": judged["generated_utc"],
        "certification": {"path": name, "sha256_hex": digest},
        "conditions": [f.document() for f in findings],
        "runs": sorted(part for part in runs if RUN_ID.fullmatch(part)),
        "previous_sha256_hex": previous_sha256_hex,
    }
    return {**body, "closure_sha256": self_digest(body)}


def close_phase(
    workspace: Workspace, phase_id: str, baseline: Path | None = None
) -> tuple[Path, Mapping[str, Any], Publish]:
    """Close a phase; its record, written only when every condition is proved at this moment.

    2A-PH-001 for an open condition, 2A-PH-002 where an earlier phase isn't closed, 2A-PH-003
    where P0 is closed on another baseline, 2A-GV-011 for a baseline that isn't of the workspace.
    """
    if baseline is not None:
        baseline = workspace.root / named(workspace, baseline)[0]
    with writing(workspace):
        standings = programme_standing(workspace)
        number = next(i for i, s in enumerate(standings) if s.phase.id == phase_id)
        wanted = standings[number]
        if wanted.closed and baseline not in {None, wanted.dossier.path}:
            closed_on = wanted.dossier.subject.name
            raise CivilTimeError("2A-PH-003", f"P0 is closed on {closed_on}", {"phase": phase_id})
        for before in standings[:number]:
            if not before.closed:
                why = f"{before.phase.id} isn't closed: {before.problem or 'close it first'}"
                raise CivilTimeError("2A-PH-002", why, {"phase": before.phase.id})
        if baseline is not None:
            wanted = programme_standing(workspace, baseline)[number]
        if wanted.closure == "unsound":
            wanted = _anew(wanted, standings[number - 1] if number else None, baseline)
        if wanted.document is None:
            open_ones = [f for f in wanted.findings if not f.proved]
            told = "; ".join(f"{f.condition.id}: {f.reason}" for f in open_ones)
            names: list[ContextValue] = [f.condition.id for f in open_ones]
            raise CivilTimeError("2A-PH-001", f"{phase_id}: {told}", {"open": names})
        check_document(dict(wanted.document), CLOSURE, "the closure")
        path = workspace.path(CLOSURE, phase=phase_id.lower())
        _keep_replaced(workspace, wanted.phase, path, people_json(wanted.document))
        replace_file(path, people_json(wanted.document))
    return path, wanted.document, "REUSE" if wanted.closed else "NEW"


def _keep_replaced(workspace: Workspace, phase: Phase, path: Path, new: bytes) -> None:
    """Keep the closure that another takes the place of; what is no closure isn't kept."""
    raw = path.read_bytes() if path.is_file() else new
    if raw != new and _read(workspace, phase, raw)[0] is not None:
        keep_past(workspace, "segment2a_past_closure", raw, phase=phase.id.lower())


def _anew(
    standing: PhaseStanding, previous: PhaseStanding | None, baseline: Path | None
) -> PhaseStanding:
    """The phase as if it had never been closed."""
    phase, dossier = standing.phase, replace(standing.dossier, path=None, kept=())
    dossier = dossier.about(baseline) if baseline is not None else _undecided(phase, dossier)
    findings = tuple(ask(condition, dossier) for condition in phase.conditions)
    document = None
    if all(f.proved for f in findings):
        document = closure(phase, dossier, findings, _digest(dossier.workspace, previous))
    return PhaseStanding(phase, findings, dossier, "open", "", document)


def make_watchlist(workspace: Workspace) -> dict[str, Any]:
    """Write the watchlist of P2's certification, or while P2 is open of the newest.

    2A-PH-004 where there is none, or it isn't what scoring again gives.
    """
    path = workspace.path(CLOSURE, phase="p2")
    record, _ = _read(workspace, p2.PHASE, path.read_bytes() if path.is_file() else None)
    dossier = Dossier(workspace, Scores(workspace))
    try:
        if record is not None:
            subject = workspace.root / record["certification"]["path"]
        else:
            subject = dossier.newest()
        judged = dossier.about(subject).judged
    except OpenError as why:
        raise CivilTimeError("2A-PH-004", str(why)) from None
    return write_watchlist(workspace, subject, judged)
