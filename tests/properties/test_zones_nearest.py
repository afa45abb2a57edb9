"""Whatever the boundaries and the sites: the nearest zone is what a dense scan finds."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.unit.zones.made_world import Rows, world_of

from civiltime.zones.geodesic import metres
from civiltime.zones.nearest import FAN, NearestZone, boundary, grow
from civiltime.zones.world import World

LON = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, -179.99, 0.0, 179.99, 180.0]))
LAT = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, -89.99, 0.0, 89.99, 90.0]))
TRIANGLE = st.tuples(LON, LAT, *[st.floats(-20, 20)] * 4)
POINTS = st.lists(st.tuples(LON, LAT), min_size=1, max_size=6)


def world_with(triangles: list[tuple[float, ...]]) -> World:
    """One zone for each triangle, all of one country; assumes that there is one."""
    rows: Rows = []
    for number, (x, y, *away) in enumerate(triangles):
        far = np.array([(0, 0), away[:2], away[2:]]) + np.array([x, y])
        polygon = shapely.Polygon(np.clip(far, (-180, -90), (180, 90)))
        if polygon.is_valid and polygon.area > 1e-6:
            rows.append((f"Zone/{number:03}", "AA", polygon))
    assume(rows)
    return world_of(rows)


def scanned(world: World, zone: int, lon: float, lat: float) -> float:
    """The least distance to a zone's boundary: in shares of each segment, then by thirds."""
    segments, _ = boundary(world, np.flatnonzero(world.zone == zone))
    shares = 40
    low = np.tile(np.arange(shares) / shares, len(segments))
    high = low + 1 / shares
    x0, y0, x1, y1 = np.repeat(segments, shares, axis=0).T

    def at(share: np.ndarray) -> np.ndarray:
        there = x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
        return metres(np.full(len(share), lon), np.full(len(share), lat), *there)

    for _ in range(45):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        left = at(a) < at(b)
        low, high = np.where(left, low, a), np.where(left, b, high)
    ends = at(np.zeros(len(low))), at(np.ones(len(low)))
    return float(min(at(low).min(), *(end.min() for end in ends)))


@given(st.lists(TRIANGLE, min_size=1, max_size=4), POINTS)
@settings(max_examples=25, deadline=None)
def test_it_is_what_a_dense_scan_finds(
    triangles: list[tuple[float, ...]], points: list[tuple[float, float]]
) -> None:
    world = world_with(triangles)
    lon, lat = np.array(points, np.float64).T
    zone, distance = NearestZone(world)(lon, lat, ["AA"] * len(lon))
    for i, (x, y) in enumerate(points):
        inside = np.flatnonzero(shapely.intersects_xy(world.polygons, x, y))
        if len(inside):
            assert (zone[i], distance[i]) == (world.zone[inside].min(), 0.0)
            continue
        every = [scanned(world, number, x, y) for number in range(len(world.tzids))]
        assert abs(distance[i] - min(every)) <= 1e-3 + 1e-6 * distance[i]
        assert every[zone[i]] <= min(every) + 1e-3 + 1e-6 * distance[i]


@given(st.lists(TRIANGLE, min_size=1, max_size=4), POINTS)
@settings(max_examples=40, deadline=None)
def test_a_mirrored_globe_has_mirrored_answers(
    triangles: list[tuple[float, ...]], points: list[tuple[float, float]]
) -> None:
    world = world_with(triangles)
    mirror = shapely.transform(world.polygons, lambda xy: -xy)
    mirrored = World(world.tzids, world.countries, world.zone, mirror)
    lon, lat = np.array(points, np.float64).T
    distance = NearestZone(world)(lon, lat, ["AA"] * len(lon))[1]
    other = NearestZone(mirrored)(-lon, -lat, ["AA"] * len(lon))[1]
    assert np.allclose(distance, other, rtol=1e-9, atol=1e-5)


@given(st.lists(TRIANGLE, min_size=20, max_size=60))
@settings(max_examples=40, deadline=None)
def test_no_place_of_a_boundary_is_outside_its_ball(triangles: list[tuple[float, ...]]) -> None:
    world = world_with(triangles)
    tree = grow(*boundary(world, np.arange(len(world.polygons))))
    share = np.linspace(0, 1, 7)[:, None]
    x0, y0, x1, y1 = tree.segments.T
    lon, lat = (x0 + (x1 - x0) * share).ravel(), (y0 + (y1 - y0) * share).ravel()
    segment = np.tile(np.arange(len(x0)), 7)
    for depth in range(len(tree.levels) + 1):
        ball = segment // FAN**depth
        level = tree.balls(depth, np.arange(tree.count(depth)))
        away = metres(level.lon[ball], level.lat[ball], lon, lat)
        assert (away <= level.radius[ball] + 1e-3).all()
