"""Run one command and write down what it cost: a program of its own, and a small one.

On Linux a process starts with the peak of the one that made it, so a large parent would hide what
its children take.  This one imports nothing of civiltime and is started without ``site``.

Arguments: the file for the cost, then the command.  The command's stdout is this program's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def measure(command: list[str]) -> dict[str, float | str]:
    """Exit status, wall and CPU time in ms, peak in bytes; or ``error`` where it can't start."""
    clock = time.perf_counter()
    try:
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    except OSError as problem:
        return {"error": problem.strerror or type(problem).__name__}
    _, status, usage = os.wait4(process.pid, 0)
    wall = (time.perf_counter() - clock) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "status": process.returncode,
        "wall_ms": round(wall, 3),
        "cpu_ms": round((usage.ru_utime + usage.ru_stime) * 1000, 3),
        "peak_rss_bytes": float(usage.ru_maxrss * 1024),
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(measure(sys.argv[2:])))
