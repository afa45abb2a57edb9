"""How the command line speaks: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from civiltime.errors import CivilTimeError

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", help="The workspace folder.", show_default="here")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
HERE = Path()


NOBODY_READS = 141
"""The exit status of a command whose reader has gone (``| head``), as a shell shows it."""


@contextmanager
def to_reader() -> Iterator[BinaryIO]:
    """Stdout for bytes; a reader that has seen enough ends the command in silence."""
    try:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not be tried again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(NOBODY_READS) from None


def say(text: str) -> None:
    """A line of result."""
    with to_reader() as stdout:
        stdout.write((text + "\n").encode(errors="backslashreplace"))


def say_json(document: Any) -> None:
    """The result as one JSON document."""
    say(json.dumps(document, indent=2, ensure_ascii=False))


def tell(text: str) -> None:
    """Something on stderr; when nobody can hear it, the work goes on."""
    with suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def show_error(error: CivilTimeError, *, as_json: bool) -> None:
    """An error for a person on stderr; with ``--json`` also as a document on stdout."""
    if as_json:
        say_json({"error": error.as_dict()})
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    label = "warning" if error.effect == "warn" else "error"
    lines = [f"{label} {error.code} {error.name}"]
    for head, text in (("what", error.message), ("do", error.remediation)):
        lines += textwrap.wrap(
            _plain(text), width, initial_indent=f"  {head + ':':6}", subsequent_indent=" " * 8
        )
    tell("\n".join(lines) + "\n")


def _plain(text: str) -> str:
    """What came from a file can't steer the terminal: it is shown, escaped."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


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
            tell(f"\r\x1b[2K{elapsed:6.1f} s  {label}")
        elif share >= 1.0 or share < 0.0:
            tell(f"{elapsed:6.1f} s  {label}\n")

    def done(self) -> None:
        """Clear the live line."""
        if self.live:
            tell("\r\x1b[2K")
