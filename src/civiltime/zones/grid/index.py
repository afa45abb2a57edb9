"""The zone index: a world, compiled once and kept, asked at the speed of memory.

The law: ``candidates`` says for every float64 longitude and latitude on the globe what
:class:`~civiltime.zones.plain.PlainZones` says, boundary included.  How many points are
asked at once, on how many threads and with or without the compiled kernel changes nothing
but the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from filelock import FileLock

from civiltime.zones.codes import Codes
from civiltime.zones.grid import store
from civiltime.zones.grid.build import compile_world
from civiltime.zones.grid.edges import Floats
from civiltime.zones.grid.layout import Grid
from civiltime.zones.grid.query import resolve_leaves, top_values
from civiltime.zones.plain import require_on_globe
from civiltime.zones.world import World


class ZoneIndex:
    """Exact candidate sets over a compiled world."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.codes = grid.codes()

    @classmethod
    def open(cls, cache: Path, tz_world_sha256: str, load_world: Callable[[], World]) -> ZoneIndex:
        """The index of a sealed world, from the cache or built and put there.

        ``load_world`` is called only where the cache holds no good index.  Processes that
        build at once wait for the first.  Where the cache can't be written, the index is
        built and not kept.
        """
        path = store.path_in(cache, tz_world_sha256)
        grid = store.read(path, tz_world_sha256)
        return cls(grid or _build(path, tz_world_sha256, load_world))

    @classmethod
    def of(cls, world: World) -> ZoneIndex:
        """The index of a world, built in memory."""
        return cls(compile_world(world))

    @property
    def tzids(self) -> tuple[str, ...]:
        """The zones in byte order; a zone's number is its place."""
        return self.grid.tzids

    @property
    def countries(self) -> tuple[str | None, ...]:
        """The ISO code of each zone's country, None where it has none."""
        return self.grid.countries

    def candidates(self, lon: Floats, lat: Floats) -> Codes:
        """The zone-set code of each point: int64[n] for float64[n] degrees.

        Raises :class:`~civiltime.errors.Invalid` for NaN, infinities and points off the globe.
        """
        lon = np.ascontiguousarray(lon, np.float64)
        lat = np.ascontiguousarray(lat, np.float64)
        require_on_globe(lon, lat)
        out = np.empty(len(lon), np.int64)
        top_values(self.grid, lon, lat, out)
        resolve_leaves(self.grid, self.codes, lon, lat, out)
        return out

    def zone_sets(self, codes: Codes) -> Sequence[tuple[int, ...]]:
        """The zone numbers of each code, ascending."""
        return self.codes.decode_all(codes)

    def lookup(self, lat: float, lon: float) -> tuple[str, ...]:
        """The tzids that cover one point, in byte order."""
        code = self.candidates(np.array([lon], np.float64), np.array([lat], np.float64))
        return tuple(self.tzids[zone] for zone in self.codes.decode(int(code[0])))


def _build(path: Path, tz_world_sha256: str, load_world: Callable[[], World]) -> Grid:
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(path.with_suffix(".lock")))
        except OSError:  # the cache can't be written
            return compile_world(load_world())
        grid = store.read(path, tz_world_sha256)  # another process may have built it meanwhile
        if grid is None:
            grid = compile_world(load_world())
            store.clean(path)
            try:
                store.write(path, tz_world_sha256, grid)
            except OSError:
                return grid
            grid = store.read(path, tz_world_sha256) or grid  # mapped: shared, and not ours
        return grid
