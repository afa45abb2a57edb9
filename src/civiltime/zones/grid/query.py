"""Asking the grid, with NumPy alone.

The law: the answer of a point is the zone-set code of everything that covers it, boundary
included, over the real numbers that the float64 longitude and latitude stand for.

1. ``write_values`` finds the cell of each point: two multiplications, two floors and one
   gather a point; then, for the few points in divided cells, their children.
2. ``resolve_leaves`` walks the path from the anchor (:mod:`~civiltime.zones.grid.crossing`)
   for the points whose cell is a leaf.  An edge, an end or a horizontal edge through the
   point adds the edge's polygons, whatever the path said.
"""

from __future__ import annotations

import numpy as np

from civiltime.zones.codes import Codes, ZoneSetCodes
from civiltime.zones.grid.edges import Floats, Ints, Longs, degrees, spread
from civiltime.zones.grid.layout import COLUMNS, EDGE, HEADER, SCALES, Grid
from civiltime.zones.grid.sets import codes_of
from civiltime.zones.grid.sides import side

PIECE = 1 << 16
"""Points that are worked on at once: their temporary arrays stay in the cache, and two threads
seldom wait for each other."""
PAIRS = 1 << 20
"""(point, edge) pairs that are worked on at once."""
ORIGIN = float(90 * SCALES[0] * COLUMNS + 180 * SCALES[0])
"""The cell whose corner is latitude 0, longitude 0."""


def write_values(grid: Grid, lon: Floats, lat: Floats, out: Codes) -> bool:
    """Write the code of each point, or the value of its leaf where its cell is one.

    Returns False, and leaves ``out`` half-written, where a point isn't finite and on the globe.
    """
    size = min(PIECE, len(lon))
    x_space, y_space = np.empty(size), np.empty(size)
    at_space, value_space = np.empty(size, np.int64), np.empty(size, np.int32)
    waiting: list[Longs] = []
    for start in range(0, len(lon), PIECE):
        piece = slice(start, start + PIECE)
        here = slice(len(lon[piece]))
        x, y, at, value = x_space[here], y_space[here], at_space[here], value_space[here]
        if not (_within(lon[piece], 180.0) and _within(lat[piece], 90.0)):
            return False
        np.multiply(lon[piece], SCALES[0], out=x)
        np.floor(x, out=x)
        np.multiply(lat[piece], SCALES[0], out=y)
        np.floor(y, out=y)
        y *= COLUMNS
        x += y
        x += ORIGIN  # whole numbers below 2**53: exact
        np.copyto(at, x, casting="unsafe")
        np.take(grid.cells, at, out=value, mode="clip")
        out[piece] = value
        divided = np.flatnonzero(value < 0)
        divided += start
        waiting.append(divided)
        if start + PIECE >= len(lon) or sum(map(len, waiting)) > PIECE:
            divided = np.concatenate(waiting)
            waiting.clear()
            out[divided] = descend(grid, lon[divided], lat[divided], out[divided])
    return True


def _within(degrees: Floats, limit: float) -> bool:
    """Whether all are within -limit and limit; NaN isn't."""
    return bool(degrees.min() >= -limit and degrees.max() <= limit)


def descend(grid: Grid, lon: Floats, lat: Floats, value: Codes) -> Codes:
    """From the values of divided cells to those of their children, and theirs."""
    finest = SCALES[-1]
    column = np.floor(lon * finest).astype(np.int64)
    row = np.floor(lat * finest).astype(np.int64)
    for shift in (2, 0):
        below = np.flatnonzero((value < 0) & (~value & 1 == 0))
        child = (row[below] >> shift & 3) << 2 | column[below] >> shift & 3
        value[below] = grid.cells[(~value[below] >> 1) + child]
    return value


def resolve_leaves(grid: Grid, codes: ZoneSetCodes, lon: Floats, lat: Floats, out: Codes) -> None:
    """Replace the values of leaves in ``out`` by codes."""
    points = np.flatnonzero(out < 0)
    if not len(points):
        return
    place, leaf = _unchained(grid.stream, ~out[points] >> 1)
    lon, lat = lon[points[place]], lat[points[place]]
    kinds = np.cumsum(grid.stream[leaf[:, None] + np.arange(3)], axis=1)
    ends = np.cumsum(kinds[:, 2] + 1)
    steps = np.arange(PAIRS, int(ends[-1]) + PAIRS + 1, PAIRS)
    owners, zones = [], []
    for begin, end in zip(
        np.searchsorted(ends, steps - PAIRS), np.searchsorted(ends, steps), strict=True
    ):
        some = slice(int(begin), int(end))
        mask = masks(grid, lon[some], lat[some], leaf[some], kinds[some])
        owner, zone = _zones(grid.stream, leaf[some], mask)
        owners.append(place[some][owner])
        zones.append(zone)
    out[points] = codes_of(np.concatenate(owners), np.concatenate(zones), len(points), codes)


def masks(grid: Grid, lon: Floats, lat: Floats, leaf: Longs, kinds: Longs) -> Ints:
    """Which polygons of its leaf cover each point: a mask int32[n].

    ``kinds`` int64[n, 3] are each leaf's places one past its last edge of class V, N and L.
    """
    stream = grid.stream
    point, rank = spread(np.zeros_like(leaf), kinds[:, 2] - 1)
    at = (leaf + HEADER + stream[leaf + 3])[point] + EDGE * rank
    result = stream[leaf + 4]

    y = lat[point]
    low = degrees(grid.values, stream.take(at + 1, mode="clip"))
    above = np.flatnonzero(y >= low)
    point, rank, at, y, low = point[above], rank[above], at[above], y[above], low[above]
    high = degrees(grid.values, stream.take(at + 3, mode="clip"))
    is_v = rank < kinds[point, 0]
    passed = is_v & (y >= high)
    np.bitwise_xor.at(result, point[passed], stream[at[passed] + 4])

    near = np.flatnonzero(y <= high)
    point, at, y, low, high = point[near], at[near], y[near], low[near], high[near]
    is_v, is_n = is_v[near], (rank[near] < kinds[point, 1]) & ~is_v[near]
    x, mask = lon[point], stream[at + 4]
    start, end = degrees(grid.values, stream[at]), degrees(grid.values, stream[at + 2])
    west, east = np.minimum(start, end), np.maximum(start, end)
    band = y < high
    sign = (x < west).astype(np.int8) - (x > east)
    box = sign == 0
    unclear = np.flatnonzero(band & box)
    sign[unclear] = side(*(a[unclear] for a in (x, y, start, low, end, high)))
    toggles = np.where(is_v & (end > start), 1, -1)
    crossed = band & (is_v | is_n) & (sign == toggles)
    np.bitwise_xor.at(result, point[crossed], mask[crossed])
    touched = np.where(band, sign == 0, np.where(low == high, box, x == end))
    np.bitwise_or.at(result, point[touched], mask[touched])
    return result


def _unchained(stream: Ints, leaf: Longs) -> tuple[Longs, Longs]:
    """(place, leaf) pairs: several for a place whose leaf has more polygons than a mask."""
    head = stream[leaf]
    if (head >= 0).all():
        return np.arange(len(leaf)), leaf
    place, part = spread(np.zeros_like(leaf), np.maximum(-head, 1) - 1)
    chained = head[place] < 0
    leaf = leaf[place]
    leaf[chained] = stream[leaf[chained] + 1 + part[chained]]
    return place, leaf


def _zones(stream: Ints, leaf: Longs, mask: Ints) -> tuple[Longs, Ints]:
    """(place, zone) pairs of the polygons in each mask, ascending."""
    place, bit = spread(np.zeros_like(leaf), stream[leaf + 3].astype(np.int64) - 1)
    has = (mask[place] >> bit & 1).astype(np.bool_)
    place, bit = place[has], bit[has]
    return place, stream[leaf[place] + HEADER + bit]
