"""Tables on disk: the same rows give the same bytes, however they come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civiltime.errors import Invalid
from civiltime.workspace.shape import arrow_schema
from civiltime.workspace.tables import open_batches, part_name, table_files, write_table

REF = "site_timezones"


def rows(n: int) -> pa.Table:
    """``n`` rows of ``site_timezones`` with repeated texts and nulls."""
    index = np.arange(n)
    zones = np.array(["Europe/Oslo", "Asia/Tokyo", "Africa/Lagos"])[(index * 7 // 3) % 3]
    scope = [None if i % 4 else "site" for i in range(n)]
    columns = {
        "seed": pa.array(np.full(n, 2**64 - 1, np.uint64)),
        "manifest_fingerprint": pa.array(["ab" * 32] * n, pa.utf8()),
        "merchant_id": pa.array(index.astype(np.uint64) + 1),
        "legal_country_iso": pa.array(["NO"] * n, pa.utf8()),
        "site_order": pa.array(np.ones(n, np.int32)),
        "tzid": pa.array(zones.tolist(), pa.utf8()),
        "tzid_source": pa.array(["polygon"] * n, pa.utf8()),
        "override_scope": pa.array(scope, pa.utf8()),
        "nudge_lat_deg": pa.nulls(n, pa.float64()),
        "nudge_lon_deg": pa.nulls(n, pa.float64()),
        "created_utc": pa.array(["2026-01-01T00:00:00.000000Z"] * n, pa.utf8()),
    }
    schema = arrow_schema(REF)
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def written(table: pa.Table, folder: Path, batch: int = 1000, **cut: int) -> list[bytes]:
    assert write_table(table.to_batches(batch), REF, folder, **cut) == len(table)
    return [path.read_bytes() for path in table_files(folder)]


def test_files_and_row_groups_are_cut_by_row_count_alone(tmp_path: Path) -> None:
    parts = written(rows(25), tmp_path / "a", batch=7, rows_per_file=10, rows_per_group=4)
    names = [path.name for path in table_files(tmp_path / "a")]
    assert (
        names
        == [part_name(0), part_name(1), part_name(2)]
        == [
            "part-00000.parquet",
            "part-00001.parquet",
            "part-00002.parquet",
        ]
    )
    groups = []
    for path in table_files(tmp_path / "a"):
        metadata = pq.read_metadata(path)
        groups.append([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)])
    assert groups == [[4, 4, 2], [4, 4, 2], [4, 1]]
    assert written(rows(25), tmp_path / "b", batch=25, rows_per_file=10, rows_per_group=4) == parts


def test_a_full_file_is_not_followed_by_an_empty_one(tmp_path: Path) -> None:
    assert len(written(rows(20), tmp_path / "a", rows_per_file=10, rows_per_group=5)) == 2


def test_pages_do_not_show_how_the_batches_were_cut(tmp_path: Path) -> None:
    table = rows(50_000)
    assert written(table, tmp_path / "a", batch=50_000) == written(table, tmp_path / "b", batch=997)


def test_plain_and_dictionary_columns_give_the_same_bytes(tmp_path: Path) -> None:
    table = rows(50)
    plain = written(table, tmp_path / "plain")
    index = table.column_names.index("tzid")
    backwards = pa.DictionaryArray.from_arrays(
        pa.array(
            [
                {"Europe/Oslo": 3, "Asia/Tokyo": 0, "Africa/Lagos": 1}[z]
                for z in table["tzid"].to_pylist()
            ],
            pa.int8(),
        ),
        ["Asia/Tokyo", "Africa/Lagos", "not/used", "Europe/Oslo"],
    )
    encoded = table.set_column(index, "tzid", backwards)
    assert written(encoded, tmp_path / "encoded") == plain
    large = table.set_column(index, "tzid", table["tzid"].cast(pa.large_utf8()))
    assert written(large, tmp_path / "large") == plain


def test_batches_need_not_agree_how_they_encode_a_text(tmp_path: Path) -> None:
    table = rows(12)
    plain = written(table, tmp_path / "plain")
    index = table.column_names.index("tzid")
    encoded = table.set_column(index, "tzid", table["tzid"].dictionary_encode())
    batches = [*table.slice(0, 5).to_batches(), *encoded.slice(5).to_batches()]
    write_table(batches, REF, tmp_path / "mixed")
    assert (tmp_path / "mixed" / part_name(0)).read_bytes() == plain[0]


def test_a_dictionary_that_repeats_a_value_or_holds_a_null_gives_the_same_bytes(
    tmp_path: Path,
) -> None:
    table = rows(8)
    plain = written(table, tmp_path / "plain")
    index = table.column_names.index("override_scope")
    odd = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None, 1, 2, 1, 1, None], pa.int32()), pa.array(["site", None, "site"])
    )
    assert written(table.set_column(index, "override_scope", odd), tmp_path / "odd") == plain


def test_nothing_but_rows_goes_into_a_file(tmp_path: Path) -> None:
    table = rows(3).replace_schema_metadata({"pandas": "{}", "host": "mine"})
    written(table, tmp_path / "a")
    assert pq.read_metadata(tmp_path / "a" / part_name(0)).metadata is None


def test_texts_and_the_seed_are_dictionary_encoded_and_numbers_are_not(tmp_path: Path) -> None:
    written(rows(100), tmp_path / "a")
    group = pq.read_metadata(tmp_path / "a" / part_name(0)).row_group(0)
    for i in range(group.num_columns):
        column = group.column(i)
        repeated = column.physical_type == "BYTE_ARRAY" or column.path_in_schema == "seed"
        assert column.has_dictionary_page == repeated
        assert column.compression == "ZSTD"


def test_a_table_without_rows_is_one_file(tmp_path: Path) -> None:
    assert write_table([], REF, tmp_path / "a") == 0
    (path,) = table_files(tmp_path / "a")
    assert pq.read_metadata(path).num_rows == 0
    assert list(open_batches(tmp_path / "a", REF)) == []


def test_rows_come_back_in_order_with_the_contracts_types(tmp_path: Path) -> None:
    table = rows(25)
    written(table, tmp_path / "a", rows_per_file=10, rows_per_group=4)
    batches = list(open_batches(tmp_path / "a", REF, 6))
    assert [b.num_rows for b in batches] == [6, 4, 6, 4, 5]
    assert pa.Table.from_batches(batches).equals(table)
    encoded = list(open_batches(tmp_path / "a", REF, dictionary=True))
    assert all(pa.types.is_dictionary(b.column("tzid").type) for b in encoded)
    assert [z for b in encoded for z in b.column("tzid").to_pylist()] == table["tzid"].to_pylist()


def test_a_null_where_none_may_be_is_refused(tmp_path: Path) -> None:
    table = rows(3)
    index = table.column_names.index("tzid")
    table = table.set_column(index, "tzid", pa.array(["A/B", None, "A/B"], pa.utf8()))
    with pytest.raises(Invalid, match="tzid has a null"):
        write_table(table.to_batches(), REF, tmp_path)


def test_a_wrong_column_is_refused_when_writing_and_when_reading(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="lacks tzid"):
        write_table(rows(3).drop_columns("tzid").to_batches(), REF, tmp_path / "a")
    (tmp_path / "b").mkdir()
    pq.write_table(rows(3).append_column("note", pa.array(["x"] * 3)), tmp_path / "b" / "p.parquet")
    with pytest.raises(Invalid, match="undeclared note"):
        list(open_batches(tmp_path / "b", REF))


def test_marks_of_other_writers_are_skipped_and_strangers_refused(tmp_path: Path) -> None:
    written(rows(1), tmp_path)
    (tmp_path / "_SUCCESS").touch()
    assert [p.name for p in table_files(tmp_path)] == [part_name(0)]
    (tmp_path / "notes.txt").touch()
    with pytest.raises(Invalid, match=r"notes\.txt"):
        table_files(tmp_path)


@pytest.mark.parametrize("folder", ["", "missing"])
def test_a_folder_without_a_parquet_file_is_no_table(tmp_path: Path, folder: str) -> None:
    with pytest.raises(Invalid):
        table_files(tmp_path / folder)


def test_a_torn_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / part_name(0)).write_bytes(b"PAR1")
    with pytest.raises(Invalid, match=part_name(0)):
        list(open_batches(tmp_path, REF))
