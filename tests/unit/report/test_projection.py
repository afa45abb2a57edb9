"""Equal Earth: areas are true, the sides are where the map is cut, north is up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from civiltime.report.projection import HALF_WIDTH, equal_earth

STEP = 1e-4
longitudes = st.floats(-179.0, 179.0)
latitudes = st.floats(-89.0, 89.0)


def placed(lon: float, lat: float) -> np.ndarray:
    """Where one place is drawn: x and y."""
    return np.array([v[0] for v in equal_earth(np.array([lon]), np.array([lat]))])


@given(lon=longitudes, lat=latitudes)
def test_areas_are_true(lon: float, lat: float) -> None:
    east = placed(lon + STEP, lat) - placed(lon - STEP, lat)
    north = placed(lon, lat + STEP) - placed(lon, lat - STEP)
    drawn = (east[0] * north[1] - east[1] * north[0]) / np.radians(2 * STEP) ** 2
    assert abs(drawn - np.cos(np.radians(lat))) < 1e-5


@given(lon=longitudes, lat=latitudes)
def test_both_halves_mirror_each_other(lon: float, lat: float) -> None:
    x, y = placed(lon, lat)
    assert np.allclose(placed(-lon, lat), (-x, y), atol=1e-12)
    assert np.allclose(placed(lon, -lat), (x, -y), atol=1e-12)


def test_the_published_extent() -> None:
    assert np.allclose(placed(0, 0), (0, 0))
    assert np.allclose(placed(180, 0), (HALF_WIDTH, 0), atol=1e-5)
    pole = placed(0, 90)[1]
    assert abs(pole - 1.31736) < 1e-5
    assert abs(2 * HALF_WIDTH / (2 * pole) - 2.05458) < 1e-4
    # the pole is a line of 0.59 of the equator's length
    assert abs(placed(180, 90)[0] / HALF_WIDTH - 0.59247) < 1e-4
