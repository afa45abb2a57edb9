"""``civiltime verify`` and ``civiltime read``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from civiltime.cli.governance import verify_approval
from civiltime.cli.output import (
    HERE,
    JsonOption,
    WorkspaceOption,
    say,
    say_json,
    show_error,
    to_reader,
)

_ROWS_AT_ONCE = 50_000
RunArgument = Annotated[str, typer.Argument(metavar="RUN_ID", help="The run.")]


class TableFormat(StrEnum):
    """What `read` writes."""

    parquet = "parquet"
    csv = "csv"
    arrow = "arrow"


def verify(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN_ID|APPROVAL", help="The run, or an approval's file.")
    ],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Verify every digest, every path, the bundle and its flag, from disk; or an approval."""
    from civiltime.consumers.verify import verify_run
    from civiltime.workspace.config import find_workspace
    from civiltime.workspace.runs import RUN_ID, open_run

    if not RUN_ID.fullmatch(run_id) and Path(run_id).is_file():
        verify_approval(Path(run_id), workspace, as_json)
        return
    result = verify_run(open_run(find_workspace(workspace), run_id))
    if as_json:
        say_json(result.as_dict())
    else:
        for finding in (*result.warnings, *result.findings):
            show_error(finding, as_json=False)
        say(
            f"run {run_id}: {'PASS' if result.passed else 'FAIL'}, "
            f"{result.files_verified} files, {result.bytes_verified:,} bytes verified"
        )
    if not result.passed:
        raise typer.Exit(1)


def read(
    run_id: RunArgument,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; without it CSV goes to stdout.")
    ] = None,
    table_format: Annotated[
        TableFormat, typer.Option("--format", help="What to write.")
    ] = TableFormat.csv,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Hand over the gated table: verified first, then written."""
    from civiltime.consumers.read import open_site_timezones
    from civiltime.workspace.config import find_workspace
    from civiltime.workspace.publish import replacing
    from civiltime.workspace.runs import open_run

    frame = open_site_timezones(open_run(find_workspace(workspace), run_id)).polars()
    if out is None:
        if table_format is not TableFormat.csv or as_json:
            raise typer.BadParameter("give --out for parquet and arrow, and for --json")
        with to_reader() as stdout:
            stdout.write(frame.clear().write_csv().encode())
            for part in frame.iter_slices(_ROWS_AT_ONCE):
                stdout.write(part.write_csv(include_header=False).encode())
        return
    with replacing(out) as temporary:
        if table_format is TableFormat.parquet:
            frame.write_parquet(temporary)
        elif table_format is TableFormat.arrow:
            frame.write_ipc(temporary)
        else:
            frame.write_csv(temporary)
    if as_json:
        say_json({"run_id": run_id, "rows": frame.height, "out": str(out)})
    else:
        say(f"{frame.height:,} rows to {out}")
