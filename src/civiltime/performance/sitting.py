"""A paired sitting: two builds repeat one run in turn, each round in fresh processes.

The law (specification 5.7): both sides work on private copies of the same workspace, each with a
cache that an unmeasured round has filled.  A round runs both, one right after the other; who goes
first alternates.  Each side repeats the chain of the witness run from its receipt alone, so equal
builds publish equal bytes, and then scores it.  States are timed by their run reports; the whole
process (``total``) and the scorer (``certify``) by the system's account of the process that ended.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

from civiltime.consumers.verify import STATES
from civiltime.errors import CivilTimeError, Invalid
from civiltime.performance.machine import describe_machine
from civiltime.performance.pairs import require_rounds
from civiltime.states.context import read_report
from civiltime.workspace.clock import now_utc
from civiltime.workspace.config import Workspace, open_workspace
from civiltime.workspace.digest import FileDigest, digest_folder, partition_hash, sha256_file
from civiltime.workspace.runs import Run, open_run

Side = Literal["baseline", "candidate"]
SIDES: tuple[Side, Side] = ("baseline", "candidate")
TIMED = (*STATES, "total", "certify")
"""What is timed in every round: the states, the whole process of the chain, and the scorer's."""
MEASURES = ("wall_ms", "cpu_ms", "peak_rss_bytes")
Measures = dict[str, dict[str, float]]
FAILED = "2A-PF-007"
FAIL_REALISM = 3
"""The scorer's exit status for a verdict that is none of a failure of the scorer."""


@dataclass
class Bench:
    """One side: its build, its copy of the workspace, and what its rounds gave."""

    side: Side
    executable: Path
    workspace: Workspace
    run_id: str
    rounds: list[dict[str, Any]] = field(default_factory=list)
    decisions: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        """The run that this side repeats, in its own copy."""
        return open_run(self.workspace, self.run_id)


def sit(
    run: Run,
    executables: Mapping[Side, Path],
    rounds: int,
    progress: Callable[[str, float], None] = lambda _label, _share: None,
) -> dict[Side, dict[str, Any]]:
    """Measure both builds on a witness run; the timing artefact of each side.

    2A-PF-006 for too few rounds, 2A-PF-007 where a build can't be started or fails.
    """
    require_rounds(rounds)
    started = now_utc()
    builds = {side: build_digest(side, executables[side]) for side in SIDES}
    with tempfile.TemporaryDirectory(prefix="civiltime-sitting-") as scratch:
        benches = [
            Bench(side, executables[side], copy_inputs(run, Path(scratch) / side), run.id)
            for side in SIDES
        ]
        for bench in benches:
            progress(f"{bench.side}: filling the caches", -1.0)
            measure_round(bench, run, 0, 1)
            bench.rounds.clear()
        for number in range(1, rounds + 1):
            ordered = benches if number % 2 else benches[::-1]
            for turn, bench in enumerate(ordered, start=1):
                measure_round(bench, run, number, turn)
            progress(f"round {number} of {rounds}", number / rounds)
        head = {
            "segment": "2A",
            "sitting_id": secrets.token_hex(16),
            "started_utc": started,
            "machine": describe_machine(),
        }
        return {b.side: {**head, **_timings(b, builds[b.side])} for b in benches}


def find_executable(path: Path) -> Path:
    """The ``civiltime`` of a build: itself, or that of an environment's folder."""
    for found in (path, path / "civiltime", path / "bin" / "civiltime"):
        if found.is_file() and os.access(found, os.X_OK):
            return found.absolute()
    raise CivilTimeError(FAILED, f"{path} is no civiltime and holds none", {"path": str(path)})


def build_digest(side: Side, executable: Path) -> str:
    """The digest of the package's files that this executable runs."""
    python = executable.with_name("python")
    code = "import civiltime; print(civiltime.__path__[0])"
    try:
        said = subprocess.run(  # the build that the user named
            [python, "-I", "-c", code], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        why = f"{side}: {python} can't tell where its civiltime lies ({type(error).__name__})"
        raise CivilTimeError(FAILED, why, {"side": side}) from None
    package = Path(said.stdout.strip())
    return partition_hash(
        FileDigest(path.relative_to(package).as_posix(), path.stat().st_size, sha256_file(path))
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def copy_inputs(run: Run, to: Path) -> Workspace:
    """A private copy of what the chain reads: no runs, no reports of the lane, no cache."""
    source = run.workspace
    left_out = {source.lane_root, source.cache}

    def ignore(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder) / name in left_out]

    shutil.copytree(source.root, to, ignore=ignore, symlinks=True)
    return open_workspace(to)


def measure_round(bench: Bench, witness: Run, number: int, turn: int) -> None:
    """One side of one round: the chain from the receipt on, then the scorer."""
    folder = bench.workspace.lane_root / witness.id
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(witness.path("run_receipt"), folder / "run_receipt.json")
    seed = str(witness.receipt.seed)
    fingerprint = witness.receipt.manifest_fingerprint
    total, _ = _execute(
        bench, "run", "--seed", seed, "--fingerprint", fingerprint, "--run-id", witness.id
    )
    scorer, said = _execute(bench, "certify", "--runs", f"{seed}:{witness.id}")
    reports = _reports(bench)
    measures: Measures = {s: _state_measures(reports[s]) for s in STATES}
    measures |= {"total": total, "certify": scorer}
    bench.decisions = decisions(reports, json.loads(said), seed)
    bench.rounds.append(
        {
            "round": number,
            "turn": turn,
            "measures": measures,
            "outputs_sha256": partition_hash(digest_folder(folder / "data")),
        }
    )


def _execute(bench: Bench, *arguments: str) -> tuple[dict[str, float], bytes]:
    """A command of the build in a fresh process: what it cost, and its stdout."""
    root = bench.workspace.root
    command = [str(bench.executable), *arguments, "--workspace", str(root), "--json"]
    with tempfile.TemporaryFile() as out:
        clock = time.perf_counter()
        try:
            process = subprocess.Popen(  # the build that the user named
                command, stdout=out, stderr=subprocess.DEVNULL, cwd=root
            )
        except OSError as problem:
            why = f"{bench.side}: {bench.executable} can't be started ({problem.strerror})"
            raise CivilTimeError(FAILED, why, {"side": bench.side}) from None
        try:
            _, status, usage = os.wait4(process.pid, 0)
            wall = (time.perf_counter() - clock) * 1000
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        out.seek(0)
        said = out.read()
    if process.returncode not in {0, FAIL_REALISM if arguments[0] == "certify" else 0}:
        raise CivilTimeError(
            FAILED,
            f"{bench.side}: civiltime {arguments[0]} ended with {process.returncode}{_code(said)}",
            {"side": bench.side},
        )
    cost = {
        "wall_ms": round(wall, 3),
        "cpu_ms": round((usage.ru_utime + usage.ru_stime) * 1000, 3),
        "peak_rss_bytes": float(usage.ru_maxrss * 1024),
    }
    return cost, said


def _code(said: bytes) -> str:
    try:
        error = json.loads(said)["error"]
        return f" ({error['code']} {error['message']})"
    except (ValueError, LookupError, TypeError):
        return ""


def _reports(bench: Bench) -> dict[str, dict[str, Any]]:
    run = bench.run
    try:
        return {s: read_report(run.report_path(s), f"{bench.side} {s}", run) for s in STATES}
    except (Invalid, OSError) as finding:
        raise CivilTimeError(FAILED, str(finding), {"side": bench.side}) from None


def _state_measures(report: Mapping[str, Any]) -> dict[str, float]:
    return {
        "wall_ms": report["durations"]["wall_ms"],
        "cpu_ms": report["durations"]["cpu_ms"],
        "peak_rss_bytes": report["resources"]["peak_rss_bytes"],
    }


def decisions(
    reports: Mapping[str, Mapping[str, Any]], certification: Mapping[str, Any], seed: str
) -> dict[str, dict[str, str]]:
    """Every validator's result by state; the scorer's verdict and the band of every gate."""
    found = {s: {v["id"]: v["result"] for v in reports[s]["validators"]} for s in STATES}
    scored = certification["seeds"][seed]
    bands = {gate["id"]: gate["band"] for gate in scored["gates"]}
    return {**found, "certify": {"verdict": scored["verdict"], **bands}}


def medians(rounds: Sequence[Mapping[str, Any]]) -> Measures:
    """The median of every measure over the rounds."""
    return {
        state: {m: median(r["measures"][state][m] for r in rounds) for m in MEASURES}
        for state in TIMED
    }


def _timings(bench: Bench, build_sha256: str) -> dict[str, Any]:
    run, reports = bench.run, _reports(bench)
    return {
        "side": bench.side,
        "build": {"build_sha256": build_sha256, "software": dict(reports["S1"]["software"])},
        "inputs": {
            "run_id": run.id,
            "seed": str(run.receipt.seed),
            "manifest_fingerprint": run.receipt.manifest_fingerprint,
            "sealed_inputs_sha256": sha256_file(run.path("sealed_inputs_2A")),
            "sites": reports["S1"]["counts"]["sites"],
        },
        "rounds": bench.rounds,
        "medians": medians(bench.rounds),
        "outputs": {
            f"data/{f.path}": {"sha256_hex": f.sha256_hex}
            for f in digest_folder(run.folder / "data")
        },
        "decisions": bench.decisions,
    }
