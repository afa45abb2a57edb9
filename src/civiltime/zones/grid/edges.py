"""A world's boundaries as edges that are each stored once.

The law: an edge is two different points, the lower first (the left one where both are as
low).  Neighbours share their border bit for bit, so an edge is kept once with the *group* of
polygons it belongs to.  Nothing is rounded: a vertex coordinate is an int32 ``k`` whose value
is ``float64(k) * 1e-7`` where every vertex of the world is such a number (what
timezone-boundary-builder publishes), and ``values[k]`` otherwise, ``values`` being the sorted
coordinates that occur.  ``k / 1e7`` would be another float for a third of all ``k``.

Polygons are numbered in the order of their zones, so the polygons of a zone stand together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from civiltime.errors import Invalid
from civiltime.zones.world import World

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
STEP = 1e-7
"""Degrees between two neighbouring coordinates of the lattice."""


@dataclass(frozen=True)
class Edges:
    """The edges of one world; all arrays are parallel but the last three."""

    lower_x: Ints
    lower_y: Ints
    upper_x: Ints
    upper_y: Ints
    group: Ints
    """Which polygons the edge belongs to."""
    values: Floats
    """The coordinates by number; empty where ``k`` means ``k * STEP``."""
    group_start: Longs
    """Group ``g`` is ``group_polygon[group_start[g] : group_start[g + 1]]``."""
    group_polygon: Ints

    def __len__(self) -> int:
        return len(self.group)

    def coordinates(self, edge: Longs | Ints | slice) -> tuple[Floats, Floats, Floats, Floats]:
        """Degrees float64[n] of some edges: lower x and y, upper x and y."""
        ends = (self.lower_x, self.lower_y, self.upper_x, self.upper_y)
        a, b, c, d = (degrees(self.values, end[edge]) for end in ends)
        return a, b, c, d

    def members(self, group: Ints) -> tuple[Longs, Ints]:
        """(place in ``group``, polygon) for every polygon of every group given."""
        first = self.group_start[group]
        place, at = spread(first, self.group_start[group + 1] - 1)
        return place, self.group_polygon[at]


def degrees(values: Floats, k: Ints) -> Floats:
    """The float64 degrees of coordinate numbers."""
    return values[k] if len(values) else np.multiply(k, STEP, dtype=np.float64)


def spread(first: Longs | Ints, last: Longs | Ints) -> tuple[Longs, Longs]:
    """Every integer of many ranges (both ends included): (number of the range, integer)."""
    count = np.maximum(last - first + 1, 0).astype(np.int64)
    owner = np.repeat(np.arange(len(count)), count)
    start = np.cumsum(count) - count
    value = np.arange(len(owner))
    value += (first - start)[owner]
    return owner, value


def from_world(world: World) -> tuple[Edges, Ints]:
    """The edges, and the zone int32[polygons] of each polygon as they number it.

    Raises :class:`Invalid` for a vertex off the globe, and where a polygon runs twice along
    the same edge, which no valid polygon does.
    """
    lower, upper, owner, values = _directed(world)
    order = np.lexsort((owner, upper, lower))
    lower, upper, owner = lower[order], upper[order], owner[order]
    del order
    new = np.append(True, (lower[1:] != lower[:-1]) | (upper[1:] != upper[:-1]))[: len(lower)]
    if (~new[1:] & (owner[1:] == owner[:-1])).any():
        raise Invalid("a polygon runs twice along the same edge: it is not a valid polygon")
    first = np.flatnonzero(new)
    lower_x, lower_y = _from_key(lower[first])
    upper_x, upper_y = _from_key(upper[first])
    del lower, upper, new
    group, group_start, group_polygon = _groups(first, owner)
    edges = Edges(lower_x, lower_y, upper_x, upper_y, group, values, group_start, group_polygon)
    return edges, np.sort(world.zone, kind="stable").astype(np.int32)


def _directed(world: World) -> tuple[Longs, Longs, Ints, Floats]:
    """Each polygon's edges: keys of the lower and the upper end, polygon; and the values."""
    order = np.argsort(world.zone, kind="stable")
    rings, polygon = shapely.get_rings(world.polygons[order], return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    if not (np.abs(points) <= (180.0, 90.0)).all():
        raise Invalid("a boundary has a vertex that is not within [-180, 180] and [-90, 90]")
    number, values = _number(points)
    del points
    start = np.flatnonzero((ring[1:] == ring[:-1]) & (number[1:] != number[:-1]).any(axis=1))
    owner = polygon[ring[start]].astype(np.int32)
    key = _as_key(number)
    begin, end = key[start], key[start + 1]
    return np.minimum(begin, end), np.maximum(begin, end), owner, values


def _number(points: Floats) -> tuple[Ints, Floats]:
    """The coordinate numbers int32[n, 2], and their values (empty on the lattice)."""
    number = np.rint(points / STEP).astype(np.int32)
    if (number * STEP == points).all():
        return number, np.zeros(0)
    values, place = np.unique(points + 0.0, return_inverse=True)  # -0.0 becomes 0.0
    return place.reshape(points.shape).astype(np.int32), values


def _as_key(number: Ints) -> Longs:
    """One int64 a point, ordered by y and then by x."""
    return (number[:, 1].astype(np.int64) << 32) + (number[:, 0].astype(np.int64) + (1 << 31))


def _from_key(key: Longs) -> tuple[Ints, Ints]:
    return ((key & 0xFFFFFFFF) - (1 << 31)).astype(np.int32), (key >> 32).astype(np.int32)


def _groups(first: Longs, owner: Ints) -> tuple[Ints, Longs, Ints]:
    """Number the sets of polygons that edges have; ``owner`` is ascending within an edge."""
    size = np.diff(np.append(first, len(owner)))
    group = np.zeros(len(first), np.int64)
    sets: list[tuple[int, ...]] = [()]
    for place in range(int(size.max(initial=0))):
        has = np.flatnonzero(size > place)
        base = int(owner.max()) + 1
        pair = group[has] * base + owner[first[has] + place]
        longer, inverse = np.unique(pair, return_inverse=True)
        group[has] = inverse + len(sets)
        sets += [(*sets[int(key) // base], int(key) % base) for key in longer]
    counts = np.array([len(s) for s in sets], np.int64)
    members = np.array([polygon for s in sets for polygon in s], np.int32)
    return group.astype(np.int32), np.append(0, np.cumsum(counts)), members
