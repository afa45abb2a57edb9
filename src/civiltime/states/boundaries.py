"""The sealed boundaries as S1 asks them: candidates, countries, singletons, nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from civiltime.reference.tz_world import open_table
from civiltime.states.precedence import Codes, Floats, Ints, country_iso, country_number
from civiltime.zones.nearest import NearestZone
from civiltime.zones.plain import PlainZones
from civiltime.zones.world import World


@dataclass(frozen=True)
class Boundaries:
    """One sealed ``tz_world``, ready to be asked."""

    world: World
    zones: PlainZones

    @property
    def tzids(self) -> tuple[str, ...]:
        """The zones in byte order; a zone's number is its place."""
        return self.world.tzids

    def candidates(self, lon: Floats, lat: Floats) -> Codes:
        """The zone-set code of each point."""
        return self.zones.candidates(lon, lat)

    def zone_sets(self, codes: Codes) -> Sequence[tuple[int, ...]]:
        """The zone numbers of each code."""
        return self.zones.zone_sets(codes)

    @cached_property
    def zone_country(self) -> Ints:
        """The country number of each zone, -1 where it has none."""
        numbers = [-1 if c is None else country_number(c) for c in self.world.countries]
        return np.array(numbers, np.int32)

    @cached_property
    def singletons(self) -> Ints:
        """By country number: the country's only zone, or -1."""
        only = np.full(26 * 26, -1, np.int32)
        for country in range(26 * 26):
            zones = np.flatnonzero(self.zone_country == country)
            if len(zones) == 1:
                only[country] = zones[0]
        return only

    def nearest(self, lon: Floats, lat: Floats, country: Ints) -> tuple[Ints, Floats]:
        """The nearest zone of each site's country, and metres."""
        return self._nearest(lon, lat, [country_iso(int(c)) for c in country])

    @cached_property
    def _nearest(self) -> NearestZone:
        return NearestZone(self.world)


@lru_cache(maxsize=2)
def open_boundaries(path: Path, digest: str) -> Boundaries:
    """The boundaries of a file whose bytes were compared with the seal ``digest``.

    Kept for the next run of the same process: the digest says that it is the same world.
    Raises :class:`~civiltime.errors.Invalid` where the file isn't valid.
    """
    del digest  # part of the cache's key
    world = World.from_table(open_table(path))
    return Boundaries(world, PlainZones(world))
