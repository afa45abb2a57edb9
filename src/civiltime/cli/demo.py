"""``civiltime demo``: the whole chain on real data, from nothing."""

from __future__ import annotations

import sys
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from civiltime.cli.certify import verdict_page
from civiltime.cli.output import JsonOption, Progress, say, say_json, table

if TYPE_CHECKING:
    from civiltime.certify.certify import Certified
    from civiltime.report import ReportFiles
    from civiltime.story import Step

DEFAULT_FOLDER = Path("civiltime-demo")
FULL_FOLDER = Path("civiltime-demo-full")
DEFAULT_SEEDS = "42,7,101,202"
FULL_SITES = 12_000
"""With fewer, no country may be large enough for a cohort, which no placement passes."""


class PostureName(StrEnum):
    """Where the demo's merchants put their sites."""

    collapsed = "collapsed"
    population = "population"
    stratified = "stratified"


def demo(
    posture: Annotated[
        PostureName, typer.Option(help="How the stand-in upstream places its sites.")
    ] = PostureName.population,
    sites: Annotated[int, typer.Option(help="Sites per seed.", min=1)] = 31_257,
    seeds: Annotated[str, typer.Option(help="The seeds, separated by commas.")] = DEFAULT_SEEDS,
    full: Annotated[
        bool, typer.Option("--full", help="Tell the whole programme, from P0 to a lock.")
    ] = False,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            help="The workspace; made where it doesn't exist.",
            show_default=f"{DEFAULT_FOLDER}, with --full {FULL_FOLDER}",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the chain on 234,908 real cities, the 2026c boundaries and tz release 2026c.

    A stand-in upstream of that posture is published, S0 to S5 run for every seed, the runs
    are certified and the verdict is drawn as a page.  A second call repeats the same runs and
    finds every partition published (REUSE).  Exit status 0 whatever the verdict: the demo
    shows, certify judges.

    With --full the whole programme is walked by its own commands, on the collapsed posture and
    then on a reopened, stratified upstream, in a workspace of its own.
    """
    if full:
        if posture is not PostureName.population or seeds != DEFAULT_SEEDS:
            raise typer.BadParameter("--full takes both postures and the seeds of the policy")
        if sites < FULL_SITES:
            raise typer.BadParameter(f"--full needs {FULL_SITES:,} sites for its cohorts")
        _tell(workspace or FULL_FOLDER, sites, as_json=as_json)
        return
    _demo(workspace or DEFAULT_FOLDER, posture, sites, seeds, as_json=as_json)


def _tell(workspace: Path, sites: int, *, as_json: bool) -> None:
    """The whole programme, step by step."""
    from civiltime.story import ending, page, tell_story

    progress, numbers = Progress(quiet=as_json), count(1)

    def heard(step: Step) -> None:
        progress.done()
        if not as_json:
            say(page(next(numbers), step))

    told = tell_story(workspace, sites, heard, progress)
    progress.done()
    if as_json:
        say_json(told)
    else:
        say(ending(told))


def _demo(workspace: Path, posture: PostureName, sites: int, seeds: str, *, as_json: bool) -> None:
    """The chain of every seed, certified and drawn."""
    from civiltime.demo import certify_demo, run_demo

    numbers = _seeds(seeds)
    progress = Progress(quiet=as_json)
    runs = run_demo(workspace, posture.value, numbers, sites, progress)
    certified = certify_demo(workspace, {n: run for n, (run, _) in runs.items()}, progress)
    drawn = certified and _drawn(workspace, certified, progress)
    progress.done()
    if as_json:
        from civiltime.cli.chain import run_summary

        documents = {str(n): run_summary(run.id, reports) for n, (run, reports) in runs.items()}
        about = {"posture": posture.value, "workspace": str(workspace), "runs": documents}
        judged = certified and drawn and _certified(certified, drawn)
        say_json({**about, "certification": judged})
        return
    say(f"{posture.value}: S0 to S5 for {len(runs)} seeds of {sites:,} sites\n")
    say(table(*_summary(runs), right=tuple(range(2, 9))))
    if certified:
        say("\n" + verdict_page(certified.document))
    first, program = next(iter(runs.values()))[0], _program()
    say(f"\nverify one:  {program} verify {first.id} -w {workspace}")
    say(f"read it:     {program} read {first.id} -w {workspace} --out zones.csv")
    if certified and drawn:
        say(f"certified:   {shown(certified.path)}")
        say(f"look at it:  {shown(drawn.page)}")


def _drawn(folder: Path, certified: Certified, progress: Progress) -> ReportFiles:
    """The certification as a page and its plots."""
    from civiltime.report import write_report
    from civiltime.workspace.config import open_workspace

    progress("drawing the report")
    return write_report(open_workspace(folder), certified.path)


def _certified(certified: Certified, drawn: ReportFiles) -> dict[str, str]:
    """The certification in short, for a machine."""
    return {
        "verdict": certified.verdict,
        "one_line": str(certified.document["one_line"]),
        "path": str(certified.path),
        "report": str(drawn.page),
    }


def shown(path: Path) -> str:
    """A path as it is typed from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _program() -> str:
    """How this program was called, so that the commands shown can be copied."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "civiltime" else "civiltime"


def _seeds(text: str) -> list[int]:
    parts = [p.strip() for p in text.split(",") if p.strip()]
    if not parts or not all(p.isascii() and p.isdigit() and int(p) < 2**64 for p in parts):
        raise typer.BadParameter("--seeds takes whole numbers below 2^64, such as 42,7,101,202")
    return list(dict.fromkeys(int(p) for p in parts))


def _summary(runs: dict[int, Any]) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    from civiltime.cli.chain import run_summary

    rows: list[tuple[object, ...]] = []
    for seed, (run, reports) in runs.items():
        summary = run_summary(run.id, reports)
        counts = summary["counts"]
        publishes = {s["publish"] for s in summary["states"].values()}
        rows.append(
            (
                run.id,
                summary["status"].upper(),
                seed,
                f"{counts['sites']:,}",
                counts["tzids_total"],
                counts["tie_breaks_country"] + counts["tie_breaks_preference"],
                counts["nudged"],
                counts["fallbacks_within"] + counts["fallbacks_outside"],
                f"{sum(s['wall_ms'] for s in summary['states'].values()) / 1000:.2f}",
                "NEW" if "NEW" in publishes else "REUSE",
            )
        )
    head = ("run", "status", "seed", "sites", "zones", "ties", "nudged", "guessed", "s", "publish")
    return head, rows
