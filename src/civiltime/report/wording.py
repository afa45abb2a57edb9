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
_SMALL, _TINY = 0.01, 1e-5


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
    return f"+{text}" if value > 0 else text


def share(value: Any) -> str:
    """A share of a whole, in per cent."""
    return DASH if value is None else f"{100 * value:.1f} %"


def words(key: str) -> str:
    """A key of a document as words; the cohorts keep their names."""
    return key.replace("_", " ").replace("c multi", "C_multi").replace("c large", "C_large")


def threshold(value: float) -> str:
    """A threshold with the digits that it was given."""
    return f"{value:g}"


def moment(utc: str) -> str:
    """An instant to the minute."""
    return f"{utc[:10]} {utc[11:16]} UTC"


def verdict(name: Any) -> tuple[str, str]:
    """A verdict's words, and the class that gives it its sign and colour."""
    return VERDICTS.get(str(name), (words(str(name)), "fail"))


def band(name: Any) -> str:
    """The class of a band."""
    return _BANDS.get(str(name), "fail")


def _number(value: float) -> str:
    if not math.isfinite(value):
        return DASH
    if value.is_integer() and abs(value) < 1000:
        return _sign(f"{value:.0f}")
    if abs(value) >= 1000:
        return _sign(f"{value:,.0f}")
    if abs(value) < _TINY:
        return _sign(f"{value:.1e}".replace("e-0", "e-"))
    if abs(value) < _SMALL:
        places = 1 - math.floor(math.log10(abs(value)))
        return _sign(f"{value:.{places}f}".rstrip("0"))
    return _sign(f"{value:.3f}")


def _sign(text: str) -> str:
    return text.replace("-", MINUS, 1) if text.startswith("-") else text
