"""What S1 counts: caps are exceeded when a rate is greater, and samples name what matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from civiltime.policy.lookup import LookupPolicy
from civiltime.policy.nudge import Nudge
from civiltime.states.precedence import (
    Codes,
    Decision,
    Floats,
    OverrideTable,
    Precedence,
    Resolved,
    Sites,
    Tiebreak,
    country_number,
)
from civiltime.states.tally import Tally

POLICY = LookupPolicy(
    semver="1.0.0",
    fallback_rate_cap=0.5,
    fallback_country_rate_cap=0.25,
    fallback_country_min_sites=4,
    override_rate_cap=0.5,
    country_consistent_tiebreak=True,
    overlap_preferences=(),
    nearest_fallback_enabled=True,
    nearest_fallback_threshold_m=None,
    sample_limit=3,
    timetable_horizon_year=2099,
)


class OneZone:
    """A world of one zone that covers nothing."""

    tzids = ("A/B",)

    def candidates(self, lon: Floats, lat: Floats) -> Codes:
        """No zone."""
        return np.zeros(len(lon) and len(lat), np.int64)

    def zone_sets(self, codes: Codes) -> list[tuple[int, ...]]:
        """No zone."""
        return [() for _ in codes]


ORDER = Precedence(
    tiebreak=Tiebreak(OneZone(), np.array([0], np.int32), POLICY),
    nudge=Nudge("1.0.0", 1e-6),
    overrides=OverrideTable(()),
    nearest=lambda *rows: (np.zeros(len(rows[0]), np.int32), np.zeros(len(rows[0]))),
    singletons=np.full(676, -1, np.int32),
)


def add(tally: Tally, *rows: tuple[str, Decision], limit: int = 3, metres: float = 1.5) -> None:
    n = len(rows)
    decision = np.array([d for _, d in rows], np.uint8)
    moved = np.where(decision >= Decision.NUDGE, 1.0, np.nan)
    tally.add(
        Sites(
            np.arange(1, n + 1, dtype=np.uint64),
            np.array([country_number(c) for c, _ in rows], np.int32),
            np.ones(n, np.int32),
            np.zeros(n),
            np.zeros(n),
        ),
        Resolved(
            np.where(decision == Decision.UNRESOLVED, -1, 0).astype(np.int32),
            decision,
            moved,
            moved,
            np.zeros(n, np.int64),
            {i: metres for i in range(n) if decision[i] >= Decision.FALLBACK_WITHIN},
        ),
        ORDER,
        limit,
    )


def test_a_country_is_over_its_cap_when_its_rate_is_greater_and_it_has_enough_sites() -> None:
    tally = Tally()
    within = ("AA", Decision.FALLBACK_WITHIN)
    add(tally, within, *[("AA", Decision.POLYGON)] * 3)  # a quarter of four: at the cap
    add(tally, *[("BB", Decision.FALLBACK_OUTSIDE)] * 3)  # all of three: too few to judge
    assert tally.countries_over_cap(POLICY) == []
    add(tally, within)
    assert tally.countries_over_cap(POLICY) == [("AA", 0.4, 5)]
    few = replace(POLICY, fallback_country_min_sites=0)
    assert [c for c, _, _ in tally.countries_over_cap(few)] == ["AA", "BB"]


def test_rows_without_an_answer_are_sampled_before_rows_that_fell_back() -> None:
    tally = Tally()
    add(tally, *[("AA", Decision.FALLBACK_WITHIN)] * 4)
    add(tally, ("BB", Decision.UNRESOLVED), ("BB", Decision.POLYGON))
    assert [(s["key"], s["reason"]) for s in tally.samples] == [
        ("1|BB|1", "UNRESOLVED"),
        ("1|AA|1", "FALLBACK_WITHIN"),
        ("2|AA|1", "FALLBACK_WITHIN"),
    ]
    assert [s["tzid"] for s in tally.samples] == [None, "A/B", "A/B"]


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_samples_are_never_more_than_the_limit(limit: int) -> None:
    tally = Tally()
    for _ in range(3):
        add(tally, ("AA", Decision.FALLBACK_WITHIN), ("AA", Decision.UNRESOLVED), limit=limit)
    assert len(tally.samples) == limit


def test_no_distance_is_none_and_a_distance_is_rounded_to_a_millimetre() -> None:
    tally = Tally()
    add(tally, ("AA", Decision.UNRESOLVED), metres=float("inf"))
    add(tally, ("AA", Decision.FALLBACK_OUTSIDE), metres=1.23456)
    assert [s["distance_m"] for s in tally.samples] == [None, 1.235]


def test_no_sites_have_no_rates() -> None:
    tally = Tally()
    add(tally)
    empty: dict[str, Any] = tally.governance(POLICY)
    assert (tally.sites, tally.fallback_rate, empty["tie_break_rate"]) == (0, 0.0, 0.0)
    assert tally.counts()["by_country"] == {}
    assert tally.not_consulted(2).tolist() == [0, 0]


def test_the_worst_countries_come_first_with_their_counts() -> None:
    tally = Tally()
    add(tally, *[("AA", Decision.OVERRIDE_SITE)], *[("ZZ", Decision.OVERRIDE_MCC)] * 2)
    assert tally.worst_override_countries() == ["ZZ 2", "AA 1"]
    assert tally.worst_fallback_countries() == []
    assert tally.governance(POLICY)["override_rate_by_country"] == {"AA": 1.0, "ZZ": 1.0}
