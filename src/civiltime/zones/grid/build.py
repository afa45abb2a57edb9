"""Compiling a world into a grid.

The law: the top cells' anchors come from an exact scan; a cell with more than
``LEAF_EDGES`` edges is divided until the last level, and its children's anchors follow from
its own by the path that a query takes.  An edge is kept in every cell that it may come into,
the borders included: one too many costs time, one too few would cost the answer, so what is
computed in float64 has slack and what needs none (the box of an edge) is exact.

Everything is arrays over (cell, edge) pairs, level by level; no step loops over cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from civiltime.zones.codes import Codes, ZoneSetCodes
from civiltime.zones.grid.corners import corner_sets
from civiltime.zones.grid.crossing import SPLIT, Classes, classes, crossed_by_children
from civiltime.zones.grid.edges import Edges, Floats, Ints, Longs, from_world, spread
from civiltime.zones.grid.layout import COLUMNS, LEAF_EDGES, ROWS, SCALES, Grid
from civiltime.zones.grid.leaves import Leaves, write_leaves
from civiltime.zones.grid.sets import codes_of
from civiltime.zones.world import World

CHILDREN = SPLIT * SPLIT
SLACK = 1e-9
"""Degrees: far more than an edge's x at a given height can be wrong by."""
INT32 = np.iinfo(np.int32).max
PIECE = 1 << 20
"""Pairs that are worked on at once."""


@dataclass(frozen=True)
class Level:
    """The cells of one level that edges come into."""

    place: Longs
    """Where each cell stands in ``cells``."""
    row: Longs
    """South border, in cells of this level from the equator."""
    column: Longs
    """West border, in cells of this level from Greenwich."""
    cell: Longs
    """(cell, edge) pairs, ascending by cell."""
    edge: Ints
    inside_cell: Longs
    """(cell, polygon) pairs: what covers the cell's anchor."""
    inside_polygon: Ints

    def select(self, keep: Longs) -> Level:
        """Only some cells, ascending, numbered anew."""
        new = np.full(len(self.place), -1, np.int64)
        new[keep] = np.arange(len(keep))
        pairs, inside = new[self.cell] >= 0, new[self.inside_cell] >= 0
        return Level(
            self.place[keep],
            self.row[keep],
            self.column[keep],
            new[self.cell[pairs]],
            self.edge[pairs],
            new[self.inside_cell[inside]],
            self.inside_polygon[inside],
        )


def compile_world(load_world: Callable[[], World]) -> Grid:
    """The grid of a world, which isn't held for longer than it takes to read its edges.

    Raises :class:`~civiltime.errors.Invalid` for an invalid one.
    """
    world = load_world()
    pa.default_memory_pool().release_unused()  # what reading the world has left
    tzids, countries = world.tzids, world.countries
    edges, zone = from_world(world)
    del world
    codes = ZoneSetCodes(len(tzids))
    cells, level = _top(edges, zone, codes)
    leaves: list[Leaves] = []
    for depth, scale in enumerate(SCALES):
        count = np.bincount(level.cell, minlength=len(level.place))
        divided = (count > LEAF_EDGES) & (depth + 1 < len(SCALES))
        leaves.append(_leaves(edges, level.select(np.flatnonzero(~divided)), scale))
        if not divided.any():
            break
        level = level.select(np.flatnonzero(divided))
        begin = len(cells) + CHILDREN * np.arange(len(level.place))
        cells[level.place] = ~(begin << 1)
        values, level = _divide(edges, zone, codes, level, scale, len(cells))
        cells = np.concatenate([cells, values])
    del level
    stream = write_leaves(edges, zone, leaves, cells)
    return Grid(tzids, countries, cells, stream, edges.values, codes.larger)


def _top(edges: Edges, zone: Ints, codes: ZoneSetCodes) -> tuple[Ints, Level]:
    """The top table with every cell as if no edge came into it, and the cells with edges."""
    number, sets = corner_sets(edges, SCALES[0], COLUMNS, ROWS)
    number = number.ravel()
    code = np.array([codes.encode(zone[list(s)].tolist()) for s in sets], np.int64)
    cells = _as_cells(code)[number]
    edge, row, column = _touched(edges, np.arange(len(edges), dtype=np.int32), SCALES[0])
    pair_place = (row + 90 * SCALES[0]) * COLUMNS + column + 180 * SCALES[0]
    order = np.argsort(pair_place, kind="stable")
    kept = (code > INT32)[number]
    kept[pair_place] = True
    place = np.flatnonzero(kept)
    members = np.array([polygon for s in sets for polygon in s], np.int32)
    end = np.cumsum([len(s) for s in sets])
    begin = end - [len(s) for s in sets]
    inside, at = spread(begin[number[place]], end[number[place]] - 1)
    level = Level(
        place=place,
        row=place // COLUMNS - 90 * SCALES[0],
        column=place % COLUMNS - 180 * SCALES[0],
        cell=(np.cumsum(kept) - 1)[pair_place[order]],
        edge=edge[order].astype(np.int32),
        inside_cell=inside,
        inside_polygon=members[at],
    )
    return cells, level


def _divide(
    edges: Edges, zone: Ints, codes: ZoneSetCodes, level: Level, scale: int, size: int
) -> tuple[Ints, Level]:
    """The children's values as if no edge came into them, and the children with edges.

    ``size`` is where the first child will stand in ``cells``.
    """
    x0, y0 = level.column / scale, level.row / scale
    child, polygon = _inside_children(edges, level, x0, y0, 1 / (SPLIT * scale))
    count = CHILDREN * len(level.place)
    code = codes_of(child, zone[polygon], count, codes)
    pair, row, column = _touched(edges, level.edge, SPLIT * scale, level)
    cell = level.cell[pair]
    row -= SPLIT * level.row[cell]
    column -= SPLIT * level.column[cell]
    pair_child = CHILDREN * cell + SPLIT * row + column
    order = np.argsort(pair_child, kind="stable")
    kept = code > INT32
    kept[pair_child] = True
    parent, corner = np.divmod(np.arange(count), CHILDREN)
    children = Level(
        place=size + np.arange(count),
        row=SPLIT * level.row[parent] + corner // SPLIT,
        column=SPLIT * level.column[parent] + corner % SPLIT,
        cell=pair_child[order],
        edge=level.edge[pair[order]],
        inside_cell=child,
        inside_polygon=polygon,
    )
    return _as_cells(code), children.select(np.flatnonzero(kept))


def _inside_children(
    edges: Edges, level: Level, x0: Floats, y0: Floats, size: float
) -> tuple[Longs, Ints]:
    """(child, polygon) pairs, ascending: what covers each child's anchor."""
    cells, polygons, toggles = [level.inside_cell], [level.inside_polygon], []
    toggles.append(np.full(len(level.inside_cell), (1 << CHILDREN) - 1, np.int32))
    for piece in pieces(len(level.edge)):
        cell, edge = level.cell[piece], level.edge[piece]
        corner = x0[cell], y0[cell]
        bits = crossed_by_children(edges, edge, classes(edges, edge, *corner), *corner, size)
        hit = np.flatnonzero(bits)
        place, polygon = edges.members(edges.group[edge[hit]])
        cells.append(cell[hit][place])
        polygons.append(polygon)
        toggles.append(bits[hit][place])
    key = np.concatenate(cells) << 32 | np.concatenate(polygons)
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])
    if not len(first):
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    bits = np.bitwise_xor.reduceat(np.concatenate(toggles)[order], first)
    inside, corner_bit = np.nonzero(bits[:, None] >> np.arange(CHILDREN) & 1)
    child = CHILDREN * (key[first] >> 32)[inside] + corner_bit
    polygon = (key[first] & 0xFFFFFFFF)[inside].astype(np.int32)
    order = np.lexsort((polygon, child))
    return child[order], polygon[order]


def _leaves(edges: Edges, level: Level, scale: int) -> Leaves:
    """Cells that are not divided, with the class of each of their edges."""
    x0, y0 = level.column / scale, level.row / scale
    kinds: list[Classes] = [np.zeros(0, np.int8)]
    for piece in pieces(len(level.edge)):
        cell = level.cell[piece]
        kinds.append(classes(edges, level.edge[piece], x0[cell], y0[cell]))
    return Leaves(
        level.place,
        level.cell,
        level.edge,
        np.concatenate(kinds),
        level.inside_cell,
        level.inside_polygon,
    )


def _touched(
    edges: Edges, edge: Ints, scale: int, level: Level | None = None
) -> tuple[Longs, Longs, Longs]:
    """(place in ``edge``, row, column) of every cell of 1/scale degree that an edge comes into.

    With a level, ``edge`` is the level's and only children of each edge's cell are meant.
    """
    found: list[tuple[Longs, Longs, Longs]] = []
    for piece in pieces(len(edge)):
        lx, ly, ux, uy = edges.coordinates(edge[piece])
        left, right = np.minimum(lx, ux), np.maximum(lx, ux)
        low, high = cell_of(ly, scale), cell_of(uy, scale)
        if level is not None:
            cell = level.cell[piece]
            low = np.maximum(low, SPLIT * level.row[cell])
            high = np.minimum(high, SPLIT * level.row[cell] + SPLIT - 1)
        owner, row = spread(low, high)
        left, right = left[owner], right[owner]
        part = np.flatnonzero((ly[owner] < row / scale) | (uy[owner] > (row + 1) / scale))
        lx, ly, ux, uy = (a[owner[part]] for a in (lx, ly, ux, uy))
        enters = lx + (np.maximum(row[part] / scale, ly) - ly) / (uy - ly) * (ux - lx)
        leaves = lx + (np.minimum((row[part] + 1) / scale, uy) - ly) / (uy - ly) * (ux - lx)
        left[part] = np.maximum(left[part], np.minimum(enters, leaves) - SLACK)
        right[part] = np.minimum(right[part], np.maximum(enters, leaves) + SLACK)
        west, east = cell_of(left, scale), cell_of(right, scale)
        if level is not None:
            cell = level.cell[piece][owner]
            west = np.maximum(west, SPLIT * level.column[cell])
            east = np.minimum(east, SPLIT * level.column[cell] + SPLIT - 1)
        pair, column = spread(west, east)
        found.append((owner[pair] + piece.start, row[pair], column))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    place, rows, columns = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return place, rows, columns


def cell_of(degrees: Floats, scale: int) -> Longs:
    """The row or column, counted from the equator or Greenwich: exact for powers of two."""
    return np.floor(degrees * scale).astype(np.int64)


def pieces(count: int) -> Iterator[slice]:
    """Slices of at most ``PIECE`` that together are ``count`` long: what bounds the memory."""
    for start in range(0, count, PIECE):
        yield slice(start, min(start + PIECE, count))


def _as_cells(code: Codes) -> Ints:
    """Codes as cells: 0 for what doesn't fit, whose cells become leaves without an edge."""
    return np.where(code > INT32, 0, code).astype(np.int32)
