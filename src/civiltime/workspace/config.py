"""The workspace folder and ``civiltime.toml``: ids to paths, and which releases are pinned.

The law (specification 1.3 and 1.9): every dataset is resolved by its id through the
dictionary; releases are pinned by name, and ``latest`` is not a name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import tomlkit

from civiltime import contracts
from civiltime.errors import CivilTimeError
from civiltime.workspace.publish import replace_file

CONFIG_NAME = "civiltime.toml"
DEFAULT_LANE = "runs/fix-data-engine/segment_2A"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
PINS = ("tz_world", "tzdb", "merchant_mcc_map")
DEFAULTS = {
    "tz_nudge": "tz_nudge.yml",
    "tz_overrides": "tz_overrides.yaml",
    "tz_lookup_policy": "lookup.yaml",
    "certification_policy": "certification.yaml",
    "approvers_policy": "approvers.yaml",
    "authorities": "authorities.yaml",
}
_TEMPLATE = f"""\
# A civiltime workspace.  Paths are relative to this folder.
format = 1
lane = "{DEFAULT_LANE}"
upstream = "upstream"

# The releases that new runs seal.  `civiltime ingest` writes them.
[pins]
"""


@dataclass(frozen=True)
class Workspace:
    """A workspace: its folder, the lane of its runs, its upstream and its pins."""

    root: Path
    lane: str
    upstream: str
    pins: Mapping[str, str]

    def path(self, dataset_id: str, **tokens: str | int) -> Path:
        """Where a dataset of the workspace, of the upstream or of the lane lies."""
        dataset = contracts.datasets()[dataset_id]
        roots = {"workspace": self.root, "upstream": self.upstream_root, "lane": self.lane_root}
        base = roots[dataset.root]
        return base / dataset.resolve(**tokens)

    @property
    def upstream_root(self) -> Path:
        """The folder that holds what 1B published."""
        return self.root / self.upstream

    @property
    def lane_root(self) -> Path:
        """The folder of the lane's runs."""
        return self.root / self.lane

    @property
    def cache(self) -> Path:
        """Derived indexes, keyed by digest; safe to delete at any time."""
        return self.root / "cache"

    def relative(self, path: Path) -> str:
        """``path`` below the workspace, as reports show it."""
        return path.relative_to(self.root).as_posix()

    def pin(self, name: str, release: str) -> Workspace:
        """Pin a release in ``civiltime.toml``; comments and order stay."""
        path = self.root / CONFIG_NAME
        document = tomlkit.parse(path.read_text("utf-8"))
        document.setdefault("pins", tomlkit.table())[name] = release
        replace_file(path, tomlkit.dumps(document).encode())
        return replace(self, pins={**self.pins, name: release})


def init_workspace(folder: Path) -> Workspace:
    """Make a workspace: ``civiltime.toml`` and the default policies.

    Files that are there already are kept; a folder that is a workspace already, or a
    file in its place, is refused with 2A-WS-003.
    """
    folder = folder.absolute()
    config = folder / CONFIG_NAME
    if config.exists():
        raise CivilTimeError("2A-WS-003", f"{folder} is a workspace already", {"path": str(folder)})
    if folder.exists() and not folder.is_dir():
        raise CivilTimeError("2A-WS-003", f"{folder} is a file", {"path": str(folder)})
    workspace = Workspace(folder, DEFAULT_LANE, "upstream", {})
    for dataset_id, name in DEFAULTS.items():
        path = workspace.path(dataset_id)
        if not path.exists():
            source = resources.files("civiltime.policy").joinpath("defaults", name)
            replace_file(path, source.read_bytes())
    replace_file(config, _TEMPLATE.encode())
    return workspace


def find_workspace(start: Path) -> Workspace:
    """The workspace that ``start`` is, or lies in; 2A-WS-001 where there is none."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return open_workspace(folder)
    raise CivilTimeError(
        "2A-WS-001",
        f"neither {start} nor a folder above it has a {CONFIG_NAME}",
        {"path": str(start)},
    )


def open_workspace(folder: Path) -> Workspace:
    """Read ``civiltime.toml``; 2A-WS-001 where it is missing, 2A-WS-002 where it is wrong."""
    folder = folder.absolute()
    path = folder / CONFIG_NAME
    if not path.is_file():
        raise CivilTimeError("2A-WS-001", f"{folder} has no {CONFIG_NAME}", {"path": str(folder)})

    def wrong(why: str) -> CivilTimeError:
        return CivilTimeError("2A-WS-002", f"{path}: {why}", {"path": str(path)})

    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except RecursionError:
        raise wrong("it is nested too deeply") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise wrong(str(error)) from None
    try:
        str(folder).encode()
    except UnicodeEncodeError:  # Arrow, JSON and reports need it as text
        raise wrong("the folder's path is not UTF-8; move the workspace") from None
    unknown = sorted(data.keys() - {"format", "lane", "upstream", "pins"})
    if unknown:
        raise wrong(f"unknown key {', '.join(unknown)}")
    if data.get("format") != 1:
        raise wrong(f"format is {data.get('format')!r}; this version reads format = 1")
    for key, usual in (("lane", DEFAULT_LANE), ("upstream", "upstream")):
        if not _below(data.get(key)):
            raise wrong(f"{key} must be a path below the workspace, such as {usual!r}")
    pins = data.get("pins", {})
    if not isinstance(pins, dict) or not all(isinstance(v, str) for v in pins.values()):
        raise wrong('[pins] must be a table of names, such as tz_world = "2026c"')
    strange = sorted(pins.keys() - set(PINS))
    if strange:
        raise wrong(f"[pins] has unknown {', '.join(strange)}; known are {', '.join(PINS)}")
    unsafe = sorted(k for k, v in pins.items() if not _NAME.fullmatch(v))
    if unsafe:
        raise wrong(f"[pins] {unsafe[0]} = {pins[unsafe[0]]!r} is not the name of a release")
    return Workspace(folder, data["lane"].rstrip("/"), data["upstream"].rstrip("/"), pins)


def _below(path: object) -> bool:
    """Whether ``path`` is a relative path that stays below its folder."""
    return (
        isinstance(path, str)
        and path.strip("/ .") != ""
        and not path.startswith("/")
        and ".." not in path.split("/")
        and path.isprintable()
    )
