"""Movement against a baseline: SciPy's figures by plain formulas (specification 4.4, no. 5)."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from civiltime.certify.metrics import Metrics
from civiltime.certify.movement import (
    TOLERANCE,
    axes,
    distributions,
    gini,
    movement,
    two_proportions,
)

NOW, BEFORE = [0.2, 0.4, 0.4, 0.9], [0.5, 0.9, 1.0]


def steps(a: list[float], b: list[float]) -> tuple[float, float]:
    """Greatest distance of two step functions, and the area between them."""
    points = sorted({*a, *b})
    apart = [abs(bisect_right(sorted(a), x) / len(a) - bisect_right(sorted(b), x) / len(b))
             for x in points]  # fmt: skip
    widths = [y - x for x, y in pairwise(points)]
    return max(apart), math.fsum(d * w for d, w in zip(apart, widths, strict=False))


def test_distances_of_distributions_by_hand() -> None:
    """At 0.4 three of four against none of three; the area is 0.25*0.2 + 0.75*0.1 + ..."""
    found = distributions("top1_share", NOW, BEFORE)
    assert found["ks"] == 0.75
    assert found["wasserstein"] == pytest.approx(abs(0.475 - 0.8), abs=1e-12)
    assert (found["mean"], found["mean_baseline"]) == pytest.approx((0.475, 0.8))
    assert (found["n"], found["n_baseline"], found["measure"]) == (4, 3, "top1_share")


@pytest.mark.parametrize("case", range(20))
def test_distances_of_distributions_by_plain_formulas(case: int) -> None:
    rng = np.random.default_rng(case)
    a, b = (rng.random(int(rng.integers(1, 40))).round(2).tolist() for _ in range(2))
    found = distributions("x", a, b)
    assert (found["ks"], found["wasserstein"]) == pytest.approx(steps(a, b), abs=1e-12)
    assert 0.0 <= found["ks_p_value"] <= 1.0


def test_the_same_distribution_did_not_move() -> None:
    found = distributions("x", NOW, NOW)
    assert (found["ks"], found["wasserstein"], found["ks_p_value"]) == (0.0, 0.0, 1.0)


def test_two_proportions_by_hand() -> None:
    """45 of 50 against 30 of 50: pooled 0.75, z = 0.3 / sqrt(0.75 * 0.25 * 2/50) = 3.4641."""
    found = two_proportions(45, 50, 30, 50)
    z = 0.3 / math.sqrt(0.75 * 0.25 * (2 / 50))
    assert found["lift_pp"] == pytest.approx(30.0)
    assert found["z"] == pytest.approx(z) == pytest.approx(3.4641016)
    assert found["p_value"] == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-9)
    assert two_proportions(30, 50, 45, 50)["z"] == pytest.approx(-z)


def test_its_square_is_the_chi_square_of_the_table() -> None:
    from scipy import stats

    found = two_proportions(45, 60, 30, 50)
    chi = stats.chi2_contingency([[45, 15], [30, 20]], correction=False)
    assert found["z"] ** 2 == pytest.approx(chi.statistic)
    assert found["p_value"] == pytest.approx(chi.pvalue)


def test_without_variance_there_is_no_test() -> None:
    for hits in (0, 50):
        found = two_proportions(hits, 50, hits, 50)
        assert (found["lift_pp"], found["z"], found["p_value"]) == (0.0, None, None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0] * 5, 0.0), ([0, 0, 0, 1.0], 0.75), ([1, 2, 3, 4.0], 0.25), ([], 0.0), ([0.0, 0], 0.0)],
)
def test_gini_by_hand(values: list[float], expected: float) -> None:
    assert gini(values) == pytest.approx(expected, abs=1e-15)


def test_gini_is_half_the_relative_mean_difference() -> None:
    values = np.random.default_rng(1).random(50)
    mean_difference = np.abs(values[:, None] - values[None, :]).mean()
    assert gini(values.tolist()) == pytest.approx(mean_difference / 2 / values.mean(), rel=1e-12)


def verdicts(now: Metrics, before: Metrics) -> dict[str, str]:
    return {row["axis"]: row["verdict"] for row in axes([now], [before])}


WAS: Metrics = {
    "fallback_rate": 1e-6,
    "override_rate": 1e-6,
    "c_multi_share_two_zones": 0.5,
    "c_multi_median_top1": 0.5,
    "c_multi_median_gap": 0.5,
    "c_multi_median_entropy": 0.5,
    "c_large_share_top1_below": 0.5,
}
MORE_IS_BETTER = {"c_multi_share_two_zones", "c_multi_median_entropy", "c_large_share_top1_below"}


@pytest.mark.parametrize("axis", WAS)
def test_each_axis_knows_its_good_side(axis: str) -> None:
    for step in (0.01, -0.01):
        found = verdicts({**WAS, axis: float(WAS[axis] or 0) + step}, WAS)
        better = (step > 0) == (axis in MORE_IS_BETTER)
        assert found.pop(axis) == ("improved" if better else "regressed")
        assert set(found.values()) == {"unchanged"}


def test_small_moves_are_none_but_for_governance() -> None:
    near = {k: float(v or 0) + TOLERANCE * 0.99 for k, v in WAS.items()}
    found = verdicts({**near, "fallback_rate": 2e-6, "override_rate": 0.0}, WAS)
    assert found.pop("fallback_rate") == "regressed"
    assert found.pop("override_rate") == "improved"
    assert set(found.values()) == {"unchanged"}


def test_axes_compare_means_over_seeds() -> None:
    name = "c_multi_median_top1"
    (row,) = axes([{name: 0.4}, {name: 0.6}, {name: None}], [{name: 0.8}, {name: 0.9}])
    assert row["axis"] == name
    assert (row["value"], row["baseline"]) == pytest.approx((0.5, 0.85))
    assert row["change"] == pytest.approx(-0.35)
    assert row["verdict"] == "improved"


def test_a_figure_that_appears_improved_and_one_that_is_lost_regressed() -> None:
    name = "c_multi_median_top1"
    cases = [(0.5, None, "improved"), (None, 0.5, "regressed"), (None, None, "unchanged")]
    for now, before, expected in cases:
        (row,) = axes([{name: now}], [{name: before}])
        assert (row["verdict"], row["change"]) == (expected, None)


def country_row(top1: float, entropy: float, distinct: int) -> dict[str, Any]:
    return {"top1_share": top1, "entropy_norm": entropy, "distinct": distinct}


def test_the_whole_movement() -> None:
    now = [country_row(0.5, 1.0, 2), country_row(0.6, 0.9, 3), country_row(1.0, 0.0, 1)]
    before = [country_row(1.0, 0.0, 1), country_row(0.9, 0.4, 2)]
    found = movement(now, before, [WAS], [WAS])
    assert [d["measure"] for d in found["distributions"]] == ["top1_share", "entropy_norm"]
    assert found["coverage"]["lift_pp"] == pytest.approx(100 * (2 / 3 - 1 / 2))
    assert found["gini_top1"]["value"] == pytest.approx(gini([0.5, 0.6, 1.0]))
    assert found["gini_top1"]["baseline"] == pytest.approx(gini([0.9, 1.0]))
    assert found["tolerance"] == TOLERANCE


def test_without_countries_on_one_side_only_the_axes_are_compared() -> None:
    for now, before in (([], [country_row(1, 0, 1)]), ([country_row(1, 0, 1)], []), ([], [])):
        found = movement(now, before, [WAS], [WAS])
        assert (found["distributions"], found["coverage"]) == ([], None)
        assert {a["verdict"] for a in found["axes"]} == {"unchanged"}


def test_axes_are_there_when_nothing_could_be_scored() -> None:
    """What the baseline had and now can't be scored has regressed; it doesn't vanish."""
    found = movement([], [country_row(1, 0, 1)], [], [WAS])
    assert {a["axis"]: a["verdict"] for a in found["axes"]} == dict.fromkeys(WAS, "regressed")
