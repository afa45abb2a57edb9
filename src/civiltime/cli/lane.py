"""``civiltime freeze`` and ``civiltime authorities``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from civiltime.cli.output import HERE, JsonOption, WorkspaceOption, say, say_json, table, tell

authorities = typer.Typer(help="The frozen upstream authorities.", no_args_is_help=True)


def freeze(
    certification: Annotated[
        Path | None,
        typer.Argument(metavar="[CERTIFICATION]", help="By default the lane's best."),
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Pin the best certified run of every seed; the lane takes no new candidate from then on."""
    from civiltime.programme.freeze import freeze_lane
    from civiltime.workspace.config import find_workspace

    frozen = freeze_lane(find_workspace(workspace), certification)
    document = frozen.document
    if as_json:
        say_json({"path": str(frozen.path), "publish": frozen.publish, "freeze": document})
        return
    say(f"{document['status']} ({frozen.publish}): {frozen.path}")
    runs = [(s, r["run_id"] or "-", r["verdict"]) for s, r in document["runs"].items()]
    say("\n" + table(("seed", "run", "verdict"), runs, right=(0,)))
    if document["blockers"]:
        rows = [
            (
                b["seed"] or "all",
                b["metric"],
                _figure(b["value"]),
                _figure(b["threshold"]),
                b["mechanism"][:30],
            )
            for b in document["blockers"]
        ]
        band = document["blockers"][0]["band"]
        say(f"\nwhat keeps {band} out of reach:\n")
        say(table(("seed", "metric", "value", "needs", "mechanism"), rows, right=(0, 2, 3)))
    if not frozen.reopenable:
        tell("approvers.yaml lists nobody who may approve a reopen: this freeze is for good\n")


def _figure(value: float | bool | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, bool) else f"{value:.4g}"


@authorities.command("show")
def show(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Show what is pinned, and whether it still holds and is what was agreed."""
    from dataclasses import asdict

    from civiltime.programme.agreed import agreed_pins
    from civiltime.programme.authorities import holds, read_pins
    from civiltime.workspace.config import find_workspace

    found = find_workspace(workspace)
    pins = read_pins(found).authorities
    agreed = agreed_pins(found)
    unchanged = {name: holds(found, pin) for name, pin in pins.items()}
    as_agreed = {
        name: agreed.get(name, (pin.sha256_hex,))[0] == pin.sha256_hex for name, pin in pins.items()
    }
    if as_json:
        rows = [
            {**asdict(pin), "holds": unchanged[name], "agreed": as_agreed[name]}
            for name, pin in pins.items()
        ]
        say_json({"authorities": rows})
        return
    for name, pin in pins.items():
        stands = "holds" if unchanged[name] else "CHANGED"
        if not as_agreed[name]:
            digest, who = agreed[name]
            stands += f", NOT AGREED: {who} says {digest[:12]}…"
        say(f"{name}  {pin.posture}  {stands}")
        say(f"    report  {pin.report}\n    sha256  {pin.sha256_hex}\n    run     {pin.run_id}")
    if not pins:
        say("no authority is pinned")


@authorities.command("pin")
def pin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="1A or 1B.")],
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="Its report, in the workspace.")],
    run_id: Annotated[
        str | None, typer.Option(help="The run it is about, where the report doesn't say.")
    ] = None,
    approval: Annotated[
        Path | None, typer.Option(help="The approved reopen, where the authority is pinned.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Pin an authority; anew only with an approved reopen."""
    from dataclasses import asdict

    from civiltime.programme.repin import pin_authority
    from civiltime.workspace.config import find_workspace

    pinned, publish = pin_authority(
        find_workspace(workspace), name, report, run_id=run_id, approval=approval
    )
    if as_json:
        say_json({**asdict(pinned), "publish": publish})
        return
    say(f"{name} is pinned to {pinned.report} ({pinned.sha256_hex[:12]}…), run {pinned.run_id}")
