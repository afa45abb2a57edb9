"""The certification: seeds judged, judged together, explained (specification 4).

:func:`certification` is a pure function of what :mod:`civiltime.certify.evidence` gathered:
the same evidence gives the same document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from civiltime.certify.attainability import attainability
from civiltime.certify.coupling import coupling
from civiltime.certify.evidence import SeedEvidence
from civiltime.certify.extract import extract
from civiltime.certify.gates import (
    FAIL,
    PASS_BPLUS,
    Exemption,
    Judged,
    judge_figures,
    verdict,
    worst,
)
from civiltime.certify.hotspots import Scored, hotspots
from civiltime.certify.metrics import FORMULAS, Metrics, cohort_metrics
from civiltime.certify.reality import Reality
from civiltime.certify.stability import Stability, stability
from civiltime.certify.tables import RATED, share_matrix
from civiltime.certify.topology import Topology
from civiltime.policy.certification import CertificationPolicy
from civiltime.workspace.digest import self_digest

Document = dict[str, Any]


@dataclass(frozen=True)
class SealedPolicy:
    """The certification policy and the digest under which the runs sealed it."""

    rules: CertificationPolicy
    sha256_hex: str

    def document(self) -> Document:
        """The policy as a certification states it."""
        return {
            "semver": self.rules.semver,
            "sha256_hex": self.sha256_hex,
            "thresholds": {name: asdict(t) for name, t in self.rules.gates.items()},
            "cohorts": self.rules.cohorts(),
        }


@dataclass(frozen=True)
class JudgedSeed:
    """One seed with its figures and gates."""

    evidence: SeedEvidence
    metrics: Metrics
    gates: tuple[Judged, ...]

    @property
    def verdict(self) -> str:
        """The seed's verdict; a seed that can't be scored fails."""
        return FAIL if self.evidence.reason else verdict(self.gates)

    @property
    def reason(self) -> str:
        """Why it isn't B+: what went wrong, or the gates that fall short."""
        if self.evidence.reason:
            return self.evidence.reason
        failing = [g.shortfall() for g in self.gates if g.band == "FAIL"]
        if failing:
            return "misses " + "; ".join(failing)
        below = [g.gate.id for g in self.gates if g.band == "B"]
        return f"B+ needs more of {', '.join(below)}" if below else ""

    def document(self) -> Document:
        """The seed as a certification states it."""
        evidence = self.evidence
        guesses = evidence.guesses.values()
        totals = {kind: sum(getattr(g, kind) for g in guesses) for kind in RATED}
        return {
            "run_id": evidence.run_id,
            "verdict": self.verdict,
            "reason": self.reason,
            "metrics": self.metrics,
            "governance": {
                **{f"{kind}_count": n for kind, n in totals.items()},
                **{f"{kind}_rate": evidence.rate(kind) for kind in RATED},
            }
            if evidence.scored
            else {},
            "gates": [g.document() for g in self.gates],
        }


def judge_seed(
    evidence: SeedEvidence, policy: CertificationPolicy, exemptions: Sequence[Exemption] = ()
) -> JudgedSeed:
    """A seed's figures and gates; only the structural ones where its rows can't be read."""
    if not evidence.scored:
        return JudgedSeed(evidence, {}, tuple(evidence.gates))
    metrics = cohort_metrics(evidence.countries, policy)
    metrics["fallback_rate"] = evidence.rate("fallback")
    metrics["override_rate"] = evidence.rate("override")
    granted = [e for e in exemptions if evidence.seed in e.seeds]
    figures = judge_figures(metrics, policy, granted)
    return JudgedSeed(evidence, metrics, (*evidence.gates, *figures))


def certification(
    seeds: Sequence[SeedEvidence],
    policy: SealedPolicy,
    topology: Topology,
    reality: Reality | None,
    *,
    runset: str,
    generated_utc: str,
    exemptions: Sequence[Exemption] = (),
) -> tuple[Document, list[JudgedSeed]]:
    """The certification without movement, table digest and its own digest; the judged seeds."""
    rules = policy.rules
    judged = [judge_seed(s, rules, exemptions) for s in seeds]
    spread = stability({str(j.evidence.seed): j.metrics for j in judged}, rules)
    over_all = worst([*(j.verdict for j in judged), verdict([s.judged for s in spread])])
    scored = {j.evidence.seed: j.evidence.countries for j in judged if j.evidence.scored}
    used = {g.exemption for j in judged for g in j.gates if g.exemption}
    document = {
        "segment": "2A",
        "runset": runset,
        "verdict": over_all,
        "one_line": one_line(over_all, judged, spread),
        "generated_utc": generated_utc,
        "policy": policy.document(),
        "inputs": [j.evidence.inputs for j in judged if j.evidence.inputs],
        "seeds": {str(j.evidence.seed): j.document() for j in judged},
        "gates": [s.judged.document() for s in spread],
        "stability": [s.document() for s in spread],
        "attainability": attainability(scored, reality.people if reality else None, rules),
        "reference_world": dict(reality.source) if reality else None,
        "hotspots": hotspots(_failing(judged), topology, rules),
        "coupling": [
            coupling(e.seed, e.countries, e.hull_km2)
            for e in (j.evidence for j in judged)
            if e.scored
        ],
        "movement": None,
        "share_matrix": share_matrix([j.evidence for j in judged]),
        "evidence": extract([j.evidence for j in judged]),
        "exceptions": [e.document() for e in sorted(exemptions, key=_id) if e.id in used],
        "formulas": FORMULAS,
    }
    return document, judged


def _id(exemption: Exemption) -> str:
    return exemption.id


def _failing(judged: Sequence[JudgedSeed]) -> list[Scored]:
    return [
        Scored(
            j.evidence.seed,
            j.evidence.countries,
            j.evidence.guesses,
            j.evidence.hull_km2,
            [g.gate.id for g in j.gates if g.band == "FAIL"],
        )
        for j in judged
        if j.evidence.scored
    ]


def one_line(over_all: str, judged: Sequence[JudgedSeed], spread: Sequence[Stability]) -> str:
    """The verdict and, where it isn't B+, what stands in the way."""
    seeds = {str(j.evidence.seed): j for j in judged}
    exempt = sorted({g.exemption for j in judged for g in j.gates if g.exemption})
    if over_all == PASS_BPLUS:
        return f"{over_all}: all gates at B+ on the seeds {', '.join(seeds)}"
    if over_all != FAIL:
        below = {g.gate.id for j in judged for g in j.gates if g.band == "B"}
        below |= {s.metric + " over seeds" for s in spread if s.judged.band == "B"}
        under = f", under the exceptions {', '.join(exempt)}" if exempt else ""
        return f"{over_all}: B on all seeds{under}; short of B+ in {', '.join(sorted(below))}"
    parts = [f"seed {s}: {j.reason}" for s, j in seeds.items() if j.evidence.reason]
    for on, gates in _missed(seeds).items():
        where = (
            "all seeds" if len(on) == len(seeds) else f"seed{'s' * (len(on) > 1)} {', '.join(on)}"
        )
        parts.append(f"{', '.join(gates)} on {where}")
    apart = [s.metric for s in spread if s.values and s.judged.band == "FAIL"]
    parts += [f"{metric} differs too much between seeds" for metric in apart]
    return f"{over_all}: {'; '.join(parts)}"


def _missed(seeds: Mapping[str, JudgedSeed]) -> dict[tuple[str, ...], list[str]]:
    """Failing gates by the seeds on which they fail."""
    by_gate: dict[str, list[str]] = {}
    for seed, judged in seeds.items():
        for gate in judged.gates:
            if gate.band == "FAIL" and not judged.evidence.reason:
                by_gate.setdefault(gate.gate.id, []).append(seed)
    by_seeds: dict[tuple[str, ...], list[str]] = {}
    for name, on in by_gate.items():
        by_seeds.setdefault(tuple(on), []).append(name)
    return by_seeds


def seed_metrics(document: Document) -> Document:
    """The seeds' figures and gates alone, with their formulas and digest."""
    names = ("segment", "runset", "generated_utc", "policy", "inputs", "seeds", "formulas")
    body = {name: document[name] for name in names}
    return {**body, "seed_metrics_sha256": self_digest(body)}
