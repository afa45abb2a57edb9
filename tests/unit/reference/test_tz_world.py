"""The boundaries: taken bit for bit, or refused with the zone and the reason."""

from __future__ import annotations

import json
import random
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from civiltime.errors import Invalid
from civiltime.reference import tz_world
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.shape import check_document

Write = Callable[..., Path]
DATA = Path(__file__).parents[2] / "data"
ZONE_TAB = (DATA / "small_zone.tab").read_text("utf-8")
FEATURES: list[Any] = json.loads((DATA / "small_world.geojson").read_bytes())["features"]


def square(west: float, south: float, size: float = 5.0) -> list[list[float]]:
    """A closed ring, counter-clockwise."""
    east, north = west + size, south + size
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def feature(tzid: str | None, *rings: list[list[float]]) -> dict[str, Any]:
    """A GeoJSON feature: one ring is a polygon, several are a multipolygon."""
    geometry = (
        {"type": "Polygon", "coordinates": [rings[0]]}
        if len(rings) == 1
        else {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
    )
    return {"type": "Feature", "properties": {"tzid": tzid}, "geometry": geometry}


def refused(path: Path, release: str = "2026c") -> Invalid:
    with pytest.raises(Invalid) as caught:
        tz_world.from_file(path, release, ZONE_TAB)
    return caught.value


# What comes out


def test_rows_are_polygons_sorted_by_zone_and_counted_from_zero(
    small_world: tz_world.TzWorld,
) -> None:
    rows = small_world.table.drop_columns("geometry").to_pylist()
    assert [(r["tzid"], r["polygon_id"], r["country_iso"]) for r in rows] == [
        ("America/Chicago", 0, "US"),
        ("America/New_York", 0, "US"),
        ("America/New_York", 1, "US"),
        ("Etc/GMT-1", 0, None),
        ("Europe/Berlin", 0, "DE"),
        ("Europe/Oslo", 0, "NO"),
    ]
    assert (small_world.zone_count, small_world.polygon_count) == (5, 6)


def test_polygons_keep_the_order_of_the_file_within_their_zone(
    small_world: tz_world.TzWorld,
) -> None:
    shapes = shapely.from_wkb(small_world.table["geometry"].to_numpy())
    assert shapes[1].bounds == (0, 10, 5, 15)
    assert shapes[2].bounds == (0, 16, 1, 17)


def test_coordinates_are_kept_to_the_last_bit(boundaries: Write) -> None:
    rng = random.Random(1)
    ring = [[x + rng.random() * 0.5, 50.0 + rng.random()] for x in range(100)]
    ring += [[99.9, 40.123456789012345], [0.1, 40.0], ring[0]]
    world = tz_world.from_file(boundaries([feature("Europe/Berlin", ring)]), "2026c", ZONE_TAB)
    (shape,) = shapely.from_wkb(world.table["geometry"].to_numpy())
    assert shapely.get_coordinates(shape).tolist() == ring


def test_geometries_are_little_endian_wkb_polygons(small_world: tz_world.TzWorld) -> None:
    for wkb in small_world.table["geometry"].to_pylist():
        assert struct.unpack_from("<BI", wkb) == (1, 3)


def test_the_same_source_gives_the_same_bytes(boundaries: Write) -> None:
    path = boundaries(FEATURES)
    first = tz_world.from_file(path, "2026c", ZONE_TAB)
    again = tz_world.from_file(path, "2026c", ZONE_TAB)
    assert first.parquet == again.parquet


def test_our_own_file_comes_back_as_it_was(small_world: tz_world.TzWorld, tmp_path: Path) -> None:
    path = tmp_path / "tz_world.parquet"
    path.write_bytes(small_world.parquet)
    assert tz_world.from_file(path, "2026c", ZONE_TAB).parquet == small_world.parquet


def test_the_provenance_fits_its_schema_and_names_no_folder(
    small_world: tz_world.TzWorld, tmp_path: Path
) -> None:
    check_document(small_world.provenance, "provenance", "provenance")
    assert small_world.provenance["sha256_hex"] == sha256_bytes(small_world.parquet)
    assert small_world.provenance["vertices"] == 24
    assert str(tmp_path) not in json.dumps(small_world.provenance)


def test_the_file_says_that_it_is_geoparquet_in_wgs_84(
    small_world: tz_world.TzWorld, tmp_path: Path
) -> None:
    path = tmp_path / "tz_world.parquet"
    path.write_bytes(small_world.parquet)
    metadata = pq.read_metadata(path).metadata
    assert set(metadata) == {b"geo"}
    geo = json.loads(metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert (geo["version"], column["encoding"], column["geometry_types"]) == (
        "1.1.0",
        "WKB",
        ["Polygon"],
    )
    assert column["bbox"] == [0, 0, 25, 17]


def test_inspecting_needs_no_geometry(small_world: tz_world.TzWorld, tmp_path: Path) -> None:
    path = tmp_path / "tz_world.parquet"
    path.write_bytes(small_world.parquet)
    crs, features, tzids = tz_world.inspect(path)
    assert (crs, features) == ("EPSG:4326", 6)
    assert tzids == (
        "America/Chicago",
        "America/New_York",
        "Etc/GMT-1",
        "Europe/Berlin",
        "Europe/Oslo",
    )


# What may come in


def test_a_zipped_geojson_is_read(boundaries: Write, tmp_path: Path) -> None:
    plain = boundaries(FEATURES)
    path = tmp_path / "timezones-with-oceans.geojson.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(plain, "combined-with-oceans.json")
    expected = tz_world.from_file(plain, "2026c", ZONE_TAB)
    assert tz_world.from_file(path, "2026c", ZONE_TAB).parquet == expected.parquet


def shapefile(folder: Path) -> Path:
    path = folder / "combined-shapefile-with-oceans.shp"
    names = np.array(["Europe/Berlin", "Europe/Oslo"], dtype=object)
    shapes = shapely.to_wkb([shapely.box(0, 0, 5, 5), shapely.box(5, 0, 10, 5)])
    pyogrio.raw.write(path, shapes, [names], ["tzid"], geometry_type="Polygon", crs="EPSG:4326")
    return path


def test_a_shapefile_is_read_zipped_or_not(tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    archive_path = tmp_path / "timezones-with-oceans.shapefile.zip"
    with zipfile.ZipFile(archive_path, "w") as archive:
        for part in tmp_path.glob("combined-shapefile*"):
            archive.write(part, part.name)
    for source in (path, archive_path):
        world = tz_world.from_file(source, "2026c", ZONE_TAB)
        assert world.table["tzid"].to_pylist() == ["Europe/Berlin", "Europe/Oslo"]


@pytest.mark.parametrize("part", [".shx", ".dbf"])
def test_a_shapefile_without_one_of_its_parts_names_it(tmp_path: Path, part: str) -> None:
    path = shapefile(tmp_path)
    path.with_suffix(part).unlink()
    error = refused(path)
    assert (error.code, f"without combined-shapefile-with-oceans{part}" in error.message) == (
        "002",
        True,
    )


def test_a_shapefile_with_esris_name_of_wgs_84_is_read(tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    path.with_suffix(".prj").write_text(
        'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
        'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
    )
    assert tz_world.from_file(path, "2026c", ZONE_TAB).zone_count == 2


def geoparquet(path: Path, geo: dict[str, Any] | None, tzids: list[str] | None = None) -> Path:
    """A file as other tools write it: more columns, multipolygons, their metadata."""
    tzids = ["Europe/Oslo", "Europe/Berlin"] if tzids is None else tzids
    shapes = [shapely.MultiPolygon([shapely.box(10 * i, 0, 10 * i + 5, 5)]) for i in (0, 1)]
    table = pa.table({"tzid": tzids, "area": [1.0, 2.0], "geometry": shapely.to_wkb(shapes)})
    metadata = {} if geo is None else {"geo": json.dumps(geo)}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def geo(**column: object) -> dict[str, Any]:
    spec = {"encoding": "WKB", "geometry_types": [], **column}
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": spec}}


WGS84 = {"id": {"authority": "EPSG", "code": 4326}}


@pytest.mark.parametrize(
    "column", [{}, {"crs": WGS84}, {"crs": {"id": {"authority": "OGC", "code": "CRS84"}}}]
)
def test_geoparquet_of_other_tools_is_read(tmp_path: Path, column: dict[str, object]) -> None:
    world = tz_world.from_file(geoparquet(tmp_path / "w.parquet", geo(**column)), "2026c", ZONE_TAB)
    assert world.table["tzid"].to_pylist() == ["Europe/Berlin", "Europe/Oslo"]


# What is refused


def test_a_missing_file_is_001(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.json").code == "001"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("combined.json", b'{"type": "FeatureCollection", "features": ['),
        ("combined.json", b""),
        ("combined.json", b"[1, 2]"),
        ("combined.csv", b"tzid\n"),
        ("w.zip", b"PK not a zip"),
        ("w.parquet", b"PAR1 cut short"),
    ],
)
def test_a_file_that_cannot_be_read_is_002(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = refused(path)
    assert error.code == "002"
    assert str(tmp_path) not in error.message


def test_a_zip_with_two_boundary_files_is_002(boundaries: Write, tmp_path: Path) -> None:
    plain = boundaries(FEATURES)
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(plain, "a.json")
        archive.write(plain, "b.json")
    assert "exactly one" in refused(path).message


def test_no_feature_is_003(boundaries: Write) -> None:
    assert refused(boundaries([])).code == "003"


def test_no_row_is_003(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    table = pa.table({"tzid": pa.array([], pa.utf8()), "geometry": pa.array([], pa.binary())})
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo())}), path)
    assert refused(path).code == "003"


@pytest.mark.parametrize("rows", [[0, 2, 1, 3, 4, 5], [0, 1, 3, 2, 4, 5], [1, 2, 3, 4, 5, 0]])
def test_our_layout_with_its_keys_disturbed_is_002(
    small_world: tz_world.TzWorld, tmp_path: Path, rows: list[int]
) -> None:
    path = rewritten(small_world, tmp_path / "w.parquet", lambda t: t.take(rows))
    if rows[-1] == 0:  # another order of zones is as good
        assert tz_world.from_file(path, "2026c", ZONE_TAB).parquet == small_world.parquet
    else:
        assert refused(path).code == "002"


def test_no_tzid_property_is_004(boundaries: Write) -> None:
    bare = {**feature("x", square(0, 0)), "properties": {"TZID": "Europe/Berlin"}}
    assert refused(boundaries([bare])).code == "004"


def test_no_tzid_column_is_004(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    table = pa.table({"zone": ["x"], "geometry": [b""]})
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo())}), path)
    assert refused(path).code == "004"


def test_a_feature_without_its_tzid_is_002(boundaries: Write) -> None:
    error = refused(boundaries([*FEATURES, feature(None, square(30, 0))]))
    assert (error.code, "feature 6" in error.message) == ("002", True)


def test_a_zone_in_two_features_is_002(boundaries: Write) -> None:
    error = refused(boundaries([*FEATURES, feature("Europe/Oslo", square(30, 0))]))
    assert (error.code, "Europe/Oslo" in error.message) == ("002", True)


def test_a_geojson_in_another_reference_system_is_010(boundaries: Write) -> None:
    crs = {"type": "name", "properties": {"name": "EPSG:3857"}}
    error = refused(boundaries(FEATURES, crs=crs))
    assert (error.code, "EPSG:3857" in error.message) == ("010", True)


def test_a_shapefile_that_does_not_say_its_reference_system_is_010(tmp_path: Path) -> None:
    path = shapefile(tmp_path)
    path.with_suffix(".prj").unlink()
    assert refused(path).code == "010"


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        geo(crs=None),
        geo(crs={"id": {"authority": "EPSG", "code": 3857}}),
        geo(crs={"name": "NAD27"}),
        geo(edges="spherical"),
        {"version": "1.1.0"},
    ],
)
def test_geoparquet_that_does_not_say_wgs_84_is_010(
    tmp_path: Path, metadata: dict[str, Any] | None
) -> None:
    assert refused(geoparquet(tmp_path / "w.parquet", metadata)).code == "010"


def test_another_encoding_than_wkb_is_002(tmp_path: Path) -> None:
    path = geoparquet(tmp_path / "w.parquet", geo(encoding="multipolygon"))
    assert refused(path).code == "002"


BOWTIE: list[list[float]] = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("ring", "reason"),
    [
        (BOWTIE, r"Self-intersection\[0.5 0.5\]"),
        (square(0, 0)[:-1], "closed"),
        ([[0, 0], [1, 0], [0, 0]], "Too few points"),
        (square(177, 0), "leaves the world"),
        (square(0, 87), "leaves the world"),
    ],
)
def test_a_bad_ring_is_011_with_zone_and_reason(
    boundaries: Write, ring: list[list[float]], reason: str
) -> None:
    with pytest.raises(Invalid, match=reason) as caught:
        tz_world.from_file(
            boundaries([feature("Europe/Berlin", square(20, 20), ring)]), "2026c", ZONE_TAB
        )
    assert caught.value.code == "011"
    assert caught.value.context["tzid"] == "Europe/Berlin"


@pytest.mark.parametrize(
    "geometry",
    [None, {"type": "Point", "coordinates": [1, 2]}, {"type": "MultiPolygon", "coordinates": []}],
)
def test_what_is_no_polygon_is_011(boundaries: Write, geometry: object) -> None:
    bad = {**feature("Europe/Berlin", square(0, 0)), "geometry": geometry}
    error = refused(boundaries([*FEATURES[2:], bad]))
    assert (error.code, error.context["tzid"]) == ("011", "Europe/Berlin")


def test_a_zone_that_zone_tab_does_not_know_is_013(boundaries: Write) -> None:
    error = refused(boundaries([*FEATURES, feature("Europe/Kiev", square(40, 0))]))
    assert (error.code, error.context["tzids"]) == ("013", ["Europe/Kiev"])


# Reduced variants


@pytest.mark.parametrize("variant", ["1970", "now"])
def test_a_reduced_variant_by_name_is_012(boundaries: Write, variant: str) -> None:
    error = refused(boundaries(FEATURES, name=f"combined-with-oceans-{variant}.json"))
    assert (error.code, error.context["variant"]) == ("012", variant)


def test_a_reduced_variant_by_name_inside_its_zip_is_012(boundaries: Write, tmp_path: Path) -> None:
    path = tmp_path / "renamed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(boundaries(FEATURES), "combined-1970.json")
    assert refused(path).code == "012"


def test_a_zone_that_another_countrys_zone_covers_is_012(boundaries: Write) -> None:
    merged = [feature("Europe/Berlin", [[0, 0], [10, 0], [10, 5], [0, 5], [0, 0]]), *FEATURES[2:]]
    error = refused(boundaries(merged))
    assert (error.code, error.context["missing"]) == ("012", "Europe/Oslo")
    assert error.context["covered_by"] == "Europe/Berlin"


def test_a_small_cut_of_the_full_release_passes(boundaries: Write) -> None:
    world = tz_world.from_file(boundaries([FEATURES[1]]), "2026c", ZONE_TAB)
    assert world.zone_count == 1


def test_overlapping_zones_of_one_country_are_no_reduced_variant(boundaries: Write) -> None:
    wide: list[list[float]] = [[0, 10], [10, 10], [10, 15], [0, 15], [0, 10]]
    world = tz_world.from_file(boundaries([feature("America/New_York", wide)]), "2026c", ZONE_TAB)
    assert world.zone_count == 1


def test_an_enclave_that_a_cut_leaves_out_is_not_covered(boundaries: Write) -> None:
    """zone.tab is precise to a minute of arc: Monaco's place lies in France by it."""
    tab = ZONE_TAB + "MC\t+0100+00100\tEurope/Monaco\n"
    hole = [[1.001, 0.99], [1.03, 0.99], [1.03, 1.03], [1.001, 1.03], [1.001, 0.99]]
    berlin = feature("Europe/Berlin", square(0, 0))
    berlin["geometry"]["coordinates"].append(hole)
    path = boundaries([berlin, *FEATURES[:1]])
    assert tz_world.from_file(path, "2026c", tab).zone_count == 2


# The package


def test_without_the_package_023_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timezonefinder", None)
    with pytest.raises(Invalid, match="pip install") as caught:
        tz_world.from_package("2026c", ZONE_TAB)
    assert caught.value.code == "023"


def test_another_release_than_the_packages_is_024() -> None:
    with pytest.raises(Invalid) as caught:
        tz_world.from_package("2019b", ZONE_TAB)
    assert (caught.value.code, caught.value.context["wanted"]) == ("024", "2019b")


# The strict reader


def rewritten(
    world: tz_world.TzWorld,
    path: Path,
    change: Callable[[pa.Table], pa.Table],
    geo_key: bool = True,
) -> Path:
    """The small world's file with its table changed."""
    path.write_bytes(world.parquet)
    metadata = pq.read_metadata(path).metadata if geo_key else {}
    pq.write_table(change(pq.read_table(path)).replace_schema_metadata(metadata), path)
    return path


def column(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    index = table.column_names.index(name)
    return table.set_column(index, name, pa.array(values, table.schema.field(name).type))


def test_a_good_file_is_read_whole(small_world: tz_world.TzWorld, tmp_path: Path) -> None:
    path = rewritten(small_world, tmp_path / "w.parquet", lambda t: t)
    assert tz_world.open_table(path).equals(small_world.table)


def test_no_metadata_is_020(small_world: tz_world.TzWorld, tmp_path: Path) -> None:
    path = rewritten(small_world, tmp_path / "w.parquet", lambda t: t, geo_key=False)
    for read in (tz_world.inspect, tz_world.open_table):
        with pytest.raises(Invalid) as caught:
            read(path)
        assert caught.value.code == "020"


def test_no_row_is_021(small_world: tz_world.TzWorld, tmp_path: Path) -> None:
    path = rewritten(small_world, tmp_path / "w.parquet", lambda t: t.slice(0, 0))
    for read in (tz_world.inspect, tz_world.open_table):
        with pytest.raises(Invalid) as caught:
            read(path)
        assert caught.value.code == "021"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns("country_iso"), "lacks country_iso"),
        (lambda t: t.append_column("area", pa.array([1.0] * 6)), "undeclared area"),
        (lambda t: t.take([1, 0, 2, 3, 4, 5]), "not sorted"),
        (lambda t: t.take([0, 2, 1, 3, 4, 5]), "count from 0"),
        (lambda t: t.take([0, 1, 1, 3, 4, 5]), "count from 0"),
        (lambda t: column(t, "tzid", ["A/A", None, "C/C", "D/D", "E/E", "F/F"]), "has a null"),
        (lambda t: column(t, "country_iso", ["US", "US", "US", "DE", "DE", "NO"]), "Etc/GMT-1"),
        (lambda t: column(t, "country_iso", ["US", "US", "US", None, None, "NO"]), "Berlin"),
        (lambda t: column(t, "country_iso", ["us", "US", "US", None, "DE", "NO"]), "'us'"),
        (lambda t: column(t, "geometry", [b"x"] * 6), "unreadable"),
        (
            lambda t: column(t, "geometry", [shapely.to_wkb(shapely.Polygon(BOWTIE))] * 6),
            "Self-intersection",
        ),
        (lambda t: column(t, "geometry", [shapely.to_wkb(shapely.box(0, 0, 200, 1))] * 6), "WGS"),
        (lambda t: column(t, "geometry", [shapely.to_wkb(shapely.Point(1, 1))] * 6), "polygon"),
    ],
)
def test_a_changed_file_is_refused_with_the_reason(
    small_world: tz_world.TzWorld,
    tmp_path: Path,
    change: Callable[[pa.Table], pa.Table],
    message: str,
) -> None:
    path = rewritten(small_world, tmp_path / "w.parquet", change)
    with pytest.raises(Invalid, match=message):
        tz_world.open_table(path)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tz_world.parquet"
    path.write_bytes(b"no")
    for read in (tz_world.inspect, tz_world.open_table):
        with pytest.raises(Invalid, match="can't be read"):
            read(path)
