"""The real boundaries: every city, and points on, at and around their vertices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from civiltime.reference.cities import load_cities
from civiltime.reference.tz_world import open_table
from civiltime.zones.plain import PlainZones
from civiltime.zones.world import World

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plain(real_world: Path) -> PlainZones:
    """The whole world, answered by the plain method."""
    return PlainZones(World.from_table(open_table(real_world)))


def test_geonames_zone_is_among_the_candidates_of_nearly_every_city(plain: PlainZones) -> None:
    cities = load_cities()
    lon, lat = cities["lon_deg"].to_numpy(), cities["lat_deg"].to_numpy()
    assert len(lon) == 234_908
    sets = plain.zone_sets(plain.candidates(lon, lat))
    number = {tzid: place for place, tzid in enumerate(plain.tzids)}
    theirs = [number.get(tzid, -1) for tzid in cities["timezone"].to_pylist()]
    agree = sum(own in zones for own, zones in zip(theirs, sets, strict=True))
    assert agree / len(lon) >= 0.997
    assert sum(len(zones) == 0 for zones in sets) == 0
    assert sum(len(zones) > 1 for zones in sets) == 857


def test_real_boundaries_are_answered_as_covers_answers_one_by_one(plain: PlainZones) -> None:
    world = plain.world
    random = np.random.default_rng(2026)
    vertices = shapely.get_coordinates(world.polygons)
    chosen = vertices[random.integers(0, len(vertices), 800)]
    beside = np.nextafter(chosen[:400], random.choice([-180.0, 180.0], (400, 1)))
    anywhere = np.stack([random.uniform(-180, 180, 600), random.uniform(-90, 90, 600)], axis=1)
    edge = [(lon, lat) for lon in (-180.0, 180.0) for lat in np.linspace(-90, 90, 61)]
    poles = [(lon, lat) for lat in (-90.0, 90.0) for lon in np.linspace(-180, 180, 61)]
    overlaps = np.stack([random.uniform(73, 97, 300), random.uniform(34, 50, 300)], axis=1)
    points = np.concatenate([chosen, beside, anywhere, edge, poles, overlaps])
    points[:, 1] = np.clip(points[:, 1], -90, 90)
    sets = plain.zone_sets(plain.candidates(points[:, 0].copy(), points[:, 1].copy()))
    shapely.destroy_prepared(world.polygons)  # the plainest GEOS there is
    for (x, y), zones in zip(points.tolist(), sets, strict=True):
        hit = shapely.covers(world.polygons, shapely.Point(x, y))
        assert tuple(np.unique(world.zone[hit]).tolist()) == zones
    assert {len(zones) for zones in sets} >= {1, 2, 3}
