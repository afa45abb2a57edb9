"""``tz_world``: the boundaries of all zones, as one sealed GeoParquet file.

The law (specification 2.1): one row a polygon, ``tzid, polygon_id, country_iso, geometry``,
sorted by the bytes of the zone and then by polygon; ``polygon_id`` counts from 0 within the
zone, in the order of the source; ``country_iso`` is the country of ``zone.tab``, null for
``Etc/*`` and for nothing else; geometries are valid WKB polygons (little-endian) in WGS 84.

Full releases only.  The variants ``1970`` and ``now`` give one zone the land of several
countries.  A file is such a variant if its name says so, or if a zone of ``zone.tab`` is
missing while a zone *of another country* covers the missing zone's principal place with two
minutes of arc around it (``zone.tab`` isn't more precise).  A small cut of the full release
passes: nobody else covers what it leaves out.

Same source, same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from civiltime.errors import ContextValue, Invalid
from civiltime.reference.boundaries import Boundaries, read_file, read_package
from civiltime.reference.geoparquet import geo_metadata, geometry_column
from civiltime.reference.zone_tab import ZonePlace, parse_zone_tab
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.shape import arrow_schema, check_columns

SCHEMA_REF = "tz_world"
LICENCE = "ODbL-1.0"
ATTRIBUTION = "© OpenStreetMap contributors; timezone-boundary-builder"
_PLACE_RADIUS = 2 / 60  # degrees: the place of Monaco lies 1.6 minutes of arc off, in France
_ROWS_PER_GROUP = 64
_COMPRESSION_LEVEL = 9


@dataclass(frozen=True)
class TzWorld:
    """One release of the boundaries, ready to publish.

    ``table`` has the columns of the schema ``tz_world``; ``parquet`` is the file's bytes;
    ``provenance`` is the document beside it (its digest and size are the file's).
    """

    release: str
    table: pa.Table
    parquet: bytes
    provenance: dict[str, ContextValue]

    @property
    def zone_count(self) -> int:
        """How many zones it has."""
        return int(pc.count_distinct(self.table["tzid"]).as_py())

    @property
    def polygon_count(self) -> int:
        """How many polygons it has: the rows."""
        return len(self.table)


class Inspection(NamedTuple):
    """What the file says without its geometries: CRS id, rows, zones in byte order."""

    crs: str
    feature_count: int
    tzids: tuple[str, ...]


def from_package(release: str, zone_tab: str) -> TzWorld:
    """The boundaries of the installed ``timezonefinder-data`` package, bit for bit.

    ``zone_tab`` is the text of the tz database's ``zone.tab``.  Raises :class:`Invalid`:
    023 without the package, 024 when it holds another release, 013 for a zone that
    ``zone.tab`` doesn't know.
    """
    return build(read_package(release), release, parse_zone_tab(zone_tab))


def from_file(path: Path, release: str, zone_tab: str) -> TzWorld:
    """The boundaries of a file: GeoJSON, shapefile, zipped or not, or GeoParquet.

    Raises :class:`Invalid` as :mod:`civiltime.reference.boundaries` and this module say.
    """
    return build(read_file(path), release, parse_zone_tab(zone_tab))


def build(source: Boundaries, release: str, places: Mapping[str, ZonePlace]) -> TzWorld:
    """Order the polygons, add countries, refuse reduced variants, encode."""
    zones = sorted(set(source.tzids), key=str.encode)
    unknown = [z for z in zones if z not in places and not z.startswith("Etc/")]
    if unknown:
        raise Invalid(
            f"zone.tab has no line for {', '.join(unknown[:5])}"
            f"{' …' if len(unknown) > 5 else ''}; boundaries and tz database must be of "
            "matching releases",
            code="013",
            tzids=list(unknown[:20]),
        )
    refuse_reduced(source, places)
    rank = {zone: number for number, zone in enumerate(zones)}
    ranks = np.array([rank[z] for z in source.tzids], dtype=np.int64)
    order = np.argsort(ranks, kind="stable")
    ranks = ranks[order]
    starts = np.r_[True, ranks[1:] != ranks[:-1]]
    begin = np.maximum.accumulate(np.where(starts, np.arange(len(ranks)), 0))
    countries = [places[z].country if z in places else None for z in zones]
    polygons = source.polygons[order]
    table = pa.Table.from_arrays(
        [
            pa.array(zones, pa.utf8()).take(pa.array(ranks)),
            pa.array((np.arange(len(ranks)) - begin).astype(np.int32)),
            pa.array(countries, pa.utf8()).take(pa.array(ranks)),
            pa.array(shapely.to_wkb(polygons, byte_order=1, output_dimension=2), pa.binary()),
        ],
        schema=arrow_schema(SCHEMA_REF),
    )
    parquet = _encode(table, polygons)
    provenance: dict[str, ContextValue] = {
        "release": release,
        "source": dict(source.source),
        "licence": LICENCE,
        "attribution": ATTRIBUTION,
        "sha256_hex": sha256_bytes(parquet),
        "size_bytes": len(parquet),
        "zones": len(zones),
        "polygons": len(table),
        "vertices": _vertices(polygons),
    }
    return TzWorld(release, table, parquet, provenance)


def inspect(path: Path) -> Inspection:
    """CRS, row count and zones, without reading a geometry.

    Raises :class:`Invalid`: 020 when the file isn't WGS 84, 021 when it has no row, without
    a code when it isn't a ``tz_world`` file at all.
    """
    with _open(path) as file:
        _, crs = geometry_column(file.metadata.metadata, path.name)
        if file.metadata.num_rows == 0:
            raise Invalid(f"{path.name} has no row", code="021")
        check_columns(file.schema_arrow, SCHEMA_REF, path.name)
        zones = pc.unique(_read(file, ["tzid"], path.name)["tzid"]).to_pylist()
        return Inspection(crs, file.metadata.num_rows, tuple(sorted(zones, key=str.encode)))


def open_table(path: Path, *, geometries: bool = True) -> pa.Table:
    """The whole table, checked: columns, keys, order, countries and (unless told) geometries.

    Raises :class:`Invalid`: 020, 021 as :func:`inspect`, otherwise without a code.
    """
    with _open(path) as file:
        geometry_column(file.metadata.metadata, path.name)
        if file.metadata.num_rows == 0:
            raise Invalid(f"{path.name} has no row", code="021")
        check_columns(file.schema_arrow, SCHEMA_REF, path.name)
        schema = arrow_schema(SCHEMA_REF)
        read = _read(file, schema.names, path.name)
        columns = [read[field.name].cast(field.type) for field in schema]
        table = pa.Table.from_arrays(columns, schema=schema)
    check_table(table, path.name, geometries=geometries)
    return table


def check_table(table: pa.Table, name: str, *, geometries: bool = True) -> None:
    """Raises :class:`Invalid` naming the first row that breaks the module's law."""
    for column in ("tzid", "polygon_id", "geometry"):
        if table[column].null_count:
            raise Invalid(f"{name}: column {column} has a null", column=column)
    tzids: NDArray[np.object_] = table["tzid"].to_numpy()
    ordinals = table["polygon_id"].to_numpy()
    zones = list(dict.fromkeys(tzids))
    if zones != sorted(zones, key=str.encode):
        raise Invalid(f"{name} is not sorted by tzid")
    starts = np.r_[True, tzids[1:] != tzids[:-1]]
    if starts.sum() != len(zones):
        raise Invalid(f"{name}: the rows of a zone don't stand together")
    dense = np.where(starts, ordinals == 0, ordinals == np.r_[0, ordinals[:-1]] + 1)
    if not dense.all():
        row = int(np.argmin(dense))
        raise Invalid(f"{name}: polygon_id of {tzids[row]} doesn't count from 0 (row {row + 1})")
    etc = pc.starts_with(table["tzid"], "Etc/")
    fits = pc.equal(etc, pc.is_null(table["country_iso"]))
    country = pc.fill_null(pc.match_substring_regex(table["country_iso"], "^[A-Z]{2}$"), True)
    good = pc.and_(fits, country).to_numpy()
    if not good.all():
        row = int(np.argmin(good))
        raise Invalid(
            f"{name}: country_iso of {tzids[row]} is {table['country_iso'][row].as_py()!r}; it "
            "is two capital letters, and null only for Etc/*"
        )
    if geometries:
        _check_geometries(tzids, table["geometry"].to_numpy(), name)


def _check_geometries(tzids: NDArray[np.object_], wkb: NDArray[np.object_], name: str) -> None:
    shapes = shapely.from_wkb(wkb, on_invalid="ignore")
    west, south, east, north = shapely.bounds(shapes).T
    inside = (west >= -180) & (east <= 180) & (south >= -90) & (north <= 90)
    good = (shapely.get_type_id(shapes) == 3) & inside & shapely.is_valid(shapes)
    if not good.all():
        row = int(np.argmin(good))
        reason = "unreadable" if shapes[row] is None else shapely.is_valid_reason(shapes[row])
        raise Invalid(
            f"{name}: the geometry of {tzids[row]} (row {row + 1}) is not a valid WGS 84 "
            f"polygon: {reason}",
            tzid=tzids[row],
        )


def refuse_reduced(source: Boundaries, places: Mapping[str, ZonePlace]) -> None:
    """Refuse boundaries in which one country's zone stands for another country's."""
    present = set(source.tzids)
    missing = [zone for zone in places if zone not in present]
    if not missing:
        return
    lon = np.array([places[zone].lon for zone in missing])
    lat = np.array([places[zone].lat for zone in missing])
    radius = _PLACE_RADIUS
    around = shapely.box(lon - radius, lat - radius, lon + radius, lat + radius)
    shapely.prepare(source.polygons)
    row, place = shapely.STRtree(around).query(source.polygons, predicate="covers")
    for zone, other in sorted(
        (missing[p], source.tzids[r]) for r, p in zip(row, place, strict=True)
    ):
        if other in places and places[other].country != places[zone].country:
            raise Invalid(
                f"these boundaries are a reduced variant: {zone} ({places[zone].country}) is "
                f"missing and {other} ({places[other].country}) covers its place; use the full "
                "release (timezones-with-oceans)",
                code="012",
                missing=zone,
                covered_by=other,
            )


def _vertices(polygons: NDArray[np.object_]) -> int:
    """How many vertices; the point that closes a ring doesn't count twice."""
    rings = len(polygons) + int(shapely.get_num_interior_rings(polygons).sum())
    return int(shapely.get_num_coordinates(polygons).sum()) - rings


def _encode(table: pa.Table, polygons: NDArray[np.object_]) -> bytes:
    west, south, east, north = shapely.bounds(polygons).T
    box = (float(west.min()), float(south.min()), float(east.max()), float(north.max()))
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        table.schema,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        use_dictionary=["tzid", "country_iso"],
        write_statistics=["tzid", "polygon_id", "country_iso"],
        store_schema=False,
    ) as writer:
        writer.add_key_value_metadata({"geo": geo_metadata("geometry", box).decode()})
        writer.write_table(table, row_group_size=_ROWS_PER_GROUP)
    return sink.getvalue()


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise Invalid(f"{path.name} can't be read as Parquet: {error}") from None


def _read(file: pq.ParquetFile, columns: list[str], name: str) -> pa.Table:
    try:
        return file.read(columns)
    except (pa.ArrowException, OSError) as error:
        raise Invalid(f"{name} can't be read as Parquet: {error}") from None
