"""``civiltime ingest``: boundaries, tz database and sites into the workspace."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from civiltime.cli.output import HERE, JsonOption, Progress, WorkspaceOption, say, say_json

if TYPE_CHECKING:
    from civiltime.reference.ingest import IngestedReference
    from civiltime.workspace.config import Workspace

app = typer.Typer(
    help="Bring boundaries, the tz database or sites into the workspace.", no_args_is_help=True
)
ReleaseOption = Annotated[
    str, typer.Option("--release", help="The release's tag, such as 2026c.", metavar="TAG")
]


@app.command("tz-world")
def tz_world(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A boundary file (GeoJSON, shapefile, zipped or not, GeoParquet), or `package` "
            "for the timezonefinder-data package.",
        ),
    ],
    release: ReleaseOption,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Seal a release of the time zone boundaries."""
    from civiltime.reference.ingest import ingest_tz_world

    _reference(ingest_tz_world, source, release, workspace, as_json=as_json)


@app.command("tzdb")
def tzdb(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="An IANA tzdata*.tar.gz, or `package` for the tzdata package.",
        ),
    ],
    release: ReleaseOption,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Seal a release of the tz database."""
    from civiltime.reference.ingest import ingest_tzdb

    _reference(ingest_tzdb, source, release, workspace, as_json=as_json)


@app.command("sites")
def sites(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, Parquet or GeoJSON.")],
    seed: Annotated[int, typer.Option(help="The seed of this placement.", min=0, max=2**64 - 1)],
    columns: Annotated[
        str | None,
        typer.Option(
            help="Your column names: merchant_id=shop,legal_country_iso=country,...",
            metavar="NAME=YOURS,...",
        ),
    ] = None,
    ignore_extra: Annotated[
        bool, typer.Option("--ignore-extra", help="Drop columns that aren't declared.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Publish sites as a gated upstream: partition, bundle and flag."""
    from civiltime.reference.ingest import ingest_sites
    from civiltime.workspace.config import find_workspace

    mapping = _mapping(columns)
    progress = Progress(quiet=as_json)
    progress(f"reading {file.name}", 0.5)
    result = ingest_sites(
        find_workspace(workspace), file, seed, columns=mapping, ignore_extra=ignore_extra
    )
    progress.done()
    if as_json:
        say_json(result.as_dict())
        return
    say(f"{result.sites:,} sites of {result.merchants:,} merchants in {result.countries} countries")
    say(f"  manifest_fingerprint {result.fingerprint}")
    where = "" if workspace == HERE else f" -w {shlex.quote(str(workspace))}"
    say(f"  next: civiltime run --seed {seed}{where}")


def _mapping(columns: str | None) -> dict[str, str]:
    pairs = [p for p in (columns or "").split(",") if p]
    if any(p.count("=") != 1 or p.strip().endswith("=") for p in pairs):
        raise typer.BadParameter("--columns takes NAME=YOURS pairs, separated by commas")
    return {name.strip(): yours.strip() for name, yours in (p.split("=") for p in pairs)}


def _reference(
    step: Callable[[Workspace, str, str], IngestedReference],
    source: str,
    release: str,
    workspace: Path,
    *,
    as_json: bool,
) -> None:
    from civiltime.workspace.config import find_workspace

    progress = Progress(quiet=as_json)
    progress(f"reading {source}", 0.5)
    result = step(find_workspace(workspace), source, release)
    progress.done()
    if as_json:
        say_json(result.as_dict())
        return
    say(f"{result.dataset} {result.release}: {result.summary} ({result.publish})")
    say(f"  {result.path}")
    say(f"  sha256 {result.sha256_hex}, {result.licence}")
