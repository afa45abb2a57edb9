"""Tables on disk: the same rows give the same Parquet bytes (specification 2.3).

The law: one writer with fixed settings.  Files and row groups are cut by the number of
rows of the key-ordered stream, never by how the incoming batches happen to be cut;
string columns are dictionary-encoded in the order in which their values first appear in
the row group, whether they came in plain or as dictionaries.  No Arrow schema, no pandas
metadata, no clock and no path goes into a file.

A table is a folder of ``part-00000.parquet``, ``part-00001.parquet`` ...; a table without
rows is one file without rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from civiltime.errors import Invalid
from civiltime.workspace.shape import arrow_schema, check_columns

ROWS_PER_FILE = 1 << 22
ROWS_PER_GROUP = 1 << 17
COMPRESSION_LEVEL = 1
DATA_PAGE_BYTES = 1 << 20
STATISTICS = ("seed", "manifest_fingerprint", "created_utc", "merchant_id")
"""What readers prune and verify by: the identity of the rows, and the head of their key."""
CONSTANT = ("seed",)
"""Number columns with one value a table: as a dictionary they cost next to nothing."""


def part_name(number: int) -> str:
    """The name of a table's file; part numbers count from 0."""
    return f"part-{number:05d}.parquet"


def write_table(
    batches: Iterable[pa.RecordBatch],
    schema_ref: str,
    folder: Path,
    *,
    rows_per_file: int = ROWS_PER_FILE,
    rows_per_group: int = ROWS_PER_GROUP,
) -> int:
    """Write a key-ordered stream of batches as the files of a table; returns the row count.

    ``folder`` is made if it isn't there; the columns must be those of ``schema_ref``, in
    any order.  Raises :class:`Invalid` for a wrong column, and for a null in a column
    that has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = _Files(folder, schema_ref, rows_per_file)
    # Encoding and compression run beside whatever makes the batches; order is kept, and at
    # most two row groups wait.
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: deque[Future[None]] = deque()
        try:
            for group in _groups(batches, schema_ref, rows_per_file, rows_per_group):
                if len(waiting) == 2:
                    waiting.popleft().result()
                waiting.append(pool.submit(files.write, group))
            while waiting:
                waiting.popleft().result()
        finally:
            for late in waiting:
                late.cancel()
            pool.shutdown()
            files.close()
    return files.rows


class _Files:
    """The files of one table as they are written, one row group after the other."""

    def __init__(self, folder: Path, schema_ref: str, rows_per_file: int) -> None:
        self.folder, self.schema_ref, self.rows_per_file = folder, schema_ref, rows_per_file
        self.schema = _stored_schema(arrow_schema(schema_ref))
        self.rows = self.rows_in_file = self.part = 0
        self.writer = _writer(folder / part_name(0), self.schema)

    def write(self, group: pa.Table) -> None:
        if self.rows_in_file == self.rows_per_file:
            self.writer.close()
            self.part, self.rows_in_file = self.part + 1, 0
            self.writer = _writer(self.folder / part_name(self.part), self.schema)
        stored = _stored(group, self.schema, self.schema_ref)
        self.writer.write_table(stored, row_group_size=len(group))
        self.rows_in_file += len(group)
        self.rows += len(group)

    def close(self) -> None:
        self.writer.close()


def table_files(folder: Path) -> list[Path]:
    """The table's Parquet files in name order.

    Names that begin with ``_`` or ``.`` are marks of other writers and are skipped.
    Raises :class:`Invalid` when there is no Parquet file, or something else beside them.
    """
    if not folder.is_dir():
        raise Invalid(f"{folder.name} is not a folder with Parquet files", path=folder.name)
    found = sorted(p for p in folder.iterdir() if not p.name.startswith(("_", ".")))
    strange = [p.name for p in found if p.suffix != ".parquet" or not p.is_file()]
    if strange:
        raise Invalid(f"{folder.name} holds {strange[0]}, which is not a Parquet file")
    if not found:
        raise Invalid(f"{folder.name} holds no Parquet file", path=folder.name)
    return found


def open_batches(
    folder: Path, schema_ref: str, batch_rows: int = ROWS_PER_GROUP, *, dictionary: bool = False
) -> Iterator[pa.RecordBatch]:
    """The table's rows in file order, in batches of at most ``batch_rows``.

    Columns come in the order and with the types of ``schema_ref``; with ``dictionary``
    the string columns stay dictionary-encoded, which is cheaper for repeated values.  Nulls
    are not looked for: what another writer put there is for the reader's rules to judge.
    Raises :class:`Invalid` for a missing, undeclared or differently typed column, and for
    a file that isn't Parquet.
    """
    schema = arrow_schema(schema_ref)
    if dictionary:
        schema = _stored_schema(schema)
    strings = [f.name for f in schema if _is_text(f.type)]
    for path in table_files(folder):
        try:
            file = pq.ParquetFile(path, read_dictionary=strings if dictionary else None)
        except (pa.ArrowException, OSError) as error:
            raise Invalid(f"{path.name} can't be read as Parquet: {error}") from None
        with file:
            check_columns(file.schema_arrow, schema_ref, path.name)
            for batch in file.iter_batches(batch_rows, columns=schema.names):
                columns = [_as(batch.column(f.name), f.type) for f in schema]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _is_text(kind: pa.DataType) -> bool:
    return bool(kind == pa.utf8() or pa.types.is_dictionary(kind))


def _as(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column if column.type == kind else column.cast(kind)


def _stored_schema(schema: pa.Schema) -> pa.Schema:
    text = pa.dictionary(pa.int32(), pa.utf8())
    return pa.schema([f.with_type(text) if f.type == pa.utf8() else f for f in schema])


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        schema,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=[f.name for f in schema if _is_text(f.type) or f.name in CONSTANT],
        data_page_size=DATA_PAGE_BYTES,
        write_statistics=[n for n in STATISTICS if n in schema.names],
        store_schema=False,
    )


def _groups(
    batches: Iterable[pa.RecordBatch], schema_ref: str, rows_per_file: int, rows_per_group: int
) -> Iterator[pa.Table]:
    """The stream, cut again by row count alone."""
    names = arrow_schema(schema_ref).names
    waiting: list[pa.Table] = []
    held = done = 0
    want = min(rows_per_group, rows_per_file)
    for batch in batches:
        check_columns(batch.schema, schema_ref, "the table to write")
        table = pa.Table.from_batches([batch]).select(names)
        while held + len(table) >= want:
            head = table.slice(0, want - held)
            yield _joined([*waiting, head])
            table = table.slice(len(head))
            waiting, held = [], 0
            done = (done + want) % rows_per_file
            want = min(rows_per_group, rows_per_file - done)
        if len(table):
            waiting.append(table)
            held += len(table)
    if held:
        yield _joined(waiting)


def _joined(tables: list[pa.Table]) -> pa.Table:
    """One table; texts become plain where the batches don't agree how to encode them."""
    names = tables[0].column_names
    columns = []
    for name in names:
        parts = [table[name] for table in tables]
        if any(part.type != parts[0].type for part in parts):
            parts = [part.cast(pa.utf8()) for part in parts]
        chunks = [chunk for part in parts for chunk in part.chunks]
        columns.append(pa.chunked_array(chunks, parts[0].type))
    return pa.Table.from_arrays(columns, names=names)


def _stored(group: pa.Table, schema: pa.Schema, schema_ref: str) -> pa.Table:
    columns = []
    for field in schema:
        column = group.column(field.name)
        if column.null_count and not field.nullable:
            raise Invalid(f"{schema_ref}: column {field.name} has a null", column=field.name)
        columns.append(_encoded(column) if _is_text(field.type) else _whole(column))
    return pa.Table.from_arrays(columns, schema=schema)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """A string column as a dictionary whose values stand in order of first appearance."""
    if not pa.types.is_dictionary(column.type):
        return _whole(pc.dictionary_encode(column.cast(pa.utf8())))
    array = _whole(column.unify_dictionaries())
    if array.dictionary.null_count or len(array.dictionary.unique()) < len(array.dictionary):
        return array.cast(pa.utf8()).dictionary_encode()
    valid = array.indices.is_valid()
    indices = array.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    mask = None if array.null_count == 0 else valid.to_numpy(zero_copy_only=False)
    used = indices if mask is None else indices[mask]
    values = array.dictionary.cast(pa.utf8())
    first = np.full(len(values), len(used), dtype=np.int64)
    first[used[::-1]] = np.arange(len(used) - 1, -1, -1)
    order = np.argsort(first, kind="stable")[: int((first < len(used)).sum())]
    new = np.zeros(len(values), dtype=np.int32)
    new[order] = np.arange(len(order), dtype=np.int32)
    codes = new[indices] if len(values) else np.zeros(len(indices), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, mask=None if mask is None else ~mask), values.take(pa.array(order))
    )
