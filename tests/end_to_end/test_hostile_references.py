"""Hostile boundaries and tz archives: refused whole, with nothing published or pinned."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from tests.conftest import civiltime
from tests.end_to_end.refusals import refused

DATA = Path(__file__).parents[1] / "data"
ARCHIVE = DATA / "tzdata2026b.tar.gz"
SQUARE = [[8.0, 46.0], [9.0, 46.0], [9.0, 47.0], [8.0, 47.0], [8.0, 46.0]]
BOW_TIE = [[8.0, 46.0], [9.0, 47.0], [9.0, 46.0], [8.0, 47.0], [8.0, 46.0]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a tz database and no boundaries."""
    folder = tmp_path_factory.mktemp("hostile") / "workspace"
    assert civiltime("init", folder).code == 0
    assert civiltime("ingest", "tzdb", "package", "--release", "2026c", "-w", folder).code == 0
    return folder


def boundaries(source: str | Path, release: str = "2026c") -> tuple[str | Path, ...]:
    return "ingest", "tz-world", source, "--release", release


def tzdb(source: str | Path, release: str = "2026c") -> tuple[str | Path, ...]:
    return "ingest", "tzdb", source, "--release", release


def geojson(ring: Any = SQUARE, tzid: Any = "Europe/Zurich", **top: object) -> str:
    """One zone of one ring."""
    geometry = {"type": "Polygon", "coordinates": [ring]}
    one = {"type": "Feature", "properties": {"tzid": tzid}, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [one], **top})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "2A-IN-002"),
        ("{", "2A-IN-002"),
        ("[" * 100_000, "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": []}), "2A-IN-003"),
        (geojson(BOW_TIE), "2A-IN-011"),
        (geojson(SQUARE[:-1]), "2A-IN-011"),
        (geojson(SQUARE[:2]), "2A-IN-011"),
        (geojson([[8, 47], [9, 47], [9, 91], [8, 47]]), "2A-IN-011"),
        (geojson([[178, 47], [182, 47], [182, 48], [178, 47]]), "2A-IN-011"),
        (geojson(tzid="Europe/Nowhere"), "2A-IN-013"),
        (geojson(tzid="../../etc/passwd"), "2A-IN-013"),
        (geojson(tzid=None), "2A-IN-002"),
        (geojson(tzid=["Europe/Zurich"]), "2A-IN-002"),
        (geojson().replace("tzid", "zone"), "2A-IN-004"),
        (geojson().replace('"Polygon"', '"LineString"').replace("[[[", "[[").replace("]]]", "]]"),
         "2A-IN-011"),
        (geojson(crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}),
         "2A-IN-010"),
        (geojson(crs={"type": "name", "properties": {"name": "EPSG:2056"}}), "2A-IN-010"),
    ],
)  # fmt: skip
def test_a_geojson_file_that_bounds_nothing(
    root: Path, tmp_path: Path, text: str, code: str
) -> None:
    (tmp_path / "zones.geojson").write_text(text)
    message = refused(root, code, *boundaries(tmp_path / "zones.geojson"))
    assert str(tmp_path) not in message


@pytest.mark.parametrize("suffix", ["json", "geojson", "shp", "zip"])
@pytest.mark.parametrize("kind", ["layers", "steps"])
def test_a_file_that_sends_the_reader_to_another_file(
    root: Path, tmp_path: Path, suffix: str, kind: str
) -> None:
    """What is read must be what is sealed: GDAL's own ways to name other files aren't taken."""
    other = tmp_path / "other.geojson"
    other.write_text(geojson())
    source = f"<SrcDataSource>{other}</SrcDataSource>"
    text = {
        "layers": f"<OGRVRTDataSource><OGRVRTLayer name='other'>{source}</OGRVRTLayer>"
        "</OGRVRTDataSource>",
        "steps": json.dumps(
            {"type": "gdal_streamed_alg", "command_line": f"gdal vector pipeline read {other}"}
        ),
    }[kind]
    path = tmp_path / f"zones.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("zones.json", text)
    else:
        path.write_text(text)
    assert "other" not in refused(root, "2A-IN-002", *boundaries(path))


def test_a_name_that_could_mean_another_file(tmp_path: Path) -> None:
    """A line feed at the end of a name is dropped by the reader, and by nobody else."""
    assert civiltime("init", tmp_path / "w").code == 0
    (tmp_path / "zones.geojson").write_text(geojson(tzid="Europe/Nowhere"))
    (tmp_path / "zones\n.geojson").write_text(geojson())
    said = civiltime(*boundaries(tmp_path / "zones\n.geojson"), "-w", tmp_path / "w")
    assert said.code == 0, said.err


def test_a_name_that_is_not_utf_8(root: Path, tmp_path: Path) -> None:
    for make, suffix in ((boundaries, ".geojson"), (tzdb, ".tar.gz")):
        path = tmp_path / os.fsdecode(b"source\xff" + suffix.encode())
        path.write_text(geojson())
        assert "name" in refused(root, "2A-IN-002", *make(path))


def test_a_zone_that_takes_the_land_of_another_country(root: Path, tmp_path: Path) -> None:
    """A reduced variant under another name is known by what it covers."""
    europe = [[5, 45], [16, 45], [16, 56], [5, 56], [5, 45]]
    (tmp_path / "zones.geojson").write_text(geojson(europe, "Europe/Berlin"))
    assert "reduced" in refused(root, "2A-IN-012", *boundaries(tmp_path / "zones.geojson"))


@pytest.mark.parametrize(
    "name",
    ["timezones-1970.geojson", "timezones-with-oceans-now.geojson", "combined-1970.zip"],
)
def test_a_reduced_variant_by_its_name(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(geojson())
    assert "reduced" in refused(root, "2A-IN-012", *boundaries(tmp_path / name))


def test_a_reduced_variant_inside_a_zip(root: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "timezones.zip", "w") as archive:
        archive.writestr("combined-now.json", geojson())
    assert "reduced" in refused(root, "2A-IN-012", *boundaries(tmp_path / "timezones.zip"))


def test_a_zip_without_one_boundary_file(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "zones.zip"
    for names in ((), ("README.md",), ("a.json", "b.json")):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, geojson())
        refused(root, "2A-IN-002", *boundaries(path))
    whole = path.read_bytes()
    for raw in (b"", b"PK", whole[: len(whole) // 2], whole[:-4]):
        path.write_bytes(raw)
        refused(root, "2A-IN-002", *boundaries(path))


def test_a_zip_with_a_password(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "zones.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("zones.json", geojson())
    raw = bytearray(path.read_bytes())
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        raw[raw.index(header) + flags] |= 1
    path.write_bytes(raw)
    assert "password" in refused(root, "2A-IN-002", *boundaries(path))


def parquet(path: Path, crs: Any = "OGC:CRS84", **columns: Any) -> None:
    """A GeoParquet file of one square; ``crs`` None says that there is none."""
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": crs}},
    }
    if crs == "OGC:CRS84":
        del geo["columns"]["geometry"]["crs"]  # type: ignore[index]
    table = {
        "tzid": pa.array(["Europe/Zurich"]),
        "geometry": pa.array([shapely.to_wkb(shapely.Polygon(SQUARE))], pa.binary()),
        **columns,
    }
    metadata = {b"geo": json.dumps(geo).encode()} if crs != "absent" else {}
    pq.write_table(pa.table(table).replace_schema_metadata(metadata), path)


def test_a_good_geoparquet_file_is_taken(tmp_path: Path) -> None:
    """So that the refusals below are for the reason that they name."""
    assert civiltime("init", tmp_path / "w").code == 0
    parquet(tmp_path / "zones.parquet")
    said = civiltime(*boundaries(tmp_path / "zones.parquet"), "-w", tmp_path / "w")
    assert said.code == 0, said.err


def truncate(path: Path) -> None:
    parquet(path)
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda p: parquet(p, crs=None), "2A-IN-010"),
        (lambda p: parquet(p, crs="absent"), "2A-IN-010"),
        (lambda p: parquet(p, crs={"id": {"authority": "EPSG", "code": 3857}}), "2A-IN-010"),
        (lambda p: parquet(p, geometry=pa.array([b"not WKB"])), "2A-IN-011"),
        (lambda p: parquet(p, geometry=pa.array([None], pa.binary())), "2A-IN-011"),
        (lambda p: parquet(p, tzid=pa.array([None], pa.utf8())), "2A-IN-002"),
        (truncate, "2A-IN-002"),
        (lambda p: p.write_bytes(b"PAR1"), "2A-IN-002"),
        (lambda p: p.write_text(geojson()), "2A-IN-002"),
    ],
)
def test_a_geoparquet_file_that_bounds_nothing(
    root: Path, tmp_path: Path, make: Callable[[Path], None], code: str
) -> None:
    make(tmp_path / "zones.parquet")
    refused(root, code, *boundaries(tmp_path / "zones.parquet"))


def test_a_shapefile_without_its_reference_system(root: Path, tmp_path: Path) -> None:
    import pyogrio

    pyogrio.raw.write(
        tmp_path / "zones.shp",
        geometry=np.array([shapely.to_wkb(shapely.Polygon(SQUARE))], object),
        field_data=[np.array(["Europe/Zurich"], object)],
        fields=["tzid"],
        geometry_type="Polygon",
        crs="EPSG:4326",
        driver="ESRI Shapefile",
    )
    (tmp_path / "zones.prj").unlink()
    refused(root, "2A-IN-010", *boundaries(tmp_path / "zones.shp"))


def test_something_else_than_a_source(root: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "zones.gpkg").write_bytes(b"SQLite")
    for make in (boundaries, tzdb):
        assert "nowhere" in refused(root, "2A-IN-001", *make(tmp_path / "nowhere.zip"))
        assert "folder" in refused(root, "2A-IN-001", *make(tmp_path / "folder.zip"))
    refused(root, "2A-IN-002", *boundaries(tmp_path / "zones.gpkg"))
    refused(root, "2A-IN-020", *tzdb(tmp_path / "zones.gpkg"))


@pytest.mark.parametrize(
    "release", ["", "latest", "../../2026c", "2026c/x", "2026", "2026C", "26c", "2026c\n", "/2026c"]
)
def test_a_release_that_is_no_fixed_name(root: Path, release: str) -> None:
    if release == "2026":  # a tag, and not what the package holds
        refused(root, "2A-IN-024", *boundaries("package", release))
    else:
        refused(root, "2A-S0-014", *boundaries("package", release))
        refused(root, "2A-S0-014", *tzdb("package", release))


def test_the_package_is_of_one_release(root: Path) -> None:
    refused(root, "2A-IN-024", *boundaries("package", "2025b"))
    refused(root, "2A-IN-024", *tzdb("package", "2025b"))


def test_a_release_is_not_replaced(tmp_path: Path) -> None:
    root = tmp_path / "w"
    assert civiltime("init", root).code == 0
    (tmp_path / "zones.geojson").write_text(geojson())
    assert civiltime(*boundaries(tmp_path / "zones.geojson"), "-w", root).code == 0
    again = civiltime(*boundaries(tmp_path / "zones.geojson"), "-w", root, "--json")
    assert again.json["publish"] == "REUSE"
    (tmp_path / "zones.geojson").write_text(geojson().replace("47.0", "46.5"))
    refused(root, "2A-IN-030", *boundaries(tmp_path / "zones.geojson"))


def tar(members: dict[str, bytes], **attributes: Any) -> bytes:
    """A gzipped tar of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            for key, value in attributes.items():
                setattr(entry, key, value)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (ARCHIVE.read_bytes()[:100_000], "2A-IN-020"),
        (ARCHIVE.read_bytes()[:-1], "2A-IN-020"),
        (gzip.decompress(ARCHIVE.read_bytes())[:100_000], "2A-IN-020"),
        (b"", "2A-IN-020"),
        (b"\x1f\x8b", "2A-IN-020"),
        (tar({}), "2A-IN-020"),
        (tar({"version": b"2026b\n"}), "2A-IN-020"),
        (tar({"../version": b"2026b\n"}), "2A-IN-020"),
        (tar({"/etc/version": b"2026b\n"}), "2A-IN-020"),
        (tar({"version": b""}, type=tarfile.SYMTYPE, linkname="/etc/passwd"), "2A-IN-020"),
        (tar({"version": b"2026b\n", "europe": b"Zone Europe/X nonsense\n"}), "2A-IN-020"),
        (gzip.compress(bytes(200 << 20), 1), "2A-IN-020"),
    ],
    ids=lambda v: v if isinstance(v, str) else f"{len(v)} bytes",
)
def test_an_archive_that_is_no_tz_database(
    root: Path, tmp_path: Path, raw: bytes, code: str
) -> None:
    (tmp_path / "tzdata2026b.tar.gz").write_bytes(raw)
    refused(root, code, *tzdb(tmp_path / "tzdata2026b.tar.gz", "2026b"))


def test_an_archive_of_another_release(root: Path) -> None:
    assert "2026b" in refused(root, "2A-IN-021", *tzdb(ARCHIVE, "2026c"))
