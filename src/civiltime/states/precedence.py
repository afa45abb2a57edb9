"""One zone per site: the order in which answers are tried (specification 3.1).

The first that answers wins:

1. polygon: exactly one zone covers the point;
2. tie-break among the covering zones, on the true point: (a) the only one of the site's
   country, (b) an overlap preference for exactly this set and country;
3. nudge, once, where no zone or an undecided set covers the point; one zone, or the same
   tie-breaks on the moved point;
4. an active override: site before mcc before country;
5. country singleton, where no zone covered the true point;
6. the nearest zone of the same country.

Everything here is a function of arrays and policies.  A row's answer depends on that row
alone, so it doesn't matter how a table is cut into batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from civiltime.policy.lookup import LookupPolicy
from civiltime.policy.nudge import Nudge
from civiltime.policy.overrides import PRECEDENCE, Override

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Decision(IntEnum):
    """What decided a row."""

    POLYGON = 0
    TIE_COUNTRY = 1
    TIE_PREFERENCE = 2
    NUDGE = 3
    NUDGE_TIE_COUNTRY = 4
    NUDGE_TIE_PREFERENCE = 5
    OVERRIDE_SITE = 6
    OVERRIDE_MCC = 7
    OVERRIDE_COUNTRY = 8
    SINGLETON = 9
    FALLBACK_WITHIN = 10
    FALLBACK_OUTSIDE = 11
    UNRESOLVED = 12


OVERRIDDEN = (Decision.OVERRIDE_SITE, Decision.OVERRIDE_MCC, Decision.OVERRIDE_COUNTRY)
FALLEN_BACK = (Decision.FALLBACK_WITHIN, Decision.FALLBACK_OUTSIDE)


class Zones(Protocol):
    """What the lookup answers: the set of zones that cover a point, boundary included."""

    @property
    def tzids(self) -> Sequence[str]:
        """The zones, sorted by bytes; a zone's number is its place here."""

    def candidates(self, lon: Floats, lat: Floats) -> Codes:
        """A zone-set code for each point: 0 for none, ``1 + number`` for exactly one."""

    def zone_sets(self, codes: Codes) -> Sequence[tuple[int, ...]]:
        """The zone numbers of each code."""


class Nearest(Protocol):
    """The nearest zone of a country, by geodesic distance."""

    def __call__(self, lon: Floats, lat: Floats, country: Ints) -> tuple[Ints, Floats]:
        """Zone numbers (-1 where the country has none) and metres."""


@dataclass(frozen=True)
class Sites:
    """A batch of sites.  ``country`` is ``26 * first + second`` letter, from 0 for AA."""

    merchant_id: npt.NDArray[np.uint64]
    country: Ints
    site_order: Ints
    lon: Floats
    lat: Floats

    def __len__(self) -> int:
        return len(self.lon)

    def take(self, rows: npt.NDArray[np.int64]) -> Sites:
        """The sites at these positions."""
        return Sites(
            self.merchant_id[rows],
            self.country[rows],
            self.site_order[rows],
            self.lon[rows],
            self.lat[rows],
        )


@dataclass(frozen=True)
class Resolved:
    """The answer for each site of a batch; nudge fields are NaN where nothing was moved."""

    zone: Ints
    decision: npt.NDArray[np.uint8]
    nudge_lon: Floats
    nudge_lat: Floats
    codes: Codes
    """Zone-set codes of the true points."""
    distance_m: dict[int, float] = field(default_factory=dict)
    """Metres to the nearest zone, by position, for the rows that fell back."""


def country_number(iso: str) -> int:
    """A country code as a number: 0 for AA, 675 for ZZ."""
    return 26 * (ord(iso[0]) - 65) + ord(iso[1]) - 65


def country_iso(number: int) -> str:
    """The inverse of :func:`country_number`."""
    return chr(65 + number // 26) + chr(65 + number % 26)


def nudge_points(lon: Floats, lat: Floats, epsilon: float) -> tuple[Floats, Floats]:
    """Points moved once: latitude clamped to [-90, 90], longitude wrapped into (-180, 180]."""
    moved_lat = np.clip(lat + epsilon, -90.0, 90.0)
    moved_lon = lon + epsilon
    moved_lon = np.where(moved_lon > 180.0, moved_lon - 360.0, moved_lon)
    return np.where(moved_lon <= -180.0, moved_lon + 360.0, moved_lon), moved_lat


@dataclass(frozen=True)
class Tiebreak:
    """Step 2: which of several covering zones, by country and by preference."""

    zones: Zones
    zone_country: Ints
    """The country number of each zone, -1 where it has none."""
    policy: LookupPolicy

    def decide(self, codes: Codes, country: Ints) -> tuple[Ints, npt.NDArray[np.uint8]]:
        """For each row: a zone number (-1: undecided) and 0 single, 1 country, 2 preference."""
        single = (codes > 0) & (codes <= len(self.zones.tzids))
        zone = np.where(single, codes - 1, -1).astype(np.int32)
        how = np.zeros(len(codes), np.uint8)
        rows = np.flatnonzero(~single & (codes != 0))
        if len(rows):
            pairs = np.stack([codes[rows], country[rows].astype(np.int64)], axis=1)
            unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
            sets = self.zones.zone_sets(unique[:, 0])
            answers = [self._one(s, int(c)) for s, c in zip(sets, unique[:, 1], strict=True)]
            zone[rows] = np.array([a[0] for a in answers], np.int32)[inverse.ravel()]
            how[rows] = np.array([a[1] for a in answers], np.uint8)[inverse.ravel()]
        return zone, how

    def _one(self, zones: tuple[int, ...], country: int) -> tuple[int, int]:
        if self.policy.country_consistent_tiebreak:
            own = [z for z in zones if self.zone_country[z] == country]
            if len(own) == 1:
                return own[0], 1
        names = {self.zones.tzids[z]: z for z in zones}
        for preference in self.policy.overlap_preferences:
            if preference.country == country_iso(country) and preference.zones == names.keys():
                return names[preference.prefer], 2
        return -1, 0


@dataclass(frozen=True)
class OverrideTable:
    """Step 4: active overrides matched to sites, each scope at most once per site."""

    active: tuple[Override, ...]
    mcc: tuple[npt.NDArray[np.uint64], Ints] | None = None
    """Merchant ids, sorted, and the category of each; None without a sealed map."""

    def matches(self, sites: Sites) -> dict[str, Ints]:
        """For each scope, the position in ``active`` that each site matches, or -1."""
        return {
            "site": self._by_site(sites),
            "mcc": self._by_table("mcc", 10_000, int)[self._category(sites)],
            "country": self._by_table("country", 26 * 26, country_number)[sites.country],
        }

    def _by_table(self, scope: str, size: int, number: Callable[[str], int]) -> Ints:
        """Positions by target number, with a last entry of -1 that the index -1 finds."""
        table = np.full(size + 1, -1, np.int32)
        for position, override in enumerate(self.active):
            if override.scope == scope:
                table[number(override.target)] = position
        return table

    def _by_site(self, sites: Sites) -> Ints:
        found = np.full(len(sites), -1, np.int32)
        targets = [
            (int(m), country_number(c), int(n), position)
            for position, override in enumerate(self.active)
            if override.scope == "site"
            for m, c, n in [override.target.split("|")]
            if int(m) < 2**64 and int(n) < 2**31
        ]
        if targets:
            key = [("merchant", np.uint64), ("country", np.int32), ("order", np.int32)]
            table = np.array(targets, dtype=[*key, ("position", np.int32)])
            table.sort(order=["merchant", "country", "order"])
            wanted = table[["merchant", "country", "order"]].astype(key)
            # Few merchants have an override: only their sites are worth a search.
            rows = np.flatnonzero(np.isin(sites.merchant_id, wanted["merchant"]))
            mine = np.empty(len(rows), key)
            mine["merchant"] = sites.merchant_id[rows]
            mine["country"] = sites.country[rows]
            mine["order"] = sites.site_order[rows]
            place = np.searchsorted(wanted, mine).clip(max=len(wanted) - 1)
            hit = wanted[place] == mine
            found[rows[hit]] = table["position"][place[hit]]
        return found

    def winners(self, sites: Sites) -> Ints:
        """The position in ``active`` that applies to each site, or -1."""
        winner = np.full(len(sites), -1, np.int32)
        if self.active:
            matches = self.matches(sites)
            for scope in PRECEDENCE:
                winner = np.where(winner < 0, matches[scope], winner)
        return winner

    def _category(self, sites: Sites) -> Ints:
        category = np.full(len(sites), -1, np.int32)
        if self.mcc is not None and len(self.mcc[0]):
            merchants, categories = self.mcc
            place = np.searchsorted(merchants, sites.merchant_id).clip(max=len(merchants) - 1)
            known = merchants[place] == sites.merchant_id
            category[known] = categories[place[known]]
        return category

    def knows_merchants(self, sites: Sites) -> Bools:
        """Whether each site's merchant is in the map."""
        return self._category(sites) >= 0


@dataclass(frozen=True)
class Precedence:
    """The whole order of answers, for one run's policies."""

    tiebreak: Tiebreak
    nudge: Nudge
    overrides: OverrideTable
    nearest: Nearest
    singletons: Ints
    """By country number: the country's only zone, or -1."""

    @property
    def policy(self) -> LookupPolicy:
        """The lookup policy."""
        return self.tiebreak.policy

    def resolve(self, sites: Sites) -> Resolved:
        """One zone per site, by the first step that answers."""
        codes = self.tiebreak.zones.candidates(sites.lon, sites.lat)
        zone, how = self.tiebreak.decide(codes, sites.country)
        result = Resolved(
            zone=zone,
            decision=how,  # 0, 1, 2: POLYGON and the two tie-breaks
            nudge_lon=np.full(len(sites), np.nan),
            nudge_lat=np.full(len(sites), np.nan),
            codes=codes,
        )
        rows = np.flatnonzero(zone < 0)
        for step in (self._nudge, self._override, self._singleton, self._fallback):
            if not len(rows):
                return result
            step(sites, rows, result)
            rows = rows[result.zone[rows] < 0]
        result.decision[rows] = Decision.UNRESOLVED
        return result

    def _nudge(self, sites: Sites, rows: npt.NDArray[np.int64], result: Resolved) -> None:
        lon, lat = nudge_points(sites.lon[rows], sites.lat[rows], self.nudge.epsilon_degrees)
        result.nudge_lon[rows], result.nudge_lat[rows] = lon, lat
        codes = self.tiebreak.zones.candidates(lon, lat)
        result.zone[rows], how = self.tiebreak.decide(codes, sites.country[rows])
        result.decision[rows] = Decision.NUDGE + how

    def _override(self, sites: Sites, rows: npt.NDArray[np.int64], result: Resolved) -> None:
        winner = self.overrides.winners(sites.take(rows))
        number = {tzid: i for i, tzid in enumerate(self.tiebreak.zones.tzids)}
        zones = np.array([number[o.tzid] for o in self.overrides.active] or [-1], np.int32)
        scopes = [Decision.OVERRIDE_SITE + PRECEDENCE.index(o.scope) for o in self.overrides.active]
        hit = winner >= 0
        result.zone[rows[hit]] = zones[winner[hit]]
        result.decision[rows[hit]] = np.array(scopes or [0], np.uint8)[winner[hit]]

    def _singleton(self, sites: Sites, rows: npt.NDArray[np.int64], result: Resolved) -> None:
        uncovered = rows[result.codes[rows] == 0]
        zone = self.singletons[sites.country[uncovered]]
        result.zone[uncovered] = zone
        result.decision[uncovered[zone >= 0]] = Decision.SINGLETON

    def _fallback(self, sites: Sites, rows: npt.NDArray[np.int64], result: Resolved) -> None:
        if not self.policy.nearest_fallback_enabled:
            return
        zone, metres = self.nearest(sites.lon[rows], sites.lat[rows], sites.country[rows])
        result.zone[rows] = zone
        outside = metres > self.policy.threshold_m(self.nudge)
        result.decision[rows] = np.where(
            outside, Decision.FALLBACK_OUTSIDE, Decision.FALLBACK_WITHIN
        )
        result.distance_m.update(zip(rows.tolist(), metres.tolist(), strict=True))
