"""What makes a site row usable, as vectorised rules (specification 2.1).

The law: ``merchant_id`` is 1..2^64-1; ``legal_country_iso`` is two capital letters;
``site_order`` counts 1..N without gaps within merchant and country; longitude and latitude
are finite and within [-180, 180] and [-90, 90] degrees; the key ``merchant_id,
legal_country_iso, site_order`` is unique and the rows are sorted by it.

Nothing here knows a file or a code: the rules give masks, their callers speak.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
KEY = ("merchant_id", "legal_country_iso", "site_order")
SHOWN = 5

RULES = {
    "merchant_id": "merchant_id must be 1..2^64-1",
    "legal_country_iso": "legal_country_iso must be two capital letters (ISO 3166-1 alpha-2)",
    "site_order": "site_order must be 1 or more",
    "finite": "lon_deg and lat_deg must be finite numbers",
    "range": "lon_deg must be within [-180, 180] and lat_deg within [-90, 90]",
    "unsorted": "the rows are not in key order",
    "duplicate": "the key stands twice",
    "gap": "site_order must count 1..N without gaps within merchant and country",
}


class SiteKey(NamedTuple):
    """The key of a row; ``iso_code`` as :func:`iso_codes` gives it."""

    merchant_id: int
    iso_code: int
    site_order: int


class KeyProblems(NamedTuple):
    """Masks over the rows, bool[n]: below the row before, equal to it, or after a gap."""

    unsorted: Mask
    duplicate: Mask
    gap: Mask


def row_problems(rows: pa.RecordBatch | pa.Table) -> dict[str, Mask]:
    """Rule -> bool[n], True where a row breaks it; :data:`RULES` says the rules in words.

    Takes the columns of ``site_locations`` (strings plain or dictionary-encoded); a null
    breaks the rule of its column.
    """
    merchant = _numbers(rows.column("merchant_id"), np.uint64)
    order = _numbers(rows.column("site_order"), np.int64)
    lon = _numbers(rows.column("lon_deg"), np.float64)
    lat = _numbers(rows.column("lat_deg"), np.float64)
    finite = np.isfinite(lon) & np.isfinite(lat)
    inside = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    return {
        "merchant_id": merchant == 0,
        "legal_country_iso": iso_codes(rows.column("legal_country_iso")) < 0,
        "site_order": order < 1,
        "finite": ~finite,
        "range": finite & ~inside,
    }


def iso_codes(column: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
    """A country column as int32[n] in the order of the letters; -1 where it is no ISO 2.

    ``AA`` is 0, ``AB`` 1 ... ``ZZ`` 675.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return np.concatenate([np.empty(0, np.int32), *map(_iso_codes, chunks)])


def key_problems(
    merchant_id: NDArray[np.uint64],
    iso_code: NDArray[np.int32],
    site_order: NDArray[np.integer],
    previous_key: SiteKey | None,
) -> KeyProblems:
    """Where the key order breaks, row by row against the row before.

    ``previous_key`` is the last key of the batch before, or None at the start of a table.
    """
    n = len(merchant_id)
    if n == 0:
        nothing = np.zeros(0, np.bool_)
        return KeyProblems(nothing, nothing, nothing)
    order = site_order.astype(np.int64)
    same_merchant = np.zeros(n, np.bool_)
    same_group = np.zeros(n, np.bool_)
    below = np.zeros(n, np.bool_)
    step = order.copy()  # at the head of a group the step is from 0
    same_merchant[1:] = merchant_id[1:] == merchant_id[:-1]
    same_group[1:] = same_merchant[1:] & (iso_code[1:] == iso_code[:-1])
    step[1:] -= np.where(same_group[1:], order[:-1], 0)
    below[1:] = (merchant_id[1:] < merchant_id[:-1]) | (
        same_merchant[1:] & (iso_code[1:] < iso_code[:-1])
    )
    if previous_key is not None:
        merchant, iso = int(merchant_id[0]), int(iso_code[0])
        same_group[0] = (merchant, iso) == previous_key[:2]
        step[0] -= previous_key.site_order if same_group[0] else 0
        below[0] = (merchant, iso) < previous_key[:2]
    unsorted = below | (same_group & (step < 0))
    duplicate = same_group & (step == 0)
    return KeyProblems(unsorted, duplicate, (step != 1) & ~unsorted & ~duplicate)


def describe_problems(
    rows: pa.RecordBatch | pa.Table,
    problems: Mapping[str, Mask],
    place: Callable[[int], str] | None = None,
) -> str:
    """How many rows break a rule, and the first :data:`SHOWN` of them: key and rule.

    ``place`` says where a row (from 0) stands in its file.  No coordinates.
    """
    bad = np.flatnonzero(np.logical_or.reduce(list(problems.values())))
    lines = []
    for row in bad[:SHOWN].tolist():
        rule = next(rule for rule, mask in problems.items() if mask[row])
        key = "|".join(_shown(rows.column(name)[row].as_py()) for name in KEY)
        lines.append(f"{place(row)} ({key}): {RULES[rule]}" if place else f"{key}: {RULES[rule]}")
    more = f"; and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
    count = "1 row" if len(bad) == 1 else f"{len(bad):,} rows"
    return f"{count} can't be used: {'; '.join(lines)}{more}"


def _shown(value: object) -> str:
    return "" if value is None else str(value)[:24]


def _iso_codes(array: pa.Array) -> NDArray[np.int32]:
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    codes = [_iso_code(value) for value in encoded.dictionary.to_pylist()]  # distinct values
    table = np.array([*codes, -1], np.int32)
    indices = pc.fill_null(encoded.indices.cast(pa.int64()), len(codes))
    codes_of_rows: NDArray[np.int32] = table[indices.to_numpy(zero_copy_only=False)]
    return codes_of_rows


def _iso_code(value: str | None) -> int:
    if value is None or len(value) != 2 or not all("A" <= letter <= "Z" for letter in value):
        return -1
    return (ord(value[0]) - 65) * 26 + ord(value[1]) - 65


def _numbers(column: pa.Array | pa.ChunkedArray, kind: type[np.number]) -> NDArray[np.number]:
    """A number column with nulls as 0, or as NaN where it is a float: both break the rule."""
    if column.null_count:
        column = pc.fill_null(column, float("nan") if kind is np.float64 else 0)
    values = column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(False)
    return np.asarray(values, dtype=kind)
