"""What a phase demands, and the answer.

The law (specification 5.4): a condition is proved from artefacts or it is open, with the reason;
what proved it is named by path and SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civiltime.errors import CivilTimeError, Invalid
from civiltime.programme.evidence import named
from civiltime.programme.phases.dossier import Dossier, OpenError

PhaseId = str


@dataclass(frozen=True)
class Proof:
    """Why a condition holds, and the files that show it."""

    reason: str
    files: Sequence[Path]


@dataclass(frozen=True)
class Condition:
    """One demand; ``prove`` raises :class:`OpenError` or an error of the artefacts."""

    id: str
    sentence: str
    prove: Callable[[Dossier], Proof]


@dataclass(frozen=True)
class Phase:
    """A phase; ``decide`` names what it decided once every condition is proved."""

    id: PhaseId
    title: str
    conditions: tuple[Condition, ...]
    subject: Callable[[Dossier], Path]
    """The certification that it is about while it is open."""
    decide: Callable[[Dossier], str]


@dataclass(frozen=True)
class Finding:
    """A condition's answer."""

    condition: Condition
    proved: bool
    reason: str
    evidence: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """The condition as a closure states it."""
        return {
            "id": self.condition.id,
            "sentence": self.condition.sentence,
            "reason": self.reason,
            "evidence": dict(self.evidence),
        }


def ask(condition: Condition, dossier: Dossier) -> Finding:
    """The condition's answer now; whatever is wrong with an artefact leaves it open."""
    try:
        proof = condition.prove(dossier)
        evidence = dict(named(dossier.workspace, path) for path in sorted(proof.files))
    except CivilTimeError as error:
        return Finding(condition, False, f"{error.code}: {error.message}", {})
    except (OpenError, Invalid, OSError, ValueError, LookupError, TypeError) as why:
        return Finding(condition, False, str(why), {})
    return Finding(condition, True, proof.reason, evidence)
