"""Which countries carry a shortfall, and by which mechanism (specification 4.4, no. 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from tests.unit.certify.figures import POLICY, country, land

from civiltime.certify.governance import Guesses
from civiltime.certify.hotspots import (
    COLLAPSED,
    MOST,
    OVERLAPPED,
    TERRITORY,
    Scored,
    hotspots,
    mechanism,
    shortfall_shares,
)
from civiltime.certify.metrics import Country

ONE, WIDE, EVEN = country("AA", 2, 1000), country("BB", 2, 960, 40), country("CC", 2, 500, 500)


def scored(
    *failing: str,
    countries: Sequence[Country] = (ONE, WIDE, EVEN),
    guesses: Mapping[str, Guesses] | None = None,
    hull: Mapping[str, float] | None = None,
    seed: int = 42,
) -> Scored:
    wide = {c.iso: 1000.0 for c in countries}
    return Scored(seed, countries, guesses or {}, wide if hull is None else hull, failing)


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        # beyond 0.92 by 0.08 and 0.04
        ("c_multi_median_top1", {"AA": 2 / 3, "BB": 1 / 3}),
        # beyond 0.85 by 0.15 and 0.07
        ("c_multi_median_gap", {"AA": 15 / 22, "BB": 7 / 22}),
        ("c_multi_share_two_zones", {"AA": 1.0}),
        ("c_large_share_top1_below", {"AA": 0.5, "BB": 0.5}),
        ("row_parity", {}),
        ("override_rate", {}),
    ],
)
def test_shares_by_hand(gate: str, expected: dict[str, float]) -> None:
    assert shortfall_shares(gate, scored(gate), POLICY) == pytest.approx(expected)


def test_entropy_counts_below_the_threshold() -> None:
    """H of 0.96 and 0.04 over ln 2 is 0.2423: over 0.20, so AA carries all of it."""
    assert shortfall_shares("c_multi_median_entropy", scored(), POLICY) == {"AA": 1.0}


def test_guesses_carry_the_rates() -> None:
    guesses = {"AA": Guesses(fallback=3), "BB": Guesses(fallback=1, override=7)}
    seed = scored(guesses=guesses)
    for gate in ("fallback_rate", "country_fallback_cap"):
        assert shortfall_shares(gate, seed, POLICY) == {"AA": 0.75, "BB": 0.25}
    assert shortfall_shares("override_rate", seed, POLICY) == {"BB": 1.0}


def test_the_mechanism_is_told_by_gate_sites_and_land() -> None:
    gate = "c_multi_median_top1"
    near = scored(hull={"AA": 1000.0 * COLLAPSED * 0.99})
    far = scored(hull={"AA": 1000.0 * COLLAPSED})
    ties = scored(hull={"AA": 1000.0}, guesses={"AA": Guesses(tie_break=int(1000 * OVERLAPPED))})
    few = scored(hull={"AA": 1000.0}, guesses={"AA": Guesses(tie_break=49)})
    assert mechanism(gate, ONE, near, land("AA")) == "upstream_collapse"
    assert mechanism(gate, ONE, far, land("AA")) == "dominant_zone"
    assert mechanism(gate, ONE, ties, land("AA")) == "overlap"
    assert mechanism(gate, ONE, few, land("AA")) == "dominant_zone"
    assert mechanism(gate, ONE, far, land("AA", TERRITORY)) == "territory_dominant"
    assert mechanism(gate, ONE, far, land("AA", 0.89)) == "dominant_zone"
    assert mechanism("fallback_rate", ONE, near, land("AA")) == "fallback"
    assert mechanism("country_fallback_cap", ONE, near, land("AA")) == "fallback"
    assert mechanism("override_rate", ONE, near, land("AA")) == "override"
    assert mechanism(gate, ONE, far, {}) == "dominant_zone", "without land, nothing is known of it"


def test_weights_are_means_over_failing_gates_and_seeds() -> None:
    """AA carries 2/3 and 1, BB 1/3 and 0."""
    seeds = [
        scored("c_multi_median_top1", seed=42),
        scored("row_parity", "c_multi_share_two_zones", seed=7),
    ]
    rows = hotspots(seeds, land("AA"), POLICY)
    assert [(r["rank"], r["country"]) for r in rows] == [(1, "AA"), (2, "BB")]
    assert [r["shortfall_share"] for r in rows] == pytest.approx([(2 / 3 + 1) / 2, 1 / 6])
    assert (rows[0]["seed"], rows[0]["gate"]) == ("7", "c_multi_share_two_zones")
    assert rows[0]["example"] == "all 1,000 sites in z0, one of 2 zones"
    assert rows[1]["example"] == "960 of 1,000 sites in z0; 2 of 2 zones used"


def test_ties_go_to_the_country_with_more_sites_then_by_name() -> None:
    same = [country(iso, 2, n) for iso, n in (("CC", 600), ("BB", 600), ("AA", 500))]
    rows = hotspots([scored("c_multi_share_two_zones", countries=same)], {}, POLICY)
    assert [r["country"] for r in rows] == ["BB", "CC", "AA"]


def test_at_most_so_many_and_none_where_nothing_fails() -> None:
    many = [country(f"{a}{b}", 2, 500) for a in "ABC" for b in "ABCDEFGHIJ"]
    rows = hotspots([scored("c_multi_share_two_zones", countries=many)], {}, POLICY)
    assert len(rows) == MOST < len(many)
    assert hotspots([scored()], {}, POLICY) == []
    assert hotspots([], {}, POLICY) == []


def test_examples_of_guesses() -> None:
    guesses = {"AA": Guesses(fallback=3, override=1234)}
    rows = hotspots([scored("fallback_rate", guesses=guesses)], {}, POLICY)
    assert rows[0]["example"] == "3 of 1,000 sites took the nearest zone"
    rows = hotspots([scored("override_rate", guesses=guesses)], {}, POLICY)
    assert rows[0]["example"] == "1,234 of 1,000 sites were set by hand"
