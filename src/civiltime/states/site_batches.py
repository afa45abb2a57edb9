"""The sites, in the order of their key, batch by batch, every row proved usable.

The law (specification 2.1 and 3.1): the key is ``[merchant_id, legal_country_iso,
site_order]``; every row is finite, in range and of a well-formed country; ``site_order``
runs 1..N without gaps within merchant and country.  An upstream that wrote its rows in
that order is streamed; any other is sorted first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from civiltime.errors import Invalid
from civiltime.reference.site_rows import describe_problems, row_problems
from civiltime.states.precedence import Ints, Sites, country_iso
from civiltime.workspace.tables import open_batches

KEY = ("merchant_id", "legal_country_iso", "site_order")
Key = tuple[int, int, int]


class NotInOrderError(Exception):
    """The rows don't stand in the order of their key."""


def ordered_batches(folder: Path, batch_rows: int) -> Iterator[Sites]:
    """The sites of a partition as it stands.

    Raises :class:`NotInOrderError` when the order breaks, and :class:`Invalid` (056 or
    051) for rows that can't be used.
    """
    yield from _checked(open_batches(folder, "site_locations", batch_rows), in_order=False)


def sorted_batches(folder: Path, batch_rows: int) -> Iterator[Sites]:
    """The same for a partition in any order: read whole, sorted by the key."""
    table = pa.Table.from_batches(list(open_batches(folder, "site_locations", batch_rows)))
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    ordered = frame.sort(KEY).to_arrow(compat_level=pl.CompatLevel.oldest())
    yield from _checked(ordered.to_batches(max_chunksize=batch_rows), in_order=True)


def _checked(batches: Iterable[pa.RecordBatch], *, in_order: bool) -> Iterator[Sites]:
    previous: Key | None = None
    for batch in batches:
        problems = row_problems(batch)
        if any(mask.any() for mask in problems.values()):
            raise Invalid(describe_problems(batch, problems), code="056")
        sites = Sites(
            batch.column("merchant_id").to_numpy(),
            country_numbers(batch.column("legal_country_iso")),
            batch.column("site_order").to_numpy(),
            batch.column("lon_deg").to_numpy(),
            batch.column("lat_deg").to_numpy(),
        )
        if not len(sites):
            continue
        before = previous
        unsorted, duplicates, previous = key_breaks(sites, before)
        if unsorted and not in_order:
            raise NotInOrderError
        if duplicates:
            raise Invalid(f"{duplicates:,} keys stand more than once: {_first(sites)}", code="051")
        gap = _first_gap(sites, before)
        if gap is not None:
            raise Invalid(gap, code="056")
        yield sites


def country_numbers(column: pa.Array) -> Ints:
    """Country numbers (0 for AA) of a column of well-formed two-letter codes.

    Works on the Arrow buffers: every code is two bytes long.
    """
    if pa.types.is_dictionary(column.type):
        return country_numbers(column.dictionary)[column.indices.to_numpy()]
    if len(column) == 0:
        return np.zeros(0, np.int32)
    fixed = column.cast(pa.binary()).cast(pa.binary(2))
    raw = np.frombuffer(fixed.buffers()[1], np.uint8)
    letters = raw[2 * fixed.offset : 2 * (fixed.offset + len(fixed))].reshape(-1, 2)
    numbers = (letters.astype(np.int32) - 65) @ np.array([26, 1], np.int32)
    return np.asarray(numbers, np.int32)


def key_breaks(sites: Sites, previous: Key | None) -> tuple[int, int, Key | None]:
    """How often the key falls, how often it repeats, and the last key."""
    if not len(sites):
        return 0, 0, previous
    fell, same = _steps(sites, previous)[:2]
    last = (int(sites.merchant_id[-1]), int(sites.country[-1]), int(sites.site_order[-1]))
    return int(fell.sum()), int(same.sum()), last


def _steps(
    sites: Sites, previous: Key | None
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """For each row against the row before: the key falls, repeats; the group begins."""
    merchant, country, order = sites.merchant_id, sites.country, sites.site_order
    head = previous or (0, -1, 0)
    m0 = np.concatenate([np.array([head[0]], np.uint64), merchant[:-1]])
    c0 = np.concatenate([np.array([head[1]], np.int32), country[:-1]])
    o0 = np.concatenate([np.array([head[2]], np.int32), order[:-1]])
    same_group = (merchant == m0) & (country == c0)
    fell = (merchant < m0) | ((merchant == m0) & (country < c0)) | (same_group & (order < o0))
    return fell, same_group & (order == o0), ~same_group


def _first_gap(sites: Sites, previous: Key | None) -> str | None:
    """What to say of the first site_order that isn't 1, or one more than the one before."""
    begins = _steps(sites, previous)[2]
    before = np.concatenate(
        [np.array([previous[2] if previous else 0], np.int32), sites.site_order[:-1]]
    )
    expected = np.where(begins, 1, before + 1)
    broken = np.flatnonzero(sites.site_order != expected)
    if not len(broken):
        return None
    row = int(broken[0])
    return (
        f"site_order of {_first(sites, row)} should be {expected[row]}: it runs 1..N without "
        f"gaps within merchant and country ({len(broken):,} such rows in this batch)"
    )


def _first(sites: Sites, row: int = 0) -> str:
    iso = country_iso(int(sites.country[row]))
    return f"{sites.merchant_id[row]}|{iso}|{sites.site_order[row]}"
