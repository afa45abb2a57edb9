"""The chain: S0 to S5 over one run, each state in the same way.

For every state (specification 3): lock, stage, check what must hold before, compute,
check what came out, publish atomically, report.  A failing state publishes nothing,
writes its run report with the error, and stops the chain.
"""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from civiltime.contracts.authority import require_agreement
from civiltime.errors import CivilTimeError, Invalid
from civiltime.states import (
    s0_gate,
    s1_lookup,
    s2_overrides,
    s3_timetable,
    s4_legality,
    s5_bundle,
)
from civiltime.states.context import Context, Options
from civiltime.states.log import Log
from civiltime.states.state import Phase, State, Work
from civiltime.workspace.clock import now_utc
from civiltime.workspace.digest import self_digest
from civiltime.workspace.publish import people_json, replace_file, staging
from civiltime.workspace.runs import Run, software_versions

STATES: tuple[State[Any], ...] = (
    s0_gate.STATE,
    s1_lookup.STATE,
    s2_overrides.STATE,
    s3_timetable.STATE,
    s4_legality.STATE,
    s5_bundle.STATE,
)


Report = dict[str, Any]


@dataclass
class Attempt:
    """One attempt at one state: verdicts by validator, warnings, errors."""

    results: dict[str, dict[str, str]] = field(default_factory=dict)
    warnings: list[CivilTimeError] = field(default_factory=list)
    errors: list[CivilTimeError] = field(default_factory=list)

    def check(self, state: State[Any], phase: Phase, work: Work) -> None:
        """Run a phase's validators; raises the first abort (``before``: at once)."""
        failures = len(self.errors)
        for validator in state.validators:
            if validator.phase != phase:
                continue
            try:
                validator.check(work)
            except Invalid as finding:
                error = as_error(state.id, validator.code, finding)
                result = "warn" if error.effect == "warn" else "fail"
                self.results[validator.id] = {"result": result, "code": error.code}
                (self.warnings if error.effect == "warn" else self.errors).append(error)
                work.ctx.log.write(
                    "WARN" if result == "warn" else "ERROR",
                    "VALIDATION",
                    validator=validator.id,
                    result=result,
                    code=error.code,
                    message=error.message,
                )
                if result == "fail" and phase == "before":
                    raise error from None
            else:
                self.results.setdefault(validator.id, {"result": "pass"})
        if len(self.errors) > failures:
            raise self.errors[failures]

    def blame(self, state: State[Any], failure: CivilTimeError) -> None:
        """Mark the validator whose law ``compute`` found broken."""
        for validator in state.validators:
            if f"2A-{state.id}-{validator.code}" == failure.code:
                self.results[validator.id] = {"result": "fail", "code": failure.code}


def as_error(state: str, code: str, finding: Invalid) -> CivilTimeError:
    """The finding under the validator's code, or under the code that it names itself."""
    named = finding.code or code
    full = named if "-" in named else f"2A-{state}-{named}"
    return CivilTimeError(full, finding.message, finding.context)


def run_chain(
    run: Run,
    options: Options | None = None,
    states: Sequence[State[Any]] = STATES,
    keep: Callable[[Run], Mapping[str, Report]] = lambda _run: {},
) -> list[Report]:
    """Run the states over a run, in order; the run reports of all that passed.

    ``keep`` is asked, once the run is locked, for the reports of states that needn't run.
    Raises :class:`CivilTimeError` of the state that failed, after its report is written.
    """
    options = options or Options()
    with run.locked():
        kept = keep(run)
        return [
            _keep(run, kept[state.id]) if state.id in kept else run_state(run, state, options)
            for state in states
        ]


def _keep(run: Run, report: Report) -> Report:
    """The report of a state that stands, published again by nobody."""
    receipt = run.receipt
    log = Log(
        run.path("run_log_2A"), report["state"], run.id, receipt.seed, receipt.manifest_fingerprint
    )
    log.info("STATE_KEPT")
    return {**report, "kept": True, "outputs": {**report["outputs"], "publish": "REUSE"}}


def run_state(run: Run, state: State[Any], options: Options) -> Report:
    """One state of the chain, from gate to report."""
    receipt = run.receipt
    log = Log(run.path("run_log_2A"), state.id, run.id, receipt.seed, receipt.manifest_fingerprint)
    started, clock = now_utc(), (time.perf_counter(), time.process_time())
    attempt, error = Attempt(), None
    log.info("STATE_START", title=state.title, version=state.version)
    options.progress(f"{state.id} {state.title}", 0.0)
    with staging(run.folder) as folder:
        ctx = Context(run, state.id, folder, log, options)
        work: Work = Work(ctx)
        try:
            with _own_words(state.id):
                require_agreement((*state.inputs, *state.outputs))
                work = state.begin(ctx)
                attempt.check(state, "before", work)
                state.compute(work)
                attempt.check(state, "after", work)
                attempt.check(state, "publish", work)
        except CivilTimeError as failure:
            error = failure
            if failure not in attempt.errors:
                attempt.errors.append(failure)
                attempt.blame(state, failure)
                log.write("ERROR", "FAILED", code=failure.code, message=failure.message)
        report = _report(run, state, work, attempt, started, clock)
        replace_file(run.report_path(state.id), people_json(report))
    log.info("STATE_END", status=report["status"], **report["durations"])
    options.progress(f"{state.id} {state.title}", 1.0)
    if error is not None:
        raise error
    return report


@contextmanager
def _own_words(state: str) -> Iterator[None]:
    """Whatever else goes wrong inside a state leaves it under a code, never as a traceback."""
    try:
        yield
    except Invalid as finding:
        raise as_error(state, "2A-WS-030", finding) from finding
    except CivilTimeError:
        raise
    except MemoryError:
        raise CivilTimeError("2A-WS-030", "out of memory; use a smaller --batch-rows") from None
    except OSError as problem:
        where = f" ({problem.filename})" if problem.filename else ""
        raise CivilTimeError("2A-WS-004", f"{problem.strerror or problem}{where}") from problem
    except Exception as bug:
        frame = traceback.extract_tb(sys.exc_info()[2])[-1]
        place = f"{frame.name}, line {frame.lineno}"
        raise CivilTimeError("2A-WS-030", f"{type(bug).__name__} in {place}: {bug}") from bug


def _report(
    run: Run,
    state: State[Any],
    work: Work,
    attempt: Attempt,
    started: str,
    clock: tuple[float, float],
) -> dict[str, Any]:
    receipt, workspace = run.receipt, run.workspace
    published = work.ctx.published if not attempt.errors else {}
    outputs: dict[str, Any] = {}
    if published:
        main = next(iter(d for d in state.outputs if d in published))
        outputs = {
            "path": workspace.relative(published[main].path),
            "files": sum(len(p.files) for p in published.values()),
            "bytes": sum(p.size_bytes for p in published.values()),
            "publish": "NEW" if any(p.publish == "NEW" for p in published.values()) else "REUSE",
            "datasets": {
                dataset_id: {
                    "path": workspace.relative(p.path),
                    "files": [f.as_dict() for f in p.files],
                    "bytes": p.size_bytes,
                    "publish": p.publish,
                    "partition_sha256": p.sha256_hex,
                }
                for dataset_id, p in published.items()
            },
        }
    document: dict[str, Any] = {
        "segment": "2A",
        "state": state.id,
        "version": state.version,
        "status": "fail" if attempt.errors else "pass",
        "run_id": run.id,
        "seed": receipt.seed,
        "manifest_fingerprint": receipt.manifest_fingerprint,
        "parameter_hash": receipt.parameter_hash,
        "started_utc": started,
        "finished_utc": now_utc(),
        "durations": {
            "wall_ms": round((time.perf_counter() - clock[0]) * 1000),
            "cpu_ms": round((time.process_time() - clock[1]) * 1000),
        },
        "resources": {"peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024},
        "software": software_versions(),
        "s0": {
            "receipt_path": workspace.relative(run.path("s0_gate_receipt_2A")),
            "verified_at_utc": receipt.created_utc,
        },
        "inputs": work.ctx.inputs_read,
        "counts": work.counts,
        "checks": work.checks,
        "governance": work.governance,
        "outputs": outputs,
        "validators": [
            {"id": v.id, "law": v.law, **attempt.results.get(v.id, {"result": "not_reached"})}
            for v in state.validators
        ],
        "warnings": [w.as_dict() for w in attempt.warnings],
        "errors": [e.as_dict() for e in attempt.errors],
    }
    return {**document, "report_sha256": self_digest(document)}


def state_by_id(state_id: str) -> State[Any]:
    """The state of that id."""
    return next(s for s in STATES if s.id == state_id)
