"""The pinned boundaries, opened to be asked for the zones of any points."""

from __future__ import annotations

from pathlib import Path

from civiltime.errors import CivilTimeError, Invalid
from civiltime.states.boundaries import open_boundaries
from civiltime.workspace.config import Workspace, find_workspace
from civiltime.workspace.digest import sha256_file
from civiltime.zones.grid import ZoneIndex


def open_zones(workspace: Workspace | Path | str = ".") -> ZoneIndex:
    """The index of a workspace's pinned boundaries; the first call for a release builds it.

    Raises :class:`CivilTimeError`: 2A-S0-010 where no release is pinned or ingested,
    2A-S1-020 where the boundaries are damaged.

    >>> from civiltime import open_zones
    >>> open_zones("demo").lookup(lat=47.38, lon=8.54)  # doctest: +SKIP
    ('Europe/Zurich',)
    """
    opened = workspace if isinstance(workspace, Workspace) else find_workspace(Path(workspace))
    path = opened.path("tz_world_{release}", release=pinned(opened, "tz_world"))
    if not path.is_file():
        raise CivilTimeError(
            "2A-S0-010", f"{opened.relative(path)} is pinned and missing", {"asset": "tz_world"}
        )
    try:
        return open_boundaries(path, sha256_file(path), opened.cache).zones
    except Invalid as finding:
        raise CivilTimeError("2A-S1-020", finding.message, finding.context) from None


def pinned(workspace: Workspace, name: str) -> str:
    """The release that ``civiltime.toml`` pins; 2A-S0-010 where it pins none."""
    release = workspace.pins.get(name)
    if not release:
        raise CivilTimeError(
            "2A-S0-010", f"no release of {name} is pinned in civiltime.toml; ingest one", {}
        )
    return release
