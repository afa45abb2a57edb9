"""Twenty real sittings of a build against itself, and a thousand drawn from their noise.

``recorded_noise.json``: for each sitting and state, the wall time in ms of both sides in each of
its 14 rounds; 31,257 sites, two cores, other work on the machine during most of them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from civiltime.performance.bench import TIMED
from civiltime.performance.pairs import ALPHA, ROUNDS, compare_pairs

Sitting = dict[str, list[list[float]]]
RECORDED: list[Sitting] = json.loads(
    Path(__file__).with_name("recorded_noise.json").read_text("utf-8")
)
DRAWN = 1000


def drawn(state: str, factor: float = 1.0) -> Iterator[str]:
    """Verdicts over sittings put together from recorded rounds, sides changed at random."""
    rounds = [pair for s in RECORDED for pair in zip(*s[state], strict=True)]
    noise = random.Random(20260217)
    for _ in range(DRAWN):
        pairs = [noise.sample(pair, 2) for pair in noise.choices(rounds, k=ROUNDS)]
        yield compare_pairs(
            [b for b, _ in pairs], [c * factor for _, c in pairs], "wall_ms"
        ).verdict


def test_there_are_twenty_sittings_of_all_that_is_timed() -> None:
    assert len(RECORDED) == 20
    assert all(set(sitting) == set(TIMED) for sitting in RECORDED)
    assert {len(side) for s in RECORDED for sides in s.values() for side in sides} == {ROUNDS}


@pytest.mark.parametrize("state", TIMED)
def test_no_decision_flipped_in_any_of_them(state: str) -> None:
    sides = [sitting[state] for sitting in RECORDED]
    verdicts = {compare_pairs(one, two, "wall_ms").verdict for one, two in sides}
    assert verdicts == {"unchanged"}


@pytest.mark.parametrize("state", TIMED)
def test_drawn_from_their_noise_equal_builds_are_unchanged(state: str) -> None:
    verdicts = list(drawn(state))
    assert verdicts.count("less") <= ALPHA * DRAWN
    assert verdicts.count("more") <= ALPHA * DRAWN


@pytest.mark.parametrize("state", ["total", "certify"])
def test_a_fifth_less_is_found_in_this_noise(state: str) -> None:
    assert list(drawn(state, 0.8)).count("less") >= 0.95 * DRAWN
