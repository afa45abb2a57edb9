"""A build at work: its commands in fresh processes, what they cost, and what they decided.

The law (specification 5.7): each side repeats the chain of a run from its receipt alone, so equal
builds publish equal bytes, and then scores it.  States are timed by their run reports; the whole
process (``total``) and the scorer (``certify``) by the system's account of the process that ended.
Both sides sit in the same copy of the workspace, over the same caches: two copies of one file are
not equally fast to read, and that difference would look like one of the builds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from civiltime.consumers.verify import STATES
from civiltime.errors import CivilTimeError, Invalid
from civiltime.performance import stopwatch
from civiltime.states.context import read_report
from civiltime.workspace.config import Workspace, open_workspace
from civiltime.workspace.digest import FileDigest, partition_hash, sha256_file
from civiltime.workspace.runs import Run

Side = Literal["baseline", "candidate"]
SIDES: tuple[Side, Side] = ("baseline", "candidate")
TIMED = (*STATES, "total", "certify")
"""What is timed in every round: the states, the whole process of the chain, and the scorer's."""
MEASURES = ("wall_ms", "cpu_ms", "peak_rss_bytes")
Measures = dict[str, dict[str, float]]
Decisions = dict[str, dict[str, str]]
FAILED = "2A-PF-007"
INTACT = "intact"
FAIL_REALISM = 3
"""The scorer's exit status for a verdict that is none of a failure of the scorer."""


@dataclass(frozen=True)
class Bench:
    """One side: its build, and the copy of the workspace that both sides work in."""

    side: Side
    executable: Path
    workspace: Workspace

    def folder(self, run: Run) -> Path:
        """Where this side repeats a run."""
        return self.workspace.lane_root / run.id


@dataclass(frozen=True)
class Ended:
    """A command that ended: exit status, cost, and the document that it printed."""

    status: int
    cost: dict[str, float]
    said: dict[str, Any]

    @property
    def codes(self) -> str:
        """The codes that it refused with, in order; '' where it didn't."""
        errors = self.said.get("errors") or [self.said.get("error")]
        return ", ".join(sorted(str(e["code"]) for e in errors if isinstance(e, Mapping)))


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


def copy_inputs(workspace: Workspace, to: Path) -> Workspace:
    """A private copy of what the chain reads: no runs, no reports of the lane, no cache."""
    left_out = {workspace.lane_root, workspace.cache}

    def ignore(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(folder) / name in left_out]

    shutil.copytree(workspace.root, to, ignore=ignore, symlinks=True)
    return open_workspace(to)


def repeat(bench: Bench, run: Run) -> tuple[Ended, Ended]:
    """The chain of a run, from its receipt on, and then the scorer."""
    folder = bench.folder(run)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(run.path("run_receipt"), folder / "run_receipt.json")
    seed, fingerprint = str(run.receipt.seed), run.receipt.manifest_fingerprint
    chain = execute(bench, "run", "--seed", seed, "--fingerprint", fingerprint, "--run-id", run.id)
    return chain, execute(bench, "certify", "--runs", f"{seed}:{run.id}")


def execute(bench: Bench, *arguments: str) -> Ended:
    """A command of the build in a fresh process, below a small one that measures it."""
    root = bench.workspace.root
    command = [str(bench.executable), *arguments, "--workspace", str(root), "--json"]
    with tempfile.TemporaryDirectory(prefix="civiltime-cost-") as folder:
        written, out = Path(folder) / "cost.json", Path(folder) / "stdout"
        with out.open("wb") as stream:
            _run_all_of_it(
                [sys.executable, "-I", "-S", stopwatch.__file__, str(written), *command],
                stream,
                root,
            )
        cost, said = json.loads(written.read_bytes()), out.read_bytes()
    if "error" in cost:
        why = f"{bench.side}: {bench.executable} can't be started ({cost['error']})"
        raise CivilTimeError(FAILED, why, {"side": bench.side})
    try:
        document = json.loads(said)
    except ValueError:
        document = {}
    status = cost.pop("status")
    return Ended(status, cost, document if isinstance(document, dict) else {})


def _run_all_of_it(command: list[str], stdout: BinaryIO, cwd: Path) -> None:
    """Run a command that starts another; when this is interrupted, neither lives on."""
    with subprocess.Popen(command, stdout=stdout, cwd=cwd, process_group=0) as process:
        try:
            status = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if status:
        raise subprocess.CalledProcessError(status, command)


def require_ended(bench: Bench, ended: Ended, command: str, *statuses: int) -> None:
    """2A-PF-007 where a command ended with none of these exit statuses."""
    if ended.status not in statuses:
        codes = f" ({ended.codes})" if ended.codes else ""
        why = f"{bench.side}: civiltime {command} ended with {ended.status}{codes}"
        raise CivilTimeError(FAILED, why, {"side": bench.side})


def reports(bench: Bench, run: Run) -> dict[str, dict[str, Any]]:
    """The run reports of all states, which passed; 2A-PF-007 where one is missing or didn't."""
    mine = Run(bench.workspace, run.receipt)
    try:
        return {s: read_report(mine.report_path(s), f"{bench.side} {s}", mine) for s in STATES}
    except Invalid as finding:
        raise CivilTimeError(FAILED, finding.message, {"side": bench.side}) from None


def reports_at_all(bench: Bench, run: Run) -> dict[str, dict[str, Any]]:
    """The run reports that there are, whatever they say: a witness may be a run that must fail."""
    mine = Run(bench.workspace, run.receipt)
    paths = {state: mine.report_path(state) for state in STATES}
    return {s: json.loads(path.read_bytes()) for s, path in paths.items() if path.is_file()}


def state_measures(report: Mapping[str, Any]) -> dict[str, float]:
    """What a state's report says that it cost."""
    return {
        "wall_ms": report["durations"]["wall_ms"],
        "cpu_ms": report["durations"]["cpu_ms"],
        "peak_rss_bytes": report["resources"]["peak_rss_bytes"],
    }


def decisions(
    found: Mapping[str, Mapping[str, Any]], chain: Ended, scorer: Ended, seed: str
) -> Decisions:
    """How chain and scorer ended, every validator's result, the verdict and every gate's band."""
    scored = scorer.said.get("seeds", {}).get(seed, {"verdict": scorer.codes, "gates": []})
    bands = {gate["id"]: gate["band"] for gate in scored["gates"]}
    return {
        "run": {"exit": str(chain.status), "codes": chain.codes},
        **{s: {v["id"]: v["result"] for v in r["validators"]} for s, r in found.items()},
        "certify": {"exit": str(scorer.status), "verdict": scored["verdict"], **bands},
    }


def controls(bench: Bench, run: Run) -> dict[str, str]:
    """What ``verify`` says of the run as it is, with its tables damaged, with its bundle damaged.

    A check that was hollowed out still reports that it passed; it doesn't refuse these any more.
    """
    mine = Run(bench.workspace, run.receipt)
    bundle = mine.partition("validation_bundle_2A")
    files = [path for path in (mine.folder / "data").rglob("*") if path.is_file()]
    said = {INTACT: _verified(bench, run)}
    for name, inside in (("tables damaged", False), ("bundle damaged", True)):
        damaged = [path for path in files if path.is_relative_to(bundle) == inside]
        whole = {path: path.read_bytes() for path in damaged}
        for path, raw in whole.items():
            path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
        said[name] = _verified(bench, run)
        for path, raw in whole.items():
            path.write_bytes(raw)
    return said


def _verified(bench: Bench, run: Run) -> str:
    ended = execute(bench, "verify", run.id)
    return f"exit {ended.status}" + (f": {ended.codes}" if ended.codes else "")
