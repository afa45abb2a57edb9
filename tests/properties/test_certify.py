"""Metrics and verdicts over any counts: what can't depend on names or on the order of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.certify.figures import POLICY

from civiltime.certify.attainability import ceiling, drawn, even
from civiltime.certify.gates import FAIL, PASS_B, PASS_BPLUS, judge_figures, meets, verdict
from civiltime.certify.metrics import Country, Metrics, cohort_metrics, countries_of
from civiltime.certify.movement import axes, gini
from civiltime.policy.certification import AT_LEAST

ISO = ("AA", "BB", "CC", "DD", "EE")
Counts = dict[tuple[str, str], int]
FIGURES = tuple(POLICY.gates)[:-1]
"""All figures of a seed; the last gate is the spread over the seeds."""
ORDER = (FAIL, PASS_B, PASS_BPLUS)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Counts, Mapping[str, int]]:
    """Sites by (country, zone), and zones by country."""
    places = st.tuples(st.sampled_from(ISO), st.sampled_from([f"z{i}" for i in range(6)]))
    counts = draw(st.dictionaries(places, st.integers(1, 700), min_size=1, max_size=20))
    return counts, {iso: draw(st.integers(0, 6), label=f"support {iso}") for iso in ISO}


def scored(counts: Counts, support: Mapping[str, int]) -> tuple[Country, ...]:
    return countries_of(((iso, z, n) for (iso, z), n in counts.items()), support)


@given(worlds(), st.randoms())
def test_the_order_of_rows_changes_nothing(
    world: tuple[Counts, Mapping[str, int]], random: object
) -> None:
    counts, support = world
    rows = [(iso, z, n) for (iso, z), n in counts.items()]
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert countries_of(rows, support) == scored(counts, support)


@given(worlds(), st.permutations(range(6)))
def test_the_names_of_zones_change_nothing(
    world: tuple[Counts, Mapping[str, int]], names: list[int]
) -> None:
    counts, support = world
    renamed = {(iso, f"y{names[int(z[1:])]}"): n for (iso, z), n in counts.items()}
    one = cohort_metrics(scored(counts, support), POLICY)
    other = cohort_metrics(scored(renamed, support), POLICY)
    assert one == other


@given(worlds())
def test_bounds_of_what_a_country_scores(world: tuple[Counts, Mapping[str, int]]) -> None:
    for c in scored(*world):
        assert 1 / c.distinct <= float(c.top1) + 1e-15
        assert 0 <= c.gap <= c.top1 <= 1
        assert (c.gap == 1) == (c.distinct == 1) == (c.top1 == 1)
        if c.support < 2:
            assert c.entropy == 0.0
        else:
            assert 0.0 <= c.entropy <= math.log(c.distinct) / math.log(c.support) + 1e-12


@given(worlds(), st.integers(1, 1000))
def test_one_more_site_in_the_leading_zone_never_lowers_its_share(
    world: tuple[Counts, Mapping[str, int]], more: int
) -> None:
    counts, support = world
    for before in scored(counts, support):
        grown = {**counts, (before.iso, before.top1_tzid): before.zones[0][1] + more}
        after = next(c for c in scored(grown, support) if c.iso == before.iso)
        assert after.top1_tzid == before.top1_tzid
        assert after.top1 >= before.top1
        assert after.gap >= before.gap
        if before.distinct > 1:
            assert after.top1 > before.top1


figures = st.fixed_dictionaries(
    {name: st.floats(0, 1) | st.sampled_from([POLICY.gates[name].b, POLICY.gates[name].b_plus])
     for name in FIGURES}
)  # fmt: skip


def of(values: Mapping[str, float]) -> str:
    return verdict(judge_figures({**values, "c_multi": 1, "c_large": 1}, POLICY))


@given(figures, st.sampled_from(FIGURES), st.floats(0, 1))
def test_a_better_figure_never_lowers_a_verdict(
    values: dict[str, float], name: str, other: float
) -> None:
    better = {**values, name: other}
    direction = "at_least" if name in AT_LEAST else "at_most"
    assume(meets(other, values[name], direction))  # type: ignore[arg-type]
    assert ORDER.index(of(better)) >= ORDER.index(of(values))


@given(figures)
def test_a_verdict_says_exactly_which_thresholds_all_figures_meet(
    values: dict[str, float],
) -> None:
    def all_meet(band: str) -> bool:
        return all(
            values[n] >= getattr(POLICY.gates[n], band)
            if n in AT_LEAST
            else values[n] <= getattr(POLICY.gates[n], band)
            for n in FIGURES
        )

    expected = PASS_BPLUS if all_meet("b_plus") else PASS_B if all_meet("b") else FAIL
    assert of(values) == expected


@given(worlds())
def test_no_placement_on_own_zones_beats_the_ceiling(
    world: tuple[Counts, Mapping[str, int]],
) -> None:
    counts, support = world
    own = {place: n for place, n in counts.items() if int(place[1][1:]) < support[place[0]]}
    assume(own)
    countries = scored(own, support)
    best, is_ = ceiling(countries, POLICY), cohort_metrics(countries, POLICY)
    for name in FIGURES[2:]:
        top, value = best[name], is_[name]
        if value is None or top is None:
            assert value is top
        else:
            slack = 1e-12 if name in AT_LEAST else -1e-12
            assert meets(top + slack, value, "at_least" if name in AT_LEAST else "at_most")


@given(worlds(), st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**7)))
def test_yardsticks_keep_country_totals_and_draws_are_in_proportion(
    world: tuple[Counts, Mapping[str, int]], people: dict[str, int]
) -> None:
    total = sum(people.values())
    for c in scored(*world):
        assert even(c).sites == drawn(c, people).sites == c.sites
        if total:
            for zone, n in drawn(c, people).zones:
                assert abs(n - c.sites * people[zone] / total) < 1 + 1e-9


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30))
def test_gini_lies_between_all_equal_and_all_in_one(values: list[float]) -> None:
    assert -1e-9 <= gini(values) <= 1 - 1 / len(values) + 1e-9
    assert abs(gini([values[0]] * 7)) < 1e-9


@given(figures, figures)
def test_what_improves_one_way_regresses_the_other_way(
    one: dict[str, float], other: dict[str, float]
) -> None:
    mirror = {"improved": "regressed", "regressed": "improved", "unchanged": "unchanged"}
    now, before = Metrics(one), Metrics(other)
    there, back = axes([now], [before]), axes([before], [now])
    assert [mirror[a["verdict"]] for a in there] == [a["verdict"] for a in back]
    assert {a["verdict"] for a in axes([now], [now])} == {"unchanged"}
