"""The lookup beside what people use: ``python -m benchmarks.kernel_peers``.

One process, the same sites around real cities, every method once a round, so that all share
the machine's weather; medians of the rounds, with the least and the greatest.  Slow methods
are asked about fewer sites.  timezonefinder and tzfpy are optional: what isn't installed is
left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely

from benchmarks.kernel_world import (
    Floats,
    city_sites,
    interleaved,
    machine,
    real_world,
    say,
    spread,
)
from civiltime.zones.codes import Codes
from civiltime.zones.grid import ZoneIndex, index
from civiltime.zones.plain import PlainZones
from civiltime.zones.world import World

NEVER = 1 << 62
LOOP_SITES = 100_000
TREE_SITES = 5_000


@dataclass(frozen=True)
class Peer:
    """A way to find zones, how many sites it is asked about, and what it answers."""

    run: Callable[[], object]
    sites: int
    answers: str


def ours(zones: ZoneIndex, lon: Floats, lat: Floats) -> dict[str, Peer]:
    """The grid with NumPy and compiled, on one thread and on two."""
    compiled = ZoneIndex(zones.grid)
    compiled.accelerate()

    def asked(which: ZoneIndex, two_threads: int) -> Callable[[], Codes]:
        def run() -> Codes:
            index.TWO_THREADS, index.LONG = two_threads, NEVER
            return which.candidates(lon, lat)

        return run

    return {
        "civiltime, NumPy, 1 thread": Peer(asked(zones, NEVER), len(lon), "exact sets"),
        "civiltime, NumPy, 2 threads": Peer(asked(zones, 1), len(lon), "exact sets"),
        "civiltime, compiled, 1 thread": Peer(asked(compiled, NEVER), len(lon), "exact sets"),
        "civiltime, compiled, 2 threads": Peer(asked(compiled, 1), len(lon), "exact sets"),
    }


def shapely_peers(world: World, lon: Floats, lat: Floats) -> dict[str, Peer]:
    """The two usual ways with shapely."""
    plain = PlainZones(world)
    tree = shapely.STRtree(world.polygons)
    points = shapely.points(lon[:TREE_SITES], lat[:TREE_SITES])
    return {
        "shapely, prepared, by polygon": Peer(
            lambda: plain.candidates(lon, lat), len(lon), "exact sets"
        ),
        "shapely, STRtree with predicate": Peer(
            lambda: tree.query(points, predicate="intersects"), len(points), "exact sets"
        ),
    }


def installed_peers(lon: Floats, lat: Floats) -> dict[str, Peer]:
    """Timezonefinder's batch and tzfpy's loop, where they are installed."""
    peers: dict[str, Peer] = {}
    try:
        import timezonefinder

        finder = timezonefinder.TimezoneFinder()
        how = "numba" if finder.using_numba() else "no numba"
        peers[f"timezonefinder {timezonefinder.__version__}, batch, {how}"] = Peer(
            lambda: finder.timezone_ids_at(lngs=lon, lats=lat), len(lon), "one zone, never the set"
        )
    except ImportError:
        say("timezonefinder isn't installed")
    try:
        import tzfpy

        pairs = list(zip(lon[:LOOP_SITES].tolist(), lat[:LOOP_SITES].tolist(), strict=True))
        peers["tzfpy, loop"] = Peer(
            lambda: [tzfpy.get_tz(x, y) for x, y in pairs], len(pairs), "simplified borders"
        )
    except ImportError:
        say("tzfpy isn't installed")
    return peers


def main() -> int:
    """Measure and say; the exit status."""
    parser = argparse.ArgumentParser(description="Compare the lookup with its peers.")
    parser.add_argument("--sites", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    world = real_world()
    lon, lat = city_sites(options.sites)
    zones = ZoneIndex.of(world)
    peers = ours(zones, lon, lat) | installed_peers(lon, lat) | shapely_peers(world, lon, lat)
    seconds = interleaved({name: peer.run for name, peer in peers.items()}, options.rounds)
    codes = zones.candidates(lon, lat)
    say(f"{machine()}; {len(lon):,} sites around cities, {options.rounds} rounds")
    say(f"{int((codes > len(zones.tzids)).sum()):,} sites lie in more than one zone\n")
    say(f"{'':42}{'M sites/s':>10}   (least to greatest)   answers")
    for name, peer in peers.items():
        rate, greatest, least = (peer.sites / s / 1e6 for s in spread(seconds[name]))
        say(f"{name:42}{rate:10.4g}   ({least:.4g} to {greatest:.4g})   {peer.answers}")
    rates = {name: peers[name].sites / np.median(seconds[name]) for name in peers}
    for name in [n for n in peers if n.startswith("timezonefinder")]:
        numpy, compiled = (rates[f"civiltime, {how}, 1 thread"] for how in ("NumPy", "compiled"))
        say(f"\nagainst {name}: NumPy {numpy / rates[name]:.0f} times, ")
        say(f"compiled {compiled / rates[name]:.0f} times, both on one thread")
    return 0


if __name__ == "__main__":
    sys.exit(main())
