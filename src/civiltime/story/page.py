"""The story as a person reads it, within 100 columns."""

from __future__ import annotations

import posixpath
import shlex
import textwrap
from collections.abc import Iterator
from typing import Any

from civiltime.story.told import Step

WIDTH = 100


def page(number: int, step: Step) -> str:
    """One step: heading, why, the command, what came out, the files."""
    lines = [f"{number}. {step.step}", *_wrapped(step.why)]
    lines += [f"   {step.command}"] if step.by_hand else _command(step.command)
    for line in step.outcome:
        lines += _wrapped(line, hanging=2)
    lines += [f"   file: {path}" for path in step.artefacts]
    return "\n".join(lines) + "\n"


def ending(told: dict[str, Any]) -> str:
    """The lock, and every artefact."""
    lock = told["lock"]
    lines = [f"{lock['status']}: the lane is locked on these runs", ""]
    runs = sorted(lock["runs"].items(), key=lambda item: int(item[0]))
    lines += [f"  seed {seed:>4}  {run['run_id']}  {run['verdict']}" for seed, run in runs]
    folder = posixpath.commonpath([posixpath.dirname(path) for path in told["artefacts"]])
    lines += ["", f"every artefact of the lane, in {told['workspace']}/{folder}:", ""]
    names = [posixpath.relpath(path, folder) for path in told["artefacts"]]
    plots = [name for name in names if name.startswith("plots/")]
    lines += [f"  {name}" for name in names if name not in plots]
    lines += [f"  plots/: {len(plots)} pictures of the pages"] if plots else []
    return "\n".join(lines)


def _wrapped(text: str, hanging: int = 0) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent="   ", subsequent_indent=" " * (3 + hanging),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _command(command: str) -> Iterator[str]:
    """A command that can be copied; long ones go on after a backslash."""
    line = "   $"
    for part in _parts(shlex.split(command)):
        if len(line) + len(part) + 3 > WIDTH and line.strip() not in {"", "$"}:
            yield f"{line} \\"
            line = "       "
        line += f" {part}"
    yield line


def _parts(words: list[str]) -> list[str]:
    """Words that stay on one line: an option with its value, else each alone."""
    parts: list[str] = []
    for word in map(shlex.quote, words):
        last = parts[-1] if parts else ""
        if last.startswith("-") and " " not in last and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return parts
