"""Sites from a GeoJSON file: points with properties, in WGS 84."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import chain
from operator import methodcaller
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from civiltime.errors import Invalid
from civiltime.reference.site_columns import SCHEMA_REF, Place, limit, require_columns, said
from civiltime.workspace.shape import arrow_schema

WGS84_NAME = re.compile(
    r"(?:URN:OGC:DEF:CRS:)?(?:EPSG:(?:[0-9.]*:)?4326|(?:OGC:)?(?:1\.3:)?CRS84)|WGS ?84"
)


def read_geojson(
    path: Path, names: Mapping[str, str], ignore_extra: bool
) -> tuple[pa.Table, Place]:
    """The sites of a GeoJSON file under our names, and where its features stand."""

    def refuse_constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    try:
        text = path.read_bytes().decode("utf-8-sig")
        document = json.loads(text, parse_constant=refuse_constant)
        if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
            raise ValueError("it is not a FeatureCollection")
        features = document.get("features")
        if not isinstance(features, list):
            raise ValueError("'features' is not a list")
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path.name} can't be read as GeoJSON: {error}", code="002") from None
    if document.get("crs") is not None and not _is_wgs84(document["crs"]):
        raise Invalid(f"{path.name}: the coordinates are not in WGS 84", code="002")
    if not features:
        raise Invalid(f"{path.name} holds no site", code="003")
    lon, lat = _points(features, path.name)
    properties = list(map(methodcaller("get", "properties"), features))
    if set(map(type, properties)) != {dict}:
        raise Invalid(f"{path.name}: every feature must have properties", code="002")
    ours = {name: source for name, source in names.items() if name not in {"lon_deg", "lat_deg"}}
    present = sorted(set().union(*properties))
    require_columns(present, ours, path.name, ignore_extra=ignore_extra)
    columns = {
        name: _property(properties, name, source, path.name) for name, source in ours.items()
    }
    columns |= {"lon_deg": lon, "lat_deg": lat}
    return pa.table({name: columns[name] for name in names}), _feature


def _is_wgs84(crs: Any) -> bool:
    """Whether the ``crs`` of older GeoJSON names the reference system of today's."""
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return isinstance(name, str) and bool(WGS84_NAME.fullmatch(name.upper()))


def _feature(row: int) -> str:
    return f"feature {row + 1}"


def _points(features: list[Any], name: str) -> tuple[pa.Array, pa.Array]:
    """Longitude and latitude of the features, which must all be points."""
    kind = pa.struct([("type", pa.utf8()), ("coordinates", pa.list_(pa.float64()))])
    try:
        geometries = list(map(methodcaller("get", "geometry"), features))
        points = pa.array(geometries, kind)
        given = map(methodcaller("get", "coordinates"), filter(None, geometries))
        if bool in set(map(type, chain.from_iterable(filter(None, given)))):
            raise TypeError("true and false are no coordinates")
    except (pa.ArrowException, AttributeError, TypeError, ValueError):
        raise Invalid(f"{name}: every feature must be a Point", code="002") from None
    is_point = pc.fill_null(pc.equal(points.field("type"), "Point"), False)
    coordinates = points.field("coordinates")
    lengths = pc.fill_null(pc.list_value_length(coordinates), 0)
    bad = ~pc.and_(is_point, pc.greater_equal(lengths, 2)).to_numpy(zero_copy_only=False)
    if bad.any():
        raise Invalid(f"{name}, {_feature(int(np.argmax(bad)))}: it is not a Point", code="002")
    return pc.list_element(coordinates, 0), pc.list_element(coordinates, 1)


def _property(properties: list[dict[str, Any]], ours: str, source: str, name: str) -> pa.Array:
    """One property of all features; a feature without it, or with null, has null."""
    wanted = arrow_schema(SCHEMA_REF).field(ours).type
    values = list(map(methodcaller("get", source), properties))
    kinds = list(map(type, values))
    strange = set(kinds) - {str if wanted == pa.utf8() else int, type(None)}
    try:
        if not strange:
            return pa.array(values, wanted)
        row = min(map(kinds.index, strange))
    except UnicodeEncodeError:
        row = next(i for i, v in enumerate(values) if v is not None and not _is_text(v))
    except (OverflowError, pa.ArrowInvalid):
        most = limit(wanted)
        row = next(i for i, v in enumerate(values) if v is not None and not 0 <= v <= most)
    raise Invalid(
        f"{name}, {_feature(row)}: {source} is {str(values[row])[:40]!r}, not {said(wanted)}",
        code="006",
        column=ours,
        place=_feature(row),
    )


def _is_text(value: str) -> bool:
    """Whether text can be written; JSON may hold halves of characters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
