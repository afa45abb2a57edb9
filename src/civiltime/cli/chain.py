"""``civiltime run``: the chain over one seed."""

from __future__ import annotations

import textwrap
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from civiltime.cli.output import (
    HERE,
    JsonOption,
    Progress,
    WorkspaceOption,
    say,
    say_json,
    show_error,
    table,
)

if TYPE_CHECKING:
    from civiltime.workspace.config import Workspace

WHY = 66
"""Columns for a plan's reasons, so that the table fits 100."""


class EngineName(StrEnum):
    """Where the table-wide steps run; whatever it is called, the bytes are the same."""

    local = "local"


def run(
    seed: Annotated[int, typer.Option(help="The seed to run.", min=0, max=2**64 - 1)],
    fingerprint: Annotated[
        str | None, typer.Option(help="Which upstream, where several have the seed.")
    ] = None,
    run_id: Annotated[
        str | None, typer.Option(help="Repeat this run, or give a new one its id.")
    ] = None,
    batch_rows: Annotated[
        int,
        typer.Option(help="Rows at a time; the result is the same for any.", min=1, max=2**31 - 1),
    ] = 131_072,
    engine: Annotated[  # noqa: ARG001 - there is one engine; the name is part of the command line
        EngineName, typer.Option(help="Where table-wide steps run: in this process.")
    ] = EngineName.local,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show what would run and why; do nothing.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Run S0 to S5: from the gated upstream to a published, gated site_timezones.

    A run that is repeated executes only what changed, and what comes after it.
    """
    from civiltime.programme.candidates import require_open_lane
    from civiltime.programme.plan import plan_run
    from civiltime.states.chain import run_chain
    from civiltime.states.context import Options
    from civiltime.states.start import start_run
    from civiltime.workspace.config import find_workspace

    progress, found = Progress(quiet=as_json), find_workspace(workspace)
    if plan:
        show_plan(found, seed, fingerprint, run_id, as_json=as_json)
        return
    require_open_lane(found, run_id)
    started = start_run(found, seed, fingerprint=fingerprint, run_id=run_id)
    if not as_json:
        progress(f"run {started.id}", -1.0)
    options = Options(batch_rows=batch_rows, progress=progress)
    reports = run_chain(started, options, keep=lambda run: plan_run(run).kept)
    progress.done()
    if as_json:
        say_json(run_summary(started.id, reports))
        return
    head = ("state", "title", "decision", "status", "publish", "wall ms")
    say(table(head, state_rows(reports), right=(5,)))
    say(f"run {started.id}: PASS")
    warn(reports)


def show_plan(
    workspace: Workspace,
    seed: int,
    fingerprint: str | None,
    run_id: str | None,
    *,
    as_json: bool,
) -> None:
    """What ``run`` would do, state by state, and why."""
    from civiltime.programme.plan import plan
    from civiltime.states.chain import state_by_id

    planned = plan(workspace, seed, fingerprint=fingerprint, run_id=run_id)
    if as_json:
        say_json(
            {
                "run_id": run_id,
                "states": {
                    d.state: {"decision": d.action, "reasons": list(d.reasons)}
                    for d in planned.decisions
                },
                "new_run_needed": list(planned.new_run),
            }
        )
        return
    rows: list[tuple[str, ...]] = []
    for d in planned.decisions:
        head = (d.state, state_by_id(d.state).title, d.action.upper())
        lines = [line for reason in d.reasons for line in textwrap.wrap(reason, WHY)]
        rows += [(*(head if n == 0 else ("", "", "")), line) for n, line in enumerate(lines)]
    say(table(("state", "title", "decision", "why"), rows))
    if planned.new_run:
        say("\na new run is needed: what this one sealed can't change any more")
        for reason in planned.new_run:
            say(textwrap.fill(reason, 100, initial_indent="  ", subsequent_indent="    "))


def state_rows(reports: list[dict[str, Any]]) -> list[tuple[object, ...]]:
    """The rows of the table that shows a chain."""
    from civiltime.states.chain import state_by_id

    return [
        (
            r["state"],
            state_by_id(r["state"]).title,
            "KEEP" if "kept" in r else "RUN",
            r["status"],
            r["outputs"].get("publish", "-"),
            "-" if "kept" in r else f"{r['durations']['wall_ms']:,}",
        )
        for r in reports
    ]


def run_summary(run_id: str, reports: list[dict[str, Any]]) -> dict[str, Any]:
    """A run as ``--json`` shows it."""
    s1 = next(r for r in reports if r["state"] == "S1")
    counts = {k: v for k, v in s1["counts"].items() if k != "by_country"}
    legality = next(r for r in reports if r["state"] == "S4")["counts"]
    return {
        "run_id": run_id,
        "status": "pass" if all(r["status"] == "pass" for r in reports) else "fail",
        "seed": s1["seed"],
        "manifest_fingerprint": s1["manifest_fingerprint"],
        "counts": {**counts, **legality},
        "governance": {k: s1["governance"][k] for k in ("fallback_rate", "override_rate")},
        "states": {
            r["state"]: {
                "decision": "keep" if "kept" in r else "run",
                "status": r["status"],
                "publish": r["outputs"].get("publish"),
                "wall_ms": None if "kept" in r else r["durations"]["wall_ms"],
            }
            for r in reports
        },
        "warnings": [w for r in reports for w in r["warnings"]],
    }


def warn(reports: list[dict[str, Any]]) -> None:
    """Show the warnings of a chain on stderr."""
    from civiltime.errors import CivilTimeError

    for report in reports:
        for w in report["warnings"]:
            show_error(CivilTimeError(w["code"], w["message"]), as_json=False)
