"""Gates: each threshold met exactly passes, one ulp beyond it fails (specification 4.3)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.unit.certify.figures import POLICY, with_policy

from civiltime.certify.gates import (
    BY_ID,
    FAIL,
    GATES,
    PASS_B,
    PASS_BPLUS,
    Exemption,
    Gate,
    judge_figures,
    judge_number,
    judge_required,
    verdict,
    worst,
)
from civiltime.certify.metrics import cohort_metrics
from civiltime.certify.stability import CV
from civiltime.policy.certification import parse_certification_policy

TABLE = {
    "fallback_rate": ("at_most", 0.0005, 0.0001),
    "override_rate": ("at_most", 0.0020, 0.0005),
    "c_multi_share_two_zones": ("at_least", 0.70, 0.85),
    "c_multi_median_top1": ("at_most", 0.92, 0.80),
    "c_multi_median_gap": ("at_most", 0.85, 0.65),
    "c_multi_median_entropy": ("at_least", 0.20, 0.35),
    "c_large_share_top1_below": ("at_least", 0.80, 0.95),
    "cross_seed_cv": ("at_most", 0.30, 0.20),
}
"""The table of specification 4.3, typed here once more."""
REQUIRED = {
    "states_pass", "bundle_and_flag", "row_parity", "unique_keys", "legality", "reported_counts",
    "country_fallback_cap", "override_provenance", "cohorts_not_empty",
}  # fmt: skip


def gate(name: str) -> Gate:
    return BY_ID.get(name) or Gate(name, "stability", "spread")


def test_the_default_policy_is_the_table_of_the_specification() -> None:
    stated = {
        name: (gate(name).direction(POLICY), t.b, t.b_plus) for name, t in POLICY.gates.items()
    }
    assert stated == TABLE
    assert {g.id for g in GATES} == REQUIRED | (TABLE.keys() - {CV})
    assert POLICY.required_seeds == (42, 7, 101, 202)


@pytest.mark.parametrize("name", TABLE)
def test_a_threshold_met_exactly_passes_and_one_ulp_beyond_fails(name: str) -> None:
    direction, b, b_plus = TABLE[name]
    worse = math.inf if direction == "at_most" else -math.inf
    bands = [
        judge_number(gate(name), value, POLICY).band
        for value in (
            b_plus,
            math.nextafter(b_plus, worse),
            b,
            math.nextafter(b, worse),
            math.nextafter(b, -worse),
        )
    ]
    assert bands == ["B+", "B", "B", "FAIL", "B"]


@pytest.mark.parametrize("name", TABLE)
def test_margins_are_on_the_good_side_where_positive(name: str) -> None:
    direction, b, b_plus = TABLE[name]
    stated = judge_number(gate(name), 0.5, POLICY).document()
    sign = 1 if direction == "at_least" else -1
    assert stated["margin_b"] == pytest.approx(sign * (0.5 - b))
    assert stated["margin_b_plus"] == pytest.approx(sign * (0.5 - b_plus))
    assert (stated["value"], stated["b"], stated["b_plus"]) == (0.5, b, b_plus)


@pytest.mark.parametrize("name", TABLE)
def test_without_a_country_a_figure_fails(name: str) -> None:
    judged = judge_number(gate(name), None, POLICY)
    assert judged.band == "FAIL"
    assert judged.document()["margin_b"] is None
    assert "no country" in judged.shortfall()


def test_a_required_gate_has_one_answer_for_both_bands() -> None:
    holds, fails = (judge_required(BY_ID["row_parity"], p) for p in (None, "3 rows differ"))
    assert (holds.band, holds.value, holds.document().get("detail")) == ("B+", True, None)
    assert (fails.band, fails.value, fails.document()["detail"]) == ("FAIL", False, "3 rows differ")
    assert fails.document()["margin_b"] is None
    assert fails.shortfall() == "row_parity (3 rows differ)"


def test_a_shortfall_says_value_direction_and_threshold() -> None:
    judged = judge_number(BY_ID["c_multi_median_top1"], 0.95678, POLICY)
    assert judged.shortfall() == "c_multi_median_top1 (0.9568, needs at most 0.92)"


def figures(**changed: float | None) -> dict[str, Any]:
    good = dict(cohort_metrics([], POLICY)) | {name: b for name, (_, _, b) in TABLE.items()}
    return good | {"c_multi": 3, "c_large": 3} | changed


def test_each_figure_is_judged_once_and_by_its_own_threshold() -> None:
    judged = judge_figures(figures(), POLICY)
    assert sorted(g.gate.id for g in judged) == sorted({*TABLE, "cohorts_not_empty"} - {CV})
    assert {g.band for g in judged} == {"B+"}
    for name in TABLE.keys() - {CV}:
        bad = 0.0 if TABLE[name][0] == "at_least" else 1.0
        failed = [g.gate.id for g in judge_figures(figures(**{name: bad}), POLICY)
                  if g.band == "FAIL"]  # fmt: skip
        assert failed == [name]


@pytest.mark.parametrize("empty", ["c_multi", "c_large"])
def test_an_empty_cohort_fails_by_its_name(empty: str) -> None:
    (judged,) = (g for g in judge_figures(figures(**{empty: 0}), POLICY) if g.band == "FAIL")
    assert judged.gate.id == "cohorts_not_empty"
    assert judged.detail == f"C{empty[1:]} without a country"


def test_verdicts_of_gates_and_of_seeds() -> None:
    b_plus, b, fail = (
        judge_number(BY_ID["c_multi_median_top1"], value, POLICY) for value in (0.5, 0.9, 0.95)
    )
    assert verdict([b_plus, b_plus]) == PASS_BPLUS
    assert verdict([b_plus, b]) == PASS_B
    assert verdict([b, fail, b_plus]) == FAIL
    assert verdict([]) == FAIL
    assert worst([PASS_BPLUS, PASS_B]) == PASS_B
    assert worst([PASS_BPLUS, FAIL, PASS_B]) == FAIL
    assert worst([]) == FAIL


def exempted(value: float, name: str = "override_rate", ceiling: float = 0.01) -> Any:
    exemption = Exemption("e1", name, ceiling, (42,))
    return judge_number(gate(name), value, POLICY, [exemption])


def test_an_exemption_lifts_a_cap_to_its_ceiling_and_no_further() -> None:
    at, beyond = exempted(0.01), exempted(math.nextafter(0.01, 1))
    assert (at.band, at.exemption) == ("B", "e1")
    assert "e1" in at.detail
    assert at.document()["exception"] == "e1"
    assert (beyond.band, beyond.exemption) == ("FAIL", None)


def test_an_exemption_that_is_not_needed_is_not_named() -> None:
    for value, band in ((0.0020, "B"), (0.0005, "B+")):
        judged = exempted(value)
        assert (judged.band, judged.exemption) == (band, None)
        assert "exception" not in judged.document()


def test_of_several_exemptions_the_lowest_that_is_high_enough_is_used() -> None:
    several = [Exemption(f"e{c}", "override_rate", c, (42,)) for c in (0.9, 0.003, 0.01, 0.05)]
    for order in (several, several[::-1]):
        assert judge_number(gate("override_rate"), 0.01, POLICY, order).exemption == "e0.01"


def test_an_exemption_lowers_no_floor() -> None:
    """A cap may be exceeded (4.3); what must be at least something is no cap."""
    assert exempted(0.5, "c_multi_share_two_zones", 0.9).band == "FAIL"


def test_other_thresholds_of_the_policy_count() -> None:
    raw = b"""semver: 1.0.0
required_seeds: [1]
c_multi: {min_support: 2, min_sites: 100}
c_large: {min_sites: 500, eligibility: multi_tz, top1_share_below: 0.95}
gates:
  fallback_rate: {b: 0.0005, b_plus: 0.0001}
  override_rate: {b: 0.0020, b_plus: 0.0005}
  c_multi_share_two_zones: {b: 0.70, b_plus: 0.85}
  c_multi_median_top1: {b: 0.5, b_plus: 0.4}
  c_multi_median_gap: {b: 0.85, b_plus: 0.65}
  c_multi_median_entropy: {b: 0.20, b_plus: 0.35}
  c_large_share_top1_below: {b: 0.80, b_plus: 0.95}
  cross_seed_cv: {b: 0.30, b_plus: 0.20}
"""
    strict = parse_certification_policy(raw)
    assert judge_number(BY_ID["c_multi_median_top1"], 0.51, strict).band == "FAIL"
    assert judge_number(BY_ID["c_multi_median_top1"], 0.51, with_policy()).band == "B+"
