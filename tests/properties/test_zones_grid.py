"""Whatever the boundaries and the point: the side is the definition's, the set is the truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.zones_grid.worlds import true_sets, world_of

from civiltime.zones.grid import ZoneIndex
from civiltime.zones.grid.sides import rational_side, side

ANY = st.floats(-180, 180)
LATTICE = st.integers(-1_800_000_000, 1_800_000_000).map(lambda k: float(k) * 1e-7)
COARSE = st.integers(-24, 24).map(lambda k: k / 8)
DENORMAL = st.integers(-9, 9).map(lambda k: k * 5e-324)
DEGREES = st.one_of(ANY, LATTICE, COARSE, DENORMAL)


@given(st.lists(st.tuples(*[DEGREES] * 6), min_size=1, max_size=20), st.floats(0, 1))
@settings(max_examples=300)
def test_side_is_the_sign_of_the_determinant(rows: list[tuple[float, ...]], part: float) -> None:
    for px, _, lx, ly, ux, uy in list(rows):
        on = lx + part * (ux - lx), ly + part * (uy - ly)
        rows += [(*on, lx, ly, ux, uy), (np.nextafter(on[0], px), on[1], lx, ly, ux, uy)]
    columns = np.array(rows, np.float64).T
    expected = [rational_side(*map(float, row)) for row in rows]
    assert side(*columns).tolist() == expected


SMALL = st.one_of(
    COARSE,
    st.floats(-3, 3),
    st.integers(-30_000_000, 30_000_000).map(lambda k: float(k) * 1e-7),
    DENORMAL,
)
CORNERS = st.lists(st.tuples(SMALL, SMALL), min_size=3, max_size=9)


def _polygons(corners: list[tuple[float, float]]) -> list[shapely.Polygon]:
    """A valid polygon with these corners, where their order around their mean makes one."""
    points = np.unique(np.array(corners), axis=0)
    if len(points) < 3:
        return []
    away = points - points.mean(axis=0)
    ring = points[np.argsort(np.arctan2(away[:, 1], away[:, 0]), kind="stable")]
    polygon = shapely.Polygon(ring)
    return [polygon] if polygon.is_valid and polygon.area > 0 else []


@given(st.lists(CORNERS, min_size=1, max_size=4), st.lists(st.tuples(SMALL, SMALL), max_size=10))
@settings(max_examples=40, deadline=None)
def test_candidates_are_the_truth(
    zones: list[list[tuple[float, float]]], points: list[tuple[float, float]]
) -> None:
    made = [polygons for corners in zones if (polygons := _polygons(corners))]
    if not made:
        return
    world = world_of(*made)
    corners = shapely.get_coordinates(world.polygons).tolist()
    middles = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in pairwise(corners)]
    near = [(float(np.nextafter(x, 9)), y) for x, y in middles]
    lon, lat = np.array([*points, *corners, *middles, *near], np.float64).T
    index = ZoneIndex.of(world)
    assert list(index.zone_sets(index.candidates(lon, lat))) == true_sets(world, lon, lat)
