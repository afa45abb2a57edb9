"""The plain method: prepared polygons, points grouped by polygon.

The law: a zone covers a point when one of its polygons does, boundary included: GEOS
``covers``, which for a point is ``intersects``.  No polygon is cut or simplified, so no
vertex is ever rounded; a bounding box only decides which points a polygon is asked about.

It is exact and needs nothing but shapely.  Any faster method is compared with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely

from civiltime.errors import Invalid
from civiltime.zones.codes import Codes, ZoneSetCodes
from civiltime.zones.world import World

Floats = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]


def require_on_globe(lon: Floats, lat: Floats) -> None:
    """Raises :class:`Invalid` for a point that isn't finite and on the globe."""
    if lon.shape != lat.shape or lon.ndim != 1:
        raise Invalid(f"longitudes and latitudes have shapes {lon.shape} and {lat.shape}")
    good = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise Invalid(
            f"point {row} is longitude {lon[row]}, latitude {lat[row]}; expected finite degrees "
            "within [-180, 180] and [-90, 90]"
        )


class PlainZones:
    """Exact candidate sets over a world's polygons."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.codes = ZoneSetCodes(len(world.tzids))

    @property
    def tzids(self) -> tuple[str, ...]:
        """The zones in byte order; a zone's number is its place."""
        return self.world.tzids

    def candidates(self, lon: Floats, lat: Floats) -> Codes:
        """The zone-set code of each point: int64[n] for float64[n] degrees.

        Raises :class:`Invalid` for NaN, infinities and points off the globe.
        """
        require_on_globe(lon, lat)
        points, polygons = covering(self.world.polygons, self.world.boxes, lon, lat)
        zones = self.world.zone[polygons].astype(np.int64)
        result = np.zeros(len(lon), np.int64)
        if not len(points):
            return result
        # (point, zone) pairs, each once, ordered: a point's zones stand together, ascending.
        pairs = np.unique(points * len(self.tzids) + zones)
        points, zones = np.divmod(pairs, len(self.tzids))
        first = np.flatnonzero(np.append(True, np.diff(points) > 0))
        count = np.diff(np.append(first, len(points)))
        base = self.codes.base
        one, two, three = (first[count == k] for k in (1, 2, 3))
        result[points[one]] = zones[one] + 1
        result[points[two]] = (zones[two] + 1) * base + zones[two + 1] + 1
        result[points[three]] = (
            ((zones[three] + 1) * base + zones[three + 1] + 1) * base + zones[three + 2] + 1
        )
        for start, size in zip(first[count > 3], count[count > 3], strict=True):
            members = zones[start : start + size].tolist()
            result[points[start]] = self.codes.encode(members)
        return result

    def zone_sets(self, codes: Codes) -> Sequence[tuple[int, ...]]:
        """The zone numbers of each code, ascending."""
        return self.codes.decode_all(codes)


def covering(
    polygons: npt.NDArray[np.object_], boxes: Floats, lon: Floats, lat: Floats
) -> tuple[Longs, Longs]:
    """(point, polygon) pairs where the polygon covers the point; no pair occurs twice.

    ``polygons`` object[m] with ``boxes`` float64[m, 4], points float64[n] in degrees.
    """
    order = np.argsort(lat, kind="stable")
    x, y = lon[order], lat[order]
    west, south, east, north = boxes.T
    begin = np.searchsorted(y, south, side="left")
    end = np.searchsorted(y, north, side="right")
    points: list[Longs] = [np.zeros(0, np.int64)]
    owners: list[Longs] = [np.zeros(0, np.int64)]
    for number, polygon in enumerate(polygons):
        if begin[number] == end[number]:
            continue
        band = slice(int(begin[number]), int(end[number]))
        inside = np.flatnonzero((x[band] >= west[number]) & (x[band] <= east[number]))
        inside += band.start
        if not len(inside):
            continue
        shapely.prepare(polygon)
        hit = inside[shapely.intersects_xy(polygon, x[inside], y[inside])]
        points.append(order[hit])
        owners.append(np.full(len(hit), number, np.int64))
    return np.concatenate(points), np.concatenate(owners)
