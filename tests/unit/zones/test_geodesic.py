"""Distances of many points at once, against GeographicLib."""

from __future__ import annotations

import numpy as np
import pytest

from civiltime.zones.geodesic import OPPOSITE, bounds, curve_bound, karney, metres

SIZE = 400
RANDOM = np.random.default_rng(20260101)
LON = RANDOM.uniform(-180, 180, SIZE)
LAT = np.degrees(np.arcsin(RANDOM.uniform(-1, 1, SIZE)))
OTHER_LON = RANDOM.permutation(LON)
OTHER_LAT = RANDOM.permutation(LAT)


def exactly(lon: np.ndarray, lat: np.ndarray, to_lon: np.ndarray, to_lat: np.ndarray) -> np.ndarray:
    return np.array([karney(*four) for four in zip(lon, lat, to_lon, to_lat, strict=True)])


def test_far_points_are_within_a_millimetre() -> None:
    points = (LON, LAT, OTHER_LON, OTHER_LAT)
    assert np.abs(metres(*points) - exactly(*points)).max() < 1e-3


@pytest.mark.parametrize("degrees", [1e-1, 1e-3, 1e-5, 1e-7, 1e-9])
def test_near_points_are_within_a_micrometre(degrees: float) -> None:
    near = LON + RANDOM.normal(0, degrees, SIZE), np.clip(LAT + degrees, -90, 90)
    assert np.abs(metres(LON, LAT, *near) - exactly(LON, LAT, *near)).max() < 1e-6


def test_across_the_antimeridian_is_near() -> None:
    got = metres(np.array([179.99]), np.array([10.0]), np.array([-179.99]), np.array([10.0]))
    assert got[0] == pytest.approx(karney(179.99, 10, -179.99, 10), abs=1e-6)
    assert got[0] < 2200


def test_a_pole_has_one_place_whatever_the_longitude() -> None:
    got = metres(LON, np.full(SIZE, -90.0), OTHER_LON, np.full(SIZE, -90.0))
    assert got.max() < 1e-6


def test_opposite_points_are_measured_and_bounded() -> None:
    opposite = np.where(LON > 0, LON - 180, LON + 180), -LAT + RANDOM.normal(0, 0.3, SIZE)
    opposite = opposite[0], np.clip(opposite[1], -90, 90)
    exact = exactly(LON, LAT, *opposite)
    least, most = bounds(LON, LAT, *opposite)
    assert (least == OPPOSITE[0]).any(), "none of these is a hard one"
    assert (least <= exact + 1e-3).all()
    assert (exact <= most + 1e-3).all()
    assert np.abs(metres(LON, LAT, *opposite) - exact).max() < 1e-3


def test_no_line_is_longer_than_its_bound() -> None:
    dlon, dlat = RANDOM.normal(0, 5, SIZE), RANDOM.normal(0, 5, SIZE)
    ends = LON + dlon, np.clip(LAT + dlat, -90, 90)
    share = np.linspace(0, 1, 101)[:, None]
    lon, lat = LON + (ends[0] - LON) * share, LAT + (ends[1] - LAT) * share
    steps = [metres(lon[i], lat[i], lon[i + 1], lat[i + 1]) for i in range(100)]
    least = np.where(LAT * ends[1] < 0, 0, np.minimum(np.abs(LAT), np.abs(ends[1])))
    assert (sum(steps) <= curve_bound(dlon, ends[1] - LAT, least) + 1e-6).all()
