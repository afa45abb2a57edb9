"""What the published rows of one seed say, counted again from the rows themselves.

The law (specification 4.3): nothing is taken on a report's word.  The three tables are read
side by side, once, in batches:

* the same keys and coordinates, in the same strict order, and no key twice;
* the zone of `s1_tz_lookup` is that of `site_timezones` wherever no override decided;
* sites by country and zone, and the reach of each country;
* what decided each row, as far as the boundaries and the row tell (:class:`Decided`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from civiltime.certify.spread import Floats, Hulls
from civiltime.states.boundaries import Boundaries
from civiltime.states.precedence import Bools, Ints, Sites, country_iso
from civiltime.states.site_batches import (
    NotInOrderError,
    country_numbers,
    key_breaks,
    ordered_batches,
    sorted_batches,
)
from civiltime.workspace.tables import open_batches, table_files

BATCH = 1 << 17
COUNTRIES = 26 * 26
Counts = npt.NDArray[np.int64]
SCOPES = ("site", "mcc", "country")


def _zeros(*shape: int) -> Counts:
    return np.zeros(shape, np.int64)


@dataclass
class Decided:
    """Rows by country number and by what decided them, as far as boundaries and row tell.

    Overrides and nudges are told by the row.  A row that wasn't nudged was decided at its true
    point: by one zone, or by a tie.  One that was nudged was decided at the moved point, or by
    nothing there, and then it is a singleton or a fallback.  Only ``either``, where other
    zones than at the true point claim the moved one, may be a tie or a fallback.
    """

    sites: Counts = field(default_factory=lambda: _zeros(COUNTRIES))
    nudged: Counts = field(default_factory=lambda: _zeros(COUNTRIES))
    overrides: Counts = field(default_factory=lambda: _zeros(len(SCOPES), COUNTRIES))
    ties: Counts = field(default_factory=lambda: _zeros(COUNTRIES))
    singletons: Counts = field(default_factory=lambda: _zeros(COUNTRIES))
    fallbacks: Counts = field(default_factory=lambda: _zeros(COUNTRIES))
    either: Counts = field(default_factory=lambda: _zeros(COUNTRIES))


@dataclass
class Observed:
    """One seed's tables, counted."""

    rows: dict[str, int]
    problems: list[str]
    """What breaks the parity of the three tables."""
    duplicates: int
    zones: Counts
    """Sites by country number and zone number."""
    decided: Decided = field(default_factory=Decided)
    hulls: dict[int, float] = field(default_factory=dict)
    """km² by country number."""
    unknown_zones: int = 0

    def counts(self, tzids: tuple[str, ...]) -> list[tuple[str, str, int]]:
        """(country, tzid, sites) of every pair that has a site."""
        pairs = np.argwhere(self.zones)
        return [(country_iso(int(c)), tzids[z], int(self.zones[c, z])) for c, z in pairs]


def observe(
    sites: Path, s1: Path, s2: Path, zones: Boundaries, middles: Floats, scratch: Path
) -> Observed:
    """Read the three tables of a seed; ``middles`` are the countries' middle longitudes.

    ``scratch`` is a folder for an upstream that must be sorted.
    Raises :class:`~civiltime.errors.Invalid` where a row of the upstream can't be used.
    """
    folders = {"site_locations": sites, "s1_tz_lookup": s1, "site_timezones": s2}
    rows = {name: _row_count(folder) for name, folder in folders.items()}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} has {n:,} rows" for name, n in rows.items())
        return Observed(rows, [told], 0, _zeros(COUNTRIES, len(zones.tzids)))
    try:
        return _observe(rows, ordered_batches(sites, BATCH), s1, s2, zones, middles)
    except NotInOrderError:
        return _observe(rows, sorted_batches(sites, BATCH, scratch), s1, s2, zones, middles)


def _row_count(folder: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in table_files(folder))


def _observe(
    rows: dict[str, int],
    upstream: Iterator[Sites],
    s1: Path,
    s2: Path,
    zones: Boundaries,
    middles: Floats,
) -> Observed:
    result = Observed(rows, [], 0, _zeros(COUNTRIES, len(zones.tzids)))
    numbers = {tzid: number for number, tzid in enumerate(zones.tzids)}
    given, hulls, previous = _Feed(upstream), Hulls(middles), None
    differing = dict.fromkeys(("keys", "coordinates", "zones"), 0)
    # Both tables were cut by the same writer, so batch stands beside batch.
    lookups = open_batches(s1, "s1_tz_lookup", BATCH, dictionary=True)
    finals = open_batches(s2, "site_timezones", BATCH, dictionary=True)
    for batch, final in zip(lookups, finals, strict=True):
        if batch.num_rows != final.num_rows:
            result.problems.append("s1_tz_lookup and site_timezones are cut differently")
            break
        lon, lat = batch.column("lon_deg").to_numpy(), batch.column("lat_deg").to_numpy()
        sites, last = _sites(batch, lon, lat), _sites(final, lon, lat)
        first = given.take(len(sites))
        unsorted, duplicate, previous = key_breaks(sites, previous)
        result.duplicates += duplicate
        differing["keys"] += unsorted + _other_keys(first, sites) + _other_keys(last, sites)
        differing["coordinates"] += int(((first.lon != lon) | (first.lat != lat)).sum())
        zone = _numbers(final.column("tzid"), numbers)
        provisional = _numbers(batch.column("tzid_provisional"), numbers)
        overridden = batch.column("override_applied").to_numpy(zero_copy_only=False)
        differing["zones"] += int(((zone != provisional) & ~overridden).sum())
        result.unknown_zones += int((zone < 0).sum())
        cell = (sites.country.astype(np.int64) * len(numbers) + zone)[zone >= 0]
        counted = np.bincount(cell, minlength=result.zones.size)
        result.zones += counted.reshape(result.zones.shape)
        hulls.add(sites.country, lon, lat)
        _decide(result.decided, zones, sites, batch, provisional, overridden)
    result.hulls = hulls.areas()
    result.problems += [f"{n:,} rows differ in their {what}" for what, n in differing.items() if n]
    return result


def _decide(
    decided: Decided,
    zones: Boundaries,
    sites: Sites,
    batch: pa.RecordBatch,
    zone: Ints,
    overridden: Bools,
) -> None:
    """Count what decided the rows; only rows that one zone didn't decide are looked at twice."""
    country = sites.country

    def count(rows: Bools | npt.NDArray[np.int64]) -> Counts:
        return np.bincount(country[rows], minlength=COUNTRIES)

    decided.sites += np.bincount(country, minlength=COUNTRIES)
    nudge_lon = batch.column("nudge_lon_deg").to_numpy(zero_copy_only=False)
    nudged = ~np.isnan(nudge_lon)
    decided.nudged += count(nudged)
    if overridden.any():
        scope = _numbers(batch.column("override_scope"), {s: i for i, s in enumerate(SCOPES)})
        for number in range(len(SCOPES)):
            decided.overrides[number] += count(overridden & (scope == number))
    codes = zones.candidates(sites.lon, sites.lat)
    rest = np.flatnonzero(((codes != zone.astype(np.int64) + 1) | nudged) & ~overridden)
    if not len(rest):
        return
    here, moved = codes[rest], nudged[rest]
    at = here.copy()
    if moved.any():
        nudge_lat = batch.column("nudge_lat_deg").to_numpy(zero_copy_only=False)
        at[moved] = zones.candidates(nudge_lon[rest[moved]], nudge_lat[rest[moved]])
    covered, several = _covers(zones, at, zone[rest])
    alone = ~covered & (here == 0) & (zones.singletons[country[rest]] >= 0)
    # the same set is as undecided at the moved point as it was at the true one
    stuck = moved & several & (at == here)
    decided.ties += count(rest[covered & several & ~moved])
    decided.singletons += count(rest[alone])
    decided.fallbacks += count(rest[(~covered & ~alone) | (covered & stuck)])
    decided.either += count(rest[covered & several & moved & ~stuck])


def _covers(zones: Boundaries, codes: npt.NDArray[np.int64], zone: Ints) -> tuple[Bools, Bools]:
    """Whether the zone is in the point's set, and whether the set has several."""
    distinct, place = np.unique(codes, return_inverse=True)
    member = np.zeros((len(distinct), len(zones.tzids)), bool)
    for row, members in enumerate(zones.zone_sets(distinct)):
        member[row, list(members)] = True
    several = member.sum(axis=1) > 1
    known = zone >= 0
    return member[place, np.where(known, zone, 0)] & known, several[place]


def _sites(batch: pa.RecordBatch, lon: Floats, lat: Floats) -> Sites:
    return Sites(
        batch.column("merchant_id").to_numpy(),
        country_numbers(batch.column("legal_country_iso")),
        batch.column("site_order").to_numpy(),
        lon,
        lat,
    )


def _other_keys(one: Sites, other: Sites) -> int:
    return int(
        (
            (one.merchant_id != other.merchant_id)
            | (one.country != other.country)
            | (one.site_order != other.site_order)
        ).sum()
    )


def _numbers(column: pa.DictionaryArray, places: dict[str, int]) -> Ints:
    """The number of each row's text, -1 where it is null or unknown."""
    values = [places.get(v, -1) for v in column.dictionary.to_pylist()]
    table = np.array([*values, -1], np.int32)
    rows = column.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return np.asarray(table[rows])


class _Feed:
    """Batches of sites, handed out in other lengths."""

    def __init__(self, batches: Iterator[Sites]) -> None:
        self._batches = batches
        self._kept: list[Sites] = []

    def take(self, n: int) -> Sites:
        """The next ``n`` sites; there are as many, because all were counted before."""
        while sum(map(len, self._kept)) < n:
            self._kept.append(next(self._batches))
        whole = _joined(self._kept)
        self._kept = [_cut(whole, n, len(whole))]
        return _cut(whole, 0, n)


_FIELDS = ("merchant_id", "country", "site_order", "lon", "lat")


def _cut(sites: Sites, start: int, end: int) -> Sites:
    return Sites(*(getattr(sites, name)[start:end] for name in _FIELDS))


def _joined(parts: list[Sites]) -> Sites:
    if len(parts) == 1:
        return parts[0]
    return Sites(*(np.concatenate([getattr(p, name) for p in parts]) for name in _FIELDS))
