"""What the boundaries alone say of a country: its zones, their land, how far it reaches.

Areas are on the sphere of the same surface as the Earth (radius 6,371.0072 km), by Lambert's
cylindrical projection, which keeps areas: x = longitude, y = sin(latitude).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from civiltime.certify.spread import EARTH_KM, hull_km2
from civiltime.workspace.digest import self_digest
from civiltime.workspace.publish import people_json, replace_file

FORMAT = 1
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Land:
    """One country.  ``zones`` holds km² by tzid; ``middle`` is a longitude in degrees."""

    zones: Mapping[str, float]
    hull_km2: float
    middle: float

    @property
    def largest_share(self) -> float:
        """Share of the country's land in its largest zone."""
        total = sum(self.zones.values())
        return max(self.zones.values()) / total if total else 1.0


Topology = Mapping[str, Land]


def support(topology: Topology) -> dict[str, int]:
    """Number of zones of each country."""
    return {iso: len(land.zones) for iso, land in topology.items()}


def topology_of(world: pa.Table) -> Topology:
    """The land of every country of a ``tz_world`` table, in byte order."""
    polygons = shapely.from_wkb(world["geometry"].to_numpy(zero_copy_only=False))
    areas = shapely.area(shapely.transform(polygons, _equal_area)) * EARTH_KM**2
    countries, tzids = world["country_iso"].to_pylist(), world["tzid"].to_pylist()
    rows: dict[str, list[int]] = {}
    for row, iso in enumerate(countries):
        if iso is not None:
            rows.setdefault(iso, []).append(row)
    found = {}
    for iso in sorted(rows):
        zones: dict[str, float] = {}
        for row in rows[iso]:
            zones[tzids[row]] = zones.get(tzids[row], 0.0) + float(areas[row])
        corners = shapely.get_coordinates(shapely.convex_hull(polygons[rows[iso]]))
        middle = _middle(corners[:, 0])
        hull = hull_km2(corners[:, 0], corners[:, 1], middle)
        found[iso] = Land({z: round(zones[z], 3) for z in sorted(zones)}, round(hull, 3), middle)
    return found


def _equal_area(degrees: Floats) -> Floats:
    radians = np.radians(degrees)
    return np.stack([radians[:, 0], np.sin(radians[:, 1])], axis=1)


def _middle(lon: Floats) -> float:
    """The longitude opposite to the widest stretch that the country leaves free."""
    turned = np.unique(np.round(lon, 3))
    gaps = np.diff(np.append(turned, turned[0] + 360.0))
    start = turned[(int(np.argmax(gaps)) + 1) % len(turned)]
    width = 360.0 - float(gaps.max())
    return float(round((start + width / 2 + 180.0) % 360.0 - 180.0, 3))


def open_topology(path: Path, sha256_hex: str, cache: Path) -> Topology:
    """The topology of the boundaries at ``path``, made once for each digest of theirs.

    ``sha256_hex`` is the digest that the file was compared with.  What is damaged in the
    cache is made anew.
    """
    kept = cache / "topology" / f"{sha256_hex[:16]}-v{FORMAT}.json"
    found = _load(kept, sha256_hex)
    if found is None:
        from civiltime.reference.tz_world import open_table

        found = topology_of(open_table(path))
        replace_file(kept, people_json(_document(found, sha256_hex)))
    return found


def _document(topology: Topology, digest: str) -> dict[str, Any]:
    body = {
        "tz_world_sha256": digest,
        "countries": {
            iso: {"zones": dict(x.zones), "hull_km2": x.hull_km2, "middle": x.middle}
            for iso, x in topology.items()
        },
    }
    return {**body, "self_sha256": self_digest(body)}


def _load(kept: Path, digest: str) -> Topology | None:
    try:
        document = json.loads(kept.read_bytes())
        claimed = document.pop("self_sha256")
        if claimed != self_digest(document) or document["tz_world_sha256"] != digest:
            return None
        return {iso: Land(**entry) for iso, entry in document["countries"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
