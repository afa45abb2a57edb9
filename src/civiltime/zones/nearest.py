"""The nearest zone of a country, by geodesic distance on WGS 84; ties by tzid.

The law: the distance to a zone is 0 where one of its polygons covers the point, and otherwise
the least geodesic distance to a boundary segment, a segment being a straight line in degrees,
as everywhere in the boundaries.  Nothing is projected, so neither the antimeridian nor a pole
is a special place.  Distances that differ by less than a micrometre are a tie, which the zone
first in byte order of the tzids wins.

How: a country's segments are the leaves of a tree of balls, each ball a centre on the boundary
and a radius in metres that no part of it exceeds.  Geodesic distance is a metric, so a ball is
no nearer than the distance of its centre less its radius: a bound that holds, and that leaves
a handful of segments for each point.  All points go down the tree together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely

from civiltime.errors import Invalid
from civiltime.zones.geodesic import bounds, curve_bound, metres
from civiltime.zones.plain import covering, require_on_globe
from civiltime.zones.world import World

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

FAN = 4
"""Balls in a ball."""
AT_ONCE = 2_000
"""Points that go down the tree together."""
SLACK = 1e-3
"""Metres: more than a distance can be wrong by."""
TIE = 1e-6
"""Metres that make no difference."""
PIECE = 2_000.0
"""Metres: a longer half of a segment is divided before its foot is sought."""
PARTS = 8
KEPT = 3_000_000
"""Segments whose trees are kept, some 120 MB; no country has as many."""
ROUNDS = (0.05, 0.002)
"""Half widths, in shares of a segment, of the parabolas that refine a foot."""


@dataclass(frozen=True)
class Level:
    """Balls of one level: centres in degrees, radii in metres."""

    lon: Floats
    lat: Floats
    radius: Floats


@dataclass(frozen=True)
class Tree:
    """The boundary of one country: float64[n, 4] segments (x0, y0, x1, y1) and balls on them."""

    segments: Floats
    zone: Ints
    levels: tuple[Level, ...]
    """From the balls on segments up to at most ``FAN``; ball ``i`` holds ``FAN * i`` and on."""

    def balls(self, depth: int, number: Longs) -> Level:
        """Some balls, by number: at depth 0 those around segments, which aren't kept."""
        if depth == 0:
            return around(*self.segments[number].T)
        level = self.levels[depth - 1]
        return Level(level.lon[number], level.lat[number], level.radius[number])

    def count(self, depth: int) -> int:
        """How many balls there are at a depth."""
        return len(self.levels[depth - 1].lon) if depth else len(self.segments)


@dataclass
class NearestZone:
    """Answers for the sites that nothing else decided."""

    world: World
    _trees: dict[tuple[int, ...], Tree] = field(default_factory=dict, repr=False)

    def __call__(self, lon: Floats, lat: Floats, countries: Sequence[str]) -> tuple[Ints, Floats]:
        """Zone numbers int32[n] (-1 where the country has no zone), metres float64[n].

        ``lon`` and ``lat`` are float64[n] degrees, ``countries`` n ISO codes.  Metres are
        infinite where there is no zone.  Raises :class:`~civiltime.errors.Invalid` for NaN,
        infinities and points off the globe.
        """
        if not len(lon) == len(lat) == len(countries):
            raise Invalid("there must be as many latitudes and countries as longitudes")
        require_on_globe(lon, lat)
        zone = np.full(len(lon), -1, np.int32)
        distance = np.full(len(lon), np.inf)
        names, number = np.unique(np.array(countries, np.str_), return_inverse=True)
        for place, iso in enumerate(names.tolist()):
            zones = self.world.country_zones(iso)
            rows = np.flatnonzero(number == place)
            if zones:
                zone[rows], distance[rows] = self.among(lon[rows], lat[rows], zones)
        return zone, distance

    def among(self, lon: Floats, lat: Floats, zones: tuple[int, ...]) -> tuple[Ints, Floats]:
        """The nearest of some zones, at least one: numbers int32[n], metres float64[n]."""
        polygons = np.flatnonzero(np.isin(self.world.zone, zones))
        points, place = covering(
            self.world.polygons[polygons], self.world.boxes[polygons], lon, lat
        )
        none = np.iinfo(np.int32).max
        zone = np.full(len(lon), none, np.int32)
        np.minimum.at(zone, points, self.world.zone[polygons[place]].astype(np.int32))
        distance = np.zeros(len(lon))
        outside = np.flatnonzero(zone == none)
        for start in range(0, len(outside), AT_ONCE):
            rows = outside[start : start + AT_ONCE]
            zone[rows], distance[rows] = nearest(self._tree(zones, polygons), lon[rows], lat[rows])
        return zone, distance

    def distance(self, lon: float, lat: float, zone: int) -> float:
        """Metres from a point to a zone; 0 where the zone covers it."""
        return float(self.among(np.array([lon]), np.array([lat]), (zone,))[1][0])

    def _tree(self, zones: tuple[int, ...], polygons: Longs) -> Tree:
        """The tree of some zones; the ones asked longest ago give way."""
        tree = self._trees.pop(zones, None) or grow(*boundary(self.world, polygons))
        self._trees[zones] = tree
        while len(self._trees) > 1 and sum(len(t.zone) for t in self._trees.values()) > KEPT:
            del self._trees[next(iter(self._trees))]
        return tree


def boundary(world: World, polygons: Longs) -> tuple[Floats, Ints]:
    """The segments float64[n, 4] of some polygons, and the zone int32[n] of each."""
    rings, polygon = shapely.get_rings(world.polygons[polygons], return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    start = np.flatnonzero(ring[1:] == ring[:-1])
    zone = world.zone[polygons[polygon[ring[start]]]]
    return np.hstack([points[start], points[start + 1]]), zone.astype(np.int32)


def grow(segments: Floats, zone: Ints) -> Tree:
    """The balls over a country's segments."""
    levels = [around(*segments.T)]
    while len(levels[-1].lon) > FAN:
        below = levels[-1]
        count = len(below.lon)
        ball = np.arange(count) // FAN
        middle = np.minimum(np.arange(int(ball[-1]) + 1) * FAN + FAN // 2, count - 1)
        lon, lat = below.lon[middle], below.lat[middle]
        turn = np.abs(below.lon - lon[ball])
        turn = np.minimum(turn, 360.0 - turn)
        least = np.minimum(np.abs(below.lat), np.abs(lat[ball]))
        least[below.lat * lat[ball] < 0] = 0.0
        reach = curve_bound(turn, below.lat - lat[ball], least) + below.radius
        levels.append(Level(lon, lat, np.maximum.reduceat(reach, np.arange(0, count, FAN))))
    return Tree(segments, zone, tuple(levels[1:]))


def around(x0: Floats, y0: Floats, x1: Floats, y1: Floats) -> Level:
    """One ball for each segment, around its middle."""
    least = np.where(y0 * y1 < 0, 0.0, np.minimum(np.abs(y0), np.abs(y1)))
    return Level((x0 + x1) / 2, (y0 + y1) / 2, curve_bound(x1 - x0, y1 - y0, least) / 2)


def nearest(tree: Tree, lon: Floats, lat: Floats) -> tuple[Ints, Floats]:
    """The zone int32[n] whose boundary is nearest to each point, and metres float64[n]."""
    most = np.full(len(lon), np.inf)
    top = tree.count(len(tree.levels))
    point = np.repeat(np.arange(len(lon)), top)
    ball = np.tile(np.arange(top), len(lon))
    for depth in range(len(tree.levels), -1, -1):
        kept = _near(lon, lat, point, tree.balls(depth, ball), most)
        point, ball = point[kept], ball[kept]
        if depth:
            point = np.repeat(point, FAN)
            ball = (ball[:, None] * FAN + np.arange(FAN)).ravel()
            there = ball < tree.count(depth - 1)
            point, ball = point[there], ball[there]
    distance, point, ball = _feet(tree.segments, lon, lat, point, ball, most)
    least = np.full(len(lon), np.inf)
    np.minimum.at(least, point, distance)
    tied = distance <= least[point] + TIE
    zone = np.full(len(lon), np.iinfo(np.int32).max, np.int32)
    np.minimum.at(zone, point[tied], tree.zone[ball[tied]])
    # What is answered is the distance to the zone that is answered.
    chosen = tree.zone[ball] == zone[point]
    least = np.full(len(lon), np.inf)
    np.minimum.at(least, point[chosen], distance[chosen])
    return zone, least


def _near(lon: Floats, lat: Floats, point: Longs, balls: Level, most: Floats) -> Longs:
    """Which (point, ball) pairs may hold the nearest place; lowers ``most`` by point."""
    least, at_most = bounds(lon[point], lat[point], balls.lon, balls.lat)
    np.minimum.at(most, point, at_most)  # the centre is itself a place of the boundary
    return np.flatnonzero(least - balls.radius <= most[point] + SLACK)


def _feet(
    segments: Floats, lon: Floats, lat: Floats, point: Longs, owner: Longs, most: Floats
) -> tuple[Floats, Longs, Longs]:
    """Metres from points to segments: (metres, point, segment) of the pairs that may be least."""
    ends = segments[owner]
    while True:  # long segments: into parts, until each part is short
        balls = around(*ends.T)
        kept = _near(lon, lat, point, balls, most)
        point, owner, ends, radius = point[kept], owner[kept], ends[kept], balls.radius[kept]
        long = radius > PIECE
        if not long.any():
            break
        count = np.where(long, PARTS, 1)
        part = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        share = np.repeat(count, count)
        x0, y0, x1, y1 = np.repeat(ends, count, axis=0).T
        ends = np.stack(
            [
                _along(x0, x1, part / share),
                _along(y0, y1, part / share),
                _along(x0, x1, (part + 1) / share),
                _along(y0, y1, (part + 1) / share),
            ],
            axis=1,
        )
        point, owner = np.repeat(point, count), np.repeat(owner, count)
    place = np.full(len(point), 0.5)
    best, place = _parabola(ends, lon[point], lat[point], place, 0.5)
    np.minimum.at(most, point, best)
    # A place of the segment is at most a quarter of it away from one that was measured.
    kept = np.flatnonzero(best - radius / 2 <= most[point] + SLACK)
    point, owner, ends = point[kept], owner[kept], ends[kept]
    best, place = best[kept], place[kept]
    for width in ROUNDS:
        better, place = _parabola(ends, lon[point], lat[point], place, width)
        best = np.minimum(best, better)
    return best, point, owner


def _parabola(
    ends: Floats, lon: Floats, lat: Floats, place: Floats, width: float
) -> tuple[Floats, Floats]:
    """The least metres, and its place: at three places, and at the foot of their parabola.

    The square of the distance is almost a parabola along a short line.
    """
    middle = np.clip(place, width, 1 - width)
    places = [middle - width, middle, middle + width]
    squares = [_metres_at(ends, lon, lat, at) for at in places]
    a, b, c = (d * d for d in squares)
    bend = a - 2 * b + c
    step = np.divide(a - c, 2 * bend, out=np.zeros_like(bend), where=bend > 0)
    foot = np.clip(middle + width * np.clip(step, -1.0, 1.0), 0.0, 1.0)
    places.append(foot)
    squares.append(_metres_at(ends, lon, lat, foot))
    distances = np.stack(squares)
    least = np.argmin(distances, axis=0)
    column = np.arange(len(lon))
    return distances[least, column], np.stack(places)[least, column]


def _metres_at(ends: Floats, lon: Floats, lat: Floats, place: Floats) -> Floats:
    x0, y0, x1, y1 = ends.T
    return metres(lon, lat, _along(x0, x1, place), _along(y0, y1, place))


def _along(start: Floats, end: Floats, place: Floats) -> Floats:
    """Between two coordinates; exactly the ends at 0 and at 1."""
    return np.where(place < 0.5, start + (end - start) * place, end - (end - start) * (1 - place))
