"""Hostile site files: every one is refused with its reason and place, and publishes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import SITES_CSV, Small, civiltime, sites
from tests.end_to_end.refusals import refused

HEAD = "merchant_id,legal_country_iso,site_order,lon_deg,lat_deg\n"
GOOD = "1,CH,1,8.5417,47.3769\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has nothing but its policies: sites need no more."""
    folder = tmp_path_factory.mktemp("hostile") / "workspace"
    assert civiltime("init", folder).code == 0
    return folder


def ingest(path: Path) -> tuple[str | Path, ...]:
    return "ingest", "sites", path, "--seed", "42"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (HEAD + "1,CH,1,nan,47.3\n", "2A-S1-056", "finite"),
        (HEAD + "1,CH,1,8.5,inf\n", "2A-S1-056", "finite"),
        (HEAD + "1,CH,1,8.5,-inf\n", "2A-S1-056", "finite"),
        (HEAD + "1,CH,1,8.5,1e999\n", "2A-S1-056", "finite"),
        (HEAD + "1,CH,1,8.5,91\n", "2A-S1-056", "within [-90, 90]"),
        (HEAD + "1,CH,1,180.00000001,47\n", "2A-S1-056", "within [-180, 180]"),
        (HEAD + "1,ch,1,8.5,47.3\n", "2A-S1-056", "two capital letters"),
        (HEAD + "1,CHE,1,8.5,47.3\n", "2A-S1-056", "two capital letters"),
        (HEAD + "1,,1,8.5,47.3\n", "2A-S1-056", "two capital letters"),
        (HEAD + "1,\u0421\u041d,1,8.5,47.3\n", "2A-S1-056", "two capital letters"),
        (HEAD + "0,CH,1,8.5,47.3\n", "2A-S1-056", "merchant_id"),
        (HEAD + "1,CH,0,8.5,47.3\n", "2A-S1-056", "site_order"),
        (HEAD + GOOD + "1,CH,3,8.5,47.3\n", "2A-S1-056", "without gaps"),
        (HEAD + "1,CH,2,8.5,47.3\n", "2A-S1-056", "without gaps"),
        (HEAD + GOOD + GOOD, "2A-S1-051", "the key stands twice"),
        (HEAD + GOOD + "1,CH,1,6.1,46.2\n", "2A-S1-051", "line 3 (1|CH|1)"),
        (HEAD + "-1,CH,1,8.5,47.3\n", "2A-IN-006", "merchant_id is '-1'"),
        (HEAD + "18446744073709551616,CH,1,8.5,47.3\n", "2A-IN-006", "merchant_id"),
        (HEAD + "1.0,CH,1,8.5,47.3\n", "2A-IN-006", "merchant_id"),
        (HEAD + "1,CH,1.5,8.5,47.3\n", "2A-IN-006", "site_order is '1.5'"),
        (HEAD + GOOD + "1,CH,2,8;5,47.3\n", "2A-IN-006", "line 3: lon_deg is '8;5'"),
        (HEAD + "1,CH,1,8°32,47.3\n", "2A-IN-006", "lon_deg"),
        (HEAD + "1,CH,1,8.5\n", "2A-IN-002", "4 values, the header has 5"),
        (HEAD + "1,CH,1,8.5,47.3,7\n", "2A-IN-002", "6 values, the header has 5"),
        (HEAD, "2A-IN-003", "no site"),
        ("", "2A-IN-003", "empty"),
        ("\n\n\n", "2A-IN-003", "empty"),
        ("\ufeff", "2A-IN-003", "empty"),
        (SITES_CSV.replace(",", ";"), "2A-IN-004", "separated by semicolons?"),
        (SITES_CSV.replace(",", "\t"), "2A-IN-004", "separated by tabs?"),
        (HEAD.replace(",", ", ") + GOOD, "2A-IN-004", "it has merchant_id, ' legal_country_iso'"),
        ("," + HEAD + "0," + GOOD, "2A-IN-005", "don't have: ''; drop them, or say --ignore-extra"),
        (HEAD + GOOD + "0x10,CH,1,8.5,47.3\n", "2A-IN-006", "line 3: merchant_id is '0x10'"),
        (HEAD + "1,CH, 0X1,8.5,47.3\n", "2A-IN-006", "site_order is ' 0X1'"),
        (HEAD + '"1","CH\n","1",8.5,47.3\n' + GOOD, "2A-S1-056", "line 2 ("),
        (HEAD + "1," + "C" * 3_000_000 + ",1,8.5,47.3\n", "2A-IN-002", "longer than a megabyte"),
        ("x" * 200_000 + "," + HEAD + GOOD, "2A-IN-002", "the header"),
        (GOOD.replace("1,CH,1", "7,CH,1"), "2A-IN-004", "merchant_id"),
        (SITES_CSV.replace("lat_deg", "lat"), "2A-IN-004", "lat_deg"),
        (SITES_CSV.replace("\n", ",x\n"), "2A-IN-005", "x"),
        (HEAD.replace("lat_deg", "lon_deg") + GOOD, "2A-IN-002", "twice"),
        ('"' + HEAD + GOOD, "2A-IN-004", "merchant_id"),
    ],
)
def test_a_csv_that_can_not_be_used(
    root: Path, tmp_path: Path, text: str, code: str, said: str
) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(text, "utf-8")
    message = refused(root, code, *ingest(path))
    assert said in message
    assert "sites.csv" in message
    assert str(tmp_path) not in message


def test_text_that_is_not_utf_8(root: Path, tmp_path: Path) -> None:
    for raw in (
        SITES_CSV.replace("1,LI", "1,L\u00cd").encode("latin-1"),
        SITES_CSV.encode("utf-16"),
        SITES_CSV.encode("utf-16-le"),
        b"\x00" * 64,
        b"\x1f\x8b\x08" + b"x" * 64,
    ):
        (tmp_path / "sites.csv").write_bytes(raw)
        assert "not UTF-8" in refused(root, "2A-IN-002", *ingest(tmp_path / "sites.csv"))


@pytest.mark.parametrize("text", ["\ufeff" + SITES_CSV, SITES_CSV.replace("\n", "\r\n")])
def test_a_byte_order_mark_and_windows_lines_are_fine(
    small: Small, tmp_path: Path, text: str
) -> None:
    (tmp_path / "sites.csv").write_bytes(text.encode())
    said = small.cli("ingest", "sites", tmp_path / "sites.csv", "--seed", "5")
    assert (said.code, said.json["sites"]) == (0, 12), said.out


def test_lines_end_with_a_carriage_return_as_well(root: Path, tmp_path: Path) -> None:
    """As old Macs wrote them: read, and counted."""
    (tmp_path / "sites.csv").write_bytes(SITES_CSV.replace("\n", "\r").encode() + b"0,CH,1,8,47\r")
    assert "line 14 (" in refused(root, "2A-S1-056", *ingest(tmp_path / "sites.csv"))


def test_lines_are_counted_where_quotes_hold_some(root: Path, tmp_path: Path) -> None:
    note = '"' + "a\n" * 50_000 + '"'  # 40 of them are several of the reader's blocks
    notes = "".join(f"{note},1,CH,{n},8.5,47.3\n" for n in range(1, 41))
    rows = f"note,{HEAD}{notes}\nx,1,CH,41,8.5,99\n"
    (tmp_path / "sites.csv").write_text(rows)
    arguments = (*ingest(tmp_path / "sites.csv"), "--ignore-extra")
    assert "line 2000043 (1|CH|41)" in refused(root, "2A-S1-056", *arguments)


def test_what_a_file_holds_does_not_steer_the_terminal(root: Path, tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text(HEAD + "1,\x1b[2J\u202e,1,8,47\n")
    said = civiltime(*ingest(tmp_path / "sites.csv"), "-w", root)
    assert said.code == 1
    assert "\\x1b[2J\\u202e" in said.err
    assert "\x1b" not in said.err


def test_a_name_that_is_not_utf_8(root: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"sites\xff.csv")
    path.write_text(SITES_CSV)
    assert "name" in refused(root, "2A-IN-002", *ingest(path))


def test_coordinates_come_to_the_last_bit_and_rows_in_any_order(root: Path, tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text(
        HEAD + "2,CH,1,8.123456789012345,47.1\n1,CH,1,-0.0,0.1000000000000000055511151231257827\n"
    )
    assert civiltime(*ingest(tmp_path / "sites.csv"), "-w", root).code == 0
    (part,) = root.rglob("part-00000.parquet")
    table = pq.read_table(part)
    assert table["merchant_id"].to_pylist() == [1, 2]
    assert table["lon_deg"].to_pylist()[1] == 8.123456789012345
    assert table["lat_deg"].to_pylist()[0] == 0.1


def wrong_type(path: Path) -> None:
    table = sites((1, "CH", 1, 8.5, 47.3))
    pq.write_table(table.set_column(4, "lat_deg", pa.array(["47.3"])), path)


def text_merchant(path: Path) -> None:
    table = sites((1, "CH", 1, 8.5, 47.3))
    pq.write_table(table.set_column(0, "merchant_id", pa.array(["1"])), path)


def negative(path: Path) -> None:
    table = sites((1, "CH", 1, 8.5, 47.3))
    pq.write_table(table.set_column(0, "merchant_id", pa.array([-1])), path)


def with_a_null(path: Path) -> None:
    table = sites((1, "CH", 1, 8.5, 47.3))
    pq.write_table(table.set_column(4, "lat_deg", pa.array([None], pa.float64())), path)


def not_utf_8(path: Path) -> None:
    letters = pa.array([b"\xff\xfe"]).buffers()
    text = pa.Array.from_buffers(pa.utf8(), 1, letters)
    pq.write_table(sites((1, "CH", 1, 8.5, 47.3)).set_column(1, "legal_country_iso", text), path)


def extra_column(path: Path) -> None:
    pq.write_table(sites((1, "CH", 1, 8.5, 47.3)).append_column("x", pa.array([1])), path)


def missing_column(path: Path) -> None:
    pq.write_table(sites((1, "CH", 1, 8.5, 47.3)).drop_columns(["lat_deg"]), path)


def without_rows(path: Path) -> None:
    pq.write_table(sites(), path)


def truncated(path: Path) -> None:
    pq.write_table(sites((1, "CH", 1, 8.5, 47.3)), path)
    path.write_bytes(path.read_bytes()[:-20])


def damaged(path: Path) -> None:
    pq.write_table(sites(*[(1, "CH", n, 8.5, 47.3) for n in range(1, 999)]), path)
    raw = bytearray(path.read_bytes())
    raw[4:200] = bytes(196)
    path.write_bytes(raw)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def csv_inside(path: Path) -> None:
    path.write_text(SITES_CSV)


@pytest.mark.parametrize(
    ("make", "code", "said"),
    [
        (wrong_type, "2A-IN-006", "lat_deg"),
        (text_merchant, "2A-IN-006", "merchant_id"),
        (negative, "2A-IN-006", "merchant_id"),
        (with_a_null, "2A-S1-056", "finite"),
        (not_utf_8, "2A-IN-006", "legal_country_iso isn't UTF-8 text"),
        (extra_column, "2A-IN-005", "x"),
        (missing_column, "2A-IN-004", "lat_deg"),
        (without_rows, "2A-IN-003", "no site"),
        (truncated, "2A-IN-002", "Parquet"),
        (damaged, "2A-IN-002", "Parquet"),
        (empty, "2A-IN-002", "Parquet"),
        (csv_inside, "2A-IN-002", "Parquet"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_parquet_file_that_can_not_be_used(
    root: Path, tmp_path: Path, make: Callable[[Path], None], code: str, said: str
) -> None:
    make(tmp_path / "sites.parquet")
    assert said in refused(root, code, *ingest(tmp_path / "sites.parquet"))


def feature(**changes: object) -> dict[str, object]:
    properties = {"merchant_id": 1, "legal_country_iso": "CH", "site_order": 1}
    point = {"type": "Point", "coordinates": [8.5, 47.3]}
    return {"type": "Feature", "properties": properties, "geometry": point, **changes}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "2A-IN-002"),
        ("[]", "2A-IN-002"),
        ("[" * 100_000, "2A-IN-002"),
        (json.dumps({"type": "Feature"}), "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": []}), "2A-IN-003"),
        (json.dumps({"type": "FeatureCollection", "features": [1]}), "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": [feature(geometry=None)]}),
         "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": [feature(properties=None)]}),
         "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": [feature(), feature()]}),
         "2A-S1-051"),
        (json.dumps({"type": "FeatureCollection", "features": [
            feature(geometry={"type": "Point", "coordinates": [float("nan"), 1]})]}),
         "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": [
            feature(geometry={"type": "Point", "coordinates": ["8", "47"]})]}),
         "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": [
            feature(geometry={"type": "Point", "coordinates": [True, 47]})]}),
         "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": [
            feature(geometry={"type": "MultiPoint", "coordinates": [[8, 47]]})]}),
         "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": [feature(properties={
            "merchant_id": 1, "legal_country_iso": "\ud800", "site_order": 1})]}),
         "2A-IN-006"),
        (json.dumps({"type": "FeatureCollection", "features": [feature()], "crs": {
            "type": "name", "properties": {"name": "EPSG:2056 (to EPSG:4326)"}}}),
         "2A-IN-002"),
        (json.dumps({"type": "FeatureCollection", "features": [feature()], "crs": "EPSG:43260"}),
         "2A-IN-002"),
    ],
)  # fmt: skip
def test_a_geojson_file_that_can_not_be_used(
    root: Path, tmp_path: Path, document: str, code: str
) -> None:
    (tmp_path / "sites.geojson").write_text(document)
    refused(root, code, *ingest(tmp_path / "sites.geojson"))


def test_a_reference_system_that_is_wgs_84_under_an_older_name(root: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "WGS84")):
        crs = {"type": "name", "properties": {"name": name}}
        document = {"type": "FeatureCollection", "crs": crs, "features": [feature()]}
        (tmp_path / "sites.geojson").write_text(json.dumps(document), "utf-8-sig")
        arguments = ("ingest", "sites", tmp_path / "sites.geojson", "--seed", str(100 + seed))
        assert civiltime(*arguments, "-w", root).code == 0, name


def test_something_else_than_a_file(root: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "sites.xlsx").write_bytes(b"PK")
    assert "nowhere.csv" in refused(root, "2A-IN-001", *ingest(tmp_path / "nowhere.csv"))
    assert "folder.csv is not a" in refused(root, "2A-IN-001", *ingest(tmp_path / "folder.csv"))
    assert ".csv" in refused(root, "2A-IN-002", *ingest(tmp_path / "sites.xlsx"))


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ("merchant_id=shop", "2A-IN-004"),
        ("merchant=merchant_id", "2A-IN-005"),
        ("lon_deg=lat_deg", "2A-IN-005"),
    ],
)
def test_a_column_mapping_that_does_not_fit(
    root: Path, tmp_path: Path, columns: str, code: str
) -> None:
    (tmp_path / "sites.csv").write_text(SITES_CSV)
    refused(root, code, *ingest(tmp_path / "sites.csv"), "--columns", columns)
