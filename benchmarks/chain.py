"""States and chain against a plain copy of the same table, and whole processes.

For each size: one upstream of real cities is made once; then, in turn, a fresh run of the
chain and a plain Polars read + sort + write of the same table, five times, in one process;
then `civiltime run` and the same copy as whole processes, in turn.  Medians, ratios of
medians, and the spread.  Everything is warm: the index and the timetable are in the cache.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = (31_257, 1_000_000, 10_000_000)
REPEATS = 5
SEED = 42
KEY = ["merchant_id", "legal_country_iso", "site_order"]
COPY = (
    "import sys, polars as pl; "
    "pl.read_parquet(sys.argv[1] + '/*.parquet')"
    f".sort({KEY!r}).write_parquet(sys.argv[2])"
)


def prepare(root: Path, sites: int) -> tuple[Path, str]:
    """A workspace with references and one upstream of ``sites`` sites; its fingerprint."""
    from civiltime.demo import prepare as prepare_workspace
    from civiltime.reference.demo import demo_upstream
    from civiltime.reference.tz_world import open_table

    workspace = prepare_workspace(root, lambda _label, _share: None)
    world = open_table(workspace.path("tz_world_{release}", release="2026c"))
    fingerprint = demo_upstream(
        workspace.upstream_root, "population", [SEED], world=world, sites=sites
    )
    return root, fingerprint


def in_process(root: Path, fingerprint: str, repeats: int = REPEATS) -> dict[str, Any]:
    """Milliseconds of each state, of the chain and of the copy, in one process, in turn."""
    import polars as pl

    from civiltime.states.chain import run_chain
    from civiltime.states.start import start_run
    from civiltime.workspace.config import open_workspace

    workspace = open_workspace(root)
    times: dict[str, list[float]] = {}
    for repeat in range(repeats + 1):
        run = start_run(workspace, SEED, fingerprint=fingerprint)
        begin = time.perf_counter()
        reports = run_chain(run)
        chain = (time.perf_counter() - begin) * 1000
        begin = time.perf_counter()
        frame = pl.read_parquet(run.path("site_locations") / "*.parquet")
        frame.sort(KEY).write_parquet(root / "copy.parquet")
        copy = (time.perf_counter() - begin) * 1000
        shutil.rmtree(run.folder)
        if repeat:  # the first is the warm-up: it fills the caches
            measured = {r["state"]: r["durations"]["wall_ms"] for r in reports}
            for name, value in {**measured, "chain": chain, "copy": copy}.items():
                times.setdefault(name, []).append(value)
    return {name: summary(values) for name, values in times.items()}


def whole_process(root: Path, fingerprint: str, repeats: int = REPEATS) -> dict[str, Any]:
    """Seconds and peak memory of `civiltime run` and of the copy as processes, in turn."""
    sites = root / "upstream/data/layer1/1B/site_locations" / f"seed={SEED}"
    sites /= f"manifest_fingerprint={fingerprint}"
    program = [sys.executable, "-m", "civiltime"]
    chain = [*program, "run", "--seed", str(SEED), "--fingerprint", fingerprint, "--json"]
    commands = {
        "chain": [*chain, "-w", str(root)],
        "copy": [sys.executable, "-c", COPY, str(sites), str(root / "copy.parquet")],
        "import": [sys.executable, "-c", "import civiltime.states.chain"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    memory: dict[str, float] = {}
    for _ in range(repeats):
        for name, command in commands.items():
            taken, peak = timed(command)
            seconds[name].append(taken * 1000)
            memory[name] = max(memory.get(name, 0.0), peak)
        for run in (root / "runs/fix-data-engine/segment_2A").iterdir():
            shutil.rmtree(run)
    return {
        name: {**summary(values), "peak_mb": round(memory[name])}
        for name, values in seconds.items()
    }


LAUNCHER = """
import os, sys, time
begin = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ,
                     file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                                   (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(pid, 0)
print(status, time.perf_counter() - begin, usage.ru_maxrss)
"""
"""A small parent: a child's peak memory counts from its parent's, so ours would be in it."""


def timed(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident megabytes of one process."""
    launch = [sys.executable, "-I", "-S", "-c", LAUNCHER, *command]
    said = subprocess.run(launch, capture_output=True, text=True, check=True).stdout.split()
    if int(said[0]):
        raise RuntimeError(f"{command[:4]} ended with status {said[0]}")
    return float(said[1]), int(said[2]) / 1024


def summary(values: list[float]) -> dict[str, Any]:
    """Median, least and greatest, in milliseconds."""
    return {
        "median_ms": round(statistics.median(values), 1),
        "min_ms": round(min(values), 1),
        "max_ms": round(max(values), 1),
        "repeats": len(values),
    }


def measure(folder: Path, sizes: tuple[int, ...], say: Callable[[str], None]) -> dict[str, Any]:
    """All sizes; each in a workspace of its own below ``folder``."""
    results: dict[str, Any] = {}
    for size in sizes:
        say(f"{size:,} sites: making the upstream")
        root, fingerprint = prepare(folder / f"sites-{size}", size)
        say(f"{size:,} sites: in one process")
        inside = in_process(root, fingerprint)
        say(f"{size:,} sites: as whole processes")
        results[str(size)] = {
            "in_process": inside,
            "whole_process": whole_process(root, fingerprint),
        }
        shutil.rmtree(root)
    return results


def rows(results: dict[str, Any]) -> list[tuple[object, ...]]:
    """The results as rows of a table: size, what, median, spread, times the copy, memory."""
    found: list[tuple[object, ...]] = []
    for size, kinds in results.items():
        for kind, measured in kinds.items():
            copy = measured["copy"]["median_ms"]
            for name, m in measured.items():
                found.append(
                    (
                        f"{int(size):,}",
                        kind.replace("_", " "),
                        name,
                        f"{m['median_ms']:,.0f}",
                        f"{m['min_ms']:,.0f}-{m['max_ms']:,.0f}",
                        f"{m['median_ms'] / copy:.2f}",
                        f"{m['peak_mb']:,}" if "peak_mb" in m else "-",
                    )
                )
    return found
