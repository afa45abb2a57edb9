"""``civiltime programme``: where the phases stand, closing one, the watchlist."""

from __future__ import annotations

import textwrap
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from civiltime.cli.output import HERE, JsonOption, Progress, WorkspaceOption, say, say_json, table

if TYPE_CHECKING:
    from civiltime.programme.phases.standing import PhaseStanding

app = typer.Typer(help="The phases of the programme.", no_args_is_help=True)


class PhaseName(StrEnum):
    """The phases, in order."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


@app.command("status")
def status(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Show every condition, proved or open, asked anew from the artefacts."""
    from civiltime.programme.phases.standing import programme_standing
    from civiltime.workspace.config import find_workspace

    opened = find_workspace(workspace)
    progress = Progress(quiet=as_json)
    progress("programme: scoring again what decisions rest on", 0.0)
    standings = programme_standing(opened)
    progress.done()
    if as_json:
        say_json({"lane": opened.lane, "phases": [_document(s) for s in standings]})
        return
    say("\n\n".join(_page(s) for s in standings))


def _document(standing: PhaseStanding) -> dict[str, Any]:
    subject = standing.dossier.path
    return {
        "phase": standing.phase.id,
        "title": standing.phase.title,
        "closure": standing.closure,
        "problem": standing.problem or None,
        "decision": None if standing.document is None else standing.document["decision"],
        "certification": None if subject is None else subject.name,
        "conditions": [{**f.document(), "proved": f.proved} for f in standing.findings],
    }


def _page(standing: PhaseStanding) -> str:
    why = f": {standing.problem}" if standing.problem else ""
    decided = f" {standing.document['decision']}" if standing.closed and standing.document else ""
    head = f"{standing.phase.id} {standing.phase.title}: {standing.closure}{decided}{why}"
    lines = [textwrap.fill(head, 100, subsequent_indent="    ")]
    for finding in standing.findings:
        mark = "proved" if finding.proved else "open"
        lines.append(f"  {mark:6}  {finding.condition.sentence}")
        lines += textwrap.wrap(
            finding.reason, 100, initial_indent=" " * 10, subsequent_indent=" " * 10
        )
        lines += [f"{' ' * 12}{digest[:12]}  {_short(p)}" for p, digest in finding.evidence.items()]
    return "\n".join(lines)


def _short(path: str) -> str:
    """A path in the room that is left on a line; ``--json`` has it whole."""
    return path if len(path) <= 74 else "…" + path[-73:]


@app.command("close")
def close(
    phase: Annotated[PhaseName, typer.Argument(help="The phase.")],
    baseline: Annotated[
        Path | None,
        typer.Option(help="P0: the baseline certification; by default the lane's oldest."),
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Close a phase, when every condition is proved at this moment."""
    from civiltime.programme.phases.standing import close_phase
    from civiltime.workspace.config import find_workspace

    if baseline is not None and phase is not PhaseName.P0:
        raise typer.BadParameter("only P0 has a baseline", param_hint="--baseline")
    progress = Progress(quiet=as_json)
    progress("programme: scoring again what decisions rest on", 0.0)
    path, document, publish = close_phase(find_workspace(workspace), phase.value, baseline)
    progress.done()
    if as_json:
        say_json({"path": str(path), "publish": publish, "closure": document})
        return
    say(f"{phase.value} is closed ({publish}): {document['decision']}\n{path}")


@app.command("watchlist")
def watchlist(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Write and show the countries that hold the failing gates, ranked."""
    from civiltime.programme.phases.standing import make_watchlist
    from civiltime.workspace.config import find_workspace

    opened = find_workspace(workspace)
    progress = Progress(quiet=as_json)
    progress("programme: scoring again what the watchlist rests on", 0.0)
    document = make_watchlist(opened)
    progress.done()
    if as_json:
        say_json({"path": str(opened.path("segment2a_watchlist")), **document})
        return
    rows = [
        (
            e["rank"],
            e["country"] or "-",
            e["seed"] or "all",
            e["metric"],
            "-" if e["gap"] is None else f"{e['gap']:.4g}",
            "-" if e["shortfall_share"] is None else f"{e['shortfall_share']:.1%}",
            f"{e['budget']['fallback_rows']} / {e['budget']['override_rows']}",
            e["mechanism"][:20],
        )
        for e in document["entries"]
    ]
    head = ("#", "in", "seed", "gate", "gap to B", "share", "budget", "mechanism")
    say(table(head, rows, right=(0, 2, 4, 5, 6)) if rows else "every gate meets B")
    if rows:
        say("\nbudget: rows that may still fall back / be set by hand under B's caps")
    say(f"watchlist: {opened.path('segment2a_watchlist')}")
