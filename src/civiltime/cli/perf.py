"""``civiltime perf``: what runs take, where, and whether a change really made them faster."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from civiltime.cli.output import (
    HERE,
    JsonOption,
    Progress,
    WorkspaceOption,
    say,
    say_json,
    table,
)

if TYPE_CHECKING:
    from civiltime.performance.bench import Side
    from civiltime.workspace.config import Workspace

HOLD = 3
"""The exit status where a comparison or a lock is held."""
TERMINATED = 128 + signal.SIGTERM
"""The exit status of a sitting that was ended, as a shell shows it."""
SHOWN = {"wall_ms": "wall ms", "cpu_ms": "CPU ms", "peak_rss_bytes": "peak MB"}
"""The measures as a table shows them."""

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
    from civiltime.performance.artefacts import write_artefact
    from civiltime.performance.baseline import read_baseline
    from civiltime.performance.budgets import open_budgets
    from civiltime.performance.hotspots import hotspot_map
    from civiltime.workspace.config import find_workspace

    found = find_workspace(workspace)
    kind = "segment2a_popt0_hotspots"
    read, evidence = read_baseline(found, baseline)
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


class Target(StrEnum):
    """What a change was to make faster."""

    S0 = "S0"
    S1 = "S1"
    S2 = "S2"
    S3 = "S3"
    S4 = "S4"
    S5 = "S5"
    total = "total"
    certify = "certify"


@app.command("compare")
def compare(
    timings: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[TIMINGS TIMINGS]", help="Judge these of one sitting again."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="The baseline build: a civiltime, or its environment.")
    ] = None,
    candidate: Annotated[Path | None, typer.Option(help="The candidate build.")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN_ID", help="The run to repeat.")] = None,
    state: Annotated[
        Target | None, typer.Option(help="What was to become faster.", show_default="total")
    ] = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN_ID", help="Another run that both must decide alike."),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(help="Rounds of the sitting, at least 10.", show_default="14")
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Measure two builds in one sitting and judge the candidate, or judge a sitting again.

    Exit status 0 for GO, 3 for HOLD.
    """
    from civiltime.performance.judge import measure, rejudge
    from civiltime.workspace.config import find_workspace

    found, target = find_workspace(workspace), state.value if state else None
    progress = Progress(quiet=as_json)
    if baseline and candidate and run and not timings:
        builds: dict[Side, Path] = {"baseline": baseline, "candidate": candidate}
        with _tidily_ended():
            document, path = measure(
                found, run, builds, target or "total", rounds, witness or (), progress
            )
    elif timings and len(timings) == 2 and not (baseline or candidate or run):
        document, path = rejudge(found, timings[0], timings[1], target)
    else:
        raise typer.BadParameter("give --baseline, --candidate and --run, or two timings' files")
    progress.done()
    if as_json:
        say_json({"path": str(path), "comparison": document})
    else:
        rows = [
            (m["state"], SHOWN[m["measure"]], *_sides(m), f"{m['less']}/{m['more']}", m["verdict"])
            for m in document["measures"]
        ]
        head = ("state", "measure", "baseline", "candidate", "ratio", "less/more", "candidate is")
        say(table(head, rows, right=(2, 3, 4, 5)) + "\n")
        say(_conditions(document["conditions"]))
        say(f"\n{document['decision']}\ncomparison: {path}")
        for side in ("baseline", "candidate"):
            say(f"{side}: {found.root / document[side]['path']}")
    if document["decision"] == "HOLD":
        raise typer.Exit(HOLD)


@contextmanager
def _tidily_ended() -> Iterator[None]:
    """A sitting that is ended by SIGTERM takes its copy of the workspace with it."""

    def end(_signal: int, _frame: object) -> None:
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@app.command("lock")
def lock(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="The integrated run.")],
    baseline: Annotated[Path, typer.Option(help="The POPT.0 baseline's file.")],
    comparison: Annotated[Path | None, typer.Option(help="The paired comparison's file.")] = None,
    certification: Annotated[
        Path | None, typer.Option(help="A certification; without it the run is scored now.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Lock an integrated run as the performance authority, or say why not.

    Exit status 0 for GREEN_LOCKED, 3 for HOLD; a HOLD writes and pins nothing.
    """
    from civiltime.performance.lock import lock as judge
    from civiltime.workspace.config import find_workspace

    found = find_workspace(workspace)
    document, path = judge(found, run_id, baseline, comparison, certification)
    if as_json:
        say_json({"path": None if path is None else str(path), "lock": document})
    else:
        say(_conditions(document["conditions"]))
        say(f"\n{document['status']}" + ("" if path is None else f"\nlock: {path}"))
    if path is None:
        raise typer.Exit(HOLD)


def _sides(row: dict[str, Any]) -> tuple[str, str, str]:
    unit = 2**20 if row["measure"] == "peak_rss_bytes" else 1
    ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3f}"
    return f"{row['baseline'] / unit:,.0f}", f"{row['candidate'] / unit:,.0f}", ratio


def _conditions(conditions: list[dict[str, Any]]) -> str:
    """Each condition, held or not, with what proves it; within 100 columns."""
    from textwrap import wrap

    rows: list[tuple[str, ...]] = []
    for c in conditions:
        lines = wrap(c["detail"], 62) or [""]
        rows.append((c["id"], "holds" if c["holds"] else "FAILS", lines[0]))
        rows += [("", "", line) for line in lines[1:]]
    return table(("condition", "", "by what, or why not"), rows)


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
