"""Runs: a folder, a receipt that says what the run is, and a lock.

The law (specification 1.2, 1.5 and 5.1): a run is one execution of the chain for one
``(seed, manifest_fingerprint)``; its id is made once from fresh randomness, or given; its
receipt holds the run's one reading of the clock; one writer works on it at a time, and a
lock that a dead process held is free.
"""

from __future__ import annotations

import json
import platform
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import civiltime
from civiltime import contracts
from civiltime.errors import CivilTimeError, Invalid
from civiltime.workspace.clock import now_utc
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import self_digest
from civiltime.workspace.publish import (
    clean_staging,
    clean_temporaries,
    people_json,
    replace_file,
)
from civiltime.workspace.shape import check_document

RUN_ID = re.compile(r"[a-f0-9]{32}")
LOCK = ".lock"


@dataclass(frozen=True)
class RunReceipt:
    """``run_receipt.json``, without the digest that it carries of itself."""

    run_id: str
    seed: int
    manifest_fingerprint: str
    parameter_hash: str
    created_utc: str
    lane: str
    role: str
    upstream: Mapping[str, str]
    policies: Mapping[str, str]
    software: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """The JSON document, with ``receipt_sha256`` over the rest of it."""
        body = asdict(self)
        return {**body, "receipt_sha256": self_digest(body)}


@dataclass(frozen=True)
class Run:
    """A run on disk."""

    workspace: Workspace
    receipt: RunReceipt

    @property
    def id(self) -> str:
        """The run's id: 32 lowercase hex digits."""
        return self.receipt.run_id

    @property
    def folder(self) -> Path:
        """The run's folder in its lane."""
        return self.workspace.lane_root / self.id

    @property
    def tokens(self) -> dict[str, str | int]:
        """The identity tokens that paths embed."""
        return {
            "seed": self.receipt.seed,
            "manifest_fingerprint": self.receipt.manifest_fingerprint,
        }

    def path(self, dataset_id: str, **tokens: str | int) -> Path:
        """Where a dataset lies for this run, whichever root it has."""
        dataset = contracts.datasets()[dataset_id]
        if dataset.root == "run":
            return self.folder / dataset.resolve(**self.tokens, **tokens)
        return self.workspace.path(dataset_id, **self.tokens, **tokens)

    def partition(self, dataset_id: str) -> Path:
        """The folder that one publish of the dataset makes visible."""
        path = self.path(dataset_id)
        return path if contracts.datasets()[dataset_id].is_folder else path.parent

    def report_path(self, state: str) -> Path:
        """Where a state's run report lies; S1, S2 and S4 have one per seed."""
        dataset_id = "run_report_2A_seed" if state in {"S1", "S2", "S4"} else "run_report_2A"
        return self.path(dataset_id, state=state, state_lower=state.lower())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run's lock, and clean what a crashed writer left; 2A-WS-010 if taken."""
        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise CivilTimeError(
                "2A-WS-010", f"another process works on run {self.id}", {"run_id": self.id}
            ) from None
        try:
            clean_staging(self.folder)
            for folder in (self.folder, *self.folder.glob("reports/**/")):
                clean_temporaries(folder)
            yield
        finally:
            lock.release()


def software_versions() -> dict[str, str]:
    """The versions that a report records (specification 1.8)."""
    versions = {"civiltime": civiltime.__version__, "python": platform.python_version()}
    for name in ("polars", "pyarrow", "shapely", "numba"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


def create_run(
    workspace: Workspace,
    *,
    seed: int,
    manifest_fingerprint: str,
    parameter_hash: str,
    upstream: Mapping[str, str],
    policies: Mapping[str, str],
    run_id: str | None = None,
    role: str = "candidate",
) -> Run:
    """Make a run's folder and receipt: the run's one reading of the clock.

    The receipt is written under the run's lock and never twice: where another process was
    faster, its receipt is the run's.  2A-WS-010 while it writes, 2A-WS-013 where its run is
    of another seed or fingerprint.
    """
    receipt = RunReceipt(
        run_id=run_id or secrets.token_hex(16),
        seed=seed,
        manifest_fingerprint=manifest_fingerprint,
        parameter_hash=parameter_hash,
        created_utc=now_utc(),
        lane=workspace.lane,
        role=role,
        upstream=dict(upstream),
        policies=dict(policies),
        software=software_versions(),
    )
    run = Run(workspace, receipt)
    path = run.path("run_receipt")
    run.folder.mkdir(parents=True, exist_ok=True)
    with run.locked():
        if not path.exists():
            replace_file(path, people_json(receipt.document()))
            return run
    made = open_run(workspace, run.id)
    if made.tokens != run.tokens:
        raise CivilTimeError("2A-WS-013", f"run {run.id} exists already", {"run_id": run.id})
    return made


def open_run(workspace: Workspace, run_id: str) -> Run:
    """Read and verify a run's receipt.

    2A-WS-011 where there is none (or the id is malformed), 2A-WS-012 where it is not what
    was written or names another run.
    """
    if not RUN_ID.fullmatch(run_id):
        raise CivilTimeError(
            "2A-WS-011", f"{run_id!r} is not a run id (32 lowercase hex digits)", {"run_id": run_id}
        )
    path = workspace.lane_root / run_id / "run_receipt.json"
    if not path.is_file():
        raise CivilTimeError(
            "2A-WS-011", f"{workspace.lane} has no run {run_id}", {"run_id": run_id}
        )
    where = workspace.relative(path)
    try:
        raw = path.read_bytes()
        document = json.loads(raw)
        check_document(document, "run_receipt", where)
        claimed = document.pop("receipt_sha256")
        receipt = RunReceipt(**document)
        if claimed != self_digest(document) or raw != people_json(receipt.document()):
            raise Invalid(f"{where} was changed after it was written")
        if receipt.run_id != run_id:
            raise Invalid(f"{where} is the receipt of run {receipt.run_id}")
    except (OSError, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, Invalid) else f"{where} can't be read: {error}"
        raise CivilTimeError("2A-WS-012", why, {"run_id": run_id}) from None
    return Run(workspace, receipt)


def list_run_ids(workspace: Workspace) -> list[str]:
    """The ids of the lane's runs, in order."""
    if not workspace.lane_root.is_dir():
        return []
    return sorted(
        p.name for p in workspace.lane_root.iterdir() if RUN_ID.fullmatch(p.name) and p.is_dir()
    )
