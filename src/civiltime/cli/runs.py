"""``civiltime runs``: what the lane holds."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from civiltime.cli.output import (
    HERE,
    JsonOption,
    WorkspaceOption,
    say,
    say_json,
    show_error,
    table,
)

app = typer.Typer(help="The runs of the lane.", no_args_is_help=True)


@app.command("list")
def list_runs(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """List the runs, oldest first, and what each is for the lane."""
    from civiltime.errors import CivilTimeError
    from civiltime.workspace.config import find_workspace
    from civiltime.workspace.runs import list_run_ids, open_run

    found = find_workspace(workspace)
    roles = _roles(found)
    rows: list[dict[str, Any]] = []
    for run_id in list_run_ids(found):
        try:
            run = open_run(found, run_id)
        except CivilTimeError as error:
            rows.append(
                {
                    "run_id": run_id,
                    **roles[run_id],
                    "created_utc": "",
                    "status": error.code,
                }
            )
            continue
        receipt = run.receipt
        rows.append(
            {
                "run_id": run_id,
                "seed": receipt.seed,
                "manifest_fingerprint": receipt.manifest_fingerprint,
                **roles[run_id],
                "created_utc": receipt.created_utc,
                "status": _status(run),
            }
        )
    rows.sort(key=lambda r: (r["created_utc"], r["run_id"]))
    if as_json:
        say_json({"runs": rows})
        return
    cells = [
        (
            r["run_id"],
            r.get("seed", "-"),
            str(r.get("manifest_fingerprint", "-"))[:8],
            r["role"],
            r["created_utc"][:19],
            r["status"],
        )
        for r in rows
    ]
    say(table(("run", "seed", "mf", "role", "created (UTC)", "status"), cells, right=(1,)))


def _roles(workspace: Any) -> dict[str, dict[str, Any]]:
    """Each run's place in the lane; unknown where an artefact of the lane can't be read."""
    from civiltime.errors import CivilTimeError
    from civiltime.programme.pins import standings
    from civiltime.workspace.runs import list_run_ids

    try:
        return {run_id: asdict(standing) for run_id, standing in standings(workspace).items()}
    except CivilTimeError as error:
        show_error(error, as_json=False)  # the runs are there all the same
        unknown = {"role": "unknown", "kept": True, "reason": error.code}
        return dict.fromkeys(list_run_ids(workspace), unknown)


@app.command("prune")
def prune_runs(
    run_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN_ID]...", help="Only these runs.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete them.")] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show the superseded and failed runs that nothing pins, and why; delete them with --yes."""
    from civiltime.programme.retention import Pruned, prunable, prune
    from civiltime.workspace.config import find_workspace

    found = find_workspace(workspace)
    named = run_ids or ()
    done = prune(found, named) if yes else Pruned((), ())
    runs = done.deleted if yes else prunable(found, named)
    if as_json:
        say_json(
            {
                "deleted": yes,
                "runs": [asdict(run) for run in runs],
                "bytes": sum(run.bytes for run in runs),
                "at_work": list(done.at_work),
            }
        )
        return
    rows = [(run.run_id, run.role, f"{run.bytes:,}", run.reason) for run in runs]
    if rows:
        say(table(("run", "role", "bytes", "why"), rows, right=(2,)) + "\n")
    for run_id in done.at_work:
        say(f"run {run_id} stays: another process works on it")
    total = f"{len(runs)} runs, {sum(run.bytes for run in runs):,} bytes"
    say(f"{total}: {'deleted' if yes else 'nothing is deleted without --yes'}")


@app.command("show")
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID")],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Show one run: its receipt, what it is for the lane, and what each state did."""
    from civiltime.states.chain import STATES
    from civiltime.workspace.config import find_workspace
    from civiltime.workspace.runs import open_run

    found = find_workspace(workspace)
    run = open_run(found, run_id)
    standing = _roles(found)[run_id]
    reports = {s.id: _report(run, s.id) for s in STATES}
    if as_json:
        say_json({"receipt": run.receipt.document(), "standing": standing, "reports": reports})
        return
    receipt = run.receipt
    say(f"run     {run.id}\nseed    {receipt.seed}\nmf      {receipt.manifest_fingerprint}")
    stays = "kept" if standing["kept"] else "may be pruned"
    say(f"role    {standing['role']}, {stays}\n        {standing['reason']}")
    say(f"created {receipt.created_utc}\n")
    rows = []
    for state in STATES:
        report = reports[state.id]
        if report is None:
            rows.append((state.id, state.title, "not run", "-", "-", ""))
            continue
        error = report["errors"][0]["code"] if report["errors"] else ""
        rows.append(
            (
                state.id,
                state.title,
                report["status"],
                report["outputs"].get("publish", "-"),
                f"{report['durations']['wall_ms']:,}",
                error,
            )
        )
    say(table(("state", "title", "status", "publish", "wall ms", "error"), rows, right=(4,)))


def _report(run: Any, state: str) -> dict[str, Any] | None:
    from civiltime.workspace.shape import check_document

    path = run.report_path(state)
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        check_document(document, "run_report", path.name)
    except (OSError, ValueError, RecursionError):
        return None
    return document


def _status(run: Any) -> str:
    from civiltime.states.chain import STATES

    reports = [_report(run, s.id) for s in STATES]
    failed = next((r for r in reports if r and r["status"] != "pass"), None)
    if failed:
        code = failed["errors"][0]["code"] if failed["errors"] else ""
        return f"fail {code}".strip()
    return "pass" if all(reports) else "incomplete"
