"""POPT.0: the baseline, from what complete runs reported.

The law (specification 5.7): every figure comes from run reports and the run log; a run that isn't
complete is refused, and so is one whose states ran in different executions.  Several runs are
repeats: of one upstream, under the same policies and software.  Each figure is the median over
the runs, beside the least and the greatest.

Run reports don't say on which machine they were made; the artefact states the one that it was
written on.  It is for ranking, and is never compared with another: that takes a paired sitting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from civiltime.consumers.verify import STATES
from civiltime.errors import CivilTimeError, Invalid
from civiltime.performance.artefacts import UNUSABLE, Evidence, read_artefact
from civiltime.performance.machine import describe_machine
from civiltime.states.context import read_report
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_file
from civiltime.workspace.publish import Publish, people_json, publish_file
from civiltime.workspace.runs import Run, open_run
from civiltime.workspace.shape import check_document

BASELINE = "segment2a_popt0_baseline"
INCOMPLETE = "2A-PF-001"
SITES = {"S1": "sites", "S2": "sites", "S4": "sites_total"}
"""Where the states that read site rows count them; the others read none."""
Report = Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """One complete run: its reports by state, their digests, and the window of its log."""

    run: Run
    reports: Mapping[str, Report]
    digests: Mapping[str, str]
    log_window_ms: int

    @property
    def sites(self) -> int:
        """The rows of the run's table."""
        return int(self.reports["S1"]["counts"]["sites"])


def make_baseline(
    workspace: Workspace, run_ids: Sequence[str]
) -> tuple[dict[str, Any], Path, Publish]:
    """Write the baseline of these runs, named after the first; document, file, NEW or REUSE.

    2A-PF-001 where a run is incomplete, 2A-PF-002 where they aren't repeats of each other,
    2A-PF-009 where the first has another baseline already.
    """
    runs = [measure(open_run(workspace, run_id)) for run_id in dict.fromkeys(run_ids)]
    document = baseline(runs, describe_machine())
    check_document(document, BASELINE, "the baseline")
    path = workspace.path(BASELINE, run_id=document["run_id"])
    try:
        published = publish_file(path, people_json(document))
    except Invalid:
        raise CivilTimeError(
            "2A-PF-009",
            f"{workspace.relative(path)} is the baseline of this run already, with other content",
            {"path": workspace.relative(path)},
        ) from None
    return document, path, published.publish


def read_baseline(workspace: Workspace, path: Path) -> tuple[dict[str, Any], Evidence]:
    """A baseline that is still what its runs reported, and its name.

    2A-PF-001 where a run isn't complete any more, 2A-PF-004 where the file is none or was altered.
    """
    document, name = read_artefact(workspace, path, BASELINE)
    runs = [measure(open_run(workspace, row["run_id"])) for row in document["runs"]]
    if baseline(runs, document["machine"]) != document:
        why = f"{name['path']} isn't what its runs reported: it or they were altered"
        raise CivilTimeError(UNUSABLE, why, {"path": name["path"]})
    return document, name


def measure(run: Run) -> Measured:
    """A run's reports and log; 2A-PF-001 unless all states passed in one execution."""
    reports, digests = {}, {}
    for state in STATES:
        path = run.report_path(state)
        try:
            reports[state] = read_report(path, run.workspace.relative(path), run)
        except Invalid as finding:
            raise _incomplete(run, finding.message) from None
        digests[state] = sha256_file(path)
    return Measured(run, reports, digests, _log_window_ms(run, reports))


def _incomplete(run: Run, why: str) -> CivilTimeError:
    return CivilTimeError(INCOMPLETE, f"run {run.id} is no baseline: {why}", {"run_id": run.id})


def _log_window_ms(run: Run, reports: Mapping[str, Report]) -> int:
    """From S0's start to S5's end in the log, every report within it."""
    path = run.path("run_log_2A")
    try:
        records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        begin, end = last_execution(records)
    except (OSError, ValueError, LookupError, TypeError):
        where = run.workspace.relative(path)
        raise _incomplete(run, f"{where} doesn't end with a whole execution") from None
    outside = [s for s, report in reports.items() if not begin <= report["finished_utc"] <= end]
    if outside:
        raise _incomplete(run, f"{', '.join(outside)} didn't run in the log's last execution")
    return round((_instant(end) - _instant(begin)).total_seconds() * 1000)


def last_execution(records: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """When the last execution of the chain began and ended; ``LookupError`` unless it is whole."""
    starts = [n for n, r in enumerate(records) if (r["state"], r["event"]) == ("S0", "STATE_START")]
    last = records[starts[-1] :]
    seen = [(r["state"], r["event"]) for r in last if r["event"] in {"STATE_START", "STATE_END"}]
    if seen != [(s, event) for s in STATES for event in ("STATE_START", "STATE_END")]:
        raise LookupError
    return last[0]["timestamp_utc"], last[-1]["timestamp_utc"]


def _instant(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp)


def baseline(runs: Sequence[Measured], machine: Mapping[str, Any]) -> dict[str, Any]:
    """The baseline's document: a pure function of what the runs reported."""
    first = runs[0]
    for other in runs[1:]:
        _require_repeat(first, other)
    receipt = first.run.receipt
    sites = round(median(m.sites for m in runs))
    totals = [_total(m) for m in runs]
    return {
        "segment": "2A",
        "run_id": first.run.id,
        "manifest_fingerprint": receipt.manifest_fingerprint,
        "policies": dict(receipt.policies),
        "software": dict(first.reports["S1"]["software"]),
        "machine": dict(machine),
        "sites": sites,
        "runs": [_named(m) for m in runs],
        "states": [_state_row(state, runs) for state in STATES],
        "total": {
            **_spread([t["wall_ms"] for t in totals]),
            "cpu_ms": median(t["cpu_ms"] for t in totals),
            "peak_rss_bytes": median(t["peak_rss_bytes"] for t in totals),
            "rows_per_s": _rate(sites, median(t["wall_ms"] for t in totals)),
            "log_window_ms": median(m.log_window_ms for m in runs),
        },
        "generated_utc": max(r["finished_utc"] for m in runs for r in m.reports.values()),
    }


def _require_repeat(first: Measured, other: Measured) -> None:
    one, two = first.run.receipt, other.run.receipt
    differs = [
        what
        for what, a, b in (
            ("the upstream", one.manifest_fingerprint, two.manifest_fingerprint),
            ("the policies", one.policies, two.policies),
            ("the software", first.reports["S1"]["software"], other.reports["S1"]["software"]),
        )
        if a != b
    ]
    if differs:
        raise CivilTimeError(
            "2A-PF-002",
            f"runs {one.run_id} and {two.run_id} are no repeats: {' and '.join(differs)} differ",
            {"runs": [one.run_id, two.run_id]},
        )


def _named(measured: Measured) -> dict[str, Any]:
    receipt = measured.run.receipt
    return {
        "run_id": receipt.run_id,
        "seed": str(receipt.seed),
        "created_utc": receipt.created_utc,
        "sites": measured.sites,
        "timetable_cache": measured.reports["S3"]["checks"]["shared_cache"],
        "wall_ms": _total(measured)["wall_ms"],
        "reports": dict(measured.digests),
    }


def _total(measured: Measured) -> dict[str, int]:
    reports = measured.reports.values()
    return {
        "wall_ms": sum(r["durations"]["wall_ms"] for r in reports),
        "cpu_ms": sum(r["durations"]["cpu_ms"] for r in reports),
        "peak_rss_bytes": max(r["resources"]["peak_rss_bytes"] for r in reports),
    }


def _state_row(state: str, runs: Sequence[Measured]) -> dict[str, Any]:
    reports = [m.reports[state] for m in runs]
    wall = _spread([r["durations"]["wall_ms"] for r in reports])
    counted = SITES.get(state)
    rows = None if counted is None else median(r["counts"][counted] for r in reports)
    return {
        "state": state,
        **wall,
        "cpu_ms": median(r["durations"]["cpu_ms"] for r in reports),
        "peak_rss_bytes": median(r["resources"]["peak_rss_bytes"] for r in reports),
        "rows": rows,
        "rows_per_s": None if rows is None else _rate(rows, wall["wall_ms"]),
    }


def _spread(wall_ms: Sequence[float]) -> dict[str, float]:
    return {
        "wall_ms": median(wall_ms),
        "wall_ms_least": min(wall_ms),
        "wall_ms_greatest": max(wall_ms),
    }


def _rate(rows: float, wall_ms: float) -> float | None:
    """Rows a second; None where the clock saw no time pass."""
    return round(rows / wall_ms * 1000, 1) if wall_ms else None
