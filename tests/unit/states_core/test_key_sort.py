"""Sorting by key in fixed memory: the same rows, in order, however small the buckets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from civiltime.reference.site_rows import KEY
from civiltime.states.key_sort import sorted_rows
from civiltime.workspace.shape import arrow_schema


@pytest.fixture
def shuffled(tmp_path: Path) -> tuple[Path, pl.DataFrame]:
    """2,000 rows of 150 merchants in two files, in no order; and the rows sorted."""
    rng = np.random.default_rng(5)
    merchant = rng.integers(1, 151, 2_000).astype(np.uint64) * np.uint64(2**56)
    iso = rng.choice(["DE", "GB", "ZA"], 2_000)
    frame = pl.DataFrame(
        {
            "merchant_id": merchant,
            "legal_country_iso": iso,
            "site_order": np.arange(2_000, dtype=np.int32) + 1,
            "lon_deg": rng.uniform(-180, 180, 2_000),
            "lat_deg": rng.uniform(-90, 90, 2_000),
        }
    )
    folder = tmp_path / "partition"
    folder.mkdir()
    table = pa.Table.from_pylist(frame.to_dicts(), arrow_schema("site_locations"))
    pq.write_table(table.slice(0, 700), folder / "part-00000.parquet")
    pq.write_table(table.slice(700), folder / "part-00001.parquet", row_group_size=300)
    return folder, frame.sort(KEY)


@pytest.mark.parametrize("bucket_rows", [1, 10, 300, 1_999, 2_000, 5_000])
@pytest.mark.parametrize("batch_rows", [1, 64, 5_000])
def test_any_bucket_size_gives_the_sorted_rows(
    shuffled: tuple[Path, pl.DataFrame], tmp_path: Path, bucket_rows: int, batch_rows: int
) -> None:
    folder, expected = shuffled
    batches = list(sorted_rows(folder, tmp_path / "scratch", batch_rows, bucket_rows))
    assert max(b.num_rows for b in batches) <= batch_rows
    found = pl.DataFrame(pa.Table.from_batches(batches)).select(expected.columns)
    assert found.equals(expected)


def test_what_waited_on_disk_is_gone(shuffled: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    folder, _ = shuffled
    list(sorted_rows(folder, tmp_path / "scratch", 100, 100))
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_merchant_longer_than_a_bucket_stays_whole(tmp_path: Path) -> None:
    folder = tmp_path / "partition"
    folder.mkdir()
    rows = [
        {
            "merchant_id": 7,
            "legal_country_iso": "GB",
            "site_order": n,
            "lon_deg": 0.0,
            "lat_deg": 5.0,
        }
        for n in range(50, 0, -1)
    ]
    table = pa.Table.from_pylist(rows, arrow_schema("site_locations"))
    pq.write_table(table, folder / "part-00000.parquet")
    batches = list(sorted_rows(folder, tmp_path / "scratch", 100, 8))
    assert [n for b in batches for n in b.column("site_order").to_pylist()] == list(range(1, 51))
