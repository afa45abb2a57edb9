"""``civiltime explain``: why one site has its zone."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from civiltime.cli.output import HERE, JsonOption, WorkspaceOption, say, say_json


def explain(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="The run.")],
    key: Annotated[
        str, typer.Argument(metavar="MERCHANT|ISO2|ORDER", help="The site, in quotes: '42|CH|1'.")
    ],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show which step of the lookup decided a site's zone, and on what evidence."""
    from civiltime.consumers.explain import explain as walk
    from civiltime.workspace.config import find_workspace
    from civiltime.workspace.runs import open_run

    found = walk(open_run(find_workspace(workspace), run_id), key)
    if as_json:
        say_json(found)
        return
    s1, s2 = found["s1"], found["s2"]
    say(f"{found['key']}  at {found['lat_deg']:.6f}, {found['lon_deg']:.6f}")
    say(_line("covered by", _zones(found["candidates"])))
    say(_line("S1", f"{s1['tzid_provisional']}  ({s1['says']})"))
    for name, value in s1["evidence"].items():
        say(_line(f"  {name}", _told(value)))
    changed = "changed" if s2["changed"] else "as S1 had it"
    scope = f", by {s2['override_scope']}" if s2["override_scope"] else ""
    say(_line("S2", f"{s2['tzid']}  (source {s2['tzid_source']}{scope}, {changed})"))
    for step in found["transitions"]:
        when = datetime.fromtimestamp(step["unix_utc"], UTC).strftime("%Y-%m-%d %H:%M UTC")
        shift = step["to_minutes"] - step["from_minutes"]
        say(_line("next", f"{when}: {step['kind']} of {abs(shift)} minutes"))


def _line(name: str, text: str) -> str:
    return textwrap.fill(text, 100, initial_indent=f"  {name:14}", subsequent_indent=" " * 16)


def _zones(candidates: list[dict[str, Any]]) -> str:
    return ", ".join(f"{c['tzid']} ({c['country'] or '-'})" for c in candidates) or "no zone"


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = (
            f"{name} {_zones(item) if name == 'candidates' else _told(item)}"
            for name, item in value.items()
            if item is not None
        )
        return "; ".join(parts)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.6f}" if isinstance(value, float) else str(value)
