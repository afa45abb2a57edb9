"""The grid against GEOS on millions of points: ``python -m benchmarks.verify_kernel``.

Every kind of trap, all cities, and sites around them; NumPy and compiled kernel are both
compared with the plain method.  Exits 1 when a single point is answered differently, and
says which.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from benchmarks.kernel_world import Floats, city_sites, machine, real_world, say
from civiltime.reference.cities import load_cities
from civiltime.zones.grid import ZoneIndex
from civiltime.zones.grid.traps import KINDS, traps
from civiltime.zones.plain import PlainZones


def main() -> int:
    """Compare; the exit status."""
    parser = argparse.ArgumentParser(description="Compare the grid with GEOS.")
    parser.add_argument("--points", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    world = real_world()
    begin = time.perf_counter()
    numpy_index = ZoneIndex.of(world)
    say(f"{machine()}\nbuilt in {time.perf_counter() - begin:.1f} s; seed {options.seed}")
    compiled = ZoneIndex(numpy_index.grid)
    compiled.accelerate()
    plain = PlainZones(world)
    cities = load_cities()
    sources = traps(world, options.points // (len(KINDS) + 2), options.seed)
    sources["city"] = cities["lon_deg"].to_numpy(), cities["lat_deg"].to_numpy()
    total = sum(len(lon) for lon, _ in sources.values())
    sources["around a city"] = city_sites(max(options.points - total, 1), options.seed)
    points = differing = 0
    for name, (lon, lat) in sources.items():
        wrong = _compare(plain, numpy_index, compiled, lon, lat)
        points, differing = points + len(lon), differing + wrong
        say(f"{name:34} {len(lon):9,} points  {wrong} differ")
    say(f"{'all':34} {points:9,} points  {differing} differ")
    return int(differing > 0)


def _compare(
    plain: PlainZones, index: ZoneIndex, compiled: ZoneIndex, lon: Floats, lat: Floats
) -> int:
    expected = plain.candidates(lon, lat)
    answers = index.candidates(lon, lat), compiled.candidates(lon, lat)
    wrong = np.flatnonzero((answers[0] != expected) | (answers[1] != expected))
    for row in wrong[:5]:
        said = ", ".join(str(answer[row]) for answer in answers)
        say(f"  lon {lon[row]!r}, lat {lat[row]!r}: {said}; GEOS says {expected[row]}")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
