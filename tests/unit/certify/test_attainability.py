"""Ceilings against every possible placement; the reference world by hand (4.4, no. 7)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from tests.unit.certify.figures import POLICY, country, with_policy

from civiltime.certify.attainability import attainability, ceiling, drawn, even, reference_world
from civiltime.certify.metrics import Country, cohort_metrics
from civiltime.policy.certification import AT_LEAST

METRICS = (
    "c_multi_share_two_zones",
    "c_multi_median_top1",
    "c_multi_median_gap",
    "c_multi_median_entropy",
    "c_large_share_top1_below",
)
WORLDS = [
    ((2, 5), (3, 4)),
    ((3, 5), (1, 3)),
    ((2, 1), (3, 2), (2, 4)),
    ((4, 3), (3, 3)),
    ((5, 7),),
    ((3, 6), (2, 3), (0, 2)),
]
"""(support, sites) of every country."""


def placements(sites: int, zones: int) -> Iterator[tuple[int, ...]]:
    """Every way to put so many sites into so many zones."""
    if zones == 1:
        yield (sites,)
        return
    for n in range(sites + 1):
        for rest in placements(sites - n, zones - 1):
            yield (n, *rest)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("eligibility", ["multi_tz", "all"])
def test_a_ceiling_is_the_best_of_all_placements(
    world: tuple[tuple[int, int], ...], eligibility: str
) -> None:
    policy = with_policy(
        c_multi_min_sites=1, c_large_min_sites=1, c_large_top1_share_below=0.6,
        c_large_eligibility=eligibility,
    )  # fmt: skip
    options = [
        [country(f"A{chr(65 + i)}", support, *p) for p in placements(sites, max(support, 1))]
        for i, (support, sites) in enumerate(world)
    ]
    best: dict[str, float] = {}
    for countries in product(*options):
        m = cohort_metrics(countries, policy)
        for name in METRICS:
            value = m[name]
            if value is not None:
                pick = max if name in AT_LEAST else min
                best[name] = pick(best.get(name, value), value)
    concentrated = [options[i][-1] for i in range(len(world))]
    found = ceiling(concentrated, policy)
    assert {name: found[name] for name in METRICS if found[name] is not None} == pytest.approx(
        best, abs=1e-15
    )


def test_the_even_spread_keeps_country_totals() -> None:
    for sites, zones in product(range(1, 12), range(6)):
        made = even(country("AA", zones, sites))
        assert (made.sites, made.support) == (sites, zones)
        assert made.distinct == min(max(zones, 1), sites)
        counts = [n for _, n in made.zones]
        assert max(counts) - min(counts) <= 1


def test_cities_are_drawn_by_their_share_of_the_people() -> None:
    """Site i stands at the (i + 1/2)/n-th part: 10 sites at 5%, 15% ... 95%."""
    cases = [
        ({"a": 70, "b": 30}, 10, {"a": 7, "b": 3}),
        ({"a": 96, "b": 4}, 10, {"a": 10}),
        ({"a": 4, "b": 96}, 10, {"b": 10}),
        ({"a": 1, "b": 1, "c": 1}, 3, {"a": 1, "b": 1, "c": 1}),
        ({"a": 1, "b": 1}, 1, {"b": 1}),  # 50% isn't below a's share of 50%
        ({"a": 55, "b": 45}, 10, {"a": 5, "b": 5}),
        ({"a": 0, "b": 9}, 4, {"b": 4}),
    ]
    for people, sites, expected in cases:
        assert dict(drawn(country("AA", 2, sites), people).zones) == expected


def test_a_draw_is_the_plain_loop_over_sites() -> None:
    people = {"a": 123, "b": 1, "c": 77, "d": 1_000_003, "e": 400_000}
    total = sum(people.values())
    for sites in (1, 2, 3, 50, 997, 1000):
        counts: dict[str, int] = {}
        for i in range(sites):
            reached = 0
            for tzid in sorted(people):
                reached += people[tzid]
                if (2 * i + 1) * total < 2 * sites * reached:
                    counts[tzid] = counts.get(tzid, 0) + 1
                    break
        assert dict(drawn(country("AA", 2, sites), people).zones) == counts


def test_a_country_without_known_people_stays_in_one_place() -> None:
    for people in ({}, {"a": 0}):
        assert drawn(country("AA", 2, 60, 40), people).zones == (("", 100),)
    m = reference_world([country("AA", 2, 60, 40)], {}, POLICY)
    assert m["c_multi_share_two_zones"] == 0.0


def row(gate: str, seeds: dict[int, list[Country]], people: Any = None) -> dict[str, Any]:
    return next(r for r in attainability(seeds, people, POLICY) if r["gate"] == gate)


BIG = country("AA", 2, 1000)


def test_one_row_for_each_gate_of_the_policy() -> None:
    rows = attainability({42: [BIG]}, None, POLICY)
    assert [r["gate"] for r in rows] == list(POLICY.gates)
    assert {r["reference_world"] is None for r in rows} == {True}


def test_marks_of_attainable_above_reality_and_unattainable() -> None:
    gate = "c_multi_share_two_zones"
    spread, lumped = {"AA": {"a": 1, "b": 1}}, {"AA": {"a": 1}}
    assert row(gate, {42: [BIG]}, spread)["mark"] == "ATTAINABLE"
    assert row(gate, {42: [BIG]}, lumped)["mark"] == "ABOVE_REALITY"
    assert row(gate, {42: [BIG]}, None)["mark"] == "ATTAINABLE"
    small = country("AA", 1, 1000)
    assert row(gate, {42: [small]}, spread)["mark"] == "UNATTAINABLE", "no country of two zones"
    foreign = row("c_large_share_top1_below", {42: [BIG, small]}, lumped)
    assert (foreign["mark"], foreign["reference_world"]["value"]) == ("ABOVE_REALITY", 0.0)


def test_both_bands_are_marked() -> None:
    """Real cities with 0.90 and 0.10 of the people meet B (0.92) and miss B+ (0.80)."""
    found = row("c_multi_median_top1", {42: [BIG]}, {"AA": {"a": 9, "b": 1}})
    assert found["reference_world"] == {"value": 0.9, "meets_b": True, "meets_b_plus": False}
    assert (found["mark"], found["mark_b_plus"]) == ("ATTAINABLE", "ABOVE_REALITY")
    assert (found["ceiling"], found["ceiling_meets_b"], found["ceiling_meets_b_plus"]) == (
        0.5,
        True,
        True,
    )


def test_the_worst_seed_counts_as_it_does_for_the_verdict() -> None:
    people = {"AA": {"a": 9, "b": 1}, "BB": {"a": 1}}
    seeds = {42: [BIG], 7: [BIG, country("BB", 2, 1000)]}
    assert row("c_multi_share_two_zones", seeds, people)["reference_world"]["value"] == 0.5
    assert row("c_multi_median_top1", seeds, people)["reference_world"]["value"] == 0.95


def test_the_spread_over_seeds_of_the_reference_world() -> None:
    """Share with two zones 1 and 0.5 has a CV of 1/3; the entropy's, 0.469 and half of it, too."""
    people = {"AA": {"a": 9, "b": 1}, "BB": {"a": 1}}
    found = row("cross_seed_cv", {42: [BIG], 7: [BIG, country("BB", 2, 1000)]}, people)
    assert (found["ceiling"], found["mark"]) == (0.0, "ABOVE_REALITY")
    assert found["reference_world"]["value"] == pytest.approx(1 / 3)


def test_rates_have_nothing_in_their_way() -> None:
    for gate in ("fallback_rate", "override_rate"):
        found = row(gate, {42: [BIG]}, {"AA": {"a": 1}})
        assert (found["ceiling"], found["mark_b_plus"]) == (0.0, "ATTAINABLE")
