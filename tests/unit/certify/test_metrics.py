"""Metrics and cohorts against values worked by hand (specification 4.1 and 4.2)."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from tests.unit.certify.figures import POLICY, country, seed, with_policy

from civiltime.certify.metrics import cohort_metrics, countries_of
from civiltime.certify.tables import country_rows


def test_a_country_of_three_zones() -> None:
    """60, 30 and 10 of 100: H = 0.6 ln(5/3) + 0.3 ln(10/3) + 0.1 ln 10 = 0.897945...; ln 4."""
    c = country("AA", 4, 60, 30, 10)
    assert (c.sites, c.distinct, c.top1_tzid) == (100, 3, "z0")
    assert (c.top1, c.gap) == (Fraction(3, 5), Fraction(3, 10))
    assert c.entropy == pytest.approx(0.8979457248567797 / 1.3862943611198906, abs=1e-15)


def test_one_zone_has_the_whole_gap_and_no_entropy() -> None:
    c = country("AA", 3, 250)
    assert (c.distinct, c.top1, c.gap) == (1, Fraction(1), Fraction(1))
    assert c.entropy == 0.0
    assert math.copysign(1, c.entropy) == 1.0, "-0.0 would be written as -0.0"


def test_an_even_spread_over_all_zones_has_entropy_one() -> None:
    for n in (2, 3, 7, 26):
        assert country("AA", n, *[100] * n).entropy == pytest.approx(1.0, abs=1e-15)


def test_of_leading_zones_with_the_same_sites_the_first_by_name_leads() -> None:
    counts = [("AA", "Z/b", 5), ("AA", "Z/a", 5), ("AA", "Z/B", 5), ("AA", "Z/c", 4)]
    (c,) = countries_of(counts, {"AA": 4})
    assert [z for z, _ in c.zones] == ["Z/B", "Z/a", "Z/b", "Z/c"]
    assert (c.top1_tzid, c.gap) == ("Z/B", Fraction(0))


def test_pairs_without_sites_and_unknown_countries() -> None:
    found = countries_of([("BB", "b", 1), ("AA", "a", 2), ("BB", "c", 0)], {"AA": 2})
    assert [(c.iso, c.support, c.distinct) for c in found] == [("AA", 2, 1), ("BB", 0, 1)]


@pytest.mark.parametrize("support", [0, 1])
def test_less_than_two_zones_of_its_own_give_entropy_zero(support: int) -> None:
    c = country("AA", support, 50, 50)
    assert c.entropy == 0.0
    assert not c.in_multi(POLICY)


def test_sites_in_zones_of_other_countries_may_exceed_one_and_are_flagged() -> None:
    """Two zones of its own, sites even over four: ln 4 / ln 2 = 2."""
    over, whole = country("AA", 2, 50, 50, 50, 50), country("BB", 2, 50, 50)
    assert over.entropy == pytest.approx(2.0)
    flags = [row["entropy_above_1"] for row in country_rows(seed(countries=[over, whole]), POLICY)]
    assert flags == [True, False]


@pytest.mark.parametrize(
    ("support", "sites", "multi", "large", "large_all"),
    [
        (2, 99, False, False, False),
        (2, 100, True, False, False),
        (2, 499, True, False, False),
        (2, 500, True, True, True),
        (1, 500, False, False, True),
        (1, 499, False, False, False),
    ],
)
def test_cohorts_begin_exactly_at_their_thresholds(
    support: int, sites: int, multi: bool, large: bool, large_all: bool
) -> None:
    c = country("AA", support, sites)
    assert (c.in_multi(POLICY), c.in_large(POLICY), c.in_large(POLICY, "all")) == (
        multi,
        large,
        large_all,
    )


WORLD = (
    country("AA", 2, 900, 100),  # top-1 0.90, gap 0.80
    country("BB", 3, 940, 60),  # 0.94, 0.88
    country("CC", 2, 100),  # 1, 1; too small for C_large
    country("DD", 2, 50, 50),  # 0.50, 0
    country("EE", 1, 5000),  # one zone
    country("FF", 2, 60, 39),  # too small
)


def test_cohort_metrics_by_hand() -> None:
    """C_multi is AA, BB, CC, DD; C_large AA and BB, with ``all`` EE besides."""
    m = cohort_metrics(WORLD, POLICY)
    assert m == {
        "sites": 1000 + 1000 + 100 + 100 + 5000 + 99,
        "countries": 6,
        "c_multi": 4,
        "c_large": 2,
        "c_large_multi_tz": 2,
        "c_large_all": 3,
        "c_single": 2,
        "c_multi_share_two_zones": 0.75,
        "c_multi_median_top1": 0.92,
        "c_multi_median_gap": 0.84,
        "c_multi_median_entropy": m["c_multi_median_entropy"],
        "c_large_share_top1_below": 1.0,
        "c_large_share_top1_below_multi_tz": 1.0,
        "c_large_share_top1_below_all": pytest.approx(2 / 3, abs=1e-15),
    }
    h = [-(p * math.log(p) + (1 - p) * math.log(1 - p)) for p in (0.9, 0.94)]
    middle = (h[0] / math.log(2) + h[1] / math.log(3)) / 2
    assert m["c_multi_median_entropy"] == pytest.approx(middle, abs=1e-15)


def test_the_policy_says_which_large_countries_gate_and_both_figures_are_there() -> None:
    every = cohort_metrics(WORLD, with_policy(c_large_eligibility="all"))
    assert every["c_large"] == every["c_large_all"] == 3
    assert every["c_large_share_top1_below"] == pytest.approx(2 / 3)
    assert every["c_large_share_top1_below_multi_tz"] == 1.0
    assert every["c_single"] == 1


def test_a_share_of_exactly_the_limit_is_not_below_it() -> None:
    at, below = country("AA", 2, 950, 50), country("BB", 2, 949, 51)
    assert cohort_metrics([at, below], POLICY)["c_large_share_top1_below"] == 0.5


def test_a_median_that_is_the_threshold_is_exactly_the_threshold() -> None:
    """Floats would give (0.9 + 0.94) / 2 = 0.9199999999999999."""
    pair = [country("AA", 2, 90, 10), country("BB", 2, 94, 6)]
    assert cohort_metrics(pair, POLICY)["c_multi_median_top1"] == 0.92


def test_empty_cohorts_have_no_figures() -> None:
    for countries in ((), WORLD[4:]):
        m = cohort_metrics(countries, POLICY)
        assert m["c_multi"] == m["c_large"] == 0
        assert {m[name] for name in m if name.startswith(("c_multi_", "c_large_share"))} <= {
            None,
            0.0,  # c_large with `all` counts the country of one zone
        }
        assert m["c_multi_median_top1"] is m["c_large_share_top1_below"] is None
