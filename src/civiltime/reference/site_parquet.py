"""Sites from a Parquet file: the values as they are, narrower types of a kind widened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from civiltime.errors import Invalid
from civiltime.reference.site_columns import SCHEMA_REF, Place, limit, require_columns, said
from civiltime.workspace.shape import arrow_schema


def row_place(row: int) -> str:
    """Where a row of a table stands: they count from 1."""
    return f"row {row + 1}"


def read_parquet(
    path: Path, names: Mapping[str, str], ignore_extra: bool
) -> tuple[pa.Table, Place]:
    """The sites of a Parquet file under our names, and where its rows stand."""
    try:
        with pq.ParquetFile(path) as file:
            require_columns(file.schema_arrow.names, names, path.name, ignore_extra=ignore_extra)
            table = file.read(list(names.values()))
    except (pa.ArrowException, OSError) as error:
        raise Invalid(f"{path.name} can't be read as Parquet: {error}", code="002") from None
    return _typed(table.select(list(names.values())), names, path.name, row_place), row_place


def _typed(table: pa.Table, names: Mapping[str, str], name: str, place: Place) -> pa.Table:
    """The columns in our order and types; narrower types of the same kind are widened."""
    columns = [_widened(table[source], ours, source, name, place) for ours, source in names.items()]
    by_name = dict(zip(names, columns, strict=True))
    schema = arrow_schema(SCHEMA_REF)
    loose = pa.schema([f.with_nullable(True) for f in schema])  # nulls are a row's problem
    return pa.Table.from_arrays([by_name[n] for n in schema.names], schema=loose)


def _widened(
    column: pa.ChunkedArray, ours: str, source: str, name: str, place: Place
) -> pa.ChunkedArray:
    kind = column.type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    wanted = arrow_schema(SCHEMA_REF).field(ours).type
    fits = (
        pa.types.is_integer(value)
        if pa.types.is_integer(wanted)
        else value in (pa.float32(), pa.float64())
        if wanted == pa.float64()
        else value in (pa.utf8(), pa.large_utf8(), pa.string_view())
    )
    if pa.types.is_null(value):
        return column.cast(wanted)
    if not fits:
        raise Invalid(
            f"{name}: column {source} is {value}, not {said(wanted)}", code="006", column=ours
        )
    try:
        if wanted == pa.utf8():
            column.validate(full=True)
    except pa.ArrowInvalid:
        raise Invalid(
            f"{name}: column {source} isn't UTF-8 text", code="006", column=ours
        ) from None
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid:
        numbers = column.to_numpy()
        row = int(np.argmax((numbers < 0) | (numbers > limit(wanted))))
        raise Invalid(
            f"{name}, {place(row)}: {source} is {column[row].as_py()}, not {said(wanted)}",
            code="006",
            column=ours,
            place=place(row),
        ) from None
