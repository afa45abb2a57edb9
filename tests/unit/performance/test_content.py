"""What files say: a changed writer is told from changed data, on a real run's files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.conftest import Small

from civiltime.performance.content import contents, table_content
from civiltime.workspace.bundle import seal_2a
from civiltime.workspace.digest import sha256_file
from civiltime.workspace.publish import people_json


@pytest.fixture
def data(small_run: Small) -> Path:
    """What a run published."""
    return small_run.folder / "data"


def one(data: Path, pattern: str) -> Path:
    (path,) = data.rglob(pattern)
    return path


def reseal(data: Path) -> None:
    """Egress checksums, index and flag anew, as S5 would over other bytes."""
    egress = one(data, "egress_checksums.json")
    stated = json.loads(egress.read_bytes())
    for path, entry in stated.items():
        file = data.parent / path
        entry |= {"sha256_hex": sha256_file(file), "size_bytes": file.stat().st_size}
    egress.write_bytes(people_json(stated))
    bundle = egress.parent
    names = [p for p in bundle.rglob("*") if p.is_file() and p.name[:5] not in {"_pass", "index"}]
    sealed = seal_2a({p.relative_to(bundle).as_posix(): p.read_bytes() for p in names})
    for path, raw in sealed.items():
        (bundle / path).write_bytes(raw)


def rewritten(data: Path, change: pa.Table | None = None) -> None:
    path = one(data, "site_timezones/**/*.parquet")
    table = pq.read_table(path, partitioning=None) if change is None else change
    pq.write_table(table, path, compression="gzip", row_group_size=5, use_dictionary=False)
    reseal(data)


def test_another_writer_says_the_same_down_to_the_flag(data: Path, tmp_path: Path) -> None:
    before = contents(Path(shutil.copytree(data, tmp_path / "before")))
    files = {p: p.read_bytes() for p in data.rglob("*") if p.is_file()}
    rewritten(data)
    changed = {p.name for p, raw in files.items() if p.read_bytes() != raw}
    assert changed == {"part-00000.parquet", "egress_checksums.json", "index.json", "_passed.flag"}
    assert contents(data) == before


@pytest.mark.parametrize("column", ["tzid", "site_order", "nudge_lat_deg"])
def test_another_value_says_something_else(data: Path, column: str) -> None:
    before = contents(data)
    path = one(data, "site_timezones/**/*.parquet")
    table = pq.read_table(path, partitioning=None)
    values = table[column].combine_chunks()
    first = "Europe/Rome" if column == "tzid" else 7
    values = pa.concat_arrays([pa.array([first], values.type), values[1:]])
    rewritten(data, table.set_column(table.schema.names.index(column), column, values))
    differing = {Path(p).name for p, said in contents(data).items() if before[p] != said}
    assert differing == {"part-00000.parquet"}


def test_rows_names_types_and_order_count(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([1, 2, None], pa.int32()), "b": ["x", "y", "x"]})
    variants = [
        table,
        table.take(pa.array([1, 0, 2])),
        table.slice(0, 2),
        table.rename_columns(["a", "c"]),
        table.select(["b", "a"]),
        table.set_column(0, "a", table["a"].cast(pa.int64())),
        table.set_column(0, "a", pc.fill_null(table["a"], 0)),
    ]
    said = set()
    for n, variant in enumerate(variants):
        pq.write_table(variant, tmp_path / f"{n}.parquet")
        said.add(table_content(tmp_path / f"{n}.parquet"))
    assert len(said) == len(variants)


def test_how_it_is_stored_does_not_count(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, 3], "b": ["x", "y", "x"]})
    encoded = table.set_column(1, "b", table["b"].dictionary_encode())
    other = table.replace_schema_metadata({"who": "another writer"})
    paths = [tmp_path / f"{n}.parquet" for n in range(4)]
    pq.write_table(table, paths[0])
    pq.write_table(table, paths[1], compression="none", row_group_size=1, use_dictionary=False)
    pq.write_table(encoded, paths[2])
    pq.write_table(other, paths[3], data_page_size=1)
    assert len({path.read_bytes() for path in paths}) == 4
    assert len({table_content(path) for path in paths}) == 1


def test_a_digest_of_nothing_here_is_only_text(data: Path) -> None:
    """Only what this run published may be named by another digest."""
    before = contents(data)
    path = one(data, "s0_gate_receipt.json")
    document = json.loads(path.read_bytes())
    document["flag_sha256_hex"] = "0" * 64
    path.write_bytes(people_json(document))
    name = path.relative_to(data).as_posix()
    assert contents(data)[name] != before[name]
