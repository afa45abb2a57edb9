"""Reading a lane for :mod:`civiltime.programme.roles`: its runs, and what its artefacts pin.

The law (specification 5.1): every artefact of the lane's reports that a decision may rest on pins
each run that it names.  All of them must be what was written, the freeze also what the ledger
says; one that isn't is 2A-RT-001, because what it pinned is then unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from civiltime import contracts
from civiltime.certify.certify import read_certification
from civiltime.errors import CivilTimeError, Invalid
from civiltime.programme.lane import posture
from civiltime.programme.ledger import read_ledger
from civiltime.programme.roles import Pins, Seen, Standing, derive_roles
from civiltime.states.chain import STATES
from civiltime.states.context import read_report
from civiltime.workspace.config import Workspace
from civiltime.workspace.runs import RUN_ID, list_run_ids, open_run
from civiltime.workspace.shape import check_document

UNREADABLE = "2A-RT-001"
CERTIFICATION = "segment2a_certification"
BASELINE = "segment2a_popt0_baseline"
WITNESS = "segment2a_popt4_integrated"
DERIVED = {
    "segment2a_seed_metrics",
    "segment2a_popt0_hotspots",
    "segment2a_popt_timings",
    "segment2a_popt_comparison",
}
"""Artefacts that decide nothing: they follow from others, or measure a build."""

Document = Mapping[str, Any]


def standings(workspace: Workspace) -> dict[str, Standing]:
    """The role of every run of the lane; 2A-RT-001 where an artefact can't be read."""
    return derive_roles(
        [see_run(workspace, r) for r in list_run_ids(workspace)], read_pins(workspace)
    )


def see_run(workspace: Workspace, run_id: str) -> Seen:
    """How far a run came."""
    try:
        run = open_run(workspace, run_id)
    except CivilTimeError as error:
        return Seen(run_id, None, "", "unreadable", f"{error.code} {error.name}")
    receipt = run.receipt
    head = (run_id, receipt.seed, receipt.created_utc)
    for state in STATES:
        path = run.report_path(state.id)
        if not path.is_file():
            why = f"it stopped before {state.id}"
            return Seen(*head, "unfinished", why, receipt.role)
        try:
            read_report(path, path.name, run)
        except (Invalid, OSError, ValueError, RecursionError):
            return Seen(*head, "failed", f"{state.id} {_failure(path)}", receipt.role)
    return Seen(*head, "complete", made_as=receipt.role)


def _failure(path: Path) -> str:
    try:
        errors = json.loads(path.read_bytes())["errors"]
        return f"failed with {errors[0]['code']}"
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "left a report that can't be read"


def read_pins(workspace: Workspace) -> Pins:
    """What the artefacts pin."""
    baseline: dict[str, str] = {}
    witness: dict[str, str] = {}
    named: dict[str, str] = {}
    certified: dict[str, tuple[str, Document]] = {}
    for dataset_id, path, document in _artefacts(workspace):
        runs = dict.fromkeys(_run_ids(document), path.name)
        named = {**runs, **named}
        if dataset_id == BASELINE:
            baseline |= runs
        elif dataset_id == WITNESS:
            witness |= runs
        elif dataset_id == CERTIFICATION:
            certified[document["certification_sha256"]] = path.name, document
    for _, document in list(certified.values()):
        before = (document["movement"] or {}).get("baseline", {}).get("certification_sha256")
        if before in certified:
            name, compared = certified[before]
            baseline |= dict.fromkeys(_run_ids(compared), name)
    failed = {
        seed["run_id"]
        for _, document in certified.values()
        for seed in document["seeds"].values()
        if seed["verdict"] == "FAIL_REALISM" and seed["run_id"] is not None
    }
    return Pins(baseline, witness, named, frozenset(failed))


def _artefacts(workspace: Workspace) -> Iterator[tuple[str, Path, Document]]:
    """Every artefact that pins, proved, in the order of the dictionary and then by name."""
    try:
        posture(workspace, read_ledger(workspace))
    except (CivilTimeError, ValueError, OSError) as error:
        raise _unreadable(str(error)) from None
    for dataset in contracts.datasets().values():
        if (
            dataset.root != "lane"
            or dataset.format != "json"
            or not dataset.id.startswith("segment2a_")
            or dataset.id in DERIVED
        ):
            continue
        names = {name: "*" for _, name, _, _ in Formatter().parse(dataset.path) if name}
        for path in sorted(workspace.lane_root.glob(dataset.resolve(**names))):
            yield dataset.id, path, _read(path, dataset)


def _read(path: Path, dataset: contracts.Dataset) -> Document:
    if dataset.id == CERTIFICATION:
        return read_certification(path, UNREADABLE)
    try:
        document: Document = json.loads(path.read_bytes())
        check_document(document, dataset.schema_ref, path.name)
    except (OSError, ValueError, RecursionError) as error:
        why = error.message if isinstance(error, Invalid) else f"{path.name}: {error}"
        raise _unreadable(why) from None
    return document


def _unreadable(why: str) -> CivilTimeError:
    return CivilTimeError(UNREADABLE, why)


def _run_ids(value: Any) -> Iterator[str]:
    """Every run id that a document holds, wherever."""
    if isinstance(value, str) and RUN_ID.fullmatch(value):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _run_ids(key)
            yield from _run_ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from _run_ids(item)
