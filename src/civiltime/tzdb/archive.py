"""Archives of the tz database: bytes in, one TZif file per zone out.

Two kinds, told apart by what is inside:

* IANA's own ``tzdata{tag}.tar.gz``: the source.  It is compiled with ``zic`` in a temporary
  folder, the data set that the distribution's Makefile builds by default (the continents,
  ``etcetera``, ``factory`` and ``backward``; not ``backzone``).
* a tar of a compiled zoneinfo tree, as ``reference/tzdb.py`` packs it from the ``tzdata``
  package.

The law: an archive is untrusted.  Names stay inside, links and devices are refused, sizes
are bounded, a name stands once.  The host's own tz database is never consulted.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from civiltime.errors import Invalid

SOURCES = (
    "africa",
    "antarctica",
    "asia",
    "australasia",
    "europe",
    "northamerica",
    "southamerica",
    "etcetera",
    "factory",
    "backward",
)
ZONEINFO = "zoneinfo/"
MAX_BYTES = 64 << 20
MAX_FILES = 5_000
_TZID = re.compile(r"[A-Za-z0-9._+-]+(?:/[A-Za-z0-9._+-]+)*")
_TAG = re.compile(r"20[0-9]{2}[a-z]?")


def read_archive(data: bytes, name: str) -> Mapping[str, bytes]:
    """Every zone of an archive, links included: tzid -> TZif bytes.

    Raises :class:`Invalid` when the archive can't be trusted or read, holds no zone, or
    needs ``zic`` where there is none (its ``code`` is then the full 2A-IN-022).
    """
    members = read_members(data, name)
    if is_source(members):
        return compile_source(members, name)
    zones = {
        path.removeprefix(ZONEINFO): content
        for path, content in members.items()
        if path.startswith(ZONEINFO) and content[:4] == b"TZif"
    }
    if not zones:
        raise Invalid(f"{name} holds neither the tz database's source nor compiled zones")
    strange = [z for z in zones if not _TZID.fullmatch(z)]
    if strange:
        raise Invalid(f"{name} holds {strange[0]!r}, which is not a tzid")
    return zones


def read_members(data: bytes, name: str) -> dict[str, bytes]:
    """The regular files of a tar (gzipped or not) by name; raises :class:`Invalid`."""
    members: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            for member in archive:
                path = member.name.removeprefix("./")
                if member.isdir():
                    continue
                if not member.isfile():
                    raise Invalid(f"{name} holds {path}, which is a link or a device")
                if path.startswith("/") or "\\" in path or ".." in path.split("/"):
                    raise Invalid(f"{name} holds {path!r}, which points outside of it")
                if path in members:
                    raise Invalid(f"{name} holds {path} twice")
                total += member.size
                if total > MAX_BYTES or len(members) >= MAX_FILES:
                    raise Invalid(f"{name} unpacks to more than a tz database ever did")
                stream = archive.extractfile(member)
                content = stream.read() if stream else b""
                if len(content) != member.size:
                    raise Invalid(f"{name} is truncated in {path}")
                members[path] = content
            _require_end(archive, data, name)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        if isinstance(error, Invalid):
            raise
        raise Invalid(f"{name} is truncated, or not a tar archive: {error}") from None
    if not members:
        raise Invalid(f"{name} is an empty archive")
    return members


def _require_end(archive: tarfile.TarFile, data: bytes, name: str) -> None:
    """A tar ends with two zero blocks; one that was cut between members doesn't."""
    stream = archive.fileobj
    assert stream is not None
    stream.seek(archive.offset)
    if len(stream.read(512).strip(b"\0")) or archive.offset == 0:
        raise Invalid(f"{name} has something after its last member")
    stream.seek(max(archive.offset - 512, 0))
    if len(stream.read(1024)) < 1024:
        raise Invalid(f"{name} is truncated: its end is missing ({len(data):,} bytes)")


def is_source(members: Mapping[str, bytes]) -> bool:
    """Whether these are the files of IANA's source distribution."""
    return all(source in members for source in SOURCES)


def release_tag_of(members: Mapping[str, bytes]) -> str | None:
    """The release that an archive says it is, or None where it doesn't."""
    text = members.get("version", b"").decode("ascii", "replace").strip()
    if _TAG.fullmatch(text):
        return text
    head = members.get("tzdata.zi", b"")[:64].decode("ascii", "replace").splitlines()
    words = head[0].split() if head else []
    return words[2] if words[:2] == ["#", "version"] and _TAG.fullmatch(words[2]) else None


def zone_tab_of(members: Mapping[str, bytes], name: str) -> str:
    """The text of ``zone.tab``: which country each zone belongs to."""
    for path in ("zone.tab", f"{ZONEINFO}zone.tab"):
        if path in members:
            return members[path].decode("utf-8")
    raise Invalid(f"{name} has no zone.tab")


def compile_source(members: Mapping[str, bytes], name: str) -> dict[str, bytes]:
    """Compile IANA's source with ``zic``; raises :class:`Invalid`."""
    zic = shutil.which("zic") or shutil.which("zic", path="/usr/sbin:/sbin:/usr/local/sbin")
    if zic is None:
        raise Invalid(
            f"{name} is the tz database's source, and `zic`, its compiler, is not installed "
            "(Debian and Fedora: in the package of the C library's programs, libc-bin or "
            "glibc-common)",
            code="2A-IN-022",
        )
    with tempfile.TemporaryDirectory(prefix="civiltime-zic-") as scratch:
        source, target = Path(scratch, "source"), Path(scratch, "zoneinfo")
        source.mkdir()
        for path in SOURCES:
            (source / path).write_bytes(members[path])
        command = [zic, "-b", "slim", "-d", str(target), *SOURCES]
        done = subprocess.run(  # the command is zic and our own file names
            command, cwd=source, env={"LC_ALL": "C"}, capture_output=True, check=False
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise Invalid(f"zic can't compile {name}: {said[0] if said else 'no reason given'}")
        zones = {
            path.relative_to(target).as_posix(): path.read_bytes()
            for path in target.rglob("*")
            if path.is_file()
        }
    if not zones:
        raise Invalid(f"{name} compiled to no zone")
    return zones
