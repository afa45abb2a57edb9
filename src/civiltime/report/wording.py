"""Figures and names as the page shows them.

The law: a figure that isn't there is a dash, never a zero; digits are those that matter, and
a margin never rounds to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
VERDICTS = {"PASS_BPLUS": ("PASS B+", "bplus"), "PASS_B": ("PASS B", "b")}
_BANDS = {"B+": "bplus", "B": "b"}
_SMALL = 0.01


def figure(value: Any) -> str:
    """Anything as text: yes and no, whole numbers in threes, others with three digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _sign(f"{value:,}")
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        value = [f"{words(str(k))} {figure(v)}" for k, v in value.items()]
    if isinstance(value, list | tuple):
        return ", ".join(figure(v) for v in value) or DASH
    return DASH if value is None or value == "" else str(value)


def margin(value: Any) -> str:
    """A margin with its sign; how far on the good side, negative beyond the threshold."""
    if value is None or isinstance(value, bool):
        return DASH
    text = _number(float(value))
    return text if value < 0 else f"+{text}"


def share(value: Any) -> str:
    """A share of a whole, in per cent."""
    return DASH if value is None else f"{100 * value:.1f} %"


def words(key: str) -> str:
    """A key of a document as words."""
    return key.replace("_", " ")


def verdict(name: Any) -> tuple[str, str]:
    """A verdict's words, and the class that gives it its sign and colour."""
    return VERDICTS.get(str(name), (words(str(name)), "fail"))


def band(name: Any) -> str:
    """The class of a band."""
    return _BANDS.get(str(name), "fail")


def _number(value: float) -> str:
    if not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return _sign(f"{value:,.0f}")
    if abs(value) < _SMALL:
        places = min(12, 1 - math.floor(math.log10(abs(value))))
        text = f"{value:.{places}f}".rstrip("0")
        return _sign(text if text.strip("-0.") else f"{value:.1e}")
    return _sign(f"{value:.4g}" if abs(value) >= 1 else f"{value:.3f}".rstrip("0"))


def _sign(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text
