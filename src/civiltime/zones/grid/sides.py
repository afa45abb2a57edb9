"""On which side of an edge a point lies: the sign of a determinant, never wrong.

The law: ``side`` is the sign of ``(ux - lx) * (py - ly) - (uy - ly) * (px - lx)`` over the
real numbers that the float64 arguments stand for: +1 left of the way from the lower to the
upper end, -1 right, 0 on the line.  Three rungs, each asked only where the one above can't
say:

1. the determinant in float64, where it exceeds its forward error (Shewchuk's bound, and a
   constant for what underflows);
2. the same determinant as an exact sum of sixteen float64, whose correctly rounded sum has
   its sign;
3. rational numbers, where a product of rung 2 would underflow.
"""

from __future__ import annotations

from fractions import Fraction
from math import fsum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Signs = npt.NDArray[np.int8]
RELATIVE = (3 + 16 * 2.0**-53) * 2.0**-53
"""Error of the float64 determinant, relative to the sum of its two products."""
UNDERFLOW = 1e-300
"""More than any product can lose by underflow."""
SMALLEST_SPLIT = 1e-270
"""A product above this is the exact sum of two float64."""


def side(px: Floats, py: Floats, lx: Floats, ly: Floats, ux: Floats, uy: Floats) -> Signs:
    """The side int8[n] of each point against its edge; all arguments are float64[n]."""
    rising = (ux - lx) * (py - ly)
    running = (uy - ly) * (px - lx)
    determinant = rising - running
    sign = np.sign(determinant).astype(np.int8)
    bound = RELATIVE * (np.abs(rising) + np.abs(running)) + UNDERFLOW
    doubt = np.flatnonzero(np.abs(determinant) <= bound)
    if len(doubt):
        sign[doubt] = exact_side(*(a[doubt] for a in (px, py, lx, ly, ux, uy)))
    return sign


def exact_side(px: Floats, py: Floats, lx: Floats, ly: Floats, ux: Floats, uy: Floats) -> Signs:
    """The side by expansions, and by rational numbers where they could underflow."""
    dx, dy = _difference(ux, lx), _difference(uy, ly)
    tx, ty = _difference(px, lx), _difference(py, ly)
    terms: list[Floats] = []
    safe = np.ones(len(px), np.bool_)
    for left, right, sign in ((dx, ty, 1.0), (dy, tx, -1.0)):
        for a in left:
            for b in right:
                high, low = _product(a, b)
                safe &= (np.abs(high) > SMALLEST_SPLIT) | (a == 0) | (b == 0)
                terms += [sign * high, sign * low]
    result = np.zeros(len(px), np.int8)
    rows = np.stack(terms, axis=1)
    result[safe] = [_sign(fsum(row)) for row in rows[safe].tolist()]
    for i in np.flatnonzero(~safe):
        result[i] = rational_side(*(float(a[i]) for a in (px, py, lx, ly, ux, uy)))
    return result


def rational_side(px: float, py: float, lx: float, ly: float, ux: float, uy: float) -> int:
    """The side in rational numbers: the definition itself."""
    x, y = Fraction(lx), Fraction(ly)
    return _sign((Fraction(ux) - x) * (Fraction(py) - y) - (Fraction(uy) - y) * (Fraction(px) - x))


def _sign(value: float | Fraction) -> int:
    return (value > 0) - (value < 0)


def _difference(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """``a - b`` as the sum of two float64, exactly (Knuth)."""
    high = a - b
    virtual = a - high
    return high, (a - (high + virtual)) + (virtual - b)


def _product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """``a * b`` as the sum of two float64, exactly unless it underflows (Dekker)."""
    high = a * b
    a1, a0 = _split(a)
    b1, b0 = _split(b)
    return high, a0 * b0 - (((high - a1 * b1) - a0 * b1) - a1 * b0)


def _split(a: Floats) -> tuple[Floats, Floats]:
    scaled = 134217729.0 * a  # 2**27 + 1
    high = scaled - (scaled - a)
    return high, a - high
