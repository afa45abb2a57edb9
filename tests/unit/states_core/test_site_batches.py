"""Sites in the order of their key: what is found doesn't depend on how a table is cut."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civiltime.errors import Invalid
from civiltime.states.precedence import Sites, country_iso
from civiltime.states.site_batches import (
    NotInOrderError,
    country_numbers,
    key_breaks,
    ordered_batches,
    sorted_batches,
)
from civiltime.workspace.shape import arrow_schema

Row = tuple[int, str, int]
CUTS = [1, 2, 3, 5, 100]
GOOD: list[Row] = [
    (1, "DE", 1),
    (1, "DE", 2),
    (1, "NA", 1),
    (2, "AA", 1),
    (2**64 - 1, "ZZ", 1),
    (2**64 - 1, "ZZ", 2),
]


@pytest.fixture
def partition(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as a partition in the order in which they are given."""

    def write(rows: list[Row], lon: float = 8.5) -> Path:
        schema = arrow_schema("site_locations")
        columns = [
            [r[0] for r in rows],
            [r[1] for r in rows],
            [r[2] for r in rows],
            [lon] * len(rows),
            [47.0] * len(rows),
        ]
        names = ["merchant_id", "legal_country_iso", "site_order", "lon_deg", "lat_deg"]
        arrays = {n: pa.array(c, schema.field(n).type) for n, c in zip(names, columns, strict=True)}
        table = pa.Table.from_arrays([arrays[f.name] for f in schema], schema=schema)
        folder = tmp_path / "partition"
        folder.mkdir()
        pq.write_table(table, folder / "part-00000.parquet")
        return folder

    return write


def keys(batches: list[Sites]) -> list[Row]:
    return [
        (int(m), country_iso(int(c)), int(n))
        for b in batches
        for m, c, n in zip(b.merchant_id, b.country, b.site_order, strict=True)
    ]


@pytest.mark.parametrize("rows", CUTS)
def test_rows_in_order_are_streamed_whole(partition: Callable[..., Path], rows: int) -> None:
    folder = partition(GOOD)
    assert keys(list(ordered_batches(folder, rows))) == GOOD
    assert keys(list(sorted_batches(folder, rows, folder.parent / "scratch"))) == GOOD


@pytest.mark.parametrize("rows", CUTS)
@pytest.mark.parametrize(
    "order",
    [
        [1, 0, 2, 3, 4, 5],  # the second site of a group before the first
        [0, 2, 1, 3, 4, 5],  # a group that comes back
        [3, 0, 1, 2, 4, 5],  # a merchant too late
        [5, 4, 3, 2, 1, 0],
    ],
)
def test_rows_out_of_order_are_sorted_wherever_a_batch_ends(
    partition: Callable[..., Path], order: list[int], rows: int
) -> None:
    folder = partition([GOOD[i] for i in order])
    with pytest.raises(NotInOrderError):
        list(ordered_batches(folder, rows))
    assert keys(list(sorted_batches(folder, rows, folder.parent / "scratch"))) == GOOD


def test_rows_are_sorted_by_the_unsigned_merchant_and_the_letters_of_the_country(
    partition: Callable[..., Path],
) -> None:
    folder = partition([(2**63, "AA", 1), (2**63 - 1, "ZZ", 1), (2**63 - 1, "AZ", 1)])
    found = keys(list(sorted_batches(folder, 2, folder.parent / "scratch")))
    assert found == [(2**63 - 1, "AZ", 1), (2**63 - 1, "ZZ", 1), (2**63, "AA", 1)]


def finding(folder: Path, rows: int) -> Invalid:
    """What is refused in the end, sorted where need be."""
    try:
        list(ordered_batches(folder, rows))
    except Invalid as found:
        return found
    except NotInOrderError:
        with pytest.raises(Invalid) as caught:
            list(sorted_batches(folder, rows, folder.parent / "scratch"))
        return caught.value
    raise AssertionError("nothing was refused")


@pytest.mark.parametrize("rows", CUTS)
@pytest.mark.parametrize("turn", [1, -1])
def test_a_missing_site_is_named_with_what_was_expected(
    partition: Callable[..., Path], rows: int, turn: int
) -> None:
    for missing, said in ((1, "1|DE|3 should be 2"), (0, "1|DE|2 should be 1")):
        group = [(1, "DE", n) for n in (1, 2, 3) if n != missing + 1]
        folder = partition([*group, *GOOD[2:]][::turn])
        found = finding(folder, rows)
        assert found.code == "056"
        assert said in found.message
        (folder / "part-00000.parquet").unlink()
        folder.rmdir()


@pytest.mark.parametrize("rows", CUTS)
@pytest.mark.parametrize("turn", [1, -1])
def test_a_key_that_stands_twice_is_named(
    partition: Callable[..., Path], rows: int, turn: int
) -> None:
    found = finding(partition([*GOOD[:4], GOOD[3], *GOOD[4:]][::turn]), rows)
    assert found.code == "051"
    assert found.message == "1 keys stand more than once: 2|AA|1"


@pytest.mark.parametrize(
    ("row", "lon"),
    [
        ((0, "DE", 1), 8.5),
        ((1, "de", 1), 8.5),
        ((1, "DEU", 1), 8.5),
        ((1, "DE", 0), 8.5),
        ((1, "DE", 1), float("nan")),
        ((1, "DE", 1), 180.1),
    ],
)
def test_a_row_that_can_not_be_used_is_refused(
    partition: Callable[..., Path], row: Row, lon: float
) -> None:
    assert finding(partition([row], lon), 1).code == "056"


def test_no_rows_are_no_batches(partition: Callable[..., Path]) -> None:
    folder = partition([])
    assert (
        list(ordered_batches(folder, 10)) == list(sorted_batches(folder, 10, folder.parent)) == []
    )


def test_countries_are_numbers_whatever_their_column_looks_like() -> None:
    column = pa.array(["AA", "AB", "ZZ", "GB"])
    expected = [0, 1, 675, 26 * 6 + 1]
    assert country_numbers(column).tolist() == expected
    assert country_numbers(column.dictionary_encode()).tolist() == expected
    assert country_numbers(column.slice(1, 2)).tolist() == [1, 675]
    assert country_numbers(column.slice(0, 0)).tolist() == []
    assert country_numbers(column).dtype == np.int32


def test_key_breaks_are_counted_across_batches() -> None:
    def batch(*rows: Row) -> Sites:
        from civiltime.states.precedence import country_number

        return Sites(
            np.array([r[0] for r in rows], np.uint64),
            np.array([country_number(r[1]) for r in rows], np.int32),
            np.array([r[2] for r in rows], np.int32),
            np.zeros(len(rows)),
            np.zeros(len(rows)),
        )

    assert key_breaks(batch(), None) == (0, 0, None)
    first = key_breaks(batch((1, "AA", 1), (1, "AA", 1), (1, "AA", 3)), None)
    assert first == (0, 1, (1, 0, 3))
    assert key_breaks(batch((1, "AA", 2), (1, "AA", 2)), first[2]) == (1, 1, (1, 0, 2))
    assert key_breaks(batch((1, "AA", 3)), first[2])[:2] == (0, 1)
    assert key_breaks(batch(), first[2]) == (0, 0, first[2])
