"""Which polygons cover the anchors of the top cells: an exact scan of each row of corners.

The law: along the line of a row's anchors an edge is crossed where the line's height is in
``[lower y, upper y)``; all anchors right of the crossing have the edge's polygons toggled.
The crossing is guessed in float64 and the four corners around the guess are decided by
``moved_side``.
"""

from __future__ import annotations

import numpy as np

from civiltime.errors import Invalid
from civiltime.zones.grid.crossing import moved_side
from civiltime.zones.grid.edges import Edges, Ints, Longs, spread

Sets = list[tuple[int, ...]]


def corner_sets(edges: Edges, per_degree: int, columns: int, rows: int) -> tuple[Ints, Sets]:
    """The set of polygons at each anchor: int32[rows, columns] numbers, and the sets."""
    row, column, polygon = _toggles(edges, per_degree)
    order = np.lexsort((column, row))
    number = np.zeros((rows, columns), np.int32)
    sets: Sets = [()]
    known = {frozenset[int](): 0}
    at = np.searchsorted(row[order], np.arange(rows + 1))
    for r in range(rows):
        events = order[at[r] : at[r + 1]]
        inside: set[int] = set()
        begin, current = 0, 0
        for c, p in zip(column[events].tolist(), polygon[events].tolist(), strict=True):
            if c > begin:
                if current < 0:
                    key = frozenset(inside)
                    current = known.setdefault(key, len(sets))
                    if current == len(sets):
                        sets.append(tuple(sorted(key)))
                number[r, begin:c] = current
                begin = c
            inside ^= {p}
            current = -1
        if inside:
            raise Invalid(f"the boundary of {len(inside)} polygons is not closed")
    return number, sets


def _toggles(edges: Edges, per_degree: int) -> tuple[Longs, Longs, Ints]:
    """(row, first column right of the crossing, polygon) for each crossing."""
    _, ly, _, uy = edges.coordinates(slice(None))
    first = np.ceil(ly * per_degree).astype(np.int64)
    last = np.ceil(uy * per_degree).astype(np.int64) - 1
    del ly, uy
    edge, row = spread(first, last)
    lx, ly, ux, uy = edges.coordinates(edge)
    y = row / per_degree
    guess = np.floor((lx + (y - ly) / (uy - ly) * (ux - lx)) * per_degree).astype(np.int64)
    column = guess - 1
    for near in range(-1, 3):
        x = (guess + near) / per_degree
        column += moved_side(x, y, lx, ly, ux, uy) > 0
    place, polygon = edges.members(edges.group[edge])
    return row[place] + 90 * per_degree, column[place] + 180 * per_degree, polygon
