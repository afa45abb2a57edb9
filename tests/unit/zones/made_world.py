"""Worlds made of a few polygons, for tests that need to see the whole of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import shapely

from civiltime.zones.world import World

Rows = list[tuple[str, str | None, shapely.Polygon]]


def table_of(rows: Rows) -> pa.Table:
    """A ``tz_world`` table of (tzid, country, polygon) rows."""
    return pa.table(
        {
            "tzid": pa.array([r[0] for r in rows], pa.string()),
            "polygon_id": pa.array(range(len(rows)), pa.int32()),
            "country_iso": pa.array([r[1] for r in rows], pa.string()),
            "geometry": pa.array([shapely.to_wkb(r[2]) for r in rows], pa.binary()),
        }
    )


def world_of(rows: Rows) -> World:
    """The world of (tzid, country, polygon) rows."""
    return World.from_table(table_of(rows))


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """A rectangle."""
    return shapely.box(west, south, east, north)


def donut() -> shapely.Polygon:
    """A slanted polygon with a slanted hole."""
    shell = [(0.1, 0.2), (9.7, 1.1), (8.3, 9.9), (1.3, 8.7)]
    hole = [(3.1, 3.3), (6.7, 3.9), (5.9, 6.1), (3.7, 5.3)]
    return shapely.Polygon(shell, [hole])


ISLANDS: Rows = [
    ("Z/Late", "AA", box(0, 0, 2, 2)),
    ("A/Early", "AA", box(2, 0, 4, 2)),
    ("M/Other", "BB", donut()),
    ("Etc/GMT", None, box(-180, -90, -172.5, 90)),
    ("A/Early", "AA", box(10, 10, 12, 12)),
    ("P/Fiji", "FJ", box(179, -18, 180, -16)),
    ("P/Fiji", "FJ", box(-180, -18, -179.5, -16)),
    ("S/Pole", "AQ", box(-180, -90, 180, -60)),
]


def corners_and_middles(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Every vertex, the middle of every edge, and the neighbours of both by one ulp."""
    points = []
    for polygon in world.polygons:
        for ring in shapely.get_rings(polygon):
            xy = shapely.get_coordinates(ring)
            points += [xy, (xy[1:] + xy[:-1]) / 2]
    at = np.concatenate(points)
    near = [at]
    for dx in (-np.inf, 0, np.inf):
        for dy in (-np.inf, 0, np.inf):
            x = np.nextafter(at[:, 0], dx) if dx else at[:, 0]
            y = np.nextafter(at[:, 1], dy) if dy else at[:, 1]
            near.append(np.stack([x, y], axis=1))
    every = np.concatenate(near)
    return np.clip(every[:, 0], -180, 180), np.clip(every[:, 1], -90, 90)
