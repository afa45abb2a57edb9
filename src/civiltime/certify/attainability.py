"""Whether a gate can be passed at all, and what the real world scores.

Two yardsticks, both with the country totals of the seed:

* the **ceiling**: the best that any placement on the country's own zones could score;
* the **reference world**: real cities, drawn by population.  Cities stand in line by zone,
  and every n-th part of the people sends one site, so the draw needs no random number.

They explain a verdict and never move a threshold.  A gate is ``UNATTAINABLE`` where the
ceiling misses it, ``ABOVE_REALITY`` where the reference world does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from civiltime.certify.gates import BY_ID, Direction, meets
from civiltime.certify.metrics import MULTI_METRICS, Country, Metrics, cohort_metrics
from civiltime.certify.stability import CV, coefficient_of_variation
from civiltime.policy.certification import AT_LEAST, CertificationPolicy

People = Mapping[str, Mapping[str, int]]
"""People by country and zone."""


def even(country: Country) -> Country:
    """The country with its sites spread as evenly as they go over its own zones.

    Of all placements it has the least share of the leading zone and the greatest entropy.
    """
    zones = max(country.support, 1)
    each, more = divmod(country.sites, zones)
    spread = [(f"{i:06d}", each + (i < more)) for i in range(zones) if each + (i < more)]
    return Country(country.iso, country.support, tuple(spread))


def paired(country: Country) -> Country:
    """The country with two zones that lead together, where it has three; else as :func:`even`.

    Of all placements it has the least lead of one zone over the second.
    """
    if country.support < 3 or country.sites < 2:
        return even(country)
    half, odd = divmod(country.sites, 2)
    zones = [("000000", half), ("000001", half), ("000002", odd)]
    return Country(country.iso, country.support, tuple(z for z in zones if z[1]))


def ceiling(countries: Sequence[Country], policy: CertificationPolicy) -> Metrics:
    """The best figure that these country totals allow, metric by metric."""
    best = cohort_metrics([even(c) for c in countries], policy)
    best["c_multi_median_gap"] = cohort_metrics([paired(c) for c in countries], policy)[
        "c_multi_median_gap"
    ]
    return {**best, "fallback_rate": 0.0, "override_rate": 0.0}


def drawn(country: Country, people: Mapping[str, int]) -> Country:
    """The country's sites drawn from its cities by population.

    Site i of n stands at the (i + 1/2)/n-th part of the people, cities in line by zone; a
    country without known people keeps its sites in one place.
    """
    total = sum(people.values())
    if not total:
        return Country(country.iso, country.support, (("", country.sites),))
    zones, before, reached = [], 0, 0
    for tzid in sorted(people):
        reached += people[tzid]
        # sites i with (2i + 1) * total < 2n * reached
        upto = max(0, -(-(2 * country.sites * reached - total) // (2 * total)))
        if upto > before:
            zones.append((tzid, upto - before))
        before = max(before, upto)
    return Country(country.iso, country.support, tuple(sorted(zones, key=lambda z: (-z[1], z[0]))))


def reference_world(
    countries: Sequence[Country], people: People, policy: CertificationPolicy
) -> Metrics:
    """What real cities score with these country totals."""
    world = [drawn(c, people.get(c.iso, {})) for c in countries]
    return {**cohort_metrics(world, policy), "fallback_rate": 0.0, "override_rate": 0.0}


def attainability(
    seeds: Mapping[int, Sequence[Country]], people: People | None, policy: CertificationPolicy
) -> list[dict[str, Any]]:
    """One row a gate; figures are the worst over the seeds, as the aggregate verdict is."""
    ceilings = [ceiling(c, policy) for c in seeds.values()]
    real = None
    if people is not None:
        real = [reference_world(c, people, policy) for c in seeds.values()]
    rows = []
    for gate in policy.gates:
        best = 0.0 if gate == CV else _worst(gate, ceilings)  # nothing spreads less than that
        scored = None if real is None else _worst(gate, real)
        rows.append(_row(gate, best, scored, policy, known=real is not None))
    return rows


def _worst(gate: str, metrics: Sequence[Metrics]) -> float | None:
    if gate == CV:
        spreads = [
            coefficient_of_variation([v for m in metrics if (v := m[name]) is not None])
            for name in MULTI_METRICS
        ]
        values = [v for v in spreads if v is not None]
        return max(values, default=None)
    values = [v for m in metrics if (v := m[gate]) is not None]
    if not values:
        return None
    return min(values) if gate in AT_LEAST else max(values)


def _row(
    gate: str,
    best: float | None,
    scored: float | None,
    policy: CertificationPolicy,
    *,
    known: bool,
) -> dict[str, Any]:
    threshold = policy.gates[gate]
    direction: Direction = "at_least" if gate in AT_LEAST else "at_most"

    def holds(value: float | None, limit: float) -> bool:
        return value is not None and meets(value, limit, direction)

    def mark(limit: float) -> str:
        if not holds(best, limit):
            return "UNATTAINABLE"
        return "ABOVE_REALITY" if known and not holds(scored, limit) else "ATTAINABLE"

    reference = {
        "value": scored,
        "meets_b": holds(scored, threshold.b),
        "meets_b_plus": holds(scored, threshold.b_plus),
    }
    return {
        "gate": gate,
        "title": BY_ID[gate].title if gate in BY_ID else "Spread over the seeds, largest of four",
        "ceiling": best,
        "ceiling_meets_b": holds(best, threshold.b),
        "ceiling_meets_b_plus": holds(best, threshold.b_plus),
        "reference_world": reference if known else None,
        "mark": mark(threshold.b),
        "mark_b_plus": mark(threshold.b_plus),
    }
