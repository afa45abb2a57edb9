"""The plain method is GEOS ``covers``, polygon by polygon, for every point."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from tests.unit.zones.made_world import ISLANDS, box, corners_and_middles, world_of

from civiltime.errors import Invalid
from civiltime.zones.plain import PlainZones
from civiltime.zones.world import World


def one_by_one(world: World, lon: np.ndarray, lat: np.ndarray) -> list[tuple[int, ...]]:
    sets = []
    for x, y in zip(lon, lat, strict=True):
        hit = shapely.covers(world.polygons, shapely.Point(x, y))
        sets.append(tuple(sorted(set(world.zone[hit].tolist()))))
    return sets


def test_it_says_what_covers_says_at_vertices_edges_and_their_neighbours() -> None:
    world = world_of(ISLANDS)
    plain = PlainZones(world)
    lon, lat = corners_and_middles(world)
    assert list(plain.zone_sets(plain.candidates(lon, lat))) == one_by_one(world, lon, lat)


def test_the_boundary_belongs_to_both_sides_and_a_hole_to_nobody() -> None:
    plain = PlainZones(world_of(ISLANDS[:3]))
    lon, lat = np.array([2.0, 4.5, 3.1]), np.array([0.1, 4.5, 3.3])
    names = [tuple(plain.tzids[z] for z in s) for s in plain.zone_sets(plain.candidates(lon, lat))]
    assert names == [("A/Early", "Z/Late"), (), ("M/Other",)]


def test_the_antimeridian_has_two_sides() -> None:
    plain = PlainZones(world_of([("A/East", None, box(179, 0, 180, 1))]))
    assert plain.candidates(np.array([180.0, -180.0]), np.array([0.5, 0.5])).tolist() == [1, 0]


def test_five_zones_on_one_spot_are_one_set() -> None:
    plain = PlainZones(world_of([(f"A/{i}", None, box(0, 0, 1 + i, 1)) for i in range(5)]))
    codes = plain.candidates(np.array([0.5, 1.5, 4.5]), np.array([0.5, 0.5, 0.5]))
    assert list(plain.zone_sets(codes)) == [(0, 1, 2, 3, 4), (1, 2, 3, 4), (4,)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 180.00000000000003, -1e308])
def test_what_is_no_place_on_the_globe_is_refused_by_row(bad: float) -> None:
    plain = PlainZones(world_of(ISLANDS))
    with pytest.raises(Invalid, match="point 1 is"):
        plain.candidates(np.array([0.0, bad, 0.0]), np.zeros(3))
    with pytest.raises(Invalid, match="point 2 is"):
        plain.candidates(np.zeros(3), np.array([0.0, 0.0, bad]))


def test_longitudes_without_latitudes_are_refused() -> None:
    plain = PlainZones(world_of(ISLANDS))
    with pytest.raises(Invalid, match="shapes"):
        plain.candidates(np.zeros(3), np.zeros(1))


def test_no_points_and_no_polygons_are_fine() -> None:
    assert len(PlainZones(world_of(ISLANDS)).candidates(np.zeros(0), np.zeros(0))) == 0
    assert PlainZones(world_of([])).candidates(np.zeros(2), np.zeros(2)).tolist() == [0, 0]
