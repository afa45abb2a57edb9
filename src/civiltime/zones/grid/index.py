"""The zone index: a world, compiled once and kept, asked at the speed of memory.

The law: ``candidates`` says for every float64 longitude and latitude on the globe what
:class:`~civiltime.zones.plain.PlainZones` says, boundary included.  How many points are
asked at once, on how many threads and with or without the compiled kernel changes nothing
but the time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
from filelock import FileLock

from civiltime.errors import Invalid
from civiltime.zones.codes import Codes
from civiltime.zones.grid import store
from civiltime.zones.grid.build import compile_world
from civiltime.zones.grid.edges import Floats
from civiltime.zones.grid.layout import Grid
from civiltime.zones.grid.query import resolve_leaves, write_values
from civiltime.zones.plain import require_on_globe
from civiltime.zones.world import World

WriteValues = Callable[[Grid, Floats, Floats, Codes], bool]
LONG = 1 << 25
"""Points after which the compiled kernel has paid for being loaded."""
TWO_THREADS = 1 << 18
"""Points from which two threads are quicker than one."""


class ZoneIndex:
    """Exact candidate sets over a compiled world."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.codes = grid.codes()
        self._asked = 0
        self._accelerated = False
        self._write_values: WriteValues = write_values

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
        return cls(compile_world(lambda: world))

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
        if lon.shape != lat.shape or lon.ndim != 1:
            raise Invalid(f"longitudes and latitudes have shapes {lon.shape} and {lat.shape}")
        self._asked += len(lon)
        if self._asked >= LONG and not self._accelerated:
            self.accelerate()
        out = np.empty(len(lon), np.int64)
        if not self._on_threads(lon, lat, out):
            require_on_globe(lon, lat)
        resolve_leaves(self.grid, self.codes, lon, lat, out)
        return out

    def accelerate(self) -> None:
        """Use the compiled kernel from now on; nothing happens where numba isn't installed."""
        self._accelerated = True
        with suppress(ImportError):
            from civiltime.zones.grid import accelerate

            self._write_values = accelerate.write_values

    def _on_threads(self, lon: Floats, lat: Floats, out: Codes) -> bool:
        """``write_values``, on two threads where that is quicker."""
        half = len(lon) // 2 if len(lon) >= TWO_THREADS and _processors() > 1 else 0
        if not half:
            return self._write_values(self.grid, lon, lat, out)
        with ThreadPoolExecutor(1) as other:
            first = other.submit(self._write_values, self.grid, lon[:half], lat[:half], out[:half])
            second = self._write_values(self.grid, lon[half:], lat[half:], out[half:])
            return first.result() and second

    def zone_sets(self, codes: Codes) -> Sequence[tuple[int, ...]]:
        """The zone numbers of each code, ascending."""
        return self.codes.decode_all(codes)

    def lookup(self, lat: float, lon: float) -> tuple[str, ...]:
        """The tzids that cover one point, in byte order."""
        code = self.candidates(np.array([lon], np.float64), np.array([lat], np.float64))
        return tuple(self.tzids[zone] for zone in self.codes.decode(int(code[0])))


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _build(path: Path, tz_world_sha256: str, load_world: Callable[[], World]) -> Grid:
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(path.with_suffix(".lock")))
        except OSError:  # the cache can't be written
            return compile_world(load_world)
        grid = store.read(path, tz_world_sha256)  # another process may have built it meanwhile
        if grid is None:
            grid = compile_world(load_world)
            store.clean(path)
            try:
                store.write(path, tz_world_sha256, grid)
            except OSError:
                return grid
            grid = store.read(path, tz_world_sha256) or grid  # mapped: shared, and not ours
        return grid
