"""The query as one compiled loop, for streams long enough to pay for loading a compiler.

The law: what it writes is bit for bit what :mod:`~civiltime.zones.grid.query` writes.  It
takes the same path with the same first rung of ``side``; where that rung can't say, where a
point has more than three zones and where a leaf is chained it leaves the leaf's value, and
``resolve_leaves`` answers.

Importing this module imports numba (about 0.3 s); the machine code is kept beside the module,
or in the user's cache folder where that can't be written.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import Any, TypeVar, cast

import numba
import numpy as np

from civiltime.zones.codes import DIGITS, Codes
from civiltime.zones.grid.edges import STEP, Floats, Ints
from civiltime.zones.grid.layout import COLUMNS, EDGE, HEADER, SCALES, Grid
from civiltime.zones.grid.sides import RELATIVE, UNDERFLOW

Function = TypeVar("Function", bound=Callable[..., Any])
COARSE, FINE = float(SCALES[0]), float(SCALES[-1])
SOUTH, WEST = 90 * SCALES[0], 180 * SCALES[0]
UNKNOWN = 2
"""Neither side, nor on the line: the first rung can't say."""
CROSSED, TOUCHED = 1, 2
BLOCK = 4096
"""Points that take each step together."""


def compiled(function: Function) -> Function:
    """Compile at the first call; without the interpreter's lock, strict IEEE 754."""
    return cast("Function", numba.njit(cache=True, nogil=True, fastmath=False)(function))


@compiled
def coordinate(values: Floats, k: int) -> float:
    """The degrees of a coordinate number."""
    if len(values) == 0:
        return k * STEP
    return float(values[k])


@compiled
def first_rung(x: float, y: float, lx: float, ly: float, ux: float, uy: float) -> int:
    """The side of a point within an edge's box, or ``UNKNOWN``."""
    rising = (ux - lx) * (y - ly)
    running = (uy - ly) * (x - lx)
    determinant = rising - running
    if abs(determinant) > RELATIVE * (abs(rising) + abs(running)) + UNDERFLOW:
        return 1 if determinant > 0 else -1
    if x == lx and (y == ly or lx == ux):
        return 0
    return UNKNOWN


@compiled
def side_in_band(x: float, y: float, lx: float, ly: float, ux: float, uy: float) -> int:
    """The side of a point whose height is in the edge's ``[lower y, upper y)``."""
    if x > max(lx, ux):
        return -1
    if x < min(lx, ux):
        return 1
    return first_rung(x, y, lx, ly, ux, uy)


@compiled
def effect(
    stream: Ints, values: Floats, at: int, of_v: bool, of_n: bool, x: float, y: float
) -> int:
    """What an edge does on the way to a point: ``CROSSED``, ``TOUCHED``, both, or neither."""
    low = coordinate(values, stream[at + 1])
    if y < low:
        return 0
    high = coordinate(values, stream[at + 3])
    if y > high:
        return CROSSED if of_v else 0
    start, end = coordinate(values, stream[at]), coordinate(values, stream[at + 2])
    if y == high:
        touched = x == end or (low == high and start <= x <= end)
        return (CROSSED if of_v else 0) | (TOUCHED if touched else 0)
    sign = side_in_band(x, y, start, low, end, high)
    if sign == UNKNOWN:
        return -1
    if sign == 0:
        return TOUCHED
    toggles = 1 if of_v and end > start else -1
    return CROSSED if (of_v or of_n) and sign == toggles else 0


@compiled
def leaf_mask(stream: Ints, values: Floats, leaf: int, x: float, y: float) -> int:
    """Which polygons of a leaf cover a point, or -1 where the first rung can't say."""
    of_v = stream[leaf]
    of_n = of_v + stream[leaf + 1]
    mask, touched = stream[leaf + 4], np.int32(0)
    at = leaf + HEADER + stream[leaf + 3]
    for rank in range(of_n + stream[leaf + 2]):
        what = effect(stream, values, at, rank < of_v, rank < of_n, x, y)
        if what < 0:
            return -1
        if what & CROSSED:
            mask ^= stream[at + 4]
        if what & TOUCHED:
            touched |= stream[at + 4]
        at += EDGE
    return int(mask | touched)


@compiled
def leaf_code(stream: Ints, values: Floats, base: int, leaf: int, x: float, y: float) -> int:
    """The code of a point in a leaf that isn't chained, or -1 where another method must say."""
    mask = leaf_mask(stream, values, leaf, x, y)
    if mask < 0:
        return -1
    code, last, digits = 0, 0, 0
    for bit in range(stream[leaf + 3]):
        digit = stream[leaf + HEADER + bit] + 1
        if mask >> bit & 1 and digit != last:
            code = code * base + digit
            last = digit
            digits += 1
    return code if digits <= DIGITS else -1


@compiled
def top_values(
    cells: Ints, lon: Floats, lat: Floats, out: Codes, first: int, last: int, divided: Codes
) -> int:
    """Write the value of each point's top cell; how many are divided, or -1 off the globe.

    The points ``first`` to ``last`` in divided cells are noted in ``divided``.
    """
    n = 0
    for i in range(first, last):
        x, y = lon[i], lat[i]
        if not (abs(x) <= 180.0 and abs(y) <= 90.0):
            return -1
        row, column = floor(y * COARSE) + SOUTH, floor(x * COARSE) + WEST
        value = np.int64(cells[np.uint64(row * COLUMNS + column)])
        out[i] = value
        divided[n] = i
        n += int(value < 0)
    return n


@compiled
def descend(cells: Ints, lon: Floats, lat: Floats, out: Codes, points: Codes) -> None:
    """Replace the values of divided cells by those of their children, level by level."""
    for shift in (2, 0):
        for i in points:
            value = out[i]
            if value < 0 and ~value & 1 == 0:
                column, row = floor(lon[i] * FINE), floor(lat[i] * FINE)
                child = (row >> shift & 3) << 2 | column >> shift & 3
                out[i] = cells[(~value >> 1) + child]


@compiled
def plain_leaves(stream: Ints, out: Codes, points: Codes) -> int:
    """Keep, at the head of ``points``, those in leaves that aren't chained; how many."""
    n = 0
    for i in points:
        if out[i] < 0 and stream[~out[i] >> 1] >= 0:
            points[n] = i
            n += 1
    return n


@compiled
def write_codes(
    cells: Ints, stream: Ints, values: Floats, base: int, lon: Floats, lat: Floats, out: Codes
) -> bool:
    """Write the code of each point or the value of its leaf; False for a point off the globe.

    Memory is what costs.  So each step is done for a block of points before the next: the
    processor then waits for many cells, or many leaves, at once instead of one by one.
    """
    waiting = np.empty(BLOCK, np.int64)
    for first in range(0, len(lon), BLOCK):
        n = top_values(cells, lon, lat, out, first, min(first + BLOCK, len(lon)), waiting)
        if n < 0:
            return False
        descend(cells, lon, lat, out, waiting[:n])
        for i in waiting[: plain_leaves(stream, out, waiting[:n])]:
            code = leaf_code(stream, values, base, int(~out[i] >> 1), lon[i], lat[i])
            if code >= 0:
                out[i] = code
    return True


def write_values(grid: Grid, lon: Floats, lat: Floats, out: Codes) -> bool:
    """The same as the function of this name in :mod:`~civiltime.zones.grid.query`."""
    base = len(grid.tzids) + 1
    return bool(write_codes(grid.cells, grid.stream, grid.values, base, lon, lat, out))
