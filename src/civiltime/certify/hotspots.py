"""Which countries cause a failing gate's shortfall, and by which mechanism.

Of each gate that misses B in a seed, every country carries a share of the shortfall:

* a share of countries: each country on the wrong side carries the same;
* a median: each country carries in proportion to how far it is beyond the threshold;
* a rate: each country carries in proportion to its guesses.

A country's weight is the mean of its shares over all failing gates and seeds; ties go to the
country with more sites.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from civiltime.certify.governance import Guesses
from civiltime.certify.metrics import Country, limit
from civiltime.certify.topology import Topology
from civiltime.policy.certification import CertificationPolicy

MOST = 25
COLLAPSED = 0.02
"""Sites whose hull is less than this part of their country's are collapsed upstream."""
TERRITORY = 0.90
"""A zone with this share of a country's land dominates its territory."""
OVERLAPPED = 0.05
"""With this share of ties, overlapping zones shape the country's figures."""


@dataclass(frozen=True)
class Scored:
    """One seed, as far as hotspots need it."""

    seed: int
    countries: Sequence[Country]
    guesses: Mapping[str, Guesses]
    hull_km2: Mapping[str, float]
    failing: Sequence[str]
    """Ids of the gates that miss B."""


def shortfall_shares(gate: str, seed: Scored, policy: CertificationPolicy) -> dict[str, float]:
    """Each country's share of a gate's shortfall; they add up to 1, or nobody carries any."""
    weights: dict[str, float] = {}
    for c in seed.countries:
        weight = _weight(gate, c, seed, policy)
        if weight > 0:
            weights[c.iso] = weight
    total = sum(weights.values())
    return {iso: weight / total for iso, weight in weights.items()}


def _weight(gate: str, c: Country, seed: Scored, policy: CertificationPolicy) -> float:
    guesses = seed.guesses.get(c.iso, Guesses())
    if gate in {"fallback_rate", "country_fallback_cap"}:
        return float(guesses.fallback)
    if gate == "override_rate":
        return float(guesses.override)
    if gate == "c_large_share_top1_below":
        return float(c.in_large(policy) and float(c.top1) >= limit(policy))
    if gate not in policy.gates or not c.in_multi(policy):
        return 0.0
    threshold = policy.gates[gate].b
    beyond = {
        "c_multi_share_two_zones": float(c.distinct < 2),
        "c_multi_median_top1": float(c.top1) - threshold,
        "c_multi_median_gap": float(c.gap) - threshold,
        "c_multi_median_entropy": threshold - c.entropy,
    }
    return max(beyond[gate], 0.0)


def mechanism(gate: str, c: Country, seed: Scored, topology: Topology) -> str:
    """Why the country misses the gate, told from the gate, its sites and its land."""
    if gate in {"fallback_rate", "country_fallback_cap"}:
        return "fallback"
    if gate == "override_rate":
        return "override"
    land = topology.get(c.iso)
    if land and seed.hull_km2.get(c.iso, 0.0) < COLLAPSED * land.hull_km2:
        return "upstream_collapse"
    if seed.guesses.get(c.iso, Guesses()).tie_break / c.sites >= OVERLAPPED:
        return "overlap"
    if land and land.largest_share >= TERRITORY:
        return "territory_dominant"
    return "dominant_zone"


def hotspots(
    seeds: Sequence[Scored], topology: Topology, policy: CertificationPolicy
) -> list[dict[str, Any]]:
    """The countries that weigh most, worst first, at most :data:`MOST`."""
    carried: dict[str, list[tuple[float, Scored, str]]] = {}
    cases = 0
    for seed in seeds:
        for gate in seed.failing:
            shares = shortfall_shares(gate, seed, policy)
            cases += bool(shares)
            for iso, share in shares.items():
                carried.setdefault(iso, []).append((share, seed, gate))
    rows = []
    for iso, parts in carried.items():
        # the first of equals: seeds and gates come in the policy's order
        share, seed, gate = max(parts, key=lambda part: part[0])
        country = next(c for c in seed.countries if c.iso == iso)
        weight = sum(part[0] for part in parts) / cases
        rows.append((weight, country, seed, gate))
    rows.sort(key=lambda row: (-row[0], -row[1].sites, row[1].iso))
    return [_row(rank, *row, topology) for rank, row in enumerate(rows[:MOST], start=1)]


def _row(
    rank: int, weight: float, c: Country, seed: Scored, gate: str, topology: Topology
) -> dict[str, Any]:
    return {
        "rank": rank,
        "country": c.iso,
        "seed": str(seed.seed),
        "gate": gate,
        "mechanism": mechanism(gate, c, seed, topology),
        "shortfall_share": weight,
        "sites": c.sites,
        "support": c.support,
        "distinct": c.distinct,
        "top1_share": float(c.top1),
        "top1_tzid": c.top1_tzid,
        "example": _example(gate, c, seed),
    }


def _example(gate: str, c: Country, seed: Scored) -> str:
    guesses = seed.guesses.get(c.iso, Guesses())
    if gate in {"fallback_rate", "country_fallback_cap"}:
        return f"{guesses.fallback:,} of {c.sites:,} sites took the nearest zone"
    if gate == "override_rate":
        return f"{guesses.override:,} of {c.sites:,} sites were set by hand"
    if c.distinct == 1:
        return f"all {c.sites:,} sites in {c.top1_tzid}, one of {c.support} zones"
    led = c.zones[0][1]
    return f"{led:,} of {c.sites:,} sites in {c.top1_tzid}; {c.distinct} of {c.support} zones used"
