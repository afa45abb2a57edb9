"""The application: its commands, and the one place where errors become exit codes."""

from __future__ import annotations

import sys

import typer

from civiltime.cli import chain, demo, errors, ingest, lookup, readers, runs, setup
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
app.command("lookup")(lookup.lookup)
app.add_typer(runs.app, name="runs")
app.command("errors")(errors.errors)


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
    except KeyboardInterrupt:
        print("interrupted; nothing partial was published", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def _refuse(error: CivilTimeError) -> None:
    from civiltime.cli.output import show_error

    show_error(error, as_json="--json" in sys.argv)
    sys.exit(1)
