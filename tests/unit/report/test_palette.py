"""Colours: text stands out from what is behind it, marks can be told apart without colour vision.

How colours look without the long or the middle cones: G. M. Machado, M. M. Oliveira,
L. A. F. Fernandes (2009), severity 1.0, applied to linear light.
"""

from __future__ import annotations

import itertools
import re
from importlib import resources

import numpy as np
import pytest

from civiltime.report import palette, strip
from civiltime.report.bands import SEED_LINES
from civiltime.report.heatmap import BLACK, PALE, TURN
from civiltime.report.palette import COHORT_MARKS, PAPER, ZONE_MARKS, contrast, luminance

TEXT, MARK = 4.5, 3.0
SEEN = {
    "everyone": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
APART = 15.0
"""CIE 1976 colour difference; some 2.3 are just noticeable side by side."""


def linear(colour: str) -> np.ndarray:
    """Linear light of ``#rrggbb``."""
    part = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.asarray(np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4))


def lab(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear sRGB, white D65."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = to_xyz @ np.clip(light, 0, 1) / np.array([0.9505, 1.0, 1.089])
    fx, fy, fz = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])


def difference(one: str, other: str, eyes: str) -> float:
    """How far apart two colours look to these eyes."""
    seen = [lab(SEEN[eyes] @ linear(c)) for c in (one, other)]
    return float(np.linalg.norm(seen[0] - seen[1]))


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert luminance("#ffffff") == pytest.approx(1)


@pytest.mark.parametrize("name", ["INK", "SOFT", "BLUE", "FAIL_TEXT"])
def test_text_stands_out_from_the_page(name: str) -> None:
    assert contrast(getattr(palette, name), PAPER) >= TEXT


def test_the_style_sheet_writes_in_no_other_colour() -> None:
    sheet = resources.files("civiltime.report").joinpath("templates", "page.css").read_text()
    written = set(re.findall(r"[{;]color:([^;}]+)", sheet))
    assert written == {
        "var(--ink)", "var(--soft)", "var(--blue)", "var(--fail-text)", "var(--paper)", "#fff",
        "inherit",
    }  # fmt: skip
    backgrounds = set(re.findall(r"background:(#[0-9a-f]{6})", sheet))
    for behind in backgrounds:
        assert contrast(palette.INK, behind) >= TEXT


@pytest.mark.parametrize("behind", [strip.GOOD, strip.FAIR])
def test_marks_of_a_strip_stand_out_from_its_bands(behind: str) -> None:
    assert contrast(palette.BLUE, behind) >= MARK


def test_figures_stand_out_from_every_cell_of_the_heatmap() -> None:
    def between(low: str, high: str, part: float) -> str:
        ends = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (low, high)]
        mixed = [round(a + (b - a) * part) for a, b in zip(*ends, strict=True)]
        return "#" + "".join(f"{v:02x}" for v in mixed)

    for share in np.linspace(0, 1, 1001):
        low = (PALE, palette.BLUE) if share <= 0.5 else (palette.BLUE, palette.DEEP)
        cell = between(*low, 2 * share if share <= 0.5 else 2 * share - 1)
        assert contrast(PAPER if share > TURN else BLACK, cell) >= TEXT, share


@pytest.mark.parametrize("eyes", SEEN)
def test_zone_marks_can_be_told_apart(eyes: str) -> None:
    assert len({mark.shape for mark in ZONE_MARKS}) == len(ZONE_MARKS)
    for one, other in itertools.combinations(ZONE_MARKS, 2):
        assert difference(one.colour, other.colour, eyes) >= APART, (one, other)


@pytest.mark.parametrize("eyes", SEEN)
def test_cohorts_and_seeds_can_be_told_apart(eyes: str) -> None:
    cohorts = list(COHORT_MARKS.values())
    for one, other in itertools.combinations(cohorts, 2):
        assert one.shape != other.shape or difference(one.colour, other.colour, eyes) >= APART
    for first, second in itertools.combinations(SEED_LINES, 2):
        assert first[1] != second[1]
        assert difference(first[0], second[0], eyes) >= APART, (first, second)
