"""``civiltime perf``: what runs take, where, and whether a change really made them faster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from civiltime.cli.output import HERE, JsonOption, WorkspaceOption, say, say_json, table

if TYPE_CHECKING:
    from civiltime.workspace.config import Workspace

app = typer.Typer(help="What runs take, and proof that a change helps.", no_args_is_help=True)


@app.command("baseline")
def baseline(
    run_ids: Annotated[
        list[str], typer.Argument(metavar="RUN_ID...", help="Complete runs, repeats of each other.")
    ],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Write down what complete runs took, state by state: medians over the runs."""
    from civiltime.performance.baseline import make_baseline
    from civiltime.workspace.config import find_workspace

    document, path, publish = make_baseline(find_workspace(workspace), run_ids)
    if as_json:
        say_json({"path": str(path), "publish": publish, "baseline": document})
        return
    rows = [
        (r["state"], *_costs(r), "-" if r["rows_per_s"] is None else f"{r['rows_per_s']:,.0f}")
        for r in document["states"]
    ]
    total = document["total"]
    rows.append(("total", *_costs(total), _figure(total["rows_per_s"])))
    head = ("state", "wall ms", "least-greatest", "CPU ms", "peak MB", "rows/s")
    say(table(head, rows, right=(1, 2, 3, 4, 5)))
    cold = [r["run_id"] for r in document["runs"] if r["timetable_cache"] == "miss"]
    say(f"{document['sites']:,} sites, log window {total['log_window_ms']:,.0f} ms")
    if cold:
        say(f"cold: {', '.join(cold)} filled the caches; budgets are for the warm chain")
    say(f"baseline ({publish}): {path}")


def _costs(row: dict[str, Any]) -> tuple[str, str, str, str]:
    return (
        f"{row['wall_ms']:,.0f}",
        f"{row['wall_ms_least']:,.0f}-{row['wall_ms_greatest']:,.0f}",
        f"{row['cpu_ms']:,.0f}",
        f"{row['peak_rss_bytes'] / 2**20:,.0f}",
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


@app.command("hotspots")
def hotspots(
    baseline: Annotated[Path, typer.Argument(metavar="BASELINE", help="A baseline's file.")],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Rank the states by wall time, judge them by their budgets, and choose the next."""
    from civiltime.performance.artefacts import read_artefact, write_artefact
    from civiltime.performance.budgets import open_budgets
    from civiltime.performance.hotspots import hotspot_map
    from civiltime.workspace.config import find_workspace

    found = find_workspace(workspace)
    kind = "segment2a_popt0_hotspots"
    read, evidence = read_artefact(found, baseline, "segment2a_popt0_baseline")
    document = hotspot_map(read, evidence, open_budgets(found), _waivers(found))
    path = found.path(kind, run_id=document["run_id"])
    write_artefact(path, document, kind)
    if as_json:
        say_json({"path": str(path), "hotspots": document})
        return
    rows = [
        (h["rank"], h["role"] or "", h["state"], f"{h['wall_ms']:,.0f}", f"{h['share']:.1%}")
        for h in document["hotspots"]
    ]
    say(table(("#", "hotspot", "state", "wall ms", "share"), rows, right=(0, 3, 4)) + "\n")
    say(_standings(document["standings"]))
    say(
        f"\n{document['decision']} {document['next_state'] or ''}".rstrip()
        + f": {document['reason']}"
    )
    say(f"hotspots: {path}")


def _waivers(found: Workspace) -> list[Any]:
    """The waivers that hold now."""
    from civiltime.programme.decisions import approved_waivers
    from civiltime.workspace.clock import now_utc

    return list(approved_waivers(found, now_utc()))


def _standings(rows: list[dict[str, Any]]) -> str:
    cells = [
        (
            r["state"],
            r["measure"],
            *(f"{r[name]:,.0f}" for name in ("value", "target", "stretch")),
            r["band"] + (f" (waiver {r['waiver']})" if r["waiver"] else ""),
        )
        for r in rows
    ]
    head = ("budget", "measure", "median", "target", "stretch", "band")
    return table(head, cells, right=(2, 3, 4))
