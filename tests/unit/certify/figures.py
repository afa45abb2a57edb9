"""Made evidence: countries by hand, and a seed that passes every gate at B+ until it is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from typing import Any

from civiltime.certify.certification import Document, SealedPolicy, certification
from civiltime.certify.evidence import SeedEvidence
from civiltime.certify.gates import STRUCTURE, Exemption
from civiltime.certify.governance import Guesses
from civiltime.certify.metrics import Country, countries_of
from civiltime.certify.topology import Land, Topology
from civiltime.policy.certification import CertificationPolicy, parse_certification_policy

RAW = resources.files("civiltime.policy").joinpath("defaults/certification.yaml").read_bytes()
POLICY = parse_certification_policy(RAW)
SEEDS = (42, 7, 101, 202)
RUN = "0" * 32
GOVERNED = ("reported_counts", "country_fallback_cap", "override_provenance")


def country(iso: str, support: int, *sites: int) -> Country:
    """A country with zones ``z0``, ``z1`` ... that have so many sites."""
    (made,) = countries_of([(iso, f"z{i}", n) for i, n in enumerate(sites)], {iso: support})
    return made


def with_policy(**changed: Any) -> CertificationPolicy:
    """The default policy with other values."""
    return replace(POLICY, **changed)


SPREAD = tuple(country(iso, 2, 500, 500) for iso in ("AA", "BB", "CC", "DD"))
"""Four countries of both cohorts, each spread evenly over its two zones."""


def seed(
    number: int = 42,
    countries: Sequence[Country] = SPREAD,
    guesses: Mapping[str, Guesses] | None = None,
    broken: Mapping[str, str] | None = None,
) -> SeedEvidence:
    """A seed; ``broken`` gives structural gates that don't hold, with the problem."""
    evidence = SeedEvidence(number, RUN, created_utc="2026-01-01T00:00:00.000000Z")
    for gate in (*(g.id for g in STRUCTURE), *GOVERNED):
        evidence.require(gate, (broken or {}).get(gate))
    evidence.countries = tuple(countries)
    evidence.guesses = guesses or {}
    evidence.hull_km2 = {c.iso: 1000.0 * (i + 1) for i, c in enumerate(countries)}
    evidence.reports = {
        "S1": {"counts": {"by_country": {}}},
        "S2": {"counts": {"overrides_by_country": {}}, "governance": {"applied": []}},
    }
    evidence.inputs = {"seed": str(number), "run_id": RUN}
    return evidence


def seeds(**broken: SeedEvidence) -> list[SeedEvidence]:
    """The four seeds; ``s7=...`` puts another in the place of seed 7."""
    return [broken.get(f"s{number}", seed(number)) for number in SEEDS]


def land(iso: str, largest: float = 0.5) -> Topology:
    """A country of two zones, one with that share of its land."""
    return {iso: Land({"z0": largest, "z1": 1 - largest}, 1000.0, 0.0)}


def certified(
    evidence: Sequence[SeedEvidence],
    exemptions: Sequence[Exemption] = (),
    topology: Topology | None = None,
    policy: CertificationPolicy = POLICY,
) -> Document:
    """The certification of made seeds."""
    document, _ = certification(
        evidence,
        SealedPolicy(policy, "0" * 64),
        topology or {},
        None,
        runset="made",
        generated_utc="2026-01-01T00:00:00.000000Z",
        exemptions=exemptions,
    )
    return document
