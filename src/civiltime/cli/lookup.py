"""``civiltime lookup``: what the sealed data says of one point."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from civiltime.cli.output import HERE, JsonOption, Progress, WorkspaceOption, say, say_json, table


def lookup(
    lat: Annotated[float, typer.Argument(help="Latitude, degrees.")],
    lon: Annotated[float, typer.Argument(help="Longitude, degrees.")],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show the zones that cover a point, their countries, and their next transitions.

    For example: civiltime lookup -33.87 151.21.
    """
    from civiltime.consumers.point import look_up
    from civiltime.workspace.config import find_workspace

    progress = Progress(quiet=as_json)
    progress("reading the boundaries", 0.0)
    found = look_up(find_workspace(workspace), lat, lon)
    progress.done()
    if as_json:
        say_json(found)
        return
    if not found["candidates"]:
        say("no zone covers this point")
        return
    rows = [
        (c["tzid"], c["country"] or "-", _offset(c["offset_minutes"]), *_next(c["transitions"]))
        for c in found["candidates"]
    ]
    say(table(("zone", "country", "now", "next transition (UTC)", "then"), rows))


def _offset(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _next(transitions: list[dict[str, Any]]) -> tuple[str, str]:
    if not transitions:
        return "none known", "-"
    first = transitions[0]
    when = datetime.fromtimestamp(first["unix_utc"], UTC).strftime("%Y-%m-%d %H:%M")
    return when, f"{_offset(first['to_minutes'])} ({first['kind']})"
