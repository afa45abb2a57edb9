"""Sites in the order of their key, whatever order they came in, in fixed memory.

A table of up to :data:`BUCKET_ROWS` rows is sorted as it stands.  A longer one is cut into
ranges of merchants first, each about as long as that (a merchant is never cut), which wait on
disk in the run's staging folder and are sorted one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from civiltime.reference.site_rows import KEY
from civiltime.workspace.shape import arrow_schema
from civiltime.workspace.tables import ROWS_PER_GROUP, open_batches, table_files

SCHEMA = "site_locations"
BUCKET_ROWS = 1 << 22
SAMPLE = 1 << 20
"""Merchants that are looked at to find the ranges."""
Merchants = npt.NDArray[np.uint64]


def sorted_rows(
    folder: Path, scratch: Path, batch_rows: int, bucket_rows: int = BUCKET_ROWS
) -> Iterator[pa.RecordBatch]:
    """The rows of a partition of ``site_locations``, sorted by their key, in batches.

    ``scratch`` is an empty folder, or none yet; what is put there is of no use afterwards.
    """
    rows = sum(pq.read_metadata(path).num_rows for path in table_files(folder))
    if rows <= bucket_rows:
        yield from _sorted(list(open_batches(folder, SCHEMA)), batch_rows)
        return
    for path in _split(folder, scratch, _bounds(folder, rows, bucket_rows)):
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            yield from _sorted(list(stream), batch_rows)
        path.unlink()


def _sorted(batches: list[pa.RecordBatch], batch_rows: int) -> Iterator[pa.RecordBatch]:
    # Most upstreams come in order, and importing Polars takes longer than all lookups of a run.
    import polars as pl

    table = pa.Table.from_batches(batches, arrow_schema(SCHEMA))
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    ordered = frame.sort(KEY).to_arrow(compat_level=pl.CompatLevel.oldest())
    yield from ordered.to_batches(max_chunksize=batch_rows)


def _bounds(folder: Path, rows: int, bucket_rows: int) -> Merchants:
    """The first merchant of every bucket but the first, ascending; told from a sample."""
    step = max(1, rows // SAMPLE)
    sample = np.concatenate([_merchants(b)[::step] for b in open_batches(folder, SCHEMA)])
    buckets = -(-rows // bucket_rows)
    places = np.arange(1, buckets) * len(sample) // buckets
    return np.unique(np.partition(sample, places)[places])


def _merchants(batch: pa.RecordBatch) -> Merchants:
    return np.asarray(batch.column("merchant_id").fill_null(0).to_numpy(), np.uint64)


def _split(folder: Path, scratch: Path, bounds: Merchants) -> list[Path]:
    """Write every row to the file of its bucket; the files in the order of the key."""
    scratch.mkdir(parents=True, exist_ok=True)
    paths = [scratch / f"bucket-{n:05d}.arrows" for n in range(len(bounds) + 1)]
    with ExitStack() as stack:
        sinks = []
        for path in paths:
            file = stack.enter_context(pa.OSFile(str(path), "wb"))
            sinks.append(stack.enter_context(pa.ipc.new_stream(file, arrow_schema(SCHEMA))))
        for batch in open_batches(folder, SCHEMA, ROWS_PER_GROUP):
            bucket = np.searchsorted(bounds, _merchants(batch), side="right")
            order = np.argsort(bucket, kind="stable")
            cuts = np.searchsorted(bucket[order], np.arange(len(paths) + 1))
            for n, sink in enumerate(sinks):
                if cuts[n] < cuts[n + 1]:
                    sink.write_batch(batch.take(pa.array(order[cuts[n] : cuts[n + 1]])))
    return paths
