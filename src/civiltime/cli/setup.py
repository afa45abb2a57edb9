"""``civiltime init``: a new workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from civiltime.cli.output import HERE, JsonOption, Progress, WorkspaceOption, say, say_json


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    reference: Annotated[
        str | None,
        typer.Option(
            help="Also ingest this release of boundaries and tz database, from the packages of "
            "the `demo` extra.",
            metavar="RELEASE",
        ),
    ] = None,
    workspace: WorkspaceOption = HERE,  # noqa: ARG001  # every command takes it
    as_json: JsonOption = False,
) -> None:
    """Make a workspace: civiltime.toml, the default policies, an empty authorities.yaml."""
    from civiltime.reference.ingest import ingest_tz_world, ingest_tzdb
    from civiltime.workspace.config import init_workspace

    made = init_workspace(folder)
    ingested = []
    if reference is not None:
        progress = Progress(quiet=as_json)
        for step in (ingest_tzdb, ingest_tz_world):
            result = step(made, "package", reference)
            progress(f"{result.dataset} {reference}", 1.0)
            ingested.append(result.as_dict())
            made = result.workspace
        progress.done()
    if as_json:
        say_json({"workspace": str(folder), "ingested": ingested})
        return
    say(f"made the workspace {folder}")
    for entry in ingested:
        say(f"  {entry['dataset']} {entry['release']} at {entry['path']}")
