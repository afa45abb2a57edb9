"""Bringing in the tz database: from the ``tzdata`` package, or from IANA's archive.

The law (specification 2.1): what is sealed is one archive and its digest.  The package's
compiled tree is packed as a deterministic tar (sorted names, no times, no owners, no
compression); IANA's archive is taken as it is, after it was compiled once to see that it
can be.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path

from civiltime.errors import ContextValue, Invalid
from civiltime.reference.source_file import require_file
from civiltime.tzdb.archive import (
    ZONEINFO,
    is_source,
    read_archive,
    read_members,
    release_tag_of,
    zone_tab_of,
)
from civiltime.tzdb.timetable import compile_timetable
from civiltime.workspace.digest import sha256_bytes

LICENCE = "Public-Domain"


@dataclass(frozen=True)
class TzdbRelease:
    """One release of the tz database, ready to publish."""

    release_tag: str
    archive_name: str
    archive: bytes
    zone_tab: str
    provenance: Mapping[str, ContextValue]

    @property
    def archive_sha256(self) -> str:
        """The digest that ``tzdb_release.json`` names."""
        return sha256_bytes(self.archive)


def pack_package(release: str) -> TzdbRelease:
    """The installed ``tzdata`` package as an archive.

    Raises :class:`Invalid`: 023 without the package, 024 when it is of another release.
    """
    try:
        package = import_module("tzdata")
    except ModuleNotFoundError:
        raise Invalid(
            "the tzdata package is not installed; pip install 'civiltime[demo]'", code="023"
        ) from None
    if release != package.IANA_VERSION:
        raise Invalid(
            f"the installed tzdata package is release {package.IANA_VERSION}, not {release}",
            code="024",
        )
    members = _tree(resources.files("tzdata").joinpath("zoneinfo"), ZONEINFO)
    members["version"] = f"{release}\n".encode()
    archive = pack(members)
    source: dict[str, ContextValue] = {
        "kind": "package",
        "name": "tzdata",
        "version": metadata.version("tzdata"),
    }
    return _release(release, f"tzdata{release}.tar", archive, source)


def read_source(path: Path, release: str) -> TzdbRelease:
    """An archive file: IANA's ``tzdata*.tar.gz``, or a tree that this module packed.

    Raises :class:`Invalid`: 001 when there is no file, 020 when it isn't such an archive,
    021 when it is of another release, 022 (in full) when ``zic`` is missing.
    """
    require_file(path)
    data = path.read_bytes()
    try:
        members = read_members(data, path.name)
        tag = release_tag_of(members)
        if tag is None:
            raise Invalid(f"{path.name} doesn't say of which release it is (no `version` file)")
        if tag != release:
            raise Invalid(f"{path.name} is release {tag}, not {release}", code="021")
        suffix = ".tar.gz" if data[:2] == b"\x1f\x8b" else ".tar"
        kind = "iana-source" if is_source(members) else "compiled-tree"
        return _release(
            release, f"tzdata{release}{suffix}", data, {"kind": kind, "file": path.name}
        )
    except Invalid as finding:
        finding.code = finding.code or "020"
        raise


def _release(
    release: str, archive_name: str, archive: bytes, source: dict[str, ContextValue]
) -> TzdbRelease:
    zones = read_archive(archive, archive_name)
    compile_timetable(zones)
    provenance: dict[str, ContextValue] = {
        "release": release,
        "source": source,
        "licence": LICENCE,
        "attribution": "IANA tz database",
        "sha256_hex": sha256_bytes(archive),
        "size_bytes": len(archive),
        "zones": len(zones),
    }
    zone_tab = zone_tab_of(read_members(archive, archive_name), archive_name)
    return TzdbRelease(release, archive_name, archive, zone_tab, provenance)


def _tree(folder: Traversable, prefix: str) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__":
                members |= _tree(entry, f"{prefix}{entry.name}/")
        elif not entry.name.startswith("__init__.py"):
            members[prefix + entry.name] = entry.read_bytes()
    return members


def pack(members: Mapping[str, bytes]) -> bytes:
    """A tar whose bytes depend on the members alone: sorted, no times, no owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members, key=str.encode):
            entry = tarfile.TarInfo(name)
            entry.size = len(members[name])
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(members[name]))
    return buffer.getvalue()
