"""How a cell's edges change what covers a point: the path from the anchor.

The law: a cell is half-open, ``[x0, x0 + s) x [y0, y0 + s)``.  Its *anchor* is the corner
``(x0, y0)`` moved by ``(eps, delta)``, two infinitesimals with delta far greater than eps, so
no vertex and no edge ever passes through it.  It is known which polygons cover the anchor.
The path to a point of the cell goes up the anchor's vertical to the height of the point
(and infinitesimally more) and then along to the point; each edge that it crosses an odd
number of times toggles the edge's polygons.  Per polygon, so holes need no special case.

Edges are of three classes, by what they do to the anchor's vertical:

``V``
    crosses it above the anchor: ``min(x) <= x0 < max(x)`` and the anchor is below the edge.
    A point below the edge's lower end is reached without crossing it, one not below its
    upper end by crossing it once; between, it is crossed where point and anchor lie on
    different sides.
``N``
    lies right of it, or crosses it below the anchor and rises to the right.  It is crossed
    where the point's height is in ``[lower y, upper y)`` and the point is right of it.
``L``
    is never crossed on the way to a point of the cell: it can only be touched.

``side`` is asked only where the point's height and place are within the edge's box.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from civiltime.zones.grid.edges import Edges, Floats, Ints, Longs
from civiltime.zones.grid.sides import Signs, side

Classes = npt.NDArray[np.int8]
V, N, L = 0, 1, 2
SPLIT = 4
"""A cell that is divided has SPLIT x SPLIT children."""


def moved_side(x: Floats, y: Floats, lx: Floats, ly: Floats, ux: Floats, uy: Floats) -> Signs:
    """The side of points moved by (eps, delta): never 0."""
    sign = side(x, y, lx, ly, ux, uy)
    return np.where(sign != 0, sign, np.where(ux > lx, 1, -1)).astype(np.int8)


def classes(edges: Edges, edge: Longs | Ints, x0: Floats, y0: Floats) -> Classes:
    """The class of each edge in the cell whose corner is given; all are parallel."""
    lx, ly, ux, uy = edges.coordinates(edge)
    left, right = np.minimum(lx, ux), np.maximum(lx, ux)
    result = np.where(left > x0, N, L).astype(np.int8)
    across = np.flatnonzero((left <= x0) & (x0 < right))
    anchor = moved_side(*(a[across] for a in (x0, y0, lx, ly, ux, uy)))
    rises = ux[across] > lx[across]
    below = anchor == np.where(rises, -1, 1)
    result[across] = np.where(below, V, np.where(rises, N, L))
    return result


def crossed_by_children(
    edges: Edges, edge: Longs | Ints, kind: Classes, x0: Floats, y0: Floats, size: float
) -> npt.NDArray[np.int32]:
    """Which children's anchors lie behind each edge, seen from the anchor of the cell.

    Bit ``SPLIT * row + column`` of int32[n] is set where the path to that child's anchor
    crosses the edge an odd number of times.
    """
    lx, ly, ux, uy = edges.coordinates(edge)
    bits = np.zeros(len(edge), np.int32)
    for row in range(SPLIT):
        y = y0 + row * size
        whole_row = ((1 << SPLIT) - 1) << (SPLIT * row)
        bits[(kind == V) & (y >= uy)] |= whole_row
        band = np.flatnonzero((y >= ly) & (y < uy) & (kind != L))
        ends = [a[band] for a in (lx, ly, ux, uy)]
        toggles = np.where((kind[band] == V) & (ends[2] > ends[0]), 1, -1)
        for column in range(SPLIT):
            x = x0[band] + column * size
            crossed = moved_side(x, y[band], *ends) == toggles
            bits[band] |= crossed.astype(np.int32) << (SPLIT * row + column)
    return bits
