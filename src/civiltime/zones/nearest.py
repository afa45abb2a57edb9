"""The nearest zone of a country, by geodesic distance on WGS 84; ties by tzid.

The law: the distance to a zone is the least over the boundary segments of its polygons
(0 where a polygon covers the point).  The nearest point of a segment is found on a local
plane around the site (degrees of longitude scaled by the cosine of the latitude), taken
across the antimeridian where that is shorter; the distance to it is then Karney's
geodesic (GeographicLib).  Few segments can be the nearest: those whose planar distance is
within 1 % and a metre of the least are measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely
from geographiclib.geodesic import Geodesic

from civiltime.zones.world import World

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
METRES_PER_DEGREE = 111_319.49079327358


@dataclass
class NearestZone:
    """Answers for small tables: rows that nothing else decided."""

    world: World
    _segments: dict[int, Floats] = field(default_factory=dict, repr=False)

    def __call__(self, lon: Floats, lat: Floats, countries: list[str]) -> tuple[Ints, Floats]:
        """Zone numbers int32[n] (-1 where the country has no zone), metres float64[n]."""
        zone = np.full(len(lon), -1, np.int32)
        metres = np.full(len(lon), np.inf)
        for iso in sorted(set(countries)):
            rows = np.flatnonzero(np.array(countries) == iso)
            zones = self.world.country_zones(iso)
            for row in rows:  # few by the cap; each costs a scan of the country's boundary
                zone[row], metres[row] = self._one(float(lon[row]), float(lat[row]), zones)
        return zone, metres

    def _one(self, lon: float, lat: float, zones: tuple[int, ...]) -> tuple[int, float]:
        best, least = -1, np.inf
        for zone in zones:  # ascending numbers are ascending tzids: a tie keeps the first
            distance = self.distance(lon, lat, zone)
            if distance < least:
                best, least = zone, distance
        return best, least

    def distance(self, lon: float, lat: float, zone: int) -> float:
        """Metres from a point to a zone; 0 where the zone covers it."""
        polygons = self.world.polygons[self.world.zone == zone]
        if shapely.intersects_xy(polygons, lon, lat).any():
            return 0.0
        return geodesic_to_segments(lon, lat, self._zone_segments(zone, polygons))

    def _zone_segments(self, zone: int, polygons: npt.NDArray[np.object_]) -> Floats:
        if zone not in self._segments:
            rings, ring = shapely.get_coordinates(shapely.get_rings(polygons), return_index=True)
            inner = ring[1:] == ring[:-1]
            self._segments[zone] = np.hstack([rings[:-1][inner], rings[1:][inner]])
        return self._segments[zone]


def geodesic_to_segments(lon: float, lat: float, segments: Floats) -> float:
    """Least metres from a point to segments float64[n, 4] (x0, y0, x1, y1 in degrees)."""
    scale = max(np.cos(np.radians(lat)), 1e-9)
    # Both ends seen from the point, each the short way around the globe.
    x0 = (segments[:, 0] - lon + 180.0) % 360.0 - 180.0
    x1 = x0 + (segments[:, 2] - segments[:, 0])
    y0, y1 = segments[:, 1] - lat, segments[:, 3] - lat
    ax, bx = x0 * scale, (x1 - x0) * scale
    by = y1 - y0
    length = bx * bx + by * by
    along = np.where(length > 0, -(ax * bx + y0 * by) / np.where(length > 0, length, 1.0), 0.0)
    along = np.clip(along, 0.0, 1.0)
    px, py = x0 + along * (x1 - x0), y0 + along * by
    planar = np.hypot(px * scale, py)
    near = planar <= planar.min() * 1.01 + 1.0 / METRES_PER_DEGREE
    candidates = np.flatnonzero(near)
    candidates = candidates[np.argsort(planar[candidates], kind="stable")][:64]
    return min(
        float(Geodesic.WGS84.Inverse(lat, lon, lat + py[i], lon + px[i], Geodesic.DISTANCE)["s12"])
        for i in candidates
    )
