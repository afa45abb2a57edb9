"""The application: its commands, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import typer

from civiltime.cli import (
    certify,
    chain,
    demo,
    errors,
    explain,
    governance,
    ingest,
    lane,
    lookup,
    perf,
    programme,
    readers,
    report,
    runs,
    setup,
    triage,
)
from civiltime.errors import CivilTimeError, Invalid

app = typer.Typer(
    name="civiltime",
    help="Gives sites their civil time and proves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("init")(setup.init)
app.add_typer(ingest.app, name="ingest")
app.command("run")(chain.run)
app.command("verify")(readers.verify)
app.command("read")(readers.read)
app.command("lookup", context_settings={"ignore_unknown_options": True})(lookup.lookup)
app.command("certify")(certify.certify)
app.command("report")(report.report)
app.add_typer(runs.app, name="runs")
app.command("freeze")(lane.freeze)
app.add_typer(governance.reopen, name="reopen")
app.add_typer(governance.exception, name="exception")
app.add_typer(governance.waiver, name="waiver")
app.command("approve")(governance.approve)
app.add_typer(governance.keys, name="keys")
app.add_typer(lane.authorities, name="authorities")
app.command("explain")(explain.explain)
app.add_typer(programme.app, name="programme")
app.command("triage")(triage.triage)
app.add_typer(perf.app, name="perf")
app.command("errors")(errors.errors)


INTERRUPTED = 130
"""What typer makes of Ctrl-C: the exit status that a shell shows for it."""


def main() -> None:
    """Run the command line; every refusal ends here, none as a traceback."""
    try:
        app()
    except CivilTimeError as error:
        _refuse(error)
    except Invalid as finding:
        _refuse(CivilTimeError("2A-WS-030", finding.message, finding.context))
    except OSError as problem:
        where = f" ({problem.filename})" if problem.filename else ""
        _refuse(CivilTimeError("2A-WS-004", f"{problem.strerror or problem}{where}"))
    except SystemExit as end:
        if end.code == INTERRUPTED:
            from civiltime.cli.output import tell

            tell("interrupted; nothing partial was published\n")
        raise
    except Exception as bug:
        frame = traceback.extract_tb(bug.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}, in {frame.name}"
        _refuse(CivilTimeError("2A-WS-030", f"{type(bug).__name__} at {place}: {bug}"))


def _refuse(error: CivilTimeError) -> None:
    from civiltime.cli.output import show_error

    show_error(error, as_json="--json" in sys.argv)
    sys.exit(1)
