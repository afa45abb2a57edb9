"""The sites, in the order of their key, batch by batch, every row proved usable.

The law (specification 2.1 and 3.1): the key is ``[merchant_id, legal_country_iso,
site_order]``; every row is finite, in range and of a well-formed country; ``site_order``
runs 1..N without gaps within merchant and country.  An upstream that wrote its rows in
that order is streamed; any other is sorted first.  What is found doesn't depend on how the
table is cut into batches: a gap is one only in sorted rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from civiltime.errors import Invalid
from civiltime.reference.site_rows import (
    KeyProblems,
    Mask,
    SiteKey,
    describe_problems,
    iso_codes,
    key_problems,
    row_problems,
)
from civiltime.states.key_sort import sorted_rows
from civiltime.states.precedence import Ints, Sites, country_iso
from civiltime.workspace.tables import open_batches


class NotInOrderError(Exception):
    """The rows don't stand in the order of their key, or a key is missing between them."""


def ordered_batches(folder: Path, batch_rows: int) -> Iterator[Sites]:
    """The sites of a partition as it stands.

    Raises :class:`NotInOrderError` when the order breaks or a ``site_order`` is missing,
    and :class:`Invalid` (056 or 051) for rows that can't be used.
    """
    batches = open_batches(folder, "site_locations", batch_rows, dictionary=True)
    yield from _checked(batches, in_order=False)


def sorted_batches(folder: Path, batch_rows: int, scratch: Path) -> Iterator[Sites]:
    """The same for a partition in any order, sorted by the key with the help of ``scratch``."""
    yield from _checked(sorted_rows(folder, scratch, batch_rows), in_order=True)


def _checked(batches: Iterable[pa.RecordBatch], *, in_order: bool) -> Iterator[Sites]:
    previous: SiteKey | None = None
    for batch in batches:
        unusable = row_problems(batch)
        if any(mask.any() for mask in unusable.values()):
            raise Invalid(describe_problems(batch, unusable), code="056")
        sites = Sites(
            batch.column("merchant_id").to_numpy(),
            country_numbers(batch.column("legal_country_iso")),
            batch.column("site_order").to_numpy(),
            batch.column("lon_deg").to_numpy(),
            batch.column("lat_deg").to_numpy(),
        )
        if not len(sites):
            continue
        before, previous = previous, last_key(sites)
        problems = _key_problems(sites, before)
        if not in_order and (problems.unsorted.any() or problems.gap.any()):
            raise NotInOrderError
        if problems.duplicate.any():
            first = _key(sites, int(np.argmax(problems.duplicate)))
            raise Invalid(
                f"{int(problems.duplicate.sum()):,} keys stand more than once: {first}", code="051"
            )
        if problems.gap.any():
            raise Invalid(_describe_gap(sites, problems.gap, before), code="056")
        yield sites


def country_numbers(column: pa.Array) -> Ints:
    """Country numbers (0 for AA) of a column of well-formed two-letter codes."""
    return iso_codes(column)


def key_breaks(sites: Sites, previous: SiteKey | None) -> tuple[int, int, SiteKey | None]:
    """How often the key falls, how often it repeats, and the last key."""
    if not len(sites):
        return 0, 0, previous
    problems = _key_problems(sites, previous)
    return int(problems.unsorted.sum()), int(problems.duplicate.sum()), last_key(sites)


def last_key(sites: Sites) -> SiteKey:
    """The key of the last row."""
    return SiteKey(int(sites.merchant_id[-1]), int(sites.country[-1]), int(sites.site_order[-1]))


def _key_problems(sites: Sites, previous: SiteKey | None) -> KeyProblems:
    return key_problems(sites.merchant_id, sites.country, sites.site_order, previous)


def _describe_gap(sites: Sites, gap: Mask, previous: SiteKey | None) -> str:
    row = int(np.argmax(gap))
    before = last_key(sites.take(np.array([row - 1]))) if row else previous
    mine = (int(sites.merchant_id[row]), int(sites.country[row]))
    expected = before.site_order + 1 if before is not None and before[:2] == mine else 1
    return (
        f"site_order of {_key(sites, row)} should be {expected}: it runs 1..N without gaps within "
        f"merchant and country ({int(gap.sum()):,} such rows in this batch)"
    )


def _key(sites: Sites, row: int) -> str:
    iso = country_iso(int(sites.country[row]))
    return f"{sites.merchant_id[row]}|{iso}|{sites.site_order[row]}"
