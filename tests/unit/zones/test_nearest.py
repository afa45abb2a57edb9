"""The nearest zone of a country: by the ellipsoid, across the antimeridian, ties by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from tests.unit.zones.made_world import ISLANDS, box, donut, world_of

from civiltime.errors import Invalid
from civiltime.reference.tz_world import open_table
from civiltime.zones.geodesic import karney, metres
from civiltime.zones.nearest import FAN, NearestZone, boundary, grow
from civiltime.zones.world import World


def ask(nearest: NearestZone, lon: float, lat: float, iso: str) -> tuple[str | None, float]:
    zone, distance = nearest(np.array([lon]), np.array([lat]), [iso])
    return (nearest.world.tzids[zone[0]] if zone[0] >= 0 else None), float(distance[0])


@pytest.fixture
def islands() -> NearestZone:
    return NearestZone(world_of(ISLANDS))


def test_a_covered_point_has_no_distance(islands: NearestZone) -> None:
    assert ask(islands, 1.0, 1.0, "AA") == ("Z/Late", 0.0)
    assert ask(islands, 0.0, 0.5, "AA") == ("Z/Late", 0.0)


def test_of_two_zones_that_cover_it_the_first_name_wins(islands: NearestZone) -> None:
    assert ask(islands, 2.0, 1.0, "AA") == ("A/Early", 0.0)


def test_of_two_zones_as_near_the_first_name_wins(islands: NearestZone) -> None:
    tzid, distance = ask(islands, 2.0, 2.5, "AA")
    assert tzid == "A/Early"
    assert distance == pytest.approx(karney(2, 2.5, 2, 2), abs=1e-6)


def test_the_order_of_the_polygons_makes_no_difference() -> None:
    nearest = NearestZone(world_of(ISLANDS[1::-1]))
    assert ask(nearest, 2.0, 2.5, "AA")[0] == ask(nearest, 2.0, 1.0, "AA")[0] == "A/Early"


def test_no_place_of_a_boundary_is_outside_its_ball() -> None:
    # A ring around the globe, and islands far apart: across the equator and the antimeridian.
    turns = np.linspace(-180, 180, 400)
    wave = np.stack([turns, 30 * np.sin(turns / 7)], axis=1)
    ring = shapely.Polygon(np.concatenate([wave, [(180, 89), (-180, 89)]]))
    islands = [
        box(-180, 0, -170, 5),
        box(175, -5, 180, 5),
        box(0, 60, 1, 61),
        box(90, -61, 91, -60),
    ]
    world = world_of([("A/B", "AA", polygon) for polygon in (ring, *islands)])
    tree = grow(*boundary(world, np.arange(5)))
    depths = range(len(tree.levels) + 1)
    assert len(depths) > 2
    share = np.linspace(0, 1, 9)[:, None]
    x0, y0, x1, y1 = tree.segments.T
    lon, lat = (x0 + (x1 - x0) * share).ravel(), (y0 + (y1 - y0) * share).ravel()
    segment = np.tile(np.arange(len(x0)), 9)
    for depth in depths:
        ball = segment // FAN**depth
        level = tree.balls(depth, np.arange(tree.count(depth)))
        away = metres(level.lon[ball], level.lat[ball], lon, lat)
        assert (away <= level.radius[ball] + 1e-6).all()


def test_only_zones_of_the_country_count(islands: NearestZone) -> None:
    assert ask(islands, 9.0, 9.0, "AA")[0] == "A/Early"
    assert ask(islands, 1.0, 1.0, "BB")[0] == "M/Other"


def test_a_country_without_zones_has_no_nearest(islands: NearestZone) -> None:
    zone, distance = islands(np.array([1.0, 1.0]), np.array([1.0, 1.0]), ["XX", "AA"])
    assert zone.tolist() == [-1, islands.world.tzids.index("Z/Late")]
    assert distance.tolist() == [np.inf, 0.0]


def test_the_other_side_of_the_antimeridian_is_near() -> None:
    west = NearestZone(world_of([("A/West", "AA", box(-179.99, 0, -170, 1))]))
    east = NearestZone(world_of([("A/East", "AA", box(170, 0, 179.99, 1))]))
    for nearest, lon in ((west, 179.99), (east, -179.99)):
        distance = ask(nearest, lon, 0.5, "AA")[1]
        assert distance == pytest.approx(karney(179.99, 0.5, -179.99, 0.5), abs=1e-3)


def test_a_pole_is_near_from_every_longitude() -> None:
    cap = NearestZone(world_of([("A/Cap", "AA", box(-180, -90, 0, -89.9))]))
    assert ask(cap, 90.0, -89.95, "AA")[1] == pytest.approx(karney(90, -89.95, 0, -90), abs=1e-3)


def test_the_foot_on_a_long_edge_is_found() -> None:
    # A parallel is no geodesic: the nearest place of it isn't straight ahead on a plane.
    long = NearestZone(world_of([("A/Long", "AA", box(-170, -60, 170, 60))]))
    for lon, lat in ((3.3, 85.0), (-120.0, -89.0), (179.0, 59.0)):
        edge = np.linspace(-170, 170, 340_001)
        there = [
            metres(np.full(len(edge), lon), np.full(len(edge), lat), edge, edge * 0 + s)
            for s in (60.0, -60.0)
        ]
        side = np.linspace(-60, 60, 120_001)
        there += [
            metres(np.full(len(side), lon), np.full(len(side), lat), side * 0 + w, side)
            for w in (170.0, -170.0)
        ]
        least = min(float(d.min()) for d in there)
        assert least - 0.1 <= ask(long, lon, lat, "AA")[1] <= least + 1e-3


@pytest.mark.parametrize("away", [1e-10, 1e-8, 1e-6, 1e-4, 1e-2])
def test_short_distances_are_right_to_a_micrometre(away: float) -> None:
    nearest = NearestZone(world_of([("M/Other", "BB", box(3, 4, 5, 6))]))
    assert ask(nearest, 5 + away, 5.1, "BB")[1] == pytest.approx(
        karney(5 + away, 5.1, 5, 5.1), abs=1e-6
    )
    assert ask(nearest, 5 + away, 6 + away, "BB")[1] == pytest.approx(
        karney(5 + away, 6 + away, 5, 6), abs=1e-6
    )


def test_only_so_many_boundaries_are_kept(
    islands: NearestZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    lon, lat = np.full(5, 60.0), np.full(5, 1.0)
    countries = ["AA", "BB", "AQ", "FJ", "BB"]
    zone, distance = islands(lon, lat, countries)
    assert len(islands._trees) == 4
    monkeypatch.setattr("civiltime.zones.nearest.KEPT", 9)
    frugal = NearestZone(islands.world)
    for i, iso in enumerate(countries):
        answer = frugal(lon[i : i + 1], lat[i : i + 1], [iso])
        assert (answer[0][0], answer[1][0]) == (zone[i], distance[i])
        assert len(frugal._trees) <= 2


def test_inside_a_hole_the_hole_is_the_boundary() -> None:
    nearest = NearestZone(world_of([("M/Other", "BB", donut())]))
    assert least(nearest.world, (0,), 4.5, 4.5) == pytest.approx(
        ask(nearest, 4.5, 4.5, "BB")[1], abs=1e-3
    )


def test_points_that_are_no_places_are_refused(islands: NearestZone) -> None:
    with pytest.raises(Invalid, match="point 0"):
        ask(islands, np.nan, 0, "AA")
    with pytest.raises(Invalid, match="as many"):
        islands(np.zeros(1), np.zeros(1), [])


def least(world: World, zones: tuple[int, ...], lon: float, lat: float) -> float:
    """The least distance over all segments: their ends, and by thirds where they may be nearer."""
    segments, _ = boundary(world, np.flatnonzero(np.isin(world.zone, zones)))

    def at(ends: np.ndarray, share: np.ndarray) -> np.ndarray:
        x0, y0, x1, y1 = ends.T
        at_lon, at_lat = x0 + (x1 - x0) * share, y0 + (y1 - y0) * share
        return metres(np.full(len(share), lon), np.full(len(share), lat), at_lon, at_lat)

    first, last = at(segments, np.zeros(len(segments))), at(segments, np.ones(len(segments)))
    best = float(min(first.min(), last.min()))
    length = 112_000 * np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
    segments = segments[np.minimum(first, last) - length <= best]
    low, high = np.zeros(len(segments)), np.ones(len(segments))
    for _ in range(60):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        left = at(segments, a) < at(segments, b)
        low, high = np.where(left, low, a), np.where(left, b, high)
    return min(best, float(at(segments, low).min()))


@pytest.mark.slow
def test_real_countries_agree_with_a_scan_of_every_segment(real_world: Path) -> None:
    nearest = NearestZone(World.from_table(open_table(real_world)))
    random = np.random.default_rng(5)
    for iso, near in (("CH", 9.0), ("NZ", 175.0), ("FJ", -179.9), ("KI", 173.0), ("PT", -8.0)):
        zones = nearest.world.country_zones(iso)
        n = 6
        lon = np.concatenate([near + random.normal(0, 3, n), random.uniform(-180, 180, n)])
        lon = (lon + 180) % 360 - 180
        lat = np.degrees(np.arcsin(random.uniform(-1, 1, 2 * n)))
        zone, distance = nearest(lon, lat, [iso] * len(lon))
        for i in range(len(lon)):
            if distance[i] == 0:
                continue
            expected = [least(nearest.world, (z,), lon[i], lat[i]) for z in zones]
            assert distance[i] == pytest.approx(min(expected), abs=1e-4, rel=1e-9)
            assert zone[i] == zones[int(np.argmin(expected))]
