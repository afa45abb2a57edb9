"""Sites from a file: CSV, Parquet or GeoJSON, exactly as it says, or refused.

The law (specification 2.1): the five columns ``merchant_id, legal_country_iso,
site_order, lon_deg, lat_deg`` are all there, under these names or under those that the
caller maps them to; nothing is guessed and nothing is dropped in silence.  Refused are, in
this order: a file that isn't there or can't be read (001, 002), a missing column (004), an
undeclared one unless told (005), no row (003), a value of the wrong type (006), a row that
breaks a rule (2A-S1-056) and a key that stands twice (2A-S1-051).  Messages name at most
five rows, with their place in the file.

Numbers are read exactly: ``merchant_id`` up to 2^64-1, coordinates to the last bit.  The
result is sorted by key; the order in the file doesn't matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from civiltime.errors import ContextValue, Invalid
from civiltime.reference.site_columns import SCHEMA_REF, Place
from civiltime.reference.site_csv import read_csv
from civiltime.reference.site_geojson import read_geojson
from civiltime.reference.site_parquet import read_parquet, row_place
from civiltime.reference.site_rows import (
    Mask,
    SiteKey,
    describe_problems,
    iso_codes,
    key_problems,
    row_problems,
)
from civiltime.reference.source_file import require_file
from civiltime.workspace.shape import arrow_schema, check_columns

Reader = Callable[[Path, Mapping[str, str], bool], tuple[pa.Table, Place]]


def read_sites(
    path: Path, columns: Mapping[str, str] | None = None, *, ignore_extra: bool = False
) -> pa.Table:
    """The sites of a file as a table of the schema ``site_locations``, sorted by key.

    ``columns`` maps our names to the file's (``{"merchant_id": "shop"}``; names that are
    not in it stand for themselves).  The format is the suffix: ``.csv``, ``.parquet``,
    ``.json`` or ``.geojson`` (points; ``lon_deg`` and ``lat_deg`` are their coordinates).
    Raises :class:`Invalid` with the codes of the module's law.
    """
    require_file(path)
    readers: dict[str, Reader] = {
        ".csv": read_csv,
        ".parquet": read_parquet,
        ".json": read_geojson,
        ".geojson": read_geojson,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Invalid(f"{path.name}: sites are read from {', '.join(readers)} files", code="002")
    names = _names(columns)
    table, place = reader(path, names, ignore_extra)
    if len(table) == 0:
        raise Invalid(f"{path.name} holds no site", code="003")
    _require_good_rows(table, path.name, place)
    order = _key_order(table)
    ordered = table.take(pa.array(order)).combine_chunks()
    _require_good_keys(ordered, path.name, lambda row: place(int(order[row])), None)
    schema = arrow_schema(SCHEMA_REF)
    return pa.Table.from_arrays([ordered[name] for name in schema.names], schema=schema)


def check_rows(table: pa.Table, name: str = "sites", previous: SiteKey | None = None) -> None:
    """Raises :class:`Invalid` unless the rows are good and in key order (rows count from 1).

    With ``previous``, the last key of the batch before, a table can be checked batch by
    batch.
    """
    check_columns(table.schema, SCHEMA_REF, name)
    _require_good_rows(table, name, row_place)
    _require_good_keys(table, name, row_place, previous)


def last_key(table: pa.Table) -> SiteKey:
    """The key of the last row, for :func:`check_rows` of the batch after it."""
    tail = table.slice(len(table) - 1)
    return SiteKey(
        tail["merchant_id"][0].as_py(),
        int(iso_codes(tail["legal_country_iso"])[0]),
        tail["site_order"][0].as_py(),
    )


def _names(columns: Mapping[str, str] | None) -> dict[str, str]:
    """Our name -> the file's name."""
    ours = arrow_schema(SCHEMA_REF).names
    unknown = sorted(set(columns or {}) - set(ours))
    if unknown:
        raise Invalid(
            f"the column mapping names {unknown[0]!r}, which sites don't have; they have "
            f"{', '.join(ours)}",
            code="005",
            column=unknown[0],
        )
    names = {name: (columns or {}).get(name, name) for name in ours}
    if len(set(names.values())) < len(names):
        raise Invalid("the column mapping uses one source column twice", code="005")
    return names


def _key_order(table: pa.Table) -> NDArray[np.int64]:
    """The order of the rows by key; equal keys keep the order of the file."""
    keys = (
        table["site_order"].to_numpy(),
        iso_codes(table["legal_country_iso"]),
        table["merchant_id"].to_numpy(),
    )
    return np.lexsort(keys).astype(np.int64)


def _require_good_rows(table: pa.Table, name: str, place: Place) -> None:
    problems = row_problems(table)
    if any(mask.any() for mask in problems.values()):
        raise _rows_invalid(table, name, place, problems, "2A-S1-056")


def _require_good_keys(table: pa.Table, name: str, place: Place, previous: SiteKey | None) -> None:
    found = key_problems(
        table["merchant_id"].to_numpy(),
        iso_codes(table["legal_country_iso"]),
        table["site_order"].to_numpy(),
        previous,
    )
    for rule, mask in found._asdict().items():
        if mask.any():
            code = "2A-S1-051" if rule == "duplicate" else "2A-S1-056"
            raise _rows_invalid(table, name, place, {rule: mask}, code)


def _rows_invalid(
    table: pa.Table, name: str, place: Place, problems: Mapping[str, Mask], code: str
) -> Invalid:
    counts: dict[str, ContextValue] = {
        rule: int(mask.sum()) for rule, mask in problems.items() if mask.any()
    }
    message = f"{name}: {describe_problems(table, problems, place)}"
    return Invalid(message, code=code, rows_by_rule=counts)
