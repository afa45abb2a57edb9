"""What conditions are asked about: the lane's certifications, proved by scoring them again.

The law (specification 4 and 5.4): a certification is deterministic, so one that is worth anything
is, with its tables, byte for byte what its runs give now.  Edited figures, with or without a
digest that fits them, changed runs and copies from other lanes all end here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from civiltime.certify.certify import Scored, score
from civiltime.errors import CivilTimeError
from civiltime.programme.certified import read_certified
from civiltime.workspace.config import Workspace
from civiltime.workspace.runs import Run, open_run

CERTIFICATION = "segment2a_certification"
Document = Mapping[str, Any]


class OpenError(Exception):
    """A condition that isn't proved, and why."""


@dataclass
class Scores:
    """The lane's certifications, each scored again at most once."""

    workspace: Workspace
    _known: dict[Path, Scored | str] = field(default_factory=dict)

    def proved(self, path: Path) -> Scored:
        """The certification as scoring it again gives it; :class:`OpenError` where files differ."""
        if path not in self._known:
            try:
                self._known[path] = self._again(path)
            except CivilTimeError as error:
                self._known[path] = f"{path.name}: {error.code}: {error.message}"
            except OpenError as why:
                self._known[path] = str(why)
        found = self._known[path]
        if isinstance(found, str):
            raise OpenError(found)
        return found

    def files(self, path: Path) -> dict[str, Path]:
        """Where the artefacts of a proved certification lie, by dataset id."""
        scored = self.proved(path)
        runset = scored.document["runset"]
        return {i: self.workspace.path(i, runset=runset) for i in scored.files}

    def _again(self, path: Path) -> Scored:
        judged = read_certified(self.workspace, path)
        if path != self.workspace.path(CERTIFICATION, runset=judged["runset"]):
            raise OpenError(f"{path.name} is the certification of {judged['runset']}")
        runs = {int(s): e["run_id"] for s, e in judged["seeds"].items() if e["run_id"]}
        rests_on = frozenset(exception["id"] for exception in judged["exceptions"])
        scored = score(self.workspace, runs, self._compared(judged), exceptions=rests_on)
        without = rests_on - {exception["id"] for exception in scored.document["exceptions"]}
        if without:
            raise OpenError(f"exception {min(without)} isn't approved in this lane for this")
        for dataset_id, data in scored.files.items():
            file = self.workspace.path(dataset_id, runset=judged["runset"])
            if not file.is_file():
                raise OpenError(f"{file.name} is missing")
            if file.read_bytes() != data:
                raise OpenError(f"{file.name} isn't what scoring its runs again gives")
        return scored

    def _compared(self, judged: Document) -> Path | None:
        """The certification that it was compared with."""
        if judged["movement"] is None:
            return None
        wanted = judged["movement"]["baseline"]
        return self.workspace.path(CERTIFICATION, runset=wanted["runset"])


@dataclass(frozen=True)
class Dossier:
    """A phase's view of the lane."""

    workspace: Workspace
    scores: Scores
    path: Path | None = None
    """The certification that the phase is about."""
    earlier: Mapping[str, Path] = field(default_factory=dict)
    """The certification of each earlier phase."""
    kept: tuple[str, ...] = ()
    """Runs that the phase's own closure names."""

    def about(self, path: Path, kept: tuple[str, ...] = ()) -> Dossier:
        """The same lane, about this certification."""
        return replace(self, path=path, kept=kept)

    @property
    def subject(self) -> Path:
        """The certification that the phase is about."""
        if self.path is None:
            raise OpenError("the lane has no certification; run civiltime certify")
        return self.path

    @property
    def judged(self) -> Document:
        """That certification, proved."""
        return self.scores.proved(self.subject).document

    @property
    def tables(self) -> dict[str, Path]:
        """Its files by dataset id, proved."""
        return self.scores.files(self.subject)

    def of_phase(self, phase: str) -> Document:
        """The certification of an earlier phase, proved."""
        if phase not in self.earlier:
            raise OpenError(f"{phase} has no certification")
        return self.scores.proved(self.earlier[phase]).document

    @property
    def runs(self) -> dict[str, Run]:
        """The certified run of each required seed."""
        found = {}
        for seed, entry in self.judged["seeds"].items():
            if entry["run_id"] is None or not entry["metrics"]:
                raise OpenError(f"seed {seed}: {entry['reason']}")
            found[seed] = open_run(self.workspace, entry["run_id"])
        return found

    @property
    def certifications(self) -> list[Path]:
        """All of the lane, from the oldest; one that can't be read counts as the newest."""
        pattern = self.workspace.path(CERTIFICATION, runset="*")
        return sorted(pattern.parent.glob(pattern.name), key=lambda p: (_when(p), p.name))

    def oldest(self) -> Path:
        """The oldest certification that is proved; where none is, the reason of the oldest."""
        for path in self.certifications:
            try:
                self.scores.proved(path)
            except OpenError:
                continue
            return path
        return self.newest()

    def newest(self) -> Path:
        """The newest certification, proved or not."""
        found = self.certifications
        if not found:
            raise OpenError("the lane has no certification; run civiltime certify")
        return found[-1]


def _when(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["generated_utc"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return "unreadable"
