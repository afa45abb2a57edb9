"""Progressive rerun: what a run has to do again, and why (specification 5.3).

The law: a state runs where something of it changed, and then so does every state after it; any
other state is kept, after its published bytes were compared with its report.  Changed means:

* its report is missing, was edited, or isn't a pass;
* the version of its code is another one;
* an input isn't, byte for byte, what it read; S0 reads all that is sealed, and the authorities;
* an output is missing or altered; S5 answers for everything below the run's data folder;
* the state before it ran later than it did.

A sealed input that changed can't enter a run whose receipt is published: S0 will refuse it, and
the plan says that a new run is needed.  Planning changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from civiltime import contracts
from civiltime.consumers.verify import Verification, verify_gate
from civiltime.errors import CivilTimeError, Invalid
from civiltime.states.chain import STATES, Report
from civiltime.states.context import Context, Options, read_report
from civiltime.states.log import Log
from civiltime.states.s0_before import PINNED, Gate, authorities_frozen
from civiltime.states.start import start_run
from civiltime.states.state import State
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import digest_folder, partition_hash, sha256_file
from civiltime.workspace.runs import RUN_ID, Run
from civiltime.workspace.upstream import find_fingerprint

FIRST_VERSION = 1
"""Of a report that doesn't say: only states that never changed wrote such ones."""


@dataclass(frozen=True)
class Decision:
    """What happens to one state; ``reasons`` are never empty."""

    state: str
    action: Literal["run", "keep"]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A decision for each state, in order, and what only a new run can take in."""

    decisions: tuple[Decision, ...]
    new_run: tuple[str, ...] = ()
    kept: Mapping[str, Report] = field(default_factory=dict)
    """The reports of the states that are kept, their outputs just proved."""


def decide(changes: Mapping[str, Sequence[str]]) -> tuple[Decision, ...]:
    """The matrix: from the first state with a change on, everything runs."""
    decisions, first = [], None
    for state, reasons in changes.items():
        first = first or (state if reasons else None)
        if first is None:
            decisions.append(Decision(state, "keep", ("its bytes are what it reported",)))
        else:
            decisions.append(Decision(state, "run", tuple(reasons) or (f"{first} runs again",)))
    return tuple(decisions)


def plan(
    workspace: Workspace,
    seed: int,
    *,
    fingerprint: str | None = None,
    run_id: str | None = None,
) -> Plan:
    """The plan of the run that ``civiltime run`` would start or repeat with these options.

    Refused as :func:`~civiltime.states.start.start_run` refuses them; makes no run.
    """
    if run_id is not None:
        there = (workspace.lane_root / run_id / contracts.datasets()["run_receipt"].path).exists()
        if there or not RUN_ID.fullmatch(run_id):
            return plan_run(start_run(workspace, seed, fingerprint=fingerprint, run_id=run_id))
    find_fingerprint(workspace, seed, fingerprint)
    return Plan(decide({state.id: ("the run is new",) for state in STATES}))


def plan_run(run: Run, states: Sequence[State[Any]] = STATES) -> Plan:
    """The plan of a run as it lies on the disk."""
    changes: dict[str, list[str]] = {}
    reports: dict[str, Report] = {}
    before: Report | None = None
    for state in states:
        try:
            path = run.report_path(state.id)
            report = read_report(path, path.name, run)
        except (Invalid, OSError, ValueError, RecursionError) as error:
            changes[state.id], before = [_words(error)], None
            continue
        changes[state.id] = _changes(run, state, report)
        if before is not None and before["finished_utc"] > report["started_utc"]:
            changes[state.id].append(f"{before['state']} ran since")
        reports[state.id] = before = report
    sealed = _sealed_changes(run)
    if "S0" in changes:
        changes["S0"] += sealed + _authorities(run, reports.get("S0"))
    if "S5" in reports and not any(changes.values()):
        changes["S5"] += _gate_findings(run)
    decisions = decide(changes)
    kept = {d.state: reports[d.state] for d in decisions if d.action == "keep"}
    published = run.path("s0_gate_receipt_2A").is_file()
    return Plan(decisions, tuple(sealed) if published else (), kept)


def _changes(run: Run, state: State[Any], report: Report) -> list[str]:
    """What differs from what the state's own report says."""
    found = []
    made_by = report.get("version", FIRST_VERSION)
    if made_by != state.version:
        found.append(f"version {made_by} of the code made it, this is version {state.version}")
    root = run.workspace.root
    if state.id != "S0":  # what S0 read is what it sealed, see below
        found += [
            f"{dataset_id} {how}"
            for dataset_id, entry in report["inputs"].items()
            if (how := _differs(root / entry["path"], entry["sha256_hex"]))
        ]
    for dataset_id, entry in report["outputs"].get("datasets", {}).items():
        partition = root / entry["path"]
        how = _differs(partition, entry["partition_sha256"])
        if how or not _alone(partition):
            found.append(f"{dataset_id} {how or 'has a stranger beside it'}")
    return found


def _alone(partition: Path) -> bool:
    """Whether the dataset has no file but in this partition."""
    dataset = next(p for p in partition.parents if "=" not in p.name)
    return all(p.is_relative_to(partition) for p in dataset.rglob("*") if p.is_file())


def _differs(path: Path, sha256_hex: str) -> str:
    """How a file or folder isn't what its digest says; '' where it is."""
    try:
        actual = partition_hash(digest_folder(path)) if path.is_dir() else sha256_file(path)
    except FileNotFoundError:
        return "is missing"
    except (OSError, Invalid) as error:
        return f"can't be read: {_words(error)}"
    return "" if actual == sha256_hex else "changed"


def _sealed_changes(run: Run) -> list[str]:
    """Sealed inputs that aren't what they were, and inputs that would be sealed instead."""
    try:
        rows = json.loads(run.path("sealed_inputs_2A").read_bytes())
        sealed = {row["catalog_path"]: (row["asset_id"], row["sha256_hex"]) for row in rows}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []  # then the output of S0 changed
    workspace = run.workspace
    found = [
        f"{asset_id} {how}"
        for path, (asset_id, digest) in sealed.items()
        if (how := _differs(workspace.root / path, digest))
    ]
    try:
        wanted = [d for d in _gate(run).wanted() if d in PINNED]
    except (Invalid, OSError):
        return found  # the overrides can't be read: they changed
    for dataset_id in wanted:
        release = workspace.pins.get(PINNED[dataset_id], "")
        path = workspace.relative(run.path(dataset_id, release=release, version=release))
        if path not in sealed:
            name = PINNED[dataset_id]
            found.append(f"{name} is pinned to {release or 'nothing'}, the run sealed another")
    return found


def _authorities(run: Run, report: Report | None) -> list[str]:
    """Whether the gate would find other authorities than it did."""
    work = _gate(run)
    try:
        authorities_frozen(work)
    except (Invalid, OSError) as error:
        return [_words(error)]
    if report is not None and report["checks"].get("authorities") != work.checks["authorities"]:
        return ["authorities.yaml pins others than those that S0 verified"]
    return []


def _gate(run: Run) -> Gate:
    """S0's work with nothing done: to ask what it would find."""
    receipt = run.receipt
    log = Log(run.path("run_log_2A"), "S0", run.id, receipt.seed, receipt.manifest_fingerprint)
    return Gate(Context(run, "S0", run.folder, log, Options()))


def _gate_findings(run: Run) -> list[str]:
    result = Verification(run.id)
    verify_gate(run, result)
    return [finding.message for finding in result.findings]


def _words(error: Exception) -> str:
    if isinstance(error, Invalid | CivilTimeError):
        return error.message
    return str(error)
