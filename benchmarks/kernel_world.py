"""What the kernel is measured on: the real boundaries and sites around real cities."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from civiltime.reference.cities import load_cities
from civiltime.reference.tz_world import from_package
from civiltime.reference.tzdb import pack_package
from civiltime.zones.world import World

Floats = npt.NDArray[np.float64]
RELEASE = "2026c"
SPREAD = 0.02
"""Standard deviation, degrees, of a site around its city."""


def real_world() -> World:
    """The full-resolution boundaries of the release."""
    return World.from_table(from_package(RELEASE, pack_package(RELEASE).zone_tab).table)


def city_sites(count: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Longitudes and latitudes of sites around cities drawn at random, in random order."""
    cities = load_cities()
    rng = np.random.default_rng(seed)
    pick = rng.integers(0, len(cities), count)
    lon = cities["lon_deg"].to_numpy()[pick] + rng.normal(0, SPREAD, count)
    lat = cities["lat_deg"].to_numpy()[pick] + rng.normal(0, SPREAD, count)
    return np.clip(lon, -180, 180), np.clip(lat, -90, 90)


def interleaved(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each run in each round; a round runs them all, so they share the weather."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def spread(seconds: list[float]) -> tuple[float, float, float]:
    """Median, least and greatest."""
    return median(seconds), min(seconds), max(seconds)


def say(line: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def machine() -> str:
    """One line on where and when."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    today = datetime.now(UTC).date()
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {today}"
