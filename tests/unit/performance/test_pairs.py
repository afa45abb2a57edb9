"""The paired rule: hand-worked values, and that two equal builds never look different."""

from __future__ import annotations

import math
import random
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civiltime.errors import CivilTimeError
from civiltime.performance.pairs import (
    ALPHA,
    FLOORS,
    MARGIN,
    MIN_ROUNDS,
    ROUNDS,
    Paired,
    compare_pairs,
    rule,
    tail,
)

WALL = st.floats(min_value=0.0, max_value=1e7)
PAIRS = st.lists(st.tuples(WALL, WALL), min_size=MIN_ROUNDS, max_size=11)


def judged(pairs: list[tuple[float, float]], measure: str = "wall_ms") -> Paired:
    return compare_pairs([b for b, _ in pairs], [c for _, c in pairs], measure)


@pytest.mark.parametrize(
    ("rounds", "hits", "probability"),
    [
        (7, 7, 1 / 128),
        (8, 7, 9 / 256),
        (11, 11, 1 / 2048),
        (11, 10, 12 / 2048),
        (11, 9, 67 / 2048),
        (5, 0, 1.0),
    ],
)
def test_the_tail_of_a_fair_coin(rounds: int, hits: int, probability: float) -> None:
    assert tail(rounds, hits) == probability


def test_a_worked_example() -> None:
    """Thirteen of fourteen rounds are more than 5 % faster: 15 of 16,384 coins do that."""
    baseline = [1000, 1010, 990, 1000, 1020, 1000, 980, 1000, 1000, 1030, 1000, 990, 1000, 1010]
    candidate = [900, 905, 910, 890, 900, 930, 900, 910, 4000, 900, 920, 900, 910, 895]
    found = compare_pairs(baseline, candidate, "wall_ms")
    assert (found.baseline, found.candidate) == (1000, 902.5)
    assert (found.less, found.more, found.rounds) == (13, 1, 14)
    assert found.ratio == (900 / 990 + 910 / 1000) / 2
    assert found.p_less == 15 / 16384
    assert found.p_more == tail(14, 1)
    assert found.verdict == "less"


def test_twelve_of_fourteen_are_not_enough() -> None:
    pairs = [(1000.0, 900.0)] * 12 + [(1000.0, 1000.0)] * 2
    assert judged(pairs).verdict == "unchanged"
    assert judged([*pairs[:12], (1000.0, 900.0), pairs[13]]).verdict == "less"


def test_the_usual_sitting_is_the_least_that_one_disturbed_round_doesn_t_decide() -> None:
    assert tail(ROUNDS, ROUNDS - 1) <= ALPHA < tail(ROUNDS - 1, ROUNDS - 2)


def test_what_lies_on_the_margin_counts_for_nobody() -> None:
    assert judged([(1000.0, 950.0)] * 11).verdict == "unchanged"
    assert judged([(1000.0, 949.0)] * 11).verdict == "less"
    assert judged([(949.0, 1000.0)] * 11).verdict == "more"


@pytest.mark.parametrize("measure", sorted(FLOORS))
def test_a_difference_at_the_floor_counts_for_nobody(measure: str) -> None:
    floor = FLOORS[measure]
    assert judged([(floor, 0.0)] * 11, measure).verdict == "unchanged"
    assert judged([(floor + 1, 0.0)] * 11, measure).verdict == "less"


def test_a_baseline_of_nothing_has_no_ratio() -> None:
    assert judged([(0.0, 1.0)] * MIN_ROUNDS).ratio is None


def test_nine_rounds_are_too_few() -> None:
    with pytest.raises(CivilTimeError) as caught:
        judged([(2000.0, 1000.0)] * (MIN_ROUNDS - 1))
    assert caught.value.code == "2A-PF-006"
    assert tail(MIN_ROUNDS - 1, MIN_ROUNDS - 1) > ALPHA >= tail(MIN_ROUNDS, MIN_ROUNDS)


def test_an_artefact_can_state_the_rule() -> None:
    said: dict[str, Any] = rule()
    assert (said["margin"], said["alpha"], said["floors"]) == (MARGIN, ALPHA, FLOORS)


# --------------------------------------------------------------------- two equal builds


@given(PAIRS)
def test_of_all_ways_to_swap_sides_at_most_alpha_give_a_verdict(
    pairs: list[tuple[float, float]],
) -> None:
    """Two equal builds: in each round either value could have been either side's.

    Every such swap is equally likely, so the share of swaps with a verdict is the exact
    probability of a false one, whatever the noise was.
    """
    swaps = [
        judged([p[::-1] if swap else p for p, swap in zip(pairs, flips, strict=True)]).verdict
        for flips in product((False, True), repeat=len(pairs))
    ]
    assert swaps.count("less") <= ALPHA * len(swaps)
    assert swaps.count("more") <= ALPHA * len(swaps)


@given(st.lists(st.floats(100.0, 1e6), min_size=MIN_ROUNDS, max_size=15), st.data())
def test_noise_within_the_margin_never_gives_a_verdict(
    baseline: list[float], data: st.DataObject
) -> None:
    within = st.floats(1 - 0.99 * MARGIN, 1 + 0.99 * MARGIN)
    pairs = [(b, b * data.draw(within)) for b in baseline]
    assert judged(pairs).verdict == "unchanged"


@given(PAIRS)
def test_changing_sides_mirrors_the_verdict(pairs: list[tuple[float, float]]) -> None:
    mirror = {"less": "more", "more": "less", "unchanged": "unchanged"}
    one, two = judged(pairs), judged([(c, b) for b, c in pairs])
    assert two.verdict == mirror[one.verdict]
    assert (two.less, two.more) == (one.more, one.less)


@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_rounds_is_nothing(
    pairs: list[tuple[float, float]], random_: random.Random
) -> None:
    shuffled = list(pairs)
    random_.shuffle(shuffled)
    assert judged(shuffled) == judged(pairs)


@given(PAIRS, st.floats(0.0, 1.0))
def test_a_faster_candidate_never_loses_its_verdict(
    pairs: list[tuple[float, float]], factor: float
) -> None:
    if judged(pairs).verdict == "less":
        assert judged([(b, c * factor) for b, c in pairs]).verdict == "less"


@pytest.mark.parametrize("spread", [0.02, 0.05, 0.10])
def test_two_equal_builds_never_flip_under_noise_like_a_shared_machine_s(spread: float) -> None:
    """A thousand sittings: log-normal noise, one process in ten disturbed."""
    noise = random.Random(20260217)

    def run() -> float:
        disturbed = 3.0 if noise.random() < 0.1 else 1.0
        return 1000 * math.exp(noise.gauss(0, spread)) * disturbed

    for _ in range(1000):
        assert judged([(run(), run()) for _ in range(ROUNDS)]).verdict == "unchanged"


def test_an_eighth_less_is_found_under_such_noise() -> None:
    noise = random.Random(20260217)
    found = [
        judged(
            [
                (1000 * math.exp(noise.gauss(0, 0.02)), 880 * math.exp(noise.gauss(0, 0.02)))
                for _ in range(ROUNDS)
            ]
        ).verdict
        for _ in range(200)
    ]
    assert found.count("less") >= 190
