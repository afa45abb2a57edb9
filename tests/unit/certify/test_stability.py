"""The spread over the seeds: population deviation over the mean (specification 4.3)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from tests.unit.certify.figures import POLICY, SEEDS, certified, country
from tests.unit.certify.figures import seed as made

from civiltime.certify.metrics import MULTI_METRICS
from civiltime.certify.stability import coefficient_of_variation, stability


def test_by_hand() -> None:
    """2, 4, 4, 4, 5, 5, 7, 9: mean 5, population deviation 2; the sample's would be 2.138."""
    assert coefficient_of_variation([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]) == 0.4


def test_as_scipy_says() -> None:
    for seed in range(20):
        values = np.random.default_rng(seed).random(4)
        expected = stats.variation(values, ddof=0)
        assert coefficient_of_variation(values.tolist()) == pytest.approx(expected, rel=1e-12)


def test_equal_values_zeros_and_nothing() -> None:
    assert coefficient_of_variation([0.3] * 4) == 0.0
    assert coefficient_of_variation([0.7]) == 0.0
    assert coefficient_of_variation([0.0] * 4) == 0.0, "no entropy on any seed is no spread"
    assert coefficient_of_variation([]) is None


def metrics(*values: float | None) -> dict[str, dict[str, float | int | None]]:
    return {str(i): dict.fromkeys(MULTI_METRICS, v) for i, v in enumerate(values)}


def test_the_four_metrics_are_judged_and_a_seed_without_figures_is_left_out() -> None:
    found = stability(metrics(0.5, None, 1.5) | {"9": {}}, POLICY)
    assert [s.metric for s in found] == list(MULTI_METRICS)
    for s in found:
        assert s.document() == {
            "metric": s.metric,
            "values": {"0": 0.5, "2": 1.5},
            "mean": 1.0,
            "sd": 0.5,
            "cv": 0.5,
            "b": 0.3,
            "b_plus": 0.2,
            "band": "FAIL",
        }


def test_bands_of_the_spread() -> None:
    assert [s.judged.band for s in stability(metrics(0.8, 1.2), POLICY)] == ["B+"] * 4
    assert [s.judged.band for s in stability(metrics(0.75, 1.25), POLICY)] == ["B"] * 4
    assert [s.judged.band for s in stability(metrics(0.65, 1.35), POLICY)] == ["FAIL"] * 4


def test_without_any_figure_the_spread_fails() -> None:
    for s in stability({"42": {}}, POLICY):
        assert (s.mean, s.sd, s.judged.value, s.judged.band) == (None, None, None, "FAIL")


def test_a_spread_of_band_b_lowers_the_verdict_to_b() -> None:
    """Gaps of 0.20, three times, and 0.34 are B+ each; their CV is 0.258, B."""
    wide, even = (country("AA", 2, n, 1000 - n) for n in (670, 600))
    document = certified([made(s, [wide if s == 202 else even]) for s in SEEDS])
    gap = next(s for s in document["stability"] if s["metric"] == "c_multi_median_gap")
    deviation = math.sqrt((3 * 0.035**2 + 0.105**2) / 4)
    assert gap["cv"] == pytest.approx(deviation / 0.235, rel=1e-12)
    assert gap["band"] == "B"
    assert {s["verdict"] for s in document["seeds"].values()} == {"PASS_BPLUS"}
    assert document["verdict"] == "PASS_B"
    assert document["one_line"].endswith("short of B+ in c_multi_median_gap over seeds")
