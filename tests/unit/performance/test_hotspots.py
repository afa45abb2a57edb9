"""Ranking, budgets and the decision, against values that can be worked by hand."""

from __future__ import annotations

from importlib import resources
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civiltime.consumers.verify import STATES
from civiltime.errors import Invalid
from civiltime.performance.budgets import Budgets, parse_budgets, standings
from civiltime.performance.hotspots import choose, hotspot_map, rank
from civiltime.programme.decisions import ApprovedWaiver

DEFAULT = resources.files("civiltime.performance").joinpath("budgets.yaml").read_bytes()
PUBLISHED = {"S0": 490.0, "S1": 13_188.0, "S2": 7_641.0, "S3": 9_360.0, "S4": 685.0, "S5": 309.0}
"""The wall times of the baseline that POPT.0 was first closed with, in ms; S0, S4 and S5 share
what its record leaves of the 31.673 s."""
SEED_BUDGETS = b"""\
semver: 1.0.0
reference_sites: 31257
budgets:
  - {state: S1, measure: wall_ms, target: 10000, stretch: 12000, per_million_sites: 0}
  - {state: S2, measure: wall_ms, target: 7000, stretch: 9000, per_million_sites: 0}
  - {state: S3, measure: wall_ms, target: 8000, stretch: 10000, per_million_sites: 0}
"""


def budgets(raw: bytes = SEED_BUDGETS) -> Budgets:
    return parse_budgets(raw, "package")


def waiver(state: str, ceiling: float, measure: str = "wall_ms") -> ApprovedWaiver:
    return ApprovedWaiver("w1", state, measure, ceiling, "why", "Cleo", "2099-12-31")


def walls(times: dict[str, float]) -> dict[tuple[str, str], float]:
    return {(state, "wall_ms"): ms for state, ms in times.items()}


def test_the_published_baseline_is_ranked_as_its_record_says() -> None:
    judged = standings(budgets(), walls(PUBLISHED), 31_257)
    spots = rank(PUBLISHED, judged)
    assert [(s.state, s.role, f"{s.share:.2%}") for s in spots[:3]] == [
        ("S1", "primary", "41.64%"),
        ("S3", "secondary", "29.55%"),
        ("S2", "closure", "24.12%"),
    ]
    assert [s.standing.band for s in spots[:3] if s.standing] == ["RED", "AMBER", "AMBER"]
    assert [s.role for s in spots[3:]] == [None, None, None]
    gate = choose(spots, None)
    assert (gate.decision, gate.next_state) == ("GO", "S1")


def test_a_missed_budget_comes_before_a_greater_share() -> None:
    times = {"S1": 11_000.0, "S2": 9_500.0}
    spots = rank(times, standings(budgets(), walls(times), 0))
    assert choose(spots, None).next_state == "S2"


def test_a_waived_state_isn_t_chosen() -> None:
    waived = standings(budgets(), walls(PUBLISHED), 0, [waiver("S1", 14_000)])
    assert next((s.state, s.band, s.waiver) for s in waived) == ("S1", "AMBER", "w1")
    assert not any(s.open for s in waived)
    assert choose(rank(PUBLISHED, waived), None).next_state == "S3"


def test_the_chain_s_own_budget_asks_for_the_greatest_share() -> None:
    times = {"S1": 900.0, "S2": 800.0}
    chain = standings(budgets(DEFAULT), {("total", "wall_ms"): 1_900.0}, 0)[0]
    gate = choose(rank(times, []), chain)
    assert (gate.decision, gate.next_state) == ("GO", "S1")


def test_hold_where_everything_is_within_its_target() -> None:
    times = dict.fromkeys(STATES, 10.0)
    judged = standings(budgets(DEFAULT), {**walls(times), ("total", "wall_ms"): 60.0}, 0)
    gate = choose(rank(times, judged), judged[-1])
    assert (gate.decision, gate.next_state) == ("HOLD", None)


@pytest.mark.parametrize(
    ("ms", "band"),
    [(10_000.0, "GREEN"), (10_000.1, "AMBER"), (12_000.0, "AMBER"), (12_000.1, "RED")],
)
def test_where_the_bands_begin(ms: float, band: str) -> None:
    (standing,) = standings(budgets(), walls({"S1": ms}), 0)
    assert standing.band == band
    assert standing.open == (band == "RED")


@pytest.mark.parametrize(
    ("accepts", "open_"),
    [
        (waiver("S1", 13_188.0), False),
        (waiver("S1", 13_187.0), True),
        (waiver("S2", 99_999.0), True),
        (waiver("S1", 99_999.0, "cpu_ms"), True),
    ],
)
def test_a_waiver_covers_its_state_and_measure_up_to_its_ceiling(
    accepts: ApprovedWaiver, open_: bool
) -> None:
    (standing,) = standings(budgets(), walls({"S1": 13_188.0}), 0, [accepts])
    assert standing.open == open_


def test_the_promise_is_31_257_sites_in_two_seconds() -> None:
    (chain,) = standings(budgets(DEFAULT), {("total", "wall_ms"): 2_000.0}, 31_257)
    assert (chain.stretch, chain.band) == (2_000.0, "AMBER")
    states = [b.stretch for b in budgets(DEFAULT).budgets if b.state != "total"]
    assert sum(states) == 1_000.0
    assert {b.state for b in budgets(DEFAULT).budgets} == {*STATES, "total"}


def test_limits_grow_with_the_table() -> None:
    (s1,) = standings(budgets(DEFAULT), walls({"S1": 1.0}), 2_031_257)
    assert (s1.target, s1.stretch) == (1_150.0, 1_200.0)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"target: 10000", b"target: 12001", "line 4"),
        (b"state: S2", b"state: S1", "two budgets"),
        (b"state: S2", b"state: S9", "line 5"),
        (b"semver: 1.0.0\n", b"", "semver"),
    ],
)
def test_unsound_budgets_are_refused(old: bytes, new: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        budgets(SEED_BUDGETS.replace(old, new))


@given(st.lists(st.floats(0, 1e6), min_size=6, max_size=6))
def test_the_ranking_is_complete_and_in_order(times: list[float]) -> None:
    spots = rank(dict(zip(STATES, times, strict=True)), [])
    assert sorted(s.state for s in spots) == list(STATES)
    assert [s.rank for s in spots] == [1, 2, 3, 4, 5, 6]
    assert all(a.wall_ms >= b.wall_ms for a, b in pairwise(spots))
    assert sum(s.share for s in spots) == pytest.approx(1.0 if any(times) else 0.0)


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_less_time_never_makes_a_worse_band(one: float, two: float) -> None:
    order = ["GREEN", "AMBER", "RED"]
    bands = [
        order.index(standings(budgets(), walls({"S1": ms}), 0)[0].band) for ms in sorted((one, two))
    ]
    assert bands == sorted(bands)


def test_the_map_of_a_baseline() -> None:
    row: dict[str, Any] = {"cpu_ms": 1, "peak_rss_bytes": 1}
    document = hotspot_map(
        {
            "run_id": "0" * 32,
            "sites": 31_257,
            "states": [{"state": s, "wall_ms": ms, **row} for s, ms in PUBLISHED.items()],
            "total": {"log_window_ms": 35_347, **row},
        },
        {"path": "reports/b.json", "sha256_hex": "0" * 64},
        budgets(DEFAULT),
    )
    assert (document["decision"], document["next_state"]) == ("GO", "S1")
    assert document["hotspots"][0]["over_target_ms"] == 13_188 - 150
    assert "13,188 ms" in document["reason"]
    assert document["standings"][-1]["state"] == "total"
    assert document["standings"][-1]["band"] == "RED"
