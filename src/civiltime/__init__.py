"""civiltime gives sites their civil time and proves it.

The whole path, from a CSV to a gated table::

    from pathlib import Path
    import civiltime as ct

    workspace = ct.init_workspace(Path("mine"))
    workspace = ct.ingest_tzdb(workspace, "package", "2026c").workspace
    workspace = ct.ingest_tz_world(workspace, "package", "2026c").workspace
    ct.ingest_sites(workspace, Path("sites.csv"), seed=1)
    run = ct.start_run(workspace, 1)
    ct.run_chain(run)
    zones = ct.open_site_timezones(run).polars()

Once the seeds that ``certification.yaml`` requires have run, ``ct.certify_runs(workspace).verdict``
judges them.

Every refusal is a :class:`CivilTimeError` with a code of ``civiltime errors``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from civiltime.certify.certify import Certified as Certified
    from civiltime.certify.certify import certify_runs as certify_runs
    from civiltime.consumers.point import look_up as look_up
    from civiltime.consumers.read import open_site_timezones as open_site_timezones
    from civiltime.consumers.read import open_timetable as open_timetable
    from civiltime.consumers.verify import verify_run as verify_run
    from civiltime.consumers.zones import open_zones as open_zones
    from civiltime.errors import CivilTimeError as CivilTimeError
    from civiltime.reference.ingest import ingest_sites as ingest_sites
    from civiltime.reference.ingest import ingest_tz_world as ingest_tz_world
    from civiltime.reference.ingest import ingest_tzdb as ingest_tzdb
    from civiltime.states.chain import run_chain as run_chain
    from civiltime.states.start import start_run as start_run
    from civiltime.tzdb.civil import local_status as local_status
    from civiltime.tzdb.civil import offset_at as offset_at
    from civiltime.workspace.config import find_workspace as find_workspace
    from civiltime.workspace.config import init_workspace as init_workspace
    from civiltime.workspace.config import open_workspace as open_workspace
    from civiltime.workspace.runs import open_run as open_run
    from civiltime.zones.grid import ZoneIndex as ZoneIndex

__version__ = "0.1.0"

_HOMES = {
    "Certified": "certify.certify",
    "CivilTimeError": "errors",
    "ZoneIndex": "zones.grid",
    "certify_runs": "certify.certify",
    "find_workspace": "workspace.config",
    "ingest_sites": "reference.ingest",
    "ingest_tz_world": "reference.ingest",
    "ingest_tzdb": "reference.ingest",
    "init_workspace": "workspace.config",
    "local_status": "tzdb.civil",
    "look_up": "consumers.point",
    "offset_at": "tzdb.civil",
    "open_run": "workspace.runs",
    "open_site_timezones": "consumers.read",
    "open_timetable": "consumers.read",
    "open_workspace": "workspace.config",
    "open_zones": "consumers.zones",
    "run_chain": "states.chain",
    "start_run": "states.start",
    "verify_run": "consumers.verify",
}
"""Where each name lives; it is imported when it is first asked for, so that the command line
starts at once."""

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604  # the names are the keys above


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'civiltime' has no attribute {name!r}")
    return getattr(import_module(f"civiltime.{_HOMES[name]}"), name)
