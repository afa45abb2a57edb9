"""The land of the zones, simplified for drawing, and a mark for each zone.

The law: every vertex of the sealed boundaries is rounded to a grid, so that neighbours keep
their common border without gaps and the same boundaries always give the same outline; what
shrinks to nothing is left out.  Zones of the sea (``Etc/*``) aren't drawn.  Neighbouring
zones have different marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from civiltime.report.palette import ZONE_MARKS

Rings = list[NDArray[np.float64]]
"""Closed rings of (longitude, latitude) in degrees; holes and shells alike."""


@dataclass(frozen=True)
class Land:
    """Raw boundaries: one polygon a row, its zone and its country."""

    tzid: NDArray[np.object_]
    country: NDArray[np.object_]
    polygons: NDArray[np.object_]

    def of_country(self, country: str) -> Land:
        """The polygons of one country."""
        here = self.country == country
        return Land(self.tzid[here], self.country[here], self.polygons[here])


def read_land(path: Path) -> Land:
    """The polygons of all zones that belong to a country."""
    table = pq.read_table(path, columns=["tzid", "country_iso", "geometry"])
    table = table.filter(pc.is_valid(table["country_iso"]))
    return Land(
        table["tzid"].to_numpy(),
        table["country_iso"].to_numpy(),
        shapely.from_wkb(table["geometry"].to_numpy()),
    )


def outline(polygons: NDArray[np.object_], step: float, shift: float = 0.0) -> list[Rings]:
    """For each polygon its rings on a grid of ``step`` degrees; vanished ones are dropped.

    Longitudes are taken into ``shift - 180 .. shift + 180`` by the middle of each ring.
    """
    parts, owner = shapely.get_rings(polygons, return_index=True)
    xy, ring = shapely.get_coordinates(parts, return_index=True)
    cell = np.round(xy / step).astype(np.int64)
    cell, ring = _without_repeats(cell, ring)
    cell, ring = _without_midpoints(cell, ring)
    bounds = np.searchsorted(ring, np.arange(len(parts) + 1))
    rings: list[Rings] = [[] for _ in polygons]
    for i, polygon in enumerate(owner):
        points = cell[bounds[i] : bounds[i + 1]] * step
        if len(points) < 4:
            continue
        if shift:
            middle = float(points[:, 0].mean())
            points[:, 0] += 360.0 * np.round((shift - middle) / 360.0)
        rings[polygon].append(points)
    return rings


def _without_repeats(
    cell: NDArray[np.int64], ring: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    keep = np.ones(len(cell), bool)
    keep[1:] = (cell[1:] != cell[:-1]).any(axis=1) | (ring[1:] != ring[:-1])
    return cell[keep], ring[keep]


def _without_midpoints(
    cell: NDArray[np.int64], ring: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Drop vertices in the middle of a straight line; a border's two sides agree on them."""
    step = np.diff(cell, axis=0)
    straight = (step[1:, 0] * step[:-1, 1] == step[1:, 1] * step[:-1, 0]) & (
        (step[1:] * step[:-1]).sum(axis=1) > 0
    )
    inside = (ring[2:] == ring[1:-1]) & (ring[1:-1] == ring[:-2])
    keep = np.ones(len(cell), bool)
    keep[1:-1] = ~(straight & inside)
    return cell[keep], ring[keep]


def zone_marks(tzids: Sequence[str], land: Land | None, step: float = 0.25) -> dict[str, int]:
    """A number for each zone's mark; zones that touch get different ones while they last.

    Zones with many neighbours choose first; among the free marks the least used one is
    taken, so that the whole palette is in use everywhere.
    """
    zones = sorted(set(tzids), key=str.encode)
    neighbours = _neighbours(zones, land, step) if land is not None else {}
    used = [0] * len(ZONE_MARKS)
    chosen: dict[str, int] = {}
    for zone in sorted(zones, key=lambda z: (-len(neighbours.get(z, ())), z.encode())):
        taken = [chosen[n] for n in neighbours.get(zone, ()) if n in chosen]
        best = min(range(len(ZONE_MARKS)), key=lambda m: (taken.count(m), used[m], m))
        chosen[zone] = best
        used[best] += 1
    return chosen


def _neighbours(zones: Sequence[str], land: Land, step: float) -> dict[str, set[str]]:
    number = {zone: i for i, zone in enumerate(zones)}
    here = np.array([z in number for z in land.tzid], bool)
    ids = np.array([number[z] for z in land.tzid[here]], np.int64)
    xy, polygon = shapely.get_coordinates(land.polygons[here], return_index=True)
    cell = np.round(xy / step).astype(np.int64)
    place = (cell[:, 0] + 100_000) * 1_000_000 + cell[:, 1] + 500_000
    # one number for place and zone: sorting pairs of numbers takes ten times as long
    pairs = np.unique(place * len(zones) + ids[polygon])
    place, zone = np.divmod(pairs, len(zones))
    found: dict[str, set[str]] = {}
    for distance in range(1, len(ZONE_MARKS)):
        same = place[distance:] == place[:-distance]
        if not same.any():
            break
        touching = np.unique(zone[:-distance][same] * len(zones) + zone[distance:][same])
        for a, b in zip(*np.divmod(touching, len(zones)), strict=True):
            found.setdefault(zones[a], set()).add(zones[b])
            found.setdefault(zones[b], set()).add(zones[a])
    return found
