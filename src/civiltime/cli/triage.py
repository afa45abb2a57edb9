"""``civiltime triage``: what failed, why, and what to do next."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from civiltime.cli.output import HERE, JsonOption, WorkspaceOption, say, say_json


def triage(
    target: Annotated[
        str, typer.Argument(metavar="RUN|CERTIFICATION", help="A run id, or a certification file.")
    ],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Walk the map of failures, state first: the surface, the numbers, the next actions."""
    from civiltime.programme.triage_target import triage as walk
    from civiltime.workspace.config import find_workspace

    what, findings = walk(find_workspace(workspace), target)
    if as_json:
        say_json({"target": what, "findings": [f.document() for f in findings]})
        return
    say(what)
    if not findings:
        say("nothing to repair")
    for number, finding in enumerate(findings, start=1):
        say(f"\n{number}. {finding.surface}  ({finding.severity.replace('_', ' ')})")
        say(_wrapped(finding.what))
        for name, value in finding.numbers.items():
            if value not in ({}, [], None):
                say(_wrapped(f"{name}: {_told(value)}", hanging=4))
        for action in finding.actions:
            say(_wrapped(f"-> {action}", hanging=3))


def _wrapped(text: str, hanging: int = 0) -> str:
    return textwrap.fill(
        text, 100, initial_indent="   ", subsequent_indent=" " * (3 + hanging), tabsize=4
    )


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_told(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_told, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return "-" if value is None else f"{value:,}" if type(value) is int else str(value)
