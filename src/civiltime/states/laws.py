"""Laws that several states share, written once.

Each function is a validator's check: it gets the work, returns nothing, or raises
:class:`~civiltime.errors.Invalid` with what is wrong and where.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from civiltime import contracts
from civiltime.errors import Invalid
from civiltime.states.context import Context
from civiltime.states.state import Work
from civiltime.workspace.shape import check_columns, check_document

EMBEDDED = ("seed", "manifest_fingerprint")
TZID = re.compile(r"[A-Za-z0-9._+-]+(?:/[A-Za-z0-9._+-]+)*")
TIMESTAMPS = ("created_utc", "generated_utc", "generated_at_utc", "verified_at_utc")


def receipt_valid(work: Work) -> None:
    """S0's receipt and inventory are published, untouched and of this run."""
    gate, receipt = work.ctx.gate, work.ctx.run.receipt
    work.ctx.sealed  # noqa: B018  # reading it is the check
    for field, expected in (
        ("verified_at_utc", receipt.created_utc),
        ("parameter_hash", receipt.parameter_hash),
    ):
        if gate[field] != expected:
            raise Invalid(f"the S0 receipt's {field} is {gate[field]}, the run's is {expected}")


def inputs_resolve(*dataset_ids: str) -> Callable[[Work], None]:
    """Every declared sealed input is in the inventory and on the disk."""

    def check(work: Work) -> None:
        for dataset_id in dataset_ids:
            work.ctx.sealed_path(dataset_id)

    return check


def sealed_unchanged(*dataset_ids: str) -> Callable[[Work], None]:
    """The bytes of these inputs are the bytes that S0 sealed."""

    def check(work: Work) -> None:
        for dataset_id in dataset_ids:
            work.ctx.require_sealed_bytes(dataset_id)

    return check


def partition_is(work: Work, path: Path, *tokens: str) -> None:
    """The partition to be read is the run's own: its path embeds the run's tokens."""
    parts = path.parts
    for token in tokens:
        expected = f"{token}={work.ctx.run.tokens[token]}"
        if expected not in parts:
            raise Invalid(f"{path.name}: the partition to read lacks {expected}")


def outputs_fit_schema(work: Work) -> None:
    """Every staged document and table has exactly the declared fields and types."""
    for dataset_id in work.ctx.staged:
        dataset = contracts.datasets()[dataset_id]
        for path in staged_files(work.ctx, dataset_id):
            if path.suffix == ".parquet":
                check_columns(pq.read_schema(path), dataset.schema_ref, path.name)
            elif path.suffix == ".json" and (
                dataset.format == "json" or path.name == f"{dataset.schema_ref}.json"
            ):
                check_document(json.loads(path.read_bytes()), dataset.schema_ref, path.name)


def paths_embed(work: Work) -> None:
    """A token that stands in a path and in the content is byte-equal in both."""
    expected = {k: work.ctx.run.tokens[k] for k in EMBEDDED}
    for name, field, value in embedded(work.ctx, EMBEDDED):
        if value != expected[field]:
            raise Invalid(f"{name}: {field} is {value}, the path says {expected[field]}")


def timestamps_are_the_runs(work: Work) -> None:
    """Every timestamp in the output is the run's one reading of the clock."""
    for name, field, value in embedded(work.ctx, TIMESTAMPS):
        if value != work.ctx.verified_at_utc:
            raise Invalid(f"{name}: {field} is {value}, not {work.ctx.verified_at_utc}")


def while_computing(_work: Work) -> None:
    """A law that ``compute`` itself keeps: it raises this validator's code, or finishes."""


def publish(work: Work) -> None:
    """Publish; a partition that is there already holds the same bytes."""
    work.ctx.publish_all()


def staged_files(ctx: Context, dataset_id: str) -> list[Path]:
    """The staged files of a dataset, in name order."""
    return sorted(p for p in ctx.stage(dataset_id).rglob("*") if p.is_file())


def embedded(ctx: Context, fields: tuple[str, ...]) -> list[tuple[str, str, Any]]:
    """(file, field, value) wherever staged content embeds one of ``fields``.

    A table's constant column is read from the statistics of its row groups: the smallest
    and the greatest value of each.
    """
    found: list[tuple[str, str, Any]] = []
    for dataset_id in ctx.staged:
        for path in staged_files(ctx, dataset_id):
            if path.suffix == ".parquet":
                found += [(path.name, f, v) for f, v in column_extremes(path, fields)]
            elif path.suffix == ".json":
                document = json.loads(path.read_bytes())
                rows = document if isinstance(document, list) else [document]
                found += [
                    (path.name, f, row[f])
                    for row in rows
                    if isinstance(row, dict)
                    for f in fields
                    if f in row
                ]
    return found


def column_extremes(path: Path, fields: tuple[str, ...]) -> list[tuple[str, Any]]:
    """(column, value) for the smallest and greatest value of each row group's statistics."""
    metadata = pq.read_metadata(path)
    names = [metadata.schema.column(i).name for i in range(metadata.num_columns)]
    found = []
    for group in range(metadata.num_row_groups):
        for field in fields:
            if field not in names or not metadata.row_group(group).num_rows:
                continue
            statistics = metadata.row_group(group).column(names.index(field)).statistics
            if statistics is None or not statistics.has_min_max:
                raise Invalid(f"{path.name}: column {field} has no statistics to check it by")
            found += [(field, statistics.min), (field, statistics.max)]
    return found
