"""The governance ledger: ``reports/governance.jsonl``, one chained line for each decision.

The law: lines are only added, under the lane's lock, and every line carries the digest of the
one before and of itself.  The file is replaced whole at each addition, so that no crash leaves
half a line; a line that was cut, edited, removed or moved is found by whoever reads next, and
nothing governed goes on until the ledger is restored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

from filelock import FileLock

from civiltime.errors import CivilTimeError, Invalid
from civiltime.workspace.clock import now_utc
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import canonical_json, document_digest
from civiltime.workspace.publish import clean_temporaries, replace_file
from civiltime.workspace.shape import check_document

Event = Literal["requested", "approved", "used", "pinned", "frozen"]
GENESIS = "0" * 64
LOCK = ".lock"


@dataclass(frozen=True)
class Record:
    """One line."""

    sequence: int
    previous_sha256_hex: str
    recorded_utc: str
    event: Event
    subject_sha256_hex: str
    act: str
    who: str | None
    detail: Mapping[str, str]

    @property
    def line_sha256_hex(self) -> str:
        """The digest of the rest of the line."""
        return document_digest(asdict(self))

    def line(self) -> bytes:
        """The line, with its digest."""
        return canonical_json({**asdict(self), "line_sha256_hex": self.line_sha256_hex}) + b"\n"


def parse_ledger(raw: bytes) -> tuple[Record, ...]:
    """Every line in order; 2A-GV-030 naming the first that doesn't fit."""
    records: list[Record] = []
    previous = GENESIS
    for number, line in enumerate(raw.splitlines(keepends=True), 1):
        try:
            document: dict[str, Any] = json.loads(line)
            check_document(document, "governance_record", "the line")
            claimed = document.pop("line_sha256_hex")
            record = Record(**document)
            if record.line() != line:
                raise Invalid("it isn't as it was written")
            if (record.sequence, record.previous_sha256_hex) != (number, previous):
                raise Invalid("it doesn't follow the line before")
            if (missing := _missing(record)) is not None:
                raise Invalid(f"it doesn't say its {missing}")
        except (ValueError, RecursionError) as error:
            raise CivilTimeError(
                "2A-GV-030", f"governance.jsonl, line {number}: {error}", {"line": number}
            ) from None
        records.append(record)
        previous = claimed
    return tuple(records)


def _missing(record: Record) -> str | None:
    """What a use must say to be of any use, and doesn't."""
    if record.event != "used":
        return None
    wanted = "report_sha256_hex" if record.act.startswith("pin ") else "knobs"
    needs_none = record.act in {"exception", "waiver"}
    return None if needs_none or wanted in record.detail else wanted


def read_ledger(workspace: Workspace) -> tuple[Record, ...]:
    """The lane's ledger, proved; empty where nothing was decided yet."""
    path = workspace.path("governance_ledger")
    return parse_ledger(path.read_bytes()) if path.exists() else ()


class Ledger:
    """The lane's ledger in the hands of its one writer."""

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.path("governance_ledger")
        self.records = read_ledger(workspace)

    def append(
        self,
        event: Event,
        subject_sha256_hex: str,
        act: str,
        *,
        who: str | None = None,
        **detail: str,
    ) -> Record:
        """Add a line, on the disk before this returns."""
        record = Record(
            sequence=len(self.records) + 1,
            previous_sha256_hex=self.records[-1].line_sha256_hex if self.records else GENESIS,
            recorded_utc=now_utc(),
            event=event,
            subject_sha256_hex=subject_sha256_hex,
            act=act,
            who=who,
            detail=detail,
        )
        self.records = (*self.records, record)
        replace_file(self._path, b"".join(r.line() for r in self.records))
        return record


@contextmanager
def lane_locked(workspace: Workspace) -> Iterator[None]:
    """Hold the lane's lock, and clean what a killed writer left; a dead process's lock is free."""
    folder = workspace.path("governance_ledger").parent
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):
        clean_temporaries(folder)
        yield


@contextmanager
def writing(workspace: Workspace) -> Iterator[Ledger]:
    """Hold the lane's lock and its ledger."""
    with lane_locked(workspace):
        yield Ledger(workspace)


def used(records: tuple[Record, ...], subject_sha256_hex: str, act: str) -> Record | None:
    """The line that says that a request took effect for an act, or None."""
    return next(
        (
            r
            for r in records
            if (r.event, r.subject_sha256_hex, r.act) == ("used", subject_sha256_hex, act)
        ),
        None,
    )
