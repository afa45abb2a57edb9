"""A paired sitting: two builds repeat one run in turn, each round in fresh processes.

The law (specification 5.7): both sides work in one private copy of the workspace.  First each
repeats the run unmeasured: that fills the caches, and shows what it publishes and decides, of this
run and of the witness runs, and that its checks refuse what is damaged.  Then come the rounds.  A
round runs both sides, one right after the other; who goes first alternates; neither may publish or
decide anything else than it did before.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from civiltime.consumers.verify import STATES
from civiltime.errors import CivilTimeError, Invalid
from civiltime.performance.bench import (
    FAIL_REALISM,
    FAILED,
    MEASURES,
    SIDES,
    TIMED,
    Bench,
    Decisions,
    Measures,
    Side,
    build_digest,
    controls,
    copy_inputs,
    decisions,
    repeat,
    reports,
    reports_at_all,
    require_ended,
    state_measures,
)
from civiltime.performance.content import contents
from civiltime.performance.machine import describe_machine
from civiltime.performance.pairs import require_rounds
from civiltime.states.context import read_report
from civiltime.workspace.clock import now_utc
from civiltime.workspace.digest import digest_folder, partition_hash, sha256_file
from civiltime.workspace.runs import Run

Progress = Callable[[str, float], None]


@dataclass
class Seat:
    """One side of a sitting, and what it gave so far."""

    bench: Bench
    build: dict[str, Any]
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    decisions: Decisions = field(default_factory=dict)
    witnesses: dict[str, dict[str, Any]] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)


def sit(
    run: Run,
    executables: Mapping[Side, Path],
    rounds: int,
    witnesses: Sequence[Run] = (),
    progress: Progress = lambda _label, _share: None,
) -> dict[Side, dict[str, Any]]:
    """Measure both builds on a run; the timing artefact of each side.

    2A-PF-001 for an incomplete run, 2A-PF-006 for too few rounds, 2A-PF-007 where a build can't
    be started, fails, or gives another result in one round than in another.
    """
    require_rounds(rounds)
    head = {
        "segment": "2A",
        "sitting_id": secrets.token_hex(16),
        "started_utc": now_utc(),
        "machine": describe_machine(),
        "inputs": _inputs(run, witnesses),
    }
    digests = {side: build_digest(side, executables[side]) for side in SIDES}
    with tempfile.TemporaryDirectory(prefix="civiltime-sitting-") as scratch:
        workspace = copy_inputs(run.workspace, Path(scratch) / "workspace")
        seats = [
            Seat(Bench(side, executables[side], workspace), {"build_sha256": digests[side]})
            for side in SIDES
        ]
        for seat in seats:
            progress(f"{seat.bench.side}: filling the caches", -1.0)
            _show(seat, run, witnesses)
        for number in range(1, rounds + 1):
            for turn, seat in enumerate(seats if number % 2 else seats[::-1], start=1):
                seat.rounds.append(_round(seat, run, number, turn))
            progress(f"round {number} of {rounds}", number / rounds)
    return {seat.bench.side: {**head, **_timings(seat)} for seat in seats}


def _inputs(run: Run, witnesses: Sequence[Run]) -> dict[str, Any]:
    path = run.report_path("S1")
    try:
        sites = read_report(path, run.workspace.relative(path), run)["counts"]["sites"]
        sealed = sha256_file(run.path("sealed_inputs_2A"))
    except (Invalid, OSError):
        why = f"run {run.id} is incomplete and can't be repeated"
        raise CivilTimeError("2A-PF-001", why, {"run_id": run.id}) from None
    return {
        "run_id": run.id,
        "seed": str(run.receipt.seed),
        "manifest_fingerprint": run.receipt.manifest_fingerprint,
        "sealed_inputs_sha256": sealed,
        "sites": sites,
        "witnesses": [witness.id for witness in witnesses],
    }


def _show(seat: Seat, run: Run, witnesses: Sequence[Run]) -> None:
    """What this side publishes and decides, before anything is measured."""
    bench = seat.bench
    _, decided = _repeat(seat, run)
    seat.outputs = _outputs(bench.folder(run))
    seat.build["software"] = dict(reports(bench, run)["S1"]["software"])
    seat.decisions = {**decided, "verify": controls(bench, run)}
    for witness in witnesses:
        chain, scorer = repeat(bench, witness)
        found = reports_at_all(bench, witness)
        seat.witnesses[witness.id] = {
            "outputs": _outputs(bench.folder(witness)),
            "decisions": decisions(found, chain, scorer, str(witness.receipt.seed)),
        }


def _round(seat: Seat, run: Run, number: int, turn: int) -> dict[str, Any]:
    measures, decided = _repeat(seat, run)
    outputs = digest_folder(seat.bench.folder(run) / "data")
    published = {f"data/{f.path}": f.sha256_hex for f in outputs}
    if published != {path: named["sha256_hex"] for path, named in seat.outputs.items()}:
        raise _differs(seat, number, "published other bytes")
    if decided != {part: seat.decisions[part] for part in seat.decisions if part != "verify"}:
        raise _differs(seat, number, "decided otherwise")
    return {
        "round": number,
        "turn": turn,
        "measures": measures,
        "outputs_sha256": partition_hash(outputs),
    }


def _differs(seat: Seat, number: int, what: str) -> CivilTimeError:
    side = seat.bench.side
    return CivilTimeError(FAILED, f"{side}: round {number} {what} than before", {"side": side})


def _repeat(seat: Seat, run: Run) -> tuple[Measures, Decisions]:
    """The run once more, well ended: what it cost and what was decided."""
    bench = seat.bench
    chain, scorer = repeat(bench, run)
    require_ended(bench, chain, "run", 0)
    require_ended(bench, scorer, "certify", 0, FAIL_REALISM)
    found = reports(bench, run)
    measures = {s: state_measures(found[s]) for s in STATES}
    decided = decisions(found, chain, scorer, str(run.receipt.seed))
    return {**measures, "total": chain.cost, "certify": scorer.cost}, decided


def _outputs(folder: Path) -> dict[str, dict[str, str]]:
    data = folder / "data"
    if not data.is_dir():
        return {}
    said = contents(data)
    return {
        f"data/{f.path}": {"sha256_hex": f.sha256_hex, "content_sha256": said[f.path]}
        for f in digest_folder(data)
    }


def medians(rounds: Sequence[Mapping[str, Any]]) -> Measures:
    """The median of every measure over the rounds."""
    return {
        state: {m: median(r["measures"][state][m] for r in rounds) for m in MEASURES}
        for state in TIMED
    }


def _timings(seat: Seat) -> dict[str, Any]:
    return {
        "side": seat.bench.side,
        "build": seat.build,
        "rounds": seat.rounds,
        "medians": medians(seat.rounds),
        "outputs": seat.outputs,
        "decisions": seat.decisions,
        "witnesses": seat.witnesses,
    }
