"""``civiltime certify``: score the runs of the required seeds and print the verdict."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from civiltime.cli.output import HERE, JsonOption, Progress, WorkspaceOption, say, say_json, table

SEED = re.compile(r"[0-9]{1,20}")
FAIL_REALISM = 3
"""The exit status of a certification that fails (specification 1.7)."""


def certify(
    runs: Annotated[
        str | None,
        typer.Option(
            metavar="SEED:ID,...",
            help="The run of each required seed; without it the newest of the newest upstream.",
        ),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="An earlier certification to compare with.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Verify the runs again from disk, score them, judge them.

    Exit status 0 for PASS_BPLUS and PASS_B, 3 for FAIL_REALISM.
    """
    from civiltime.certify.certify import certify_runs
    from civiltime.workspace.config import find_workspace

    opened = find_workspace(workspace)
    progress = Progress(quiet=as_json)
    chosen = None if runs is None else parse_runs(runs)
    certified = certify_runs(opened, chosen, baseline, progress=progress)
    progress.done()
    if as_json:
        path = opened.relative(certified.path)
        say_json({"certification_path": path, **certified.document})
    else:
        say(verdict_page(certified.document))
        say(f"\ncertification: {certified.path}")
    if certified.verdict == "FAIL_REALISM":
        raise typer.Exit(FAIL_REALISM)


def parse_runs(text: str) -> dict[int, str]:
    """``42:ID,7:ID`` as runs by seed; 2A-CT-005 where it isn't that."""
    from civiltime.errors import CivilTimeError

    found: dict[int, str] = {}
    for part in (p.strip() for p in text.split(",") if p.strip()):
        seed, colon, run_id = part.partition(":")
        if not (colon and run_id and SEED.fullmatch(seed)):
            raise CivilTimeError("2A-CT-005", f"{part[:100]!r} is not SEED:RUN_ID")
        if int(seed) in found:
            raise CivilTimeError("2A-CT-005", f"seed {int(seed)} stands twice")
        found[int(seed)] = run_id
    if not found:
        raise CivilTimeError("2A-CT-005", "no run is named")
    return found


def verdict_page(document: dict[str, Any]) -> str:
    """The verdict, the gates of every seed, and what explains a failure."""
    parts = [_gates(document), _over_seeds(document), _excepted(document)]
    reasons = [
        f"seed {seed}: {entry['reason']}"
        for seed, entry in document["seeds"].items()
        if not entry["metrics"]
    ]
    parts += ["\n".join(reasons)] if reasons else []
    parts += [_explained(document)] if document["verdict"] == "FAIL_REALISM" else []
    parts += [_moved(document["movement"])] if document["movement"] else []
    parts.append(textwrap.fill(document["one_line"], 100))
    return "\n\n".join(part for part in parts if part)


def _gates(document: dict[str, Any]) -> str:
    seeds = document["seeds"]
    by_id: dict[str, dict[str, Any]] = {}
    for seed, entry in seeds.items():
        for gate in entry["gates"]:
            by_id.setdefault(gate["id"], {"gate": gate})[seed] = gate
    rows = []
    for name, found in by_id.items():
        gate = found["gate"]
        rows.append(
            (
                name,
                "" if gate["direction"] == "required" else f"{_sign(gate)} {gate['b']:g}",
                "" if gate["direction"] == "required" else f"{_sign(gate)} {gate['b_plus']:g}",
                *(_cell(found.get(seed)) for seed in seeds),
            )
        )
    # four seeds fit 100 columns where a failure is as short as a value with its band
    verdicts = [entry["verdict"].removesuffix("_REALISM") for entry in seeds.values()]
    rows.append(("verdict", "", "", *verdicts))
    return table(("gate", "B", "B+", *(f"seed {s}" for s in seeds)), rows)


def _sign(gate: dict[str, Any]) -> str:
    return "<=" if gate["direction"] == "at_most" else ">="


def _cell(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return "-"
    if gate["direction"] == "required":
        return "holds" if gate["value"] else "FAILS"
    value = "-" if gate["value"] is None else f"{gate['value']:.4f}"
    return f"{value} {gate['band']}"


def _over_seeds(document: dict[str, Any]) -> str:
    rows = [
        (s["metric"], "-" if s["cv"] is None else f"{s['cv']:.4f}", s["b"], s["b_plus"], s["band"])
        for s in document["stability"]
    ]
    return table(("spread over the seeds", "CV", "B <=", "B+ <=", "band"), rows, right=(1, 2, 3))


def _excepted(document: dict[str, Any]) -> str:
    rows = [
        (
            e["id"],
            e["gate"],
            e["ceiling"],
            ", ".join(e["seeds"]),
            e["approver"],
            e["expires_utc"][:10],
        )
        for e in document["exceptions"]
    ]
    heads = ("exception", "gate", "ceiling", "seeds", "approver", "expires")
    return table(heads, rows, right=(2,)) if rows else ""


def _explained(document: dict[str, Any]) -> str:
    failing = {
        gate["id"]
        for entry in document["seeds"].values()
        for gate in entry["gates"]
        if gate["band"] == "FAIL"
    }
    lines = []
    for row in document["attainability"]:
        if row["gate"] in failing and row["ceiling"] is not None:
            real = row["reference_world"]
            scored = f", real cities score {real['value']:.4f}" if real else ""
            lines.append(
                f"{row['gate']}: {row['mark']}; best possible {row['ceiling']:.4f}{scored}"
            )
    hot = [
        (h["rank"], h["country"], h["mechanism"], f"{h['shortfall_share']:.3f}", h["example"])
        for h in document["hotspots"][:8]
    ]
    spots = table(("#", "country", "mechanism", "share", "what"), hot, right=(0, 3)) if hot else ""
    return "\n\n".join(part for part in ("\n".join(lines), spots) if part)


def _moved(movement: dict[str, Any]) -> str:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    rows = [
        (a["axis"], number(a["baseline"]), number(a["value"]), a["verdict"])
        for a in movement["axes"]
    ]
    return table(("against the baseline", "was", "is", "verdict"), rows, right=(1, 2))
