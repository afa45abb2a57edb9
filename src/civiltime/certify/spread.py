"""How far a country's sites lie apart: the area of their convex hull.

Hulls are taken on Lambert's cylindrical equal-area plane, turned so that the country doesn't
straddle the plane's edge: x = longitude from a middle meridian, y = sin(latitude).  A hull is
made from batches: the hull of hulls' corners is the hull of all points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, QhullError

EARTH_KM = 6371.0072
"""Radius of the sphere that has the surface of WGS 84 (the authalic radius)."""
Floats = npt.NDArray[np.float64]


def on_plane(lon: Floats, lat: Floats, middle: float) -> Floats:
    """Degrees as (n, 2) points of the plane around the meridian ``middle``."""
    near = (lon - middle + 180.0) % 360.0 - 180.0
    return np.stack([np.radians(near), np.sin(np.radians(lat))], axis=1)


def corners(points: Floats) -> Floats:
    """Those of the points that span their convex hull, counter-clockwise; (n, 2).

    Points on a line keep its two ends.
    """
    if len(points) < 3:
        return points
    try:
        return np.asarray(points[ConvexHull(points).vertices])
    except QhullError:
        order = np.lexsort((points[:, 1], points[:, 0]))
        return np.asarray(points[order[[0, -1]]])


def area_km2(hull: Floats) -> float:
    """Area inside the corners of a hull."""
    if len(hull) < 3:
        return 0.0
    x, y = hull[:, 0] - hull[0, 0], hull[:, 1] - hull[0, 1]
    doubled = float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
    return abs(doubled) / 2 * EARTH_KM**2


def hull_km2(lon: Floats, lat: Floats, middle: float) -> float:
    """Area of the convex hull of places in degrees."""
    return area_km2(corners(on_plane(lon, lat, middle)))


class Hulls:
    """The hull of every country, batch by batch; ``middles`` by country number."""

    def __init__(self, middles: Floats) -> None:
        self._middles = middles
        self._corners: dict[int, Floats] = {}

    def add(self, country: npt.NDArray[np.int32], lon: Floats, lat: Floats) -> None:
        """Take in the sites of one batch; ``country`` are country numbers."""
        order = np.argsort(country.astype(np.int16), kind="stable")
        sorted_country = country[order]
        starts = np.flatnonzero(np.r_[True, sorted_country[1:] != sorted_country[:-1]])
        for start, end in zip(starts, np.r_[starts[1:], len(order)], strict=True):
            number, rows = int(sorted_country[start]), order[start:end]
            new = on_plane(lon[rows], lat[rows], float(self._middles[number]))
            kept = self._corners.get(number)
            self._corners[number] = corners(new if kept is None else np.concatenate([kept, new]))

    def areas(self) -> dict[int, float]:
        """km² by country number."""
        return {number: area_km2(hull) for number, hull in sorted(self._corners.items())}
