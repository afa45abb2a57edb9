"""How the command line speaks: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from civiltime.errors import CivilTimeError

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", help="The workspace folder.", show_default="here")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
HERE = Path()


def say(text: str) -> None:
    """A line of result."""
    sys.stdout.write(text + "\n")


def say_json(document: Any) -> None:
    """The result as one JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def show_error(error: CivilTimeError, *, as_json: bool) -> None:
    """An error for a person on stderr; with ``--json`` also as a document on stdout."""
    if as_json:
        say_json({"error": error.as_dict()})
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    label = "warning" if error.effect == "warn" else "error"
    lines = [f"{label} {error.code} {error.name}"]
    for head, text in (("what", error.message), ("do", error.remediation)):
        lines += textwrap.wrap(
            text, width, initial_indent=f"  {head + ':':6}", subsequent_indent=" " * 8
        )
    sys.stderr.write("\n".join(lines) + "\n")


def table(head: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """A plain table; the columns in ``right`` are aligned to the right."""
    cells = [list(head), *([str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    rule = "  ".join("-" * w for w in widths)
    lines = [
        "  ".join(
            c.rjust(w) if i in right else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], rule, *lines[1:]])


class Progress:
    """One line on stderr that tells what is going on, for whatever takes over a second."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.started = time.monotonic()
        self.live = sys.stderr.isatty() and not quiet
        self.quiet = quiet
        self.last = ""

    def __call__(self, label: str, share: float = 0.0) -> None:
        """Show ``label``; on a plain stream each finished step is one line."""
        if self.quiet:
            return
        elapsed = time.monotonic() - self.started
        if self.live:
            sys.stderr.write(f"\r\x1b[2K{elapsed:6.1f} s  {label}")
            sys.stderr.flush()
        elif share >= 1.0 or share < 0.0:
            sys.stderr.write(f"{elapsed:6.1f} s  {label}\n")

    def done(self) -> None:
        """Clear the live line."""
        if self.live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
