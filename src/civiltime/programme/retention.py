"""Deleting runs that nobody needs any more (specification 5.1).

The law: only what is superseded or failed, and pinned by nothing, may go.  A deletion is decided
under the lane's lock and the run's own, so a run at work stays; its line in
``reports/retention.jsonl`` is on the disk before it; and one rename takes the whole run out of
sight before its files are removed, so that a crash leaves no half of it.  What a crash left out
of sight is removed by the next deletion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from civiltime import contracts
from civiltime.errors import CivilTimeError, Invalid
from civiltime.programme.ledger import writing
from civiltime.programme.pins import read_pins, standings
from civiltime.programme.roles import Role
from civiltime.workspace.bundle import parse_flag
from civiltime.workspace.clock import now_utc
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import canonical_json, sha256_file
from civiltime.workspace.publish import clean_staging, fsync_path, replace_file, staging
from civiltime.workspace.runs import LOCK
from civiltime.workspace.shape import check_document


@dataclass(frozen=True)
class Prunable:
    """A run that may be deleted, and what its line in the record will say."""

    run_id: str
    role: Role
    reason: str
    bytes: int
    receipt_sha256_hex: str | None
    flag_sha256_hex: str | None


@dataclass(frozen=True)
class Pruned:
    """What became of the runs that could be deleted."""

    deleted: tuple[Prunable, ...]
    at_work: tuple[str, ...]
    """Runs that another process held; they stay."""


def prunable(workspace: Workspace, run_ids: Sequence[str] = ()) -> list[Prunable]:
    """The runs that may be deleted, all or those that ``run_ids`` names; changes nothing.

    2A-RT-001 where an artefact that pins can't be read, 2A-RT-002 for a named run that is kept,
    2A-WS-011 for one that isn't there.
    """
    found = standings(workspace)
    for run_id in run_ids:
        if run_id not in found:
            raise CivilTimeError(
                "2A-WS-011", f"{workspace.lane} has no run {run_id[:100]}", {"run_id": run_id[:100]}
            )
        if found[run_id].kept:
            why = f"run {run_id} is kept ({found[run_id].role}): {found[run_id].reason}"
            raise CivilTimeError("2A-RT-002", why, {"run_id": run_id})
    return [
        _describe(workspace.lane_root / run_id, standing.role, standing.reason)
        for run_id, standing in found.items()
        if not standing.kept and (not run_ids or run_id in run_ids)
    ]


def _describe(folder: Path, role: Role, reason: str) -> Prunable:
    files = [p for p in folder.rglob("*") if p.is_file()]
    receipt, flag = _file(folder, "run_receipt"), _file(folder, "validation_passed_flag_2A")
    return Prunable(
        run_id=folder.name,
        role=role,
        reason=reason,
        bytes=sum(p.lstat().st_size for p in files if p.name != LOCK),
        receipt_sha256_hex=None if receipt is None else sha256_file(receipt),
        flag_sha256_hex=None if flag is None else _flag(flag),
    )


def _file(folder: Path, dataset_id: str) -> Path | None:
    """The one file of a dataset in a run whose tokens may be unknown."""
    pattern = contracts.datasets()[dataset_id].resolve(manifest_fingerprint="*")
    return next((p for p in sorted(folder.glob(pattern)) if p.is_file()), None)


def _flag(path: Path) -> str | None:
    """The digest that a flag states; None where it states none."""
    try:
        return parse_flag(path.read_bytes())
    except Invalid:
        return None


def prune(workspace: Workspace, run_ids: Sequence[str] = ()) -> Pruned:
    """Delete the runs that may be deleted, each after its line is on the disk.

    Codes as for :func:`prunable`, and 2A-RT-003 where the record can't be read.
    """
    read_pins(workspace)  # what pins is refused under one code, the ledger too
    with writing(workspace), ExitStack() as locks:
        lines = read_record(workspace)
        clean_staging(workspace.lane_root)
        held, at_work = set(), []
        for run in prunable(workspace, run_ids):
            lock = FileLock(workspace.lane_root / run.run_id / LOCK)
            try:
                locks.enter_context(lock.acquire(timeout=0))
                held.add(run.run_id)
            except Timeout:
                at_work.append(run.run_id)
        # Decided anew: before its lock was ours, a run could still become what is kept.
        doomed = [run for run in prunable(workspace) if run.run_id in held]
        with staging(workspace.lane_root) as folder:
            for run in doomed:
                lines = _record(workspace, lines, run)
                (workspace.lane_root / run.run_id).rename(folder / run.run_id)
                fsync_path(workspace.lane_root)
    return Pruned(tuple(doomed), tuple(at_work))


# ---------------------------------------------------------------------------- the record


def read_record(workspace: Workspace) -> tuple[dict[str, Any], ...]:
    """Every deletion in order; 2A-RT-003 naming the first line that isn't as it was written."""
    path = workspace.path("retention_record")
    return tuple(_parse(path.read_bytes())) if path.exists() else ()


def _parse(raw: bytes) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(raw.splitlines(keepends=True), 1):
        try:
            document = json.loads(line)
            check_document(document, "retention_record", "the line")
            if _line(document) != line:
                raise Invalid("it isn't as it was written")
        except (ValueError, RecursionError) as error:
            raise CivilTimeError(
                "2A-RT-003", f"retention.jsonl, line {number}: {error}", {"line": number}
            ) from None
        yield document


def _line(document: dict[str, Any]) -> bytes:
    return canonical_json(document) + b"\n"


def _record(
    workspace: Workspace, lines: tuple[dict[str, Any], ...], run: Prunable
) -> tuple[dict[str, Any], ...]:
    """Add the run's line, unless a process that died after writing it left it there."""
    known = (run.run_id, run.receipt_sha256_hex)
    if any((line["run_id"], line["receipt_sha256_hex"]) == known for line in lines):
        return lines
    lines = (*lines, {"recorded_utc": now_utc(), **asdict(run)})
    replace_file(workspace.path("retention_record"), b"".join(map(_line, lines)))
    return lines
