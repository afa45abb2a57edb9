"""Sites from files: exactly what they say, or the place and the rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civiltime.errors import Invalid
from civiltime.reference.site_rows import iso_codes, key_problems, row_problems
from civiltime.reference.sites import check_rows, last_key, read_sites
from civiltime.workspace.shape import arrow_schema

HEADER = "merchant_id,legal_country_iso,site_order,lon_deg,lat_deg"
GOOD = ["7,NA,1,17.1,-22.5", "7,DE,2,13.4,52.5", "7,DE,1,11.5,48.1"]


def csv(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "sites.csv"
    path.write_bytes("\n".join([header, *lines, ""]).encode())
    return path


def refused(path: Path, **options: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read_sites(path, **options)
    return caught.value


# What comes in


def test_a_csv_is_read_exactly_and_sorted_by_key(tmp_path: Path) -> None:
    lines = [*GOOD, "18446744073709551615,GB,1,-0.12345678901234568,51.50000000000001"]
    table = read_sites(csv(tmp_path, *lines))
    assert table.schema.equals(arrow_schema("site_locations"))
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (7, "DE", 1, 11.5, 48.1),
        (7, "DE", 2, 13.4, 52.5),
        (7, "NA", 1, 17.1, -22.5),
        (2**64 - 1, "GB", 1, -0.12345678901234568, 51.50000000000001),
    ]


def test_a_byte_order_mark_and_windows_line_ends_are_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([HEADER, *GOOD, ""]).encode())
    assert len(read_sites(path)) == 3


def test_columns_may_stand_in_any_order_and_be_quoted(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        '52.5,"7","DE",1,13.4',
        header="lat_deg,merchant_id,legal_country_iso,site_order,lon_deg",
    )
    assert read_sites(path).to_pylist()[0]["lat_deg"] == 52.5


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = csv(tmp_path, *GOOD, header="shop,country,n,x,y")
    names = {"merchant_id": "shop", "legal_country_iso": "country", "site_order": "n"}
    names |= {"lon_deg": "x", "lat_deg": "y"}
    assert len(read_sites(path, names)) == 3


def test_more_columns_are_dropped_only_when_told(tmp_path: Path) -> None:
    path = csv(tmp_path, "7,DE,1,11.5,48.1,Marienplatz", header=f"{HEADER},street")
    assert refused(path).code == "005"
    assert read_sites(path, ignore_extra=True).num_columns == 5


def parquet(folder: Path, **columns: pa.Array) -> Path:
    good = {
        "merchant_id": pa.array([7, 7, 9], pa.int64()),
        "legal_country_iso": pa.array(["DE", "DE", "FR"]).dictionary_encode(),
        "site_order": pa.array([1, 2, 1], pa.int16()),
        "lon_deg": pa.array([1.5, 2.5, 3.5], pa.float32()),
        "lat_deg": pa.array([1.0, 2.0, 3.0]),
    }
    path = folder / "sites.parquet"
    pq.write_table(pa.table(good | columns), path)
    return path


def test_a_parquet_file_with_narrower_types_is_widened(tmp_path: Path) -> None:
    table = read_sites(parquet(tmp_path))
    assert table.schema.equals(arrow_schema("site_locations"))
    assert table["lon_deg"].to_pylist() == [1.5, 2.5, 3.5]


def geojson(folder: Path, *features: Any, **top: Any) -> Path:
    path = folder / "sites.geojson"
    document = {"type": "FeatureCollection", "features": list(features), **top}
    path.write_text(json.dumps(document), "utf-8")
    return path


def point(lon: Any, lat: Any, merchant: Any = 7, order: Any = 1, **more: Any) -> dict[str, Any]:
    properties = {"merchant_id": merchant, "legal_country_iso": "DE", "site_order": order, **more}
    geometry = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def test_a_geojson_is_read_exactly(tmp_path: Path) -> None:
    path = geojson(tmp_path, point(13, 52.123456789012345, 2**64 - 1), point(-0.1, 51.5))
    assert [tuple(row.values()) for row in read_sites(path).to_pylist()] == [
        (7, "DE", 1, -0.1, 51.5),
        (2**64 - 1, "DE", 1, 13.0, 52.123456789012345),
    ]


# What can't be read


def test_a_missing_file_is_001(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.csv").code == "001"


def write(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


@pytest.mark.parametrize(
    "make",
    [
        write("s.xlsx", b"PK"),
        write("s.csv", HEADER.encode() + b"\n7,D\xc9,1,1,1\n"),
        write("s.csv", ("\ufeff" + HEADER).encode("utf-16-le")),
        write("s.csv", HEADER.encode() + b"\n7,DE,1,1\n"),
        write("s.csv", b"lat_deg," + HEADER.encode() + b"\n1,7,DE,1,1,1\n"),
        write("s.parquet", b"PAR1 torn"),
        write("s.geojson", b'{"type": "FeatureCollection", "features": ['),
        write("s.geojson", b'{"type": "Feature"}'),
        write("s.geojson", b'{"type": "FeatureCollection", "features": {}}'),
        lambda folder: geojson(folder, point(float("nan"), 1)),
        lambda folder: geojson(folder, {**point(1, 1), "geometry": None}),
        lambda folder: geojson(folder, point([1], 1)),
        lambda folder: geojson(
            folder, {**point(1, 1), "geometry": {"type": "LineString", "coordinates": [[1, 1]]}}
        ),
        lambda folder: geojson(folder, point(1, 1), crs={"properties": {"name": "EPSG:3857"}}),
    ],
)
def test_a_file_that_cannot_be_read_is_002(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    error = refused(make(tmp_path))
    assert error.code == "002"
    assert str(tmp_path) not in error.message


def test_a_line_with_too_few_values_says_how_many(tmp_path: Path) -> None:
    assert "4 values, the header has 5" in refused(csv(tmp_path, "7,DE,1,1")).message


@pytest.mark.parametrize(
    "make",
    [
        write("s.csv", b""),
        write("s.csv", b"\n\n"),
        csv,
        geojson,
        lambda folder: parquet(
            folder,
            **{
                n: pa.array([], t)
                for n, t in zip(
                    arrow_schema("site_locations").names,
                    arrow_schema("site_locations").types,
                    strict=True,
                )
            },
        ),
    ],
)
def test_no_site_is_003(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    assert refused(make(tmp_path)).code == "003"


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: csv(
            folder, "7,DE,1,1", header="merchant_id,legal_country_iso,lon_deg,lat_deg"
        ),
        lambda folder: csv(folder, "7;DE;1;1;1", header=HEADER.replace(",", ";")),
        lambda folder: geojson(
            folder, {**point(1, 1), "properties": {"merchant_id": 1, "legal_country_iso": "DE"}}
        ),
    ],
)
def test_a_missing_column_is_004_and_nothing_is_guessed(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    assert refused(make(tmp_path)).code == "004"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"shop": "merchant_id"}, "names 'shop'"),
        ({"merchant_id": "site_order"}, "one source column twice"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_005(
    tmp_path: Path, columns: dict[str, str], message: str
) -> None:
    error = refused(csv(tmp_path, *GOOD), columns=columns)
    assert (error.code, message in error.message) == ("005", True)


# Types


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("m7,DE,1,1,1", "merchant_id"),
        ("-7,DE,1,1,1", "merchant_id"),
        ("7.0,DE,1,1,1", "merchant_id"),
        ("18446744073709551616,DE,1,1,1", "merchant_id"),
        ("7,DE,2147483648,1,1", "site_order"),
        ('7,DE,1,"1,5",1', "lon_deg"),
        ("7,DE,1,1,north", "lat_deg"),
    ],
)
def test_a_value_of_the_wrong_type_is_006_with_its_line(
    tmp_path: Path, line: str, column: str
) -> None:
    error = refused(csv(tmp_path, "9,DE,1,1,1", "", "10,DE,1,1,1", line, "x,y,z,u,v"))
    assert (error.code, error.context["place"]) == ("006", "line 5")
    assert error.context["column"] == column


@pytest.mark.parametrize(
    "columns",
    [
        {"merchant_id": pa.array(["7", "8", "9"])},
        {"merchant_id": pa.array([7.0, 8.0, 9.0])},
        {"merchant_id": pa.array([7, -8, 9])},
        {"site_order": pa.array([1, 2, 2**31])},
        {"legal_country_iso": pa.array([1, 2, 3])},
        {"lon_deg": pa.array(["1", "2", "3"])},
        {"lat_deg": pa.array([1, 2, 3])},
    ],
)
def test_a_parquet_column_of_another_kind_is_006(
    tmp_path: Path, columns: dict[str, pa.Array]
) -> None:
    error = refused(parquet(tmp_path, **columns))
    assert (error.code, error.context["column"]) == ("006", next(iter(columns)))


@pytest.mark.parametrize(
    "features",
    [
        [point(1, 1, "7")],
        [point(1, 1, 7), point(1, 1, "8")],
        [point(1, 1, 2**64)],
        [point(1, 1, 7.5)],
        [point(1, 1, True)],
    ],
)
def test_a_geojson_property_of_another_kind_is_006(
    tmp_path: Path, features: list[dict[str, Any]]
) -> None:
    assert refused(geojson(tmp_path, *features)).code == "006"


# Rows


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("0,DE,1,1,1", "merchant_id"),
        (",DE,1,1,1", "merchant_id"),
        ("7,de,1,1,1", "legal_country_iso"),
        ("7,DEU,1,1,1", "legal_country_iso"),
        ("7,,1,1,1", "legal_country_iso"),
        ("7, DE,1,1,1", "legal_country_iso"),
        ("7,D1,1,1,1", "legal_country_iso"),
        ("7,DE,0,1,1", "site_order"),
        ("7,DE,-1,1,1", "site_order"),
        ("7,DE,,1,1", "site_order"),
        ("7,DE,1,nan,1", "finite"),
        ("7,DE,1,1,inf", "finite"),
        ("7,DE,1,,1", "finite"),
        ("7,DE,1,180.00000000000003,1", "range"),
        ("7,DE,1,1,-90.00000000000001", "range"),
        ("7,DE,2,1,1", "gap"),
    ],
)
def test_a_bad_row_is_056_with_its_line_and_rule(tmp_path: Path, line: str, rule: str) -> None:
    error = refused(csv(tmp_path, "9,DE,1,1,1", line))
    assert error.code == "2A-S1-056"
    assert error.context["rows_by_rule"] == {rule: 1}
    assert "line 3 (" in error.message


def test_the_edges_of_the_world_are_in_it(tmp_path: Path) -> None:
    assert len(read_sites(csv(tmp_path, "1,DE,1,180,90", "1,DE,2,-180,-90"))) == 2


def test_a_key_that_stands_twice_is_051_with_the_later_line(tmp_path: Path) -> None:
    error = refused(csv(tmp_path, "7,DE,1,1,1", "7,DE,2,1,1", "7,DE,1,5,5"))
    assert error.code == "2A-S1-051"
    assert "line 4 (7|DE|1): the key stands twice" in error.message


def test_a_gap_is_found_within_merchant_and_country(tmp_path: Path) -> None:
    error = refused(csv(tmp_path, "7,DE,1,1,1", "7,FR,3,1,1", "7,FR,1,1,1", "8,DE,1,1,1"))
    assert "line 3 (7|FR|3): site_order must count" in error.message


def test_at_most_five_rows_are_named_and_no_coordinate(tmp_path: Path) -> None:
    error = refused(csv(tmp_path, *[f"0,DE,{i},77.125,1" for i in range(1, 1001)]))
    assert error.message.count("line ") == 5
    assert "1,000 rows can't be used" in error.message
    assert "and 995 more" in error.message
    assert "77.125" not in error.message


def test_rows_of_other_files_are_named_as_they_count(tmp_path: Path) -> None:
    assert "row 2 (" in refused(parquet(tmp_path, lat_deg=pa.array([1.0, 91.0, 1.0]))).message
    assert "feature 1 (" in refused(geojson(tmp_path, point(181, 1))).message


def test_nulls_in_parquet_and_geojson_are_bad_rows(tmp_path: Path) -> None:
    nothing = pa.array([1.0, None, 1.0])
    assert refused(parquet(tmp_path, lat_deg=nothing)).code == "2A-S1-056"
    assert refused(geojson(tmp_path, point(1, 1), point(1, 1, None))).code == "2A-S1-056"
    assert refused(geojson(tmp_path, point(1, 1, None))).code == "2A-S1-056"


# The rules themselves


def sites(*keys: tuple[int, str, int]) -> pa.Table:
    merchant, iso, order = zip(*keys, strict=True)
    columns = [merchant, iso, order, [0.0] * len(keys), [0.0] * len(keys)]
    schema = arrow_schema("site_locations")
    return pa.Table.from_arrays(
        [pa.array(c, t) for c, t in zip(columns, schema.types, strict=True)], schema=schema
    )


def test_good_rows_in_key_order_pass() -> None:
    check_rows(sites((1, "DE", 1), (1, "DE", 2), (1, "FR", 1), (2, "AA", 1)))


@pytest.mark.parametrize("later", [(2, "DE", 1), (2, "AT", 9), (1, "ZZ", 9)])
def test_rows_out_of_key_order_are_named(later: tuple[int, str, int]) -> None:
    with pytest.raises(Invalid, match=r"row 3 .* key order"):
        check_rows(sites((2, "DE", 1), (2, "DE", 2), later))


def iso(code: str) -> int:
    return int(iso_codes(pa.array([code]))[0])


def test_batches_are_checked_against_the_row_before_them() -> None:
    first, then = sites((1, "DE", 1), (1, "DE", 2)), sites((1, "DE", 3), (1, "FR", 1))
    check_rows(first)
    check_rows(then, previous=last_key(first))
    with pytest.raises(Invalid, match="gaps"):
        check_rows(then)
    with pytest.raises(Invalid, match="twice"):
        check_rows(sites((1, "DE", 2)), previous=last_key(first))
    with pytest.raises(Invalid, match="key order"):
        check_rows(first, previous=last_key(then))


def test_iso_codes_keep_the_order_of_the_letters() -> None:
    column = pa.chunked_array([["AA", "AB", "ZZ"], ["aa", "A", None, "AÄ", "NA"]])
    assert iso_codes(column).tolist() == [0, 1, 675, -1, -1, -1, -1, 13 * 26]
    assert iso_codes(column.dictionary_encode()).tolist() == iso_codes(column).tolist()


def test_no_row_has_no_problem() -> None:
    empty = sites((1, "DE", 1)).slice(0, 0)
    assert not any(mask.any() for mask in row_problems(empty).values())
    nothing = np.empty(0, np.uint64)
    masks = key_problems(nothing, np.empty(0, np.int32), np.empty(0, np.int32), None)
    assert [mask.tolist() for mask in masks] == [[], [], []]
