"""Points at which a lookup goes wrong, of every kind we know.

The law: a kind is a function of sampled edges, whose ends are float64 as they are in the
world.  Same world, same seed, same count: same points.  All are on the globe.

These are the points on which the grid is compared with the plain method, in the tests and,
by the million, in ``benchmarks/verify_kernel.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely

from civiltime.zones.grid.edges import Floats
from civiltime.zones.grid.layout import SCALES
from civiltime.zones.world import World

Points = tuple[Floats, Floats]
"""Longitudes and latitudes, float64[n]."""
TINY = (
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1e-310,
    -1e-310,
    2.2250738585072014e-308,
    1e-290,
    -1e-200,
    1e-30,
)


@dataclass(frozen=True)
class Sample:
    """Edges to set traps at, parallel arrays, and where chance comes from."""

    x0: Floats
    y0: Floats
    x1: Floats
    y1: Floats
    rng: np.random.Generator

    @property
    def middle(self) -> Points:
        """The rounded middle of each edge."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def along(self) -> Points:
        """A rounded point somewhere on each edge."""
        part = self.rng.random(len(self.x0))
        return self.x0 + part * (self.x1 - self.x0), self.y0 + part * (self.y1 - self.y0)

    def around(self, degrees: float) -> Points:
        """A point near the start of each edge."""
        x, y = self.rng.normal(0, degrees, (2, len(self.x0)))
        return self.x0 + x, self.y0 + y

    def shift(self, points: Points, step: float | None) -> Points:
        """Each point moved by a step, or by one float64, in one of the eight directions."""
        way = self.rng.integers(0, 8, len(points[0]))
        way += way >= 4
        moved = []
        for degrees, sign in zip(points, (way % 3 - 1.0, way // 3 - 1.0), strict=True):
            far = degrees + sign
            moved.append(np.nextafter(degrees, far) if step is None else degrees + sign * step)
        return moved[0], moved[1]

    def on_lines(self, *, x: bool, y: bool) -> Points:
        """Starts of edges with one or both coordinates put on a line of the grid."""
        scale = self.rng.choice(np.array(SCALES, np.float64), len(self.x0))
        up = self.rng.integers(0, 2, (2, len(self.x0)))
        return (
            (np.floor(self.x0 * scale) + up[0]) / scale if x else self.x0,
            (np.floor(self.y0 * scale) + up[1]) / scale if y else self.y0,
        )

    def crossing_lines(self) -> Points:
        """Where an edge, prolonged, meets the next line of the grid."""
        x, _ = self.on_lines(x=True, y=False)
        run = np.where(self.x1 == self.x0, 1.0, self.x1 - self.x0)
        return x, self.y0 + (x - self.x0) / run * (self.y1 - self.y0)

    def some(self, values: tuple[float, ...]) -> Floats:
        """One of the values for each edge."""
        return self.rng.choice(np.array(values), len(self.x0))

    def anywhere(self) -> Points:
        """Points all over the globe."""
        return self.rng.uniform(-180, 180, len(self.x0)), self.rng.uniform(-90, 90, len(self.x0))


KINDS: dict[str, Callable[[Sample], Points]] = {
    "vertex": lambda s: (s.x0, s.y0),
    "vertex, one float off": lambda s: s.shift((s.x0, s.y0), None),
    "vertex, 1e-9 off": lambda s: s.shift((s.x0, s.y0), 1e-9),
    "vertex, 1e-7 off": lambda s: s.shift((s.x0, s.y0), 1e-7),
    "vertex as decimals": lambda s: (np.round(s.x0, 7), np.round(s.y0, 7)),
    "vertex, rounded": lambda s: (np.round(s.x0, 5), np.round(s.y0, 5)),
    "middle of an edge": lambda s: s.middle,
    "middle, one float off": lambda s: s.shift(s.middle, None),
    "middle, 1e-9 off": lambda s: s.shift(s.middle, 1e-9),
    "on an edge": lambda s: s.along,
    "on an edge, one float off": lambda s: s.shift(s.along, None),
    "height of a vertex": lambda s: (s.around(0.05)[0], s.y0),
    "height of a vertex, far": lambda s: (s.anywhere()[0], s.y0),
    "meridian of a vertex": lambda s: (s.x0, s.around(0.05)[1]),
    "meridian of a vertex, far": lambda s: (s.x0, s.anywhere()[1]),
    "crossed heights": lambda s: (s.x0, s.y1),
    "near a border": lambda s: s.around(0.001),
    "about a border": lambda s: s.around(0.1),
    "corner of the grid": lambda s: s.on_lines(x=True, y=True),
    "corner of the grid, one float off": lambda s: s.shift(s.on_lines(x=True, y=True), None),
    "line of the grid, meridian": lambda s: s.on_lines(x=True, y=False),
    "line of the grid, parallel": lambda s: s.on_lines(x=False, y=True),
    "line of the grid, one float off": lambda s: s.shift(s.on_lines(x=True, y=False), None),
    "edge and line of the grid": lambda s: s.crossing_lines(),
    "edge and line, one float off": lambda s: s.shift(s.crossing_lines(), None),
    "antimeridian": lambda s: (s.some((-180.0, 180.0)), s.y0),
    "antimeridian, one float off": lambda s: s.shift((s.some((-180.0, 180.0)), s.y0), None),
    "pole": lambda s: (s.x0, s.some((-90.0, 90.0))),
    "pole, one float off": lambda s: s.shift((s.x0, s.some((-90.0, 90.0))), None),
    "corner of the globe": lambda s: (s.some((-180.0, 0.0, 180.0)), s.some((-90.0, 0.0, 90.0))),
    "tiny longitude": lambda s: (s.some(TINY), s.y0),
    "tiny latitude": lambda s: (s.x0, s.some(TINY)),
    "tiny both": lambda s: (s.some(TINY), s.some(TINY)),
    "globe": lambda s: s.anywhere(),
    "whole degrees": lambda s: (np.round(s.anywhere()[0]), np.round(s.anywhere()[1])),
}


def traps(world: World, count: int, seed: int) -> dict[str, Points]:
    """``count`` points of every kind, at edges drawn from the world.

    A third of the edges is drawn from all, a third by polygon (so that small ones come up), a
    third from holes and from edges that lie along a meridian or a parallel.
    """
    rng = np.random.default_rng(seed)
    rings, polygon = shapely.get_rings(world.polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    start = np.flatnonzero(ring[1:] == ring[:-1])
    owner = polygon[ring[start]]
    hole = np.append(False, polygon[1:] == polygon[:-1])[ring[start]]
    straight = (points[start] == points[start + 1]).any(axis=1)
    rare = start[hole | straight] if (hole | straight).any() else start
    first = np.searchsorted(owner, np.arange(len(world.polygons) + 1))
    result = {}
    for name, kind in KINDS.items():
        third = count // 3
        pick = rng.integers(0, len(world.polygons), third)
        by_polygon = start[rng.integers(first[pick], first[pick + 1])]
        edge = np.concatenate(
            [by_polygon, rng.choice(rare, third), rng.choice(start, count - 2 * third)]
        )
        x, y = kind(
            Sample(points[edge, 0], points[edge, 1], points[edge + 1, 0], points[edge + 1, 1], rng)
        )
        result[name] = np.clip(x, -180, 180), np.clip(y, -90, 90)
    return result
