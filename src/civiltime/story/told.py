"""A story in steps: each is a command that is run, or a file that a person would write.

The law: the command that a step shows is the command that was run, through the entry point of
the program; what came out is read from what it said with ``--json``.  A step says beforehand how
its command must end: with an exit status, or refused under a code.  Any other end stops the story.
"""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from civiltime.errors import CivilTimeError
from civiltime.workspace.publish import replace_file

EDIT = "edit "
Reader = Callable[[Any], Sequence[str]]
"""What came out, in short lines, of the document that a command printed."""


@dataclass(frozen=True)
class Step:
    """One step: what was done and why, what came out, and the files that hold it."""

    step: str
    why: str
    command: str
    outcome: tuple[str, ...]
    artefacts: tuple[str, ...]

    @property
    def by_hand(self) -> bool:
        """Whether a person edits a file here, and no command runs."""
        return self.command.startswith(EDIT)

    def document(self) -> dict[str, Any]:
        """The step as ``--json`` shows it."""
        return asdict(self)


@dataclass
class Story:
    """The steps so far, in one workspace."""

    root: Path
    heard: Callable[[Step], None] = lambda _step: None
    begun: Callable[[str], None] = lambda _title: None
    steps: list[Step] = field(default_factory=list)

    @property
    def keys(self) -> Path:
        """The demo's keys: beside the workspace, because no workspace may hold a key."""
        return self.root.with_name(f"{self.root.name}-keys")

    def command(
        self,
        title: str,
        why: str,
        *arguments: str | Path,
        outcome: Reader = lambda _said: (),
        ends: int | str = 0,
    ) -> Any:
        """Run a command and tell it; the document that it printed.

        ``ends`` is its exit status, or the code under which it must be refused.
        """
        self.begun(title)
        words = [str(a) for a in (*arguments, "-w", self.root)]
        said = _refused(words, ends) if isinstance(ends, str) else _run(words, ends)
        lines = (f"refused, as it must be: {said}",) if isinstance(ends, str) else outcome(said)
        shown = shlex.join(["civiltime", *(self._shown(word) for word in words)])
        self._tell(Step(title, why, shown, tuple(lines), _paths(said)))
        return said

    def write(self, title: str, why: str, path: Path, data: bytes, outcome: str) -> None:
        """Write a file as a person would, and tell it."""
        replace_file(path, data)
        self._tell(Step(title, why, f"{EDIT}{self._shown(path)}", (outcome,), (str(path),)))

    def _tell(self, step: Step) -> None:
        shown = tuple(self._below(path) for path in step.artefacts)
        told = Step(step.step, step.why, step.command, step.outcome, shown)
        self.steps.append(told)
        self.heard(told)

    def _shown(self, word: str | Path) -> str:
        """A word of a command as it is typed from here."""
        head, equals, rest = str(word).rpartition("=")
        path, here = Path(rest), Path.cwd()
        if path.is_absolute() and path.is_relative_to(here):
            return f"{head}{equals}{path.relative_to(here)}"
        return str(word)

    def _below(self, path: str) -> str:
        found = (self.root / path).absolute()
        root = self.root.absolute()
        return found.relative_to(root).as_posix() if found.is_relative_to(root) else str(found)


def _run(words: Sequence[str], ends: int) -> Any:
    """What a command prints with ``--json``; an error where it ends with another status."""
    from typer.main import get_command

    from civiltime.cli.app import app

    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out):
        status = get_command(app).main([*words, "--json"], "civiltime", standalone_mode=False)
    out.flush()
    said = json.loads(out.buffer.getvalue())
    if (status or 0) != ends:
        raise RuntimeError(f"civiltime {shlex.join(words)} ended with {status or 0}, not {ends}")
    return said


def _refused(words: Sequence[str], code: str) -> str:
    """The refusal of a command under this code; any other error goes on."""
    try:
        _run(words, 0)
    except CivilTimeError as refusal:
        if refusal.code != code:
            raise
        return f"{refusal.code} {refusal.name}: {refusal.message}"
    raise RuntimeError(f"civiltime {shlex.join(words)} wasn't refused with {code}")


def _paths(said: Any) -> tuple[str, ...]:
    """The files that a command says it wrote."""
    if not isinstance(said, Mapping):
        return ()
    named = [said.get(name) for name in ("path", "page", "certification_path")]
    nested = said.get("certification")
    named += [nested.get("path")] if isinstance(nested, Mapping) else []
    return tuple(str(path) for path in named if path)
