"""From how many points the compiled kernel pays: ``python -m benchmarks.kernel_load``.

In fresh processes, in turn: what loading it costs (import, machine code from the cache, first
answer), and what a point costs with NumPy and compiled, on two threads.  ``index.LONG`` is
where the cost of loading has been lost to the slower method: loading then, whatever comes, at
most doubles the time that a foreseeing reader of the stream would have needed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.kernel_world import machine, real_world, say
from civiltime.zones.grid import ZoneIndex, index

ROUNDS = 5
DIGEST = "0" * 64
PROBE = """
import sys, time
from pathlib import Path
from benchmarks.kernel_world import city_sites, interleaved
from civiltime.zones.grid import ZoneIndex, index
index.LONG = 1 << 62
zones = ZoneIndex.open(Path(sys.argv[1]), sys.argv[2], lambda: None)
lon, lat = city_sites(2_000_000)
plain = interleaved({"": lambda: zones.candidates(lon, lat)}, 5)[""]
begin = time.perf_counter()
zones.accelerate()
zones.lookup(47.1, 8.5)
loading = time.perf_counter() - begin
compiled = interleaved({"": lambda: zones.candidates(lon, lat)}, 5)[""]
print(loading, sorted(plain)[2] / len(lon), sorted(compiled)[2] / len(lon))
"""


def measure() -> dict[str, Any]:
    """Seconds to load the compiled kernel, seconds a point costs without and with it."""
    with tempfile.TemporaryDirectory() as folder:
        ZoneIndex.open(Path(folder), DIGEST, real_world)
        command = [sys.executable, "-c", PROBE, folder, DIGEST]
        rows = []
        for _ in range(ROUNDS + 1):
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            rows.append([float(number) for number in said.split()])
    loading, plain, compiled = (median(column) for column in zip(*rows[1:], strict=True))
    return {
        "processes": ROUNDS,
        "loading_seconds": loading,
        "point_seconds": {"numpy": plain, "compiled": compiled},
        "pays_after_points": loading / (plain - compiled),
        "long": index.LONG,
    }


def show(result: dict[str, Any]) -> None:
    """The result in two lines."""
    plain, compiled = (result["point_seconds"][how] * 1e9 for how in ("numpy", "compiled"))
    say(f"{machine()}; medians of {result['processes']} processes")
    say(f"loading {result['loading_seconds']:.3f} s")
    say(f"a point {plain:.1f} ns, compiled {compiled:.1f} ns")
    say(f"pays after {result['pays_after_points'] / 1e6:.0f} M points; LONG is {result['long']:,}")


def main() -> int:
    """Measure and say; the exit status."""
    show(measure())
    return 0


if __name__ == "__main__":
    sys.exit(main())
