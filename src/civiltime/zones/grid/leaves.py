"""Writing the leaves: (cell, edge) pairs as one stream of int32.

The law is :mod:`~civiltime.zones.grid.layout`'s.  A leaf's polygons are those that cover its
anchor and those of its edges, ascending; as polygons are numbered by zone, so are the zones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from civiltime.errors import Invalid
from civiltime.zones.grid.crossing import Classes
from civiltime.zones.grid.edges import Edges, Ints, Longs, spread
from civiltime.zones.grid.layout import EDGE, HEADER, MASK_BITS


@dataclass(frozen=True)
class Leaves:
    """The leaves of one level; pairs are ascending by cell."""

    place: Longs
    """Where each leaf stands in ``cells``."""
    cell: Longs
    edge: Ints
    kind: Classes
    inside_cell: Longs
    inside_polygon: Ints


@dataclass(frozen=True)
class _Slots:
    """The polygons of all leaves: (cell, polygon) pairs, ascending, and where each goes."""

    key: Longs
    polygon: Longs
    part: Longs
    """The leaf in the stream; a cell of many polygons has several."""
    bit: Longs
    part_start: Longs
    """Cell ``c`` has the parts ``part_start[c]`` to ``part_start[c + 1] - 1``."""

    def find(self, cell: Longs, polygon: Ints) -> Longs:
        """The slots of (cell, polygon) pairs."""
        return np.searchsorted(self.key, cell << 32 | polygon)


@dataclass(frozen=True)
class _Written:
    """The edges of all leaves in the order in which they are written."""

    edge: Ints
    part: Ints
    """The leaf in the stream that each belongs to, ascending."""
    mask: Ints
    counts: Longs
    """Edges of each class: int64[parts, 3]."""


def write_leaves(edges: Edges, zone: Ints, levels: list[Leaves], cells: Ints) -> Ints:
    """The stream of all leaves; sets their places in ``cells`` and empties ``levels``."""
    leaves = _joined(levels)
    levels.clear()
    slots, written = _ordered(edges, leaves)
    parts = len(written.counts)
    polygons, in_part = _rank(slots.part, parts)
    size = HEADER + polygons + EDGE * written.counts.sum(axis=1)
    start = np.cumsum(size) - size
    chains = np.flatnonzero(np.diff(slots.part_start) > 1)
    tail = [_chain(start[slots.part_start[c] : slots.part_start[c + 1]]) for c in chains]
    length = int(size.sum()) + sum(map(len, tail))
    if length > 1 << 30:
        raise Invalid(f"the boundaries need {length} numbers; the grid holds {1 << 30}")
    stream = np.zeros(length, np.int32)
    stream[start[:, None] + np.arange(3)] = written.counts
    stream[start + 3] = polygons
    inside = slots.find(leaves.inside_cell, leaves.inside_polygon)
    anchor = np.bincount(slots.part[inside], slots.bit[inside], minlength=parts)  # exact: < 2**53
    stream[start + 4] = anchor.astype(np.int32)
    stream[start[slots.part] + HEADER + in_part] = zone[slots.polygon]
    at = _rank(written.part, parts)[1] * EDGE
    at += (start + HEADER + polygons)[written.part]
    for offset, ends in enumerate((edges.lower_x, edges.lower_y, edges.upper_x, edges.upper_y)):
        stream[at + offset] = ends[written.edge]
    stream[at + 4] = written.mask
    begin = start[slots.part_start[:-1]]
    after = int(size.sum())
    for c, words in zip(chains, tail, strict=True):
        stream[after : after + len(words)] = words
        begin[c] = after
        after += len(words)
    cells[leaves.place] = ~(begin << 1 | 1)
    return stream


def _ordered(edges: Edges, leaves: Leaves) -> tuple[_Slots, _Written]:
    """The polygons of all leaves, and their edges by leaf and class."""
    of_pair, cell, group = _groups_in_cells(edges, leaves)
    slots = _slots(edges, leaves, cell, group)
    parts = int(slots.part_start[-1])
    run_start, run_part, run_mask = _masks(edges, slots, cell, group)
    pair, run = spread(run_start[of_pair], run_start[of_pair + 1] - 1)
    del of_pair
    key = run_part[run] * 3 + leaves.kind[pair]
    counts = np.bincount(key, minlength=3 * parts).reshape(-1, 3)
    order = np.argsort(key, kind="stable").astype(np.int32)
    del key
    edge, run = leaves.edge[pair[order]], run[order]
    del pair, order
    part, mask = run_part[run].astype(np.int32), run_mask[run].astype(np.int32)
    return slots, _Written(edge, part, mask, counts)


def _joined(levels: list[Leaves]) -> Leaves:
    """All leaves, numbered through."""
    base = np.cumsum([0, *(len(level.place) for level in levels)])[:-1]
    return Leaves(
        np.concatenate([level.place for level in levels]),
        np.concatenate([level.cell + b for level, b in zip(levels, base, strict=True)]),
        np.concatenate([level.edge for level in levels]),
        np.concatenate([level.kind for level in levels]),
        np.concatenate([level.inside_cell + b for level, b in zip(levels, base, strict=True)]),
        np.concatenate([level.inside_polygon for level in levels]),
    )


def _groups_in_cells(edges: Edges, leaves: Leaves) -> tuple[Longs, Longs, Ints]:
    """The groups that occur in each cell: (their number by pair, their cells, their groups)."""
    group = edges.group[leaves.edge]
    key = leaves.cell << 32 | group
    # Neighbours mostly have the same group: sort the runs, not the pairs.
    new = np.append(True, key[1:] != key[:-1])[: len(key)]
    unique, inverse = np.unique(key[new], return_inverse=True)
    of_pair = inverse.ravel()[np.cumsum(new) - 1]
    return of_pair, unique >> 32, (unique & 0xFFFFFFFF).astype(np.int32)


def _slots(edges: Edges, leaves: Leaves, cell: Longs, group: Ints) -> _Slots:
    """The polygons of each leaf, in parts of at most ``MASK_BITS``."""
    place, polygon = edges.members(group)
    key = np.unique(
        np.append(cell[place] << 32 | polygon, leaves.inside_cell << 32 | leaves.inside_polygon)
    )
    owner = key >> 32
    count, rank = _rank(owner, len(leaves.place))
    of_cell = np.maximum(-(-count // MASK_BITS), 1)
    part_start = np.append(0, np.cumsum(of_cell))
    return _Slots(
        key,
        key & 0xFFFFFFFF,
        part_start[owner] + rank // MASK_BITS,
        np.int64(1) << (rank % MASK_BITS),
        part_start,
    )


def _masks(edges: Edges, slots: _Slots, cell: Longs, group: Ints) -> tuple[Longs, Longs, Longs]:
    """The masks of each (cell, group): one run for each part that has any of its polygons.

    Returns the first run of each (cell, group) and one past the last, then runs: part, mask.
    """
    place, polygon = edges.members(group)
    slot = slots.find(cell[place], polygon)
    part = slots.part[slot]
    first = np.flatnonzero(
        np.append(True, (place[1:] != place[:-1]) | (part[1:] != part[:-1]))[: len(place)]
    )
    if not len(first):
        return np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    mask = np.bitwise_or.reduceat(slots.bit[slot], first)
    start = np.searchsorted(place[first], np.arange(len(cell) + 1))
    return start, part[first], mask


def _rank(owner: Longs | Ints, owners: int) -> tuple[Longs, Longs]:
    """How many each owner has, and the rank of each among its owner's; owners ascend."""
    count = np.bincount(owner, minlength=owners)
    rank = np.arange(len(owner))
    rank -= (np.cumsum(count) - count)[owner]
    return count, rank


def _chain(starts: Longs) -> list[int]:
    return [-len(starts), *(int(s) for s in starts)]
