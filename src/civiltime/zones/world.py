"""The sealed boundaries: zones in byte order of their tzids, and their polygons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely


@dataclass(frozen=True)
class World:
    """Zones and polygons of one ``tz_world``.

    ``tzids`` in byte order, a zone's number is its place; ``countries`` the ISO code of each
    zone or None; ``zone`` int32[polygons] the zone of each polygon; ``polygons``
    object[polygons] of shapely polygons, WGS 84 degrees.
    """

    tzids: tuple[str, ...]
    countries: tuple[str | None, ...]
    zone: npt.NDArray[np.int32]
    polygons: npt.NDArray[np.object_]

    @classmethod
    def from_table(cls, table: pa.Table) -> World:
        """From the columns ``tzid, country_iso, geometry`` of ``tz_world``."""
        names = table["tzid"].to_pylist()
        tzids = tuple(sorted(set(names), key=str.encode))
        number = {tzid: place for place, tzid in enumerate(tzids)}
        country = dict(zip(names, table["country_iso"].to_pylist(), strict=True))
        return cls(
            tzids=tzids,
            countries=tuple(country[t] for t in tzids),
            zone=np.array([number[n] for n in names], np.int32),
            polygons=shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False)),
        )

    @cached_property
    def boxes(self) -> npt.NDArray[np.float64]:
        """Bounding boxes, float64[polygons, 4]: west, south, east, north."""
        return np.asarray(shapely.bounds(self.polygons), np.float64)

    def country_zones(self, iso: str) -> tuple[int, ...]:
        """The numbers of a country's zones, ascending."""
        return tuple(i for i, c in enumerate(self.countries) if c == iso)
