"""A mark stands out from what it lies on, by its colour or by its rim."""

from __future__ import annotations

import pytest

from civiltime.report.bands import SEED_LINES
from civiltime.report.palette import (
    COHORT_MARKS,
    LAND,
    LEAST,
    PAPER,
    ZONE_MARKS,
    Mark,
    contrast,
    mixed,
)


@pytest.mark.parametrize("mark", ZONE_MARKS, ids=lambda m: m.shape)
def test_a_zone_on_land_and_on_paper(mark: Mark) -> None:
    for ground in (LAND, PAPER):
        assert contrast(mark.rim or mark.colour, ground) >= LEAST


def test_only_what_needs_a_rim_has_one() -> None:
    assert [m.shape for m in ZONE_MARKS if m.rim] == ["square", "triangle-down", "cross"]


def test_cohorts_and_seeds_have_no_rim_and_need_none() -> None:
    for colour in (*(m.colour for m in COHORT_MARKS.values()), *(c for c, _ in SEED_LINES)):
        assert contrast(colour, PAPER) >= LEAST


def test_mixing() -> None:
    assert mixed("#000000", "#ffffff", 0.0) == "#000000"
    assert mixed("#000000", "#ffffff", 1.0) == "#ffffff"
    assert mixed("#102030", "#304050", 0.5) == "#203040"
