"""Every measurement, as tables on stdout and as JSON: ``python -m benchmarks [NAME ...]``.

Names are ``kernel``, ``process``, ``load``, ``index``, ``chain`` and ``scoring`` (all of them
without a name); ``--sizes`` says how many sites the chain and the scoring are measured at.  JSON
goes to ``bench-results/``.  Close what else runs on the machine
first: a busy core is in every number.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import chain, kernel_build, kernel_load, kernel_peers, process, scoring
from benchmarks.kernel_world import machine, say
from civiltime.cli.output import table

NAMES = ("kernel", "process", "load", "index", "chain", "scoring")
RESULTS = Path("bench-results")


def keep(name: str, result: object) -> None:
    """Write one result with the machine that it was measured on."""
    RESULTS.mkdir(exist_ok=True)
    document = {"machine": machine(), "result": result}
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


def main() -> int:
    """Measure, show and keep; the exit status."""
    parser = argparse.ArgumentParser(description="Measure civiltime.")
    parser.add_argument("names", nargs="*", default=list(NAMES), metavar="NAME")
    parser.add_argument("--sizes", default=",".join(map(str, chain.SIZES)))
    options = parser.parse_args()
    if "kernel" in options.names:
        peers = kernel_peers.measure()
        kernel_peers.show(peers)
        keep("kernel", peers)
    if "process" in options.names:
        whole = process.measure()
        process.show(whole)
        keep("process", whole)
    if "load" in options.names:
        loading = kernel_load.measure()
        kernel_load.show(loading)
        keep("load", loading)
    if "index" in options.names:
        cost = kernel_build.measure()
        kernel_build.show(cost)
        keep("index", cost)
    sizes = tuple(int(s) for s in options.sizes.split(","))
    if "chain" in options.names:
        with tempfile.TemporaryDirectory() as folder:
            measured = chain.measure(Path(folder), sizes, say)
        head = ("sites", "how", "what", "median ms", "least-greatest", "x copy", "peak MB")
        say(machine())
        say(table(head, chain.rows(measured), right=(0, 3, 4, 5, 6)))
        keep("chain", measured)
    if "scoring" in options.names:
        with tempfile.TemporaryDirectory() as folder:
            measured = scoring.measure(Path(folder), sizes, say)
        scoring.show(measured)
        keep("scoring", measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
