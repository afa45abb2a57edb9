"""Boundary sources: other people's files and packages, as zones and polygons.

The law: every coordinate is taken bit for bit; multipolygons become polygons in file
order; nothing is repaired.  Refused are, in this order: a source that isn't there or can't
be read (001, 002, 023), another release (024), a reduced variant by its name (012), no
zone or no feature (004, 003), a reference system other than WGS 84 (010), and a geometry
that is no valid polygon within the world, with the zone, the reason and the place (011).
"""

from __future__ import annotations

import re
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from civiltime.errors import ContextValue, Invalid
from civiltime.reference.geoparquet import WGS84, geometry_column
from civiltime.reference.source_file import require_file
from civiltime.workspace.digest import sha256_file

PACKAGE = "timezonefinder-data"
_VECTOR = {".json", ".geojson", ".shp"}
_PARQUET = {".parquet", ".geoparquet"}
_REDUCED = re.compile(r"-(1970|now)(?=[-.]|$)")
_POLYGON, _MULTIPOLYGON = 3, 6
_URL_SIGNS = set(";!?#%")
_SHAPEFILE = bytes.fromhex("0000270a")
"""The first bytes of every shapefile."""


@dataclass(frozen=True)
class Boundaries:
    """Zones and their polygons, as the source orders them.

    ``tzids``: object[n] of str; ``polygons``: object[n] of shapely polygons, lon and lat in
    WGS 84 degrees.  ``source`` says where they came from, without a path of this machine.
    """

    tzids: NDArray[np.object_]
    polygons: NDArray[np.object_]
    source: dict[str, ContextValue]


def read_package(release: str) -> Boundaries:
    """The full-resolution boundaries that the ``timezonefinder-data`` package carries.

    Coordinates are whole multiples of 1e-7 degrees, as the package's public API gives them.
    Raises :class:`Invalid`: 023 without the package, 024 when it holds another release.
    """
    try:
        from timezonefinder import TimezoneFinder

        package_version = version(PACKAGE)
    except (ImportError, PackageNotFoundError):
        raise Invalid(
            f"the package {PACKAGE} is not installed; `pip install 'civiltime[demo]'` brings it",
            code="023",
            package=PACKAGE,
        ) from None
    finder = TimezoneFinder(in_memory=True)
    if finder.data_version != release:
        raise Invalid(
            f"{PACKAGE} {package_version} holds release {finder.data_version}, not {release}",
            code="024",
            package=PACKAGE,
            found=finder.data_version,
            wanted=release,
        )
    tzids: list[str] = []
    polygons: list[shapely.Polygon] = []
    for tzid in finder.timezone_names:
        for outer, *holes in finder.get_geometry(tz_name=tzid, coords_as_pairs=False):
            tzids.append(tzid)
            polygons.append(shapely.Polygon(_ring(outer), [_ring(hole) for hole in holes]))
    source: dict[str, ContextValue] = {
        "kind": "package",
        "name": PACKAGE,
        "version": package_version,
        "data_version": release,
    }
    return Boundaries(np.array(tzids, dtype=object), np.array(polygons, dtype=object), source)


def read_file(path: Path) -> Boundaries:
    """The boundaries of a GeoJSON file, a shapefile, either of them zipped, or GeoParquet.

    Raises :class:`Invalid` as the module says.
    """
    require_file(path)
    _refuse_reduced_name(path.name)
    suffix = path.suffix.lower()
    if suffix in _PARQUET:
        tzids, wkb, ordinals = _read_parquet(path)
    elif suffix == ".zip":
        member = _zip_member(path)
        _refuse_reduced_name(member)
        kind = _kind(member, _first_bytes(path, member), path.name)
        with _plainly_named(path) as plain:
            zipped = f"/vsizip/{{{plain.absolute()}}}/{member}"
            tzids, wkb = _read_vector(kind + zipped, path.name)
        ordinals = None
    elif suffix in _VECTOR:
        kind = _kind(path.name, _first_bytes(path), path.name)
        _require_parts(path)
        with _plainly_named(path) as plain:
            tzids, wkb = _read_vector(f"{kind}{plain}", path.name)
        ordinals = None
    else:
        raise Invalid(
            f"{path.name}: boundaries are read from GeoJSON (.json, .geojson), shapefiles "
            "(.shp), zipped or not, and GeoParquet (.parquet)",
            code="002",
        )
    if ordinals is None:
        _refuse_repeated(tzids, path.name)
    tzids, polygons = _polygons(tzids, wkb, path.name)
    if ordinals is not None and len(polygons) != len(ordinals):
        raise Invalid(f"{path.name}: a row with a polygon_id must be one polygon", code="011")
    _check_polygons(tzids, polygons, path.name)
    source: dict[str, ContextValue] = {
        "kind": "file",
        "name": path.name,
        "size_bytes": path.stat().st_size,
        "sha256_hex": sha256_file(path),
    }
    return Boundaries(tzids, polygons, source)


def _ring(axes: Any) -> shapely.LinearRing:
    """A closed ring from two lists, longitudes and latitudes."""
    return shapely.linearrings(np.column_stack([np.asarray(axis, np.float64) for axis in axes]))


def _refuse_reduced_name(name: str) -> None:
    if match := _REDUCED.search(PurePosixPath(name).name):
        raise Invalid(
            f"{name} is the reduced '{match[1]}' variant of the boundaries, which merges "
            "countries into one zone; use the full release (timezones-with-oceans)",
            code="012",
            variant=match[1],
        )


def _first_bytes(path: Path, member: str | None = None) -> bytes:
    """The first bytes of a file, or of a file in a zip archive."""
    if member is None:
        with path.open("rb") as plain:
            return plain.read(len(_SHAPEFILE))
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            return file.read(len(_SHAPEFILE))
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError) as error:  # also a password
        raise Invalid(f"{path.name} can't be read: {error}", code="002") from None


def _kind(member: str, first: bytes, name: str) -> str:
    """The prefix that has GDAL read a file as what its name says, and as nothing else.

    By itself it goes by the content, and some of its formats are instructions to read other
    files: what is read must be what the digest covers.
    """
    if PurePosixPath(member).suffix.lower() != ".shp":
        return "GeoJSON:"
    if first != _SHAPEFILE:
        raise Invalid(f"{name} can't be read: {member} is not a shapefile", code="002")
    return ""


def _require_parts(path: Path) -> None:
    """A shapefile is several files: its offsets and its attributes lie beside it."""
    parts = [".shx", ".dbf"] if path.suffix.lower() == ".shp" else []
    beside = {p.suffix.lower() for p in path.parent.iterdir() if p.stem == path.stem}
    for part in parts:
        if part not in beside:
            raise Invalid(
                f"{path.name} comes without {path.stem}{part}; put all files of the shapefile "
                "into one folder",
                code="002",
            )


@contextmanager
def _plainly_named(path: Path) -> Iterator[Path]:
    """The file, under another name where the reader would take its name for something else."""
    if not _URL_SIGNS & set(str(path)) and str(path).isprintable():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        for part in path.parent.iterdir():  # a shapefile is several files
            if part.stem == path.stem:
                Path(folder, "source" + part.suffix).symlink_to(part.absolute())
        yield Path(folder, "source" + path.suffix)


def _zip_member(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if not n.startswith("__MACOSX/")]
    except (zipfile.BadZipFile, OSError) as error:
        raise Invalid(f"{path.name} can't be read as a zip archive: {error}", code="002") from None
    found = [n for n in names if PurePosixPath(n).suffix.lower() in _VECTOR]
    if len(found) != 1:
        held = ", ".join(found[:3]) or "none"
        raise Invalid(
            f"{path.name} must hold exactly one GeoJSON file or shapefile; it holds {held}",
            code="002",
        )
    return found[0]


def _read_vector(source: str, name: str) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Zones and WKB of the features, in file order."""
    import pyogrio
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, GeometryError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unclosed rings are refused below, with their zone
            meta, _, wkb, columns = pyogrio.raw.read(source, columns=["tzid"])
    except (DataSourceError, DataLayerError, FeatureError, GeometryError, ValueError) as error:
        reason = str(error).replace(source, name).splitlines()[0]
        raise Invalid(f"{name} can't be read: {reason}", code="002") from None
    if wkb is None or len(wkb) == 0:
        raise Invalid(f"{name} holds no feature with a geometry", code="003")
    if meta["crs"] not in WGS84:
        raise Invalid(
            f"{name}: the coordinates are in "
            f"{str(meta['crs'])[:80] if meta['crs'] else 'no stated reference system'}, "
            "not in WGS 84 (EPSG:4326 or OGC:CRS84)",
            code="010",
        )
    if list(meta["fields"]) != ["tzid"]:
        raise Invalid(f"{name} has no property 'tzid'", code="004", column="tzid")
    return np.asarray(columns[0], dtype=object), wkb


def _read_parquet(
    path: Path,
) -> tuple[NDArray[np.object_], NDArray[np.object_], NDArray[np.int64] | None]:
    """Zones, WKB and, in our own layout, polygon ids."""
    try:
        with pq.ParquetFile(path) as file:
            try:
                column, _ = geometry_column(file.metadata.metadata, path.name)
            except Invalid as error:
                code = "010" if error.code == "020" else error.code
                raise Invalid(error.message, code=code) from None
            for name in ("tzid", column):
                if name not in file.schema_arrow.names:
                    raise Invalid(f"{path.name} has no column {name!r}", code="004", column=name)
            own = "polygon_id" in file.schema_arrow.names
            table = file.read(["tzid", column, *(["polygon_id"] if own else [])])
    except (pa.ArrowException, OSError) as error:
        raise Invalid(f"{path.name} can't be read as Parquet: {error}", code="002") from None
    if len(table) == 0:
        raise Invalid(f"{path.name} holds no row", code="003")
    tzids = table["tzid"].to_numpy()
    ordinals = None
    if own:
        ordinals = table["polygon_id"].to_numpy().astype(np.int64)
        first = np.r_[True, tzids[1:] != tzids[:-1]]
        dense = np.where(first, ordinals == 0, np.r_[0, ordinals[:-1]] + 1 == ordinals)
        if not dense.all() or len(set(tzids)) != first.sum():
            row = int(np.argmin(dense))
            raise Invalid(
                f"{path.name}: polygon_id must count from 0 within each zone, and a zone's rows "
                f"must stand together (row {row + 1}, {tzids[row]})",
                code="002",
            )
    return tzids, table[column].to_numpy(), ordinals


def _refuse_repeated(tzids: NDArray[np.object_], name: str) -> None:
    values, counts = np.unique([str(t) for t in tzids], return_counts=True)
    if (counts > 1).any():
        raise Invalid(
            f"{name}: {values[counts > 1][0]} stands in {int(counts.max())} features; a zone "
            "must be one feature",
            code="002",
        )


def _polygons(
    tzids: NDArray[np.object_], wkb: NDArray[np.object_], name: str
) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """One row a polygon; the parts of a multipolygon keep their order."""
    nameless = np.flatnonzero([not isinstance(t, str) or not t for t in tzids])
    if len(nameless):
        raise Invalid(f"{name}: feature {int(nameless[0]) + 1} has no tzid", code="002")
    shapes = shapely.from_wkb(wkb, on_invalid="ignore")
    wrong = ~np.isin(shapely.get_type_id(shapes), (_POLYGON, _MULTIPOLYGON))
    wrong |= shapely.is_empty(shapes)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise _geometry(name, tzids[row], _why_not(wkb[row]))
    parts, index = shapely.get_parts(shapes, return_index=True)
    return tzids[index], shapely.force_2d(parts)


def _why_not(wkb: Any) -> str:
    """Why a feature's geometry isn't a polygon."""
    if wkb is None:
        return "it has no geometry"
    try:
        shape = shapely.from_wkb(wkb)
    except shapely.errors.GEOSException as error:
        return str(error).removeprefix("IllegalArgumentException: ")
    return "it is empty" if shape.is_empty else f"it is a {shape.geom_type}, not a polygon"


def _check_polygons(tzids: NDArray[np.object_], polygons: NDArray[np.object_], name: str) -> None:
    west, south, east, north = shapely.bounds(polygons).T
    inside = (west >= -180) & (east <= 180) & (south >= -90) & (north <= 90)
    if not inside.all():
        row = int(np.argmin(inside))
        box = ", ".join(f"{edge[row]:g}" for edge in (west, south, east, north))
        raise _geometry(name, tzids[row], f"it leaves the world: {box} (west, south, east, north)")
    valid = shapely.is_valid(polygons)
    if not valid.all():
        row = int(np.argmin(valid))
        raise _geometry(name, tzids[row], shapely.is_valid_reason(polygons[row]))


def _geometry(name: str, tzid: str, reason: str) -> Invalid:
    return Invalid(
        f"{name}: the geometry of {tzid} is not a valid polygon: {reason}",
        code="011",
        tzid=tzid,
        reason=reason,
    )
