"""A million sites from start to exit, beside the peers: ``python -m benchmarks.process``.

Whole processes, in turn: the interpreter alone; civiltime's imports; civiltime from its start to
the name of every site's zone; and the same for the peers, or as much of it as is fair to wait for.
The sites lie in a file, so that all read the same; the index is in the cache, as it is from the
second process of a workspace on.  A peer that isn't installed is left out.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chain import summary, timed
from benchmarks.kernel_world import RELEASE, city_sites, machine, say
from civiltime.cli.output import table

SITES = 1_000_000
ROUNDS = 7
READ = "import sys, numpy as np; lon, lat = np.load(sys.argv[1]); "
WAYS = {
    "Python alone": ("", "pass"),
    "civiltime: import": ("", "from civiltime import open_zones; open_zones"),
    "civiltime: 1 M sites, named": (
        "",
        READ + "from civiltime import open_zones; zones = open_zones(sys.argv[2]); "
        "codes = zones.candidates(lon, lat); "
        "np.array(('', *zones.tzids))[np.where(codes <= len(zones.tzids), codes, 0)]",
    ),
    "timezonefinder: import": (
        "timezonefinder",
        "from timezonefinder import TimezoneFinder; TimezoneFinder()",
    ),
    "timezonefinder: 1 M sites, batch": (
        "timezonefinder",
        READ + "from timezonefinder import TimezoneFinder; "
        "TimezoneFinder().timezone_names_at(lngs=lon, lats=lat)",
    ),
    "tzfpy: 1 M sites, loop": (
        "tzfpy",
        READ + "import tzfpy; [tzfpy.get_tz(x, y) for x, y in zip(lon.tolist(), lat.tolist())]",
    ),
}


def measure() -> dict[str, Any]:
    """Milliseconds and peak memory of each way, in turn."""
    from civiltime import ingest_tz_world, ingest_tzdb, init_workspace, open_zones

    with tempfile.TemporaryDirectory() as folder:
        sites, workspace = Path(folder, "sites.npy"), Path(folder, "workspace")
        np.save(sites, np.array(city_sites(SITES)))
        opened = ingest_tzdb(init_workspace(workspace), "package", RELEASE).workspace
        open_zones(ingest_tz_world(opened, "package", RELEASE).workspace)
        ways = {
            name: [sys.executable, "-c", script, str(sites), str(workspace)]
            for name, (needs, script) in WAYS.items()
            if not needs or find_spec(needs)
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        memory = dict.fromkeys(ways, 0.0)
        for counts in (False, *[True] * ROUNDS):
            for name, command in ways.items():
                seconds, peak = timed(command)
                if counts:
                    taken[name].append(seconds * 1000)
                    memory[name] = max(memory[name], peak)
    return {name: {**summary(taken[name]), "peak_mb": round(memory[name])} for name in ways}


def show(results: dict[str, Any]) -> None:
    """The results as a table on stdout."""
    say(f"{machine()}; {ROUNDS} processes each, in turn")
    head = ("from start to exit", "median ms", "least-greatest", "peak MB")
    found = [
        (n, f"{m['median_ms']:,.0f}", f"{m['min_ms']:,.0f}-{m['max_ms']:,.0f}", f"{m['peak_mb']:,}")
        for n, m in results.items()
    ]
    say(table(head, found, right=(1, 2, 3)))


def main() -> int:
    """Measure and say; the exit status."""
    show(measure())
    return 0


if __name__ == "__main__":
    sys.exit(main())
