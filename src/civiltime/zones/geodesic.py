"""Many geodesic distances at once, on the ellipsoid of WGS 84.

The law: ``metres`` is Vincenty's inverse solution (1975), iterated until the longitude on the
auxiliary sphere stands still: within half a millimetre of the true geodesic, and within
nanometres for points that are close together.  Its iteration does not settle for points that
are almost opposite each other; those are asked of GeographicLib (Karney 2013), one by one.

``bounds`` never asks one by one: where the iteration doesn't settle it says how long the
geodesic is at least and at most.  ``curve_bound`` is the most that a straight line in degrees
can measure on the ground.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from geographiclib.geodesic import Geodesic

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

AXIS = 6378137.0
FLATTENING = 1 / 298.257223563
POLE = AXIS * (1 - FLATTENING)
CURVATURE_MAX = AXIS / (1 - FLATTENING)
"""Metres: no radius of curvature is larger (that of the poles)."""
ITERATIONS = 12
SETTLED = 1e-13
OPPOSITE = (19_500_000.0, 20_010_000.0)
"""Metres between points whose geodesic does not settle: at least, at most."""


def metres(lon: Floats, lat: Floats, to_lon: Floats, to_lat: Floats) -> Floats:
    """Geodesic metres float64[n] between points float64[n] in degrees."""
    distance, settled = _vincenty(lon, lat, to_lon, to_lat)
    for i in np.flatnonzero(~settled):
        distance[i] = karney(lon[i], lat[i], to_lon[i], to_lat[i])
    return distance


def bounds(lon: Floats, lat: Floats, to_lon: Floats, to_lat: Floats) -> tuple[Floats, Floats]:
    """Geodesic metres at least and at most, both float64[n]."""
    distance, settled = _vincenty(lon, lat, to_lon, to_lat)
    return np.where(settled, distance, OPPOSITE[0]), np.where(settled, distance, OPPOSITE[1])


def karney(lon: float, lat: float, to_lon: float, to_lat: float) -> float:
    """Geodesic metres between two points, by GeographicLib."""
    solution = Geodesic.WGS84.Inverse(
        float(lat), float(lon), float(to_lat), float(to_lon), Geodesic.DISTANCE
    )
    return float(solution["s12"])


def curve_bound(dlon: Floats, dlat: Floats, least_lat: Floats) -> Floats:
    """Metres that a line of ``dlon`` by ``dlat`` degrees can't exceed.

    ``least_lat`` is the smallest absolute latitude on the line.
    """
    degree = np.radians(1.0) * CURVATURE_MAX
    return np.asarray(degree * np.hypot(dlon * np.cos(np.radians(least_lat)), dlat))


def _vincenty(lon: Floats, lat: Floats, to_lon: Floats, to_lat: Floats) -> tuple[Floats, Flags]:
    """Metres, and whether the iteration settled; metres mean nothing where it didn't."""
    f = FLATTENING
    # The short way round; a difference of floats is better than a difference of radians.
    turn = np.remainder(to_lon - lon + 180.0, 360.0) - 180.0
    turn = np.where(np.abs(to_lon - lon) <= 180.0, to_lon - lon, turn)
    around = np.radians(turn)
    sin1, cos1, scale1 = _reduced(lat)
    sin2, cos2, scale2 = _reduced(to_lat)
    # sin(u2 - u1) without the cancellation of cos1 * sin2 - sin1 * cos2
    rise = (1 - f) * np.sin(np.radians(to_lat - lat)) * scale1 * scale2
    spherical = around
    settled = np.zeros(len(around), np.bool_)
    for _ in range(ITERATIONS):
        sin_l = np.sin(spherical)
        versed = 2.0 * np.sin(spherical / 2) ** 2  # 1 - cos
        # cos1 sin2 - sin1 cos2 cos(l) = sin(u2 - u1) + sin1 cos2 (1 - cos l)
        sin_s = np.hypot(cos2 * sin_l, rise + sin1 * cos2 * versed)
        cos_s = sin1 * sin2 + cos1 * cos2 * (1.0 - versed)
        s = np.arctan2(sin_s, cos_s)
        sin_a = np.divide(cos1 * cos2 * sin_l, sin_s, out=np.zeros_like(s), where=sin_s > 0)
        cos2_a = 1.0 - sin_a * sin_a
        mid = cos_s - np.divide(2.0 * sin1 * sin2, cos2_a, out=cos_s.copy(), where=cos2_a > 1e-15)
        c = f / 16 * cos2_a * (4 + f * (4 - 3 * cos2_a))
        turned = s + c * sin_s * (mid + c * cos_s * (2 * mid * mid - 1))
        following = around + (1 - c) * f * sin_a * turned
        settled = np.abs(following - spherical) <= SETTLED
        spherical = following
        if settled.all():
            break
    settled &= np.abs(spherical) < np.pi
    squash = cos2_a * (AXIS * AXIS - POLE * POLE) / (POLE * POLE)
    a = 1 + squash / 16384 * (4096 + squash * (-768 + squash * (320 - 175 * squash)))
    b = squash / 1024 * (256 + squash * (-128 + squash * (74 - 47 * squash)))
    inner = cos_s * (2 * mid * mid - 1)
    inner -= b / 6 * mid * (4 * sin_s * sin_s - 3) * (4 * mid * mid - 3)
    return POLE * a * (s - b * sin_s * (mid + b / 4 * inner)), settled


def _reduced(lat: Floats) -> tuple[Floats, Floats, Floats]:
    """Sine and cosine of the reduced latitude, and its cosine over that of the latitude."""
    phi = np.radians(lat)
    sin, cos = (1 - FLATTENING) * np.sin(phi), np.cos(phi)
    scale = 1 / np.hypot(sin, cos)
    return sin * scale, cos * scale, scale
