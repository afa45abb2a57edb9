"""An edge may rise by a denormal: its slope overflows, its place in the grid must not."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import shapely
from tests.unit.zones.made_world import world_of

from civiltime.zones.grid import ZoneIndex

LEAST = 5e-324


def inside(ring: list[list[float]], lon: float, lat: float) -> bool:
    """Whether a ring covers a point, in rational numbers."""
    x, y = Fraction(lon), Fraction(lat)
    odd = False
    for start, end in pairwise(ring):
        (ax, ay), (bx, by) = sorted([start, end], key=lambda p: p[1])
        low, high = Fraction(ay), Fraction(by)
        if not low <= y <= high:
            continue
        if low == high:
            if min(ax, bx) <= x <= max(ax, bx):
                return True
            continue
        at = Fraction(ax) + (y - low) * (Fraction(bx) - Fraction(ax)) / (high - low)
        if at == x:
            return True
        odd ^= y < high and at > x
    return odd


@pytest.mark.parametrize("rise", [LEAST, 2 * LEAST, 1e-310, 1e-300])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_an_edge_across_the_equator_is_found_in_both_rows(rise: float, side: float) -> None:
    corners = [(-7.3, -rise), (8.9, rise), (8.7, side * 0.3), (-7.1, side * 0.3)]
    world = world_of([("A/B", None, shapely.Polygon(corners))])
    ring = [list(corner) for corner in (*corners, corners[0])]
    heights = np.array([-0.1, -2 * rise, -rise, -LEAST, 0.0, LEAST, rise, 2 * rise, 0.1])
    places = np.concatenate([[c[0] for c in corners], np.linspace(-8, 10, 37), [0.8]])
    lon, lat = (a.ravel() for a in np.meshgrid(places, heights))
    expected = [inside(ring, x, y) for x, y in zip(lon.tolist(), lat.tolist(), strict=True)]
    assert (ZoneIndex.of(world).candidates(lon, lat) == 1).tolist() == expected
