"""The lookup beside what people use: ``python -m benchmarks.kernel_peers``.

One process, the same sites around real cities, every method once a round, so that all share
the machine's weather; medians of the rounds, with the least and the greatest.  Slow methods
are asked about fewer sites.  timezonefinder and tzfpy are optional: what isn't installed is
left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

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


@contextmanager
def own_choice() -> Iterator[None]:
    """Whatever a method sets about threads and acceleration, the index chooses again after."""
    before = index.TWO_THREADS, index.LONG
    try:
        yield
    finally:
        index.TWO_THREADS, index.LONG = before


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


def measure(sites: int = 1_000_000, rounds: int = 7) -> dict[str, Any]:
    """Sites per second of every method: median, least and greatest over the rounds."""
    world = real_world()
    lon, lat = city_sites(sites)
    zones = ZoneIndex.of(world)
    peers = ours(zones, lon, lat) | installed_peers(lon, lat) | shapely_peers(world, lon, lat)
    with own_choice():
        seconds = interleaved({name: peer.run for name, peer in peers.items()}, rounds)
    codes = zones.candidates(lon, lat)
    result: dict[str, Any] = {
        "sites": len(lon),
        "rounds": rounds,
        "in_several_zones": int((codes > len(zones.tzids)).sum()),
        "methods": {},
    }
    for name, peer in peers.items():
        rate, greatest, least = (peer.sites / s for s in spread(seconds[name]))
        result["methods"][name] = {
            "sites_per_second": rate,
            "least": least,
            "greatest": greatest,
            "answers": peer.answers,
        }
    return result


def show(result: dict[str, Any]) -> None:
    """The result as a table, and how many times timezonefinder's batch it is."""
    say(f"{machine()}; {result['sites']:,} sites around cities, {result['rounds']} rounds")
    say(f"{result['in_several_zones']:,} sites lie in more than one zone\n")
    say(f"{'':42}{'M sites/s':>10}   (least to greatest)   answers")
    methods = result["methods"]
    for name, m in methods.items():
        rate, least, greatest = (m[k] / 1e6 for k in ("sites_per_second", "least", "greatest"))
        say(f"{name:42}{rate:10.4g}   ({least:.4g} to {greatest:.4g})   {m['answers']}")
    for name in [n for n in methods if n.startswith("timezonefinder")]:
        for how in ("NumPy", "compiled"):
            mine = methods[f"civiltime, {how}, 1 thread"]["sites_per_second"]
            times = mine / methods[name]["sites_per_second"]
            say(f"{how}, one thread: {times:.0f} times {name}")


def main() -> int:
    """Measure and say; the exit status."""
    parser = argparse.ArgumentParser(description="Compare the lookup with its peers.")
    parser.add_argument("--sites", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    show(measure(options.sites, options.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
