"""``civiltime report``: a certification as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from civiltime.cli.output import HERE, JsonOption, Progress, WorkspaceOption, say, say_json


def report(
    certification: Annotated[
        Path, typer.Argument(metavar="CERT", help="The certification's JSON file.")
    ],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Draw a certification: one HTML file that opens offline, and its plots."""
    from civiltime.report import write_report
    from civiltime.workspace.config import find_workspace

    progress = Progress(quiet=as_json)
    progress("drawing")
    written = write_report(find_workspace(workspace), certification)
    progress.done()
    if as_json:
        say_json(
            {
                "verdict": written.verdict,
                "page": str(written.page),
                "plots": [str(p) for p in written.plots],
                "notes": list(written.notes),
            }
        )
        return
    say(f"{written.verdict}\npage    {written.page}")
    if written.plots:
        say(f"plots   {len(written.plots)} files in {written.plots[0].parent}")
    for note in written.notes:
        say(f"note    {note}")
