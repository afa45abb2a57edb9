"""Bringing data into a workspace: read, check, publish write-once, pin.

The law: a source is read whole and checked before anything is written; what was published
once is never replaced (the same bytes are a ``REUSE``); a release that was ingested becomes
the one that new runs seal; one process at a time writes here, and removes what one that was
killed left.  Refusals end under the codes of the IN family, or under the
code of the state that owns the law (2A-S1-056 for a row).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from filelock import FileLock

from civiltime.errors import CivilTimeError, Invalid
from civiltime.reference import tz_world, tzdb
from civiltime.reference.sites import read_sites
from civiltime.reference.upstream import publish_upstream
from civiltime.tzdb.archive import read_members, zone_tab_of
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_bytes, sha256_file
from civiltime.workspace.publish import (
    Publish,
    clean_staging,
    clean_temporaries,
    people_json,
    publish_folder,
    staging,
)

BOUNDARY_PACKAGE = {"package", "package:timezonefinder-data", "timezonefinder-data"}
RELEASE_TAG = re.compile(r"20[0-9]{2}[a-z]?")
TZDB_PACKAGE = {"package", "package:tzdata", "tzdata"}


@dataclass(frozen=True)
class IngestedReference:
    """A release of boundaries or tz database, published and pinned."""

    workspace: Workspace
    dataset: str
    release: str
    path: str
    sha256_hex: str
    licence: str
    publish: Publish
    summary: str

    def as_dict(self) -> dict[str, str]:
        """The result as ``--json`` shows it."""
        return {k: str(v) for k, v in vars(self).items() if k != "workspace"}


@dataclass(frozen=True)
class IngestedSites:
    """Sites, published as a gated upstream."""

    fingerprint: str
    seed: int
    sites: int
    merchants: int
    countries: int

    def as_dict(self) -> dict[str, Any]:
        """The result as ``--json`` shows it."""
        return {"manifest_fingerprint": self.fingerprint, **vars(self)}


@contextmanager
def under_codes(family: str = "2A-IN") -> Iterator[None]:
    """Turn what a pure reader refuses into an error under the codes of ingestion."""
    try:
        yield
    except Invalid as finding:
        code = finding.code or "002"
        full = code if "-" in code else f"{family}-{code}"
        raise CivilTimeError(full, finding.message, finding.context) from None


def ingest_tz_world(workspace: Workspace, source: str, release: str) -> IngestedReference:
    """Seal a release of the boundaries from a file, or from the package."""
    with under_codes():
        _require_tag(release)
        zone_tab = _zone_tab(workspace, release)
        world = (
            tz_world.from_package(release, zone_tab)
            if source in BOUNDARY_PACKAGE
            else tz_world.from_file(Path(source), release, zone_tab)
        )
    path = workspace.path("tz_world_{release}", release=release)
    provenance = workspace.path("tz_world_provenance", release=release)
    pinned, publish = _publish(
        workspace,
        path.parent,
        {path.name: world.parquet, provenance.name: people_json(world.provenance)},
        ("tz_world", release),
    )
    return IngestedReference(
        pinned,
        "tz_world",
        release,
        workspace.relative(path),
        sha256_bytes(world.parquet),
        tz_world.LICENCE,
        publish,
        f"{world.zone_count} zones, {world.polygon_count:,} polygons",
    )


def ingest_tzdb(workspace: Workspace, source: str, release: str) -> IngestedReference:
    """Seal a release of the tz database from an archive, or from the package."""
    with under_codes():
        _require_tag(release)
        found = (
            tzdb.pack_package(release)
            if source in TZDB_PACKAGE
            else tzdb.read_source(Path(source), release)
        )
    folder = workspace.path("tzdb_release", release=release)
    pinned, publish = _publish(
        workspace,
        folder,
        {
            found.archive_name: found.archive,
            "tzdb_release.json": people_json(
                {"release_tag": release, "archive_sha256": found.archive_sha256}
            ),
            "tzdb_release.provenance.json": people_json(found.provenance),
        },
        ("tzdb", release),
    )
    return IngestedReference(
        pinned,
        "tzdb",
        release,
        workspace.relative(folder / found.archive_name),
        found.archive_sha256,
        tzdb.LICENCE,
        publish,
        f"{found.provenance['zones']} zones",
    )


def ingest_sites(
    workspace: Workspace,
    path: Path,
    seed: int,
    *,
    columns: Mapping[str, str] | None = None,
    ignore_extra: bool = False,
) -> IngestedSites:
    """Publish a site file as an upstream of its own: partition, bundle, flag."""
    with under_codes():
        table = read_sites(path, columns, ignore_extra=ignore_extra)
        parameters = {"seed": str(seed), "columns": dict(columns or {})}
        sources = {path.name: sha256_file(path)}
    with under_codes(), writing(workspace):
        fingerprint = publish_upstream(
            workspace.upstream_root, "ingest_sites", parameters, sources, {seed: table}
        )
    return IngestedSites(
        fingerprint=fingerprint,
        seed=seed,
        sites=len(table),
        merchants=pc.count_distinct(table["merchant_id"]).as_py(),
        countries=pc.count_distinct(table["legal_country_iso"]).as_py(),
    )


def _require_tag(release: str) -> None:
    """A release has a fixed name, and the name is safe in a path."""
    if not RELEASE_TAG.fullmatch(release):
        raise Invalid(f"{release!r} is not the tag of a release, such as 2026c", code="2A-S0-014")


def _publish(
    workspace: Workspace, folder: Path, files: Mapping[str, bytes], pin: tuple[str, str]
) -> tuple[Workspace, Publish]:
    with writing(workspace):
        clean_staging(folder.parent)
        with staging(folder.parent) as stage:
            staged = stage / "release"
            staged.mkdir()
            for name, data in files.items():
                (staged / name).write_bytes(data)
            try:
                publish = publish_folder(staged, folder).publish
            except Invalid as finding:
                raise CivilTimeError(
                    "2A-IN-030",
                    f"{workspace.relative(folder)} holds this release with other content",
                    finding.context,
                ) from None
        return workspace.pin(*pin), publish


@contextmanager
def writing(workspace: Workspace) -> Iterator[None]:
    """One writer of references, upstreams and pins at a time; a dead one's lock is free."""
    with FileLock(workspace.root / ".ingest.lock"):
        clean_staging(workspace.upstream_root)
        clean_temporaries(workspace.root)
        yield


def _zone_tab(workspace: Workspace, release: str) -> str:
    """``zone.tab``: of the tz release of the same name, else the pinned one, else the package."""
    places: list[Callable[[], str]] = [
        lambda: _sealed_zone_tab(workspace, release),
        lambda: _sealed_zone_tab(workspace, workspace.pins.get("tzdb", "")),
        _package_zone_tab,
    ]
    for place in places:
        try:
            return place()
        except (OSError, ValueError, ModuleNotFoundError):
            continue
    raise Invalid(
        "the countries of the zones come from the tz database's zone.tab, and none is here: "
        "ingest a tz database first (civiltime ingest tzdb)",
        code="023",
    )


def _sealed_zone_tab(workspace: Workspace, release: str) -> str:
    if not release:
        raise Invalid("no tz release is pinned")
    folder = workspace.path("tzdb_release", release=release)
    archive = next(p for p in sorted(folder.iterdir()) if p.name.startswith("tzdata"))
    return zone_tab_of(read_members(archive.read_bytes(), archive.name), archive.name)


def _package_zone_tab() -> str:
    from importlib import resources

    return resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")
