"""Colours, shapes and type: what every plot and the page share.

The law: the eight colours are Okabe and Ito's, which readers without full colour vision can
tell apart; a colour never stands alone, each goes with a shape, a pattern or a word; text is
at least 4.5 : 1 against white (WCAG AA), marks at least 3 : 1 or outlined.
"""

from __future__ import annotations

from typing import NamedTuple

INK = "#17202b"
SOFT = "#4d5866"  # secondary text: 7.2 : 1 on white
FAINT = "#8b95a1"  # marks and lines, never text
RULE = "#dfe4ea"
PAPER = "#ffffff"
LAND = "#eef1f4"
SHORE = "#b3bdc8"

BLUE = "#0072b2"
DEEP = "#003a5c"  # blue, darker
ORANGE = "#e69f00"
GREEN = "#009e73"
VERMILLION = "#d55e00"
PURPLE = "#cc79a7"
SKY = "#56b4e9"
YELLOW = "#f0e442"

FAIL_TEXT = "#a63f00"  # vermillion, dark enough for text: 6.3 : 1 on white
FONT = "Liberation Sans"  # the renderer carries it, so widths are the same on every machine
FONT_STACK = "'Helvetica Neue',Helvetica,Arial,'Liberation Sans',sans-serif"


LEAST = 3.0
"""Contrast with its ground that a mark has without a rim."""


class Mark(NamedTuple):
    """A colour and the shape that goes with it."""

    colour: str
    shape: str

    @property
    def rim(self) -> str:
        """A darker line around a mark that is too light for the land, else ''."""
        return "" if contrast(self.colour, LAND) >= LEAST else mixed(self.colour, INK, 0.5)


ZONE_MARKS = (
    Mark(BLUE, "circle"),
    Mark(ORANGE, "square"),
    Mark(GREEN, "triangle-up"),
    Mark(VERMILLION, "diamond"),
    Mark(PURPLE, "triangle-down"),
    Mark(INK, "plus"),
    Mark(SKY, "cross"),
)
"""Neighbouring zones never have the same one."""

COHORT_MARKS = {
    "large, several zones": Mark(DEEP, "diamond"),
    "several zones": Mark(BLUE, "circle"),
    "not judged": Mark(FAINT, "circle"),
}
"""Cohorts in plots: judged in both, judged in C_multi, reported only."""


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(one: str, other: str, share: float) -> str:
    """A colour between two: ``share`` of the way from ``one``, 0 to 1."""
    pairs = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
