"""Whether one of two series that were measured in turn is really less than the other.

The law (specification 5.7): each round measures both sides, one right after the other, and counts
for one side when the two differ by more than the margin.  A side is *less* (or *more*) when so
many rounds say so that a fair coin would in at most :data:`ALPHA` of all sittings; otherwise it
is *unchanged*.

This is the exact sign test (W. J. Conover, Practical Nonparametric Statistics, 3rd ed., 3.4),
shifted by a margin.  It asks nothing of the noise but that a round of two equal builds is as
likely to favour one as the other: no variance, no normality, and one round that was disturbed
counts as one round, however long it took.  Because differences within the margin count for
nobody, two equal builds reach a verdict far more rarely than in ALPHA of all sittings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Literal

from civiltime.errors import CivilTimeError

Verdict = Literal["less", "more", "unchanged"]
MARGIN = 0.05
"""The share of the greater value by which two values differ in earnest."""
ALPHA = 0.001
"""So that twenty sittings of equal builds give a false ``less`` once in fifty times at most."""
MIN_ROUNDS = 10
"""With fewer rounds not even unanimity is rarer than ALPHA: 2^-9 > 0.001 > 2^-10."""
ROUNDS = 14
"""The rounds of a sitting if nobody asks for others: the fewest where one may be disturbed."""
FLOORS = {"wall_ms": 5.0, "cpu_ms": 10.0, "peak_rss_bytes": 8.0 * 2**20}
"""The least difference that counts, by measure: clocks tick, and pages come in batches."""


@dataclass(frozen=True)
class Paired:
    """What the rounds say about the candidate; ``ratio`` is the median of candidate / baseline.

    ``less`` and ``more`` count the rounds in which the candidate was so by more than the margin.
    """

    baseline: float
    candidate: float
    ratio: float | None
    rounds: int
    less: int
    more: int
    p_less: float
    p_more: float
    verdict: Verdict


def tail(rounds: int, hits: int) -> float:
    """The probability that a fair coin shows heads at least ``hits`` times in ``rounds``."""
    return sum(comb(rounds, k) for k in range(hits, rounds + 1)) / 2.0**rounds


def compare_pairs(baseline: Sequence[float], candidate: Sequence[float], measure: str) -> Paired:
    """The verdict on the candidate, from values of the same rounds in the same order.

    2A-PF-006 where there are fewer rounds than :data:`MIN_ROUNDS`.
    """
    pairs = list(zip(baseline, candidate, strict=True))
    require_rounds(len(pairs))
    floor = FLOORS[measure]
    apart = [(b, c) for b, c in pairs if abs(b - c) > max(MARGIN * max(b, c), floor)]
    less = sum(c < b for b, c in apart)
    more = len(apart) - less
    p_less, p_more = tail(len(pairs), less), tail(len(pairs), more)
    verdict: Verdict = "less" if p_less <= ALPHA else "more" if p_more <= ALPHA else "unchanged"
    ratios = [c / b for b, c in pairs if b > 0]
    return Paired(
        baseline=median(baseline),
        candidate=median(candidate),
        ratio=median(ratios) if ratios else None,
        rounds=len(pairs),
        less=less,
        more=more,
        p_less=p_less,
        p_more=p_more,
        verdict=verdict,
    )


def require_rounds(rounds: int) -> None:
    """2A-PF-006 where so few rounds can't reach a verdict."""
    if rounds < MIN_ROUNDS:
        raise CivilTimeError(
            "2A-PF-006",
            f"{rounds} rounds can't tell two builds apart; {MIN_ROUNDS} is the least",
            {"rounds": rounds},
        )


def rule() -> dict[str, object]:
    """The rule as an artefact states it."""
    return {
        "test": "exact one-sided sign test on paired rounds, beyond a margin",
        "source": "Conover, Practical Nonparametric Statistics, 3rd ed., section 3.4",
        "margin": MARGIN,
        "floors": dict(FLOORS),
        "alpha": ALPHA,
    }
