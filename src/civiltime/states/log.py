"""Structured log records: JSON lines, appended (specification 1.8).

Counts, ids, paths, digests and codes; never site rows or coordinates.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from civiltime.workspace.clock import now_utc

Severity = Literal["INFO", "WARN", "ERROR"]


@dataclass(frozen=True)
class Log:
    """The log of one state of one run; each record is one appended line."""

    path: Path
    state: str
    run_id: str
    seed: int
    manifest_fingerprint: str

    def write(self, severity: Severity, event: str, **fields: object) -> None:
        """Append one record."""
        record = {
            "timestamp_utc": now_utc(),
            "segment": "2A",
            "state": self.state,
            "run_id": self.run_id,
            "seed": self.seed,
            "manifest_fingerprint": self.manifest_fingerprint,
            "severity": severity,
            "event": event,
            **fields,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")

    def info(self, event: str, **fields: object) -> None:
        """Append a record of severity INFO."""
        self.write("INFO", event, **fields)
