"""Scoring against a plain count: four seeds certified, as whole processes.

For each size: one upstream of real cities, spread over the zones of their countries, and a run of
the chain for each of four seeds, once; then, in turn, a certification (every byte verified, three
tables of each seed read side by side, every row asked again what decided it) and a plain Polars
count of sites by country and zone over the same `site_timezones`.  Wall time and peak memory of
whole processes.  Everything is warm: index, topology and reference world are in the cache.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.chain import summary, timed
from benchmarks.kernel_world import machine, say
from civiltime.cli.output import table

SIZES = (31_257, 1_000_000, 10_000_000)
SEEDS = (42, 7, 101, 202)
REPEATS = 5
SCORE = (
    "import sys, pathlib; "
    "from civiltime.certify.certify import certify_runs; "
    "from civiltime.workspace.config import open_workspace; "
    "certify_runs(open_workspace(pathlib.Path(sys.argv[1])))"
)
"""What `civiltime certify` does, without its exit status, which says the verdict."""
COUNT = (
    "import sys, polars as pl; "
    "[pl.scan_parquet(p + '/*.parquet').group_by('legal_country_iso', 'tzid').len().collect()"
    " for p in sys.argv[1:]]"
)


def prepare(root: Path, sites: int) -> list[Path]:
    """A workspace with a run of each seed, certified once; the tables that are scored."""
    from civiltime.demo import certify_demo, run_demo

    runs = {seed: run for seed, (run, _) in run_demo(root, "stratified", SEEDS, sites).items()}
    certify_demo(root, runs)
    return [run.path("site_timezones") for run in runs.values()]


def whole_process(root: Path, tables: list[Path], repeats: int = REPEATS) -> dict[str, Any]:
    """Milliseconds and peak memory of a certification and of the count, in turn."""
    commands = {
        "score": [sys.executable, "-c", SCORE, str(root)],
        "count": [sys.executable, "-c", COUNT, *map(str, tables)],
        "import": [sys.executable, "-c", "import civiltime.certify.certify"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    memory: dict[str, float] = {}
    for _ in range(repeats):
        for name, command in commands.items():
            seconds, peak = timed(command)
            taken[name].append(seconds * 1000)
            memory[name] = max(memory.get(name, 0.0), peak)
    return {
        name: {**summary(values), "peak_mb": round(memory[name])} for name, values in taken.items()
    }


def measure(folder: Path, sizes: tuple[int, ...], say: Callable[[str], None]) -> dict[str, Any]:
    """All sizes; each in a workspace of its own below ``folder``."""
    results: dict[str, Any] = {}
    for size in sizes:
        say(f"{size:,} sites: {len(SEEDS)} runs")
        root = folder / f"scored-{size}"
        tables = prepare(root, size)
        say(f"{size:,} sites: scoring, as whole processes")
        results[str(size)] = whole_process(root, tables)
        shutil.rmtree(root)
    return results


def rows(results: dict[str, Any]) -> list[tuple[object, ...]]:
    """The results as rows of a table: sites of each seed, what, median, spread, rows/s, memory."""
    found: list[tuple[object, ...]] = []
    for size, measured in results.items():
        scored = int(size) * len(SEEDS)
        for name, m in measured.items():
            found.append(
                (
                    f"{len(SEEDS)} x {int(size):,}",
                    name,
                    f"{m['median_ms']:,.0f}",
                    f"{m['min_ms']:,.0f}-{m['max_ms']:,.0f}",
                    "-" if name == "import" else f"{scored / m['median_ms'] / 1000:.2f}",
                    f"{m['peak_mb']:,}",
                )
            )
    return found


def show(results: dict[str, Any]) -> None:
    """The results as a table on stdout."""
    head = ("sites", "what", "median ms", "least-greatest", "M rows/s", "peak MB")
    say(machine())
    say(table(head, rows(results), right=(0, 2, 3, 4, 5)))


def main() -> int:
    """``python -m benchmarks.scoring [--sizes N,...]``: measure and show."""
    parser = argparse.ArgumentParser(description="Measure how long a certification takes.")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    sizes = tuple(int(s) for s in parser.parse_args().sizes.split(","))
    with tempfile.TemporaryDirectory() as folder:
        show(measure(Path(folder), sizes, say))
    return 0


if __name__ == "__main__":
    sys.exit(main())
