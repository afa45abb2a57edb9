"""GeoParquet 1.1: what our boundary file says about itself, and what we accept from others.

The law: coordinates are longitude and latitude in WGS 84, or the file is refused.  That is
``EPSG:4326`` or ``OGC:CRS84``; in GeoParquet both mean x = longitude.  A file without
``geo`` metadata, or with ``"crs": null``, doesn't say what its numbers mean; a ``geo``
column without a ``crs`` field is OGC:CRS84 by the standard.  Edges are planar.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from civiltime.errors import Invalid

WGS84 = ("EPSG:4326", "OGC:CRS84")

# PROJJSON of EPSG:4326: the least that is valid and complete.
_EPSG_4326 = {
    "$schema": "https://proj.org/schemas/v0.7/projjson.schema.json",
    "type": "GeographicCRS",
    "name": "WGS 84",
    "datum": {
        "type": "GeodeticReferenceFrame",
        "name": "World Geodetic System 1984",
        "ellipsoid": {
            "name": "WGS 84",
            "semi_major_axis": 6378137,
            "inverse_flattening": 298.257223563,
        },
    },
    "coordinate_system": {
        "subtype": "ellipsoidal",
        "axis": [
            {
                "name": "Geodetic latitude",
                "abbreviation": "Lat",
                "direction": "north",
                "unit": "degree",
            },
            {
                "name": "Geodetic longitude",
                "abbreviation": "Lon",
                "direction": "east",
                "unit": "degree",
            },
        ],
    },
    "id": {"authority": "EPSG", "code": 4326},
}


def geo_metadata(column: str, bbox: tuple[float, float, float, float]) -> bytes:
    """The value of the ``geo`` key for WKB polygons; ``bbox`` is west, south, east, north."""
    document = {
        "version": "1.1.0",
        "primary_column": column,
        "columns": {
            column: {
                "encoding": "WKB",
                "geometry_types": ["Polygon"],
                "crs": _EPSG_4326,
                "edges": "planar",
                "bbox": list(bbox),
            }
        },
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def geometry_column(metadata: Mapping[bytes, bytes] | None, name: str) -> tuple[str, str]:
    """The primary geometry column and the id of its CRS, from a Parquet file's metadata.

    ``name`` is what messages call the file.  Raises :class:`Invalid` (020) when the
    metadata doesn't say WGS 84, (002) when the column isn't WKB.
    """
    raw = (metadata or {}).get(b"geo")
    if raw is None:
        raise Invalid(
            f"{name} has no GeoParquet metadata, so nothing says that its coordinates are WGS 84",
            code="020",
            crs=None,
        )
    try:
        document = json.loads(raw)
        column = document["primary_column"]
        spec = document["columns"][column]
        if not isinstance(column, str) or not isinstance(spec, dict):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Invalid(
            f"{name}: the GeoParquet metadata is malformed", code="020", crs=None
        ) from None
    crs = _crs_id(spec)
    if crs not in WGS84:
        raise Invalid(
            f"{name}: the coordinates are in {crs or 'no stated reference system'}, not in "
            "WGS 84 (EPSG:4326 or OGC:CRS84)",
            code="020",
            crs=crs,
        )
    if spec.get("edges", "planar") != "planar":
        raise Invalid(f"{name}: the edges are {spec['edges']!r}, not planar", code="020", crs=crs)
    if spec.get("encoding") != "WKB":
        raise Invalid(
            f"{name}: the geometry is encoded as {spec.get('encoding')!r}, not WKB", code="002"
        )
    return column, crs


def _crs_id(spec: Mapping[str, Any]) -> str | None:
    crs = spec.get("crs", {"id": {"authority": "OGC", "code": "CRS84"}})
    if not isinstance(crs, dict):
        return None
    identifier = crs.get("id")
    if not isinstance(identifier, dict):
        return cast("str | None", crs.get("name") if isinstance(crs.get("name"), str) else None)
    return f"{identifier.get('authority')}:{identifier.get('code')}"
