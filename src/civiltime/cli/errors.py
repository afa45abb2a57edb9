"""``civiltime errors``: the table of codes."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from civiltime.cli.output import HERE, JsonOption, WorkspaceOption, say, say_json, table


def errors(
    code: Annotated[str | None, typer.Argument(help="One code, such as 2A-S1-055.")] = None,
    workspace: WorkspaceOption = HERE,  # noqa: ARG001  # every command takes it
    as_json: JsonOption = False,
) -> None:
    """Show every error code, or what one means and what to do about it."""
    from dataclasses import asdict

    from civiltime.contracts import error_codes

    known = error_codes()
    if code is None:
        if as_json:
            say_json([asdict(entry) for entry in known.values()])
            return
        say(table(("code", "name", "effect"), [(e.code, e.name, e.effect) for e in known.values()]))
        return
    entry = known.get(code.upper())
    if entry is None:
        raise typer.BadParameter(f"there is no code {code!r}; `civiltime errors` lists them all")
    if as_json:
        say_json(asdict(entry))
        return
    say(f"{entry.code} {entry.name} ({entry.effect})")
    for head, text in (("means", entry.meaning), ("do", entry.remediation)):
        say(textwrap.fill(text, 98, initial_indent=f"  {head + ':':7}", subsequent_indent=" " * 9))
