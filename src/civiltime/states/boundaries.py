"""The sealed boundaries as S1 asks them: candidates, countries, singletons, nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from civiltime.states.precedence import Codes, Floats, Ints, country_iso, country_number
from civiltime.zones.grid import ZoneIndex
from civiltime.zones.nearest import NearestZone
from civiltime.zones.world import World


@dataclass(frozen=True)
class Boundaries:
    """One sealed ``tz_world``, ready to be asked.

    The index answers for every point; the polygons themselves are read only where it isn't
    in the cache yet, or where a site needs the nearest zone.
    """

    path: Path
    zones: ZoneIndex

    @property
    def tzids(self) -> tuple[str, ...]:
        """The zones in byte order; a zone's number is its place."""
        return self.zones.tzids

    @property
    def countries(self) -> tuple[str | None, ...]:
        """The country of each zone, None where it has none."""
        return self.zones.countries

    def candidates(self, lon: Floats, lat: Floats) -> Codes:
        """The zone-set code of each point."""
        return self.zones.candidates(lon, lat)

    def zone_sets(self, codes: Codes) -> Sequence[tuple[int, ...]]:
        """The zone numbers of each code."""
        return self.zones.zone_sets(codes)

    @cached_property
    def zone_country(self) -> Ints:
        """The country number of each zone, -1 where it has none."""
        return np.array([-1 if c is None else country_number(c) for c in self.countries], np.int32)

    @cached_property
    def singletons(self) -> Ints:
        """By country number: the country's only zone, or -1."""
        only = np.full(26 * 26, -1, np.int32)
        numbers, first, count = np.unique(self.zone_country, return_index=True, return_counts=True)
        single = (count == 1) & (numbers >= 0)
        only[numbers[single]] = first[single]
        return only

    def nearest(self, lon: Floats, lat: Floats, country: Ints) -> tuple[Ints, Floats]:
        """The nearest zone of each site's country, and metres."""
        return self._nearest(lon, lat, [country_iso(int(c)) for c in country])

    @cached_property
    def _nearest(self) -> NearestZone:
        return NearestZone(load_world(self.path))


@lru_cache(maxsize=2)
def open_boundaries(path: Path, sha256_hex: str, cache: Path) -> Boundaries:
    """The boundaries of a file whose bytes were compared with the seal ``sha256_hex``.

    Kept for the next run of the same process: the digest says that it is the same world.
    Raises :class:`~civiltime.errors.Invalid` where the file isn't valid.
    """
    return Boundaries(path, ZoneIndex.open(cache / "zones", sha256_hex, lambda: load_world(path)))


def load_world(path: Path) -> World:
    """The polygons of a ``tz_world`` file, checked in full."""
    from civiltime.reference.tz_world import open_table

    return World.from_table(open_table(path))
