"""What the index costs: ``python -m benchmarks.kernel_build``.

In fresh processes, in turn: compiling the boundaries into the file of the cache (reading them
included), and opening that file again with its sums checked.  Wall time within the process, its
peak memory, and the size of the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.kernel_world import machine, say

ROUNDS = 5
DIGEST = "0" * 64
PROBE = """
import json, resource, sys, time
from pathlib import Path
from benchmarks.kernel_world import real_world
from civiltime.zones.grid import ZoneIndex
begin = time.perf_counter()
zones = ZoneIndex.open(Path(sys.argv[1]), sys.argv[2], real_world)
seconds = time.perf_counter() - begin
zones.lookup(47.1, 8.5)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_mb": peak}))
"""


def probe(folder: str) -> dict[str, float]:
    """One process that opens the index in this folder, and builds it first where there is none."""
    command = [sys.executable, "-c", PROBE, folder, DIGEST]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(said)
    return found


def measure() -> dict[str, Any]:
    """Medians of building and of opening, and the file's size."""
    built, opened, size = [], [], 0
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            built.append(probe(folder))
            size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
            opened.append(probe(folder))
    return {
        "processes": ROUNDS,
        "bytes": size,
        "build": {key: median(b[key] for b in built) for key in built[0]},
        "open": {key: median(o[key] for o in opened) for key in opened[0]},
    }


def show(result: dict[str, Any]) -> None:
    """The result in three lines."""
    say(f"{machine()}; medians of {result['processes']} processes")
    for name in ("build", "open"):
        found = result[name]
        say(f"{name:5} {found['seconds']:8.3f} s  peak {found['peak_mb']:6.0f} MB")
    say(f"file  {result['bytes'] / 1e6:8.0f} MB")


def main() -> int:
    """Measure and say; the exit status."""
    show(measure())
    return 0


if __name__ == "__main__":
    sys.exit(main())
