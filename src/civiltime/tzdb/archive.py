"""Archives of the tz database: bytes in, one TZif file per zone out.

Two kinds, told apart by what is inside:

* IANA's own ``tzdata{tag}.tar.gz``: the source.  It is compiled with ``zic`` in a temporary
  folder, the data set that the distribution's Makefile builds by default (the continents,
  ``etcetera``, ``factory`` and ``backward``; not ``backzone``).  In zic's fat format: the slim
  one of zic 2.36 leaves out a transition of America/Ojinaga without which its rule begins
  a month early.
* a tar of a compiled zoneinfo tree, as ``reference/tzdb.py`` packs it from the ``tzdata``
  package.

The law: an archive is untrusted (:mod:`civiltime.tzdb.tar` reads it).  Every zone's name is a
tzid and every zone's content a TZif file; a source that points at anything but its own zones
is not compiled.  The host's own tz database is never consulted.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from civiltime.errors import Invalid
from civiltime.tzdb.tar import read_members

__all__ = [
    "SOURCES",
    "ZONEINFO",
    "compile_source",
    "is_source",
    "read_archive",
    "read_members",
    "release_tag_of",
    "zone_tab_of",
]
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
ZIC_SECONDS = 120
_TZID = re.compile(
    r"(?=.{1,255}\Z)[A-Za-z0-9_+-][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)*"
)
_TAG = re.compile(r"20[0-9]{2}[a-z]?")


def read_archive(data: bytes, name: str) -> Mapping[str, bytes]:
    """Every zone of an archive, links included: tzid -> TZif bytes.

    In a compiled tree the names of zones begin with a capital letter; the tables beside them
    (``zone.tab``, ``tzdata.zi``) don't.  So a zone whose content was damaged is not taken for
    a table and left out.

    Raises :class:`Invalid` when the archive can't be trusted or read, holds no zone, or
    needs ``zic`` where there is none (its ``code`` is then the full 2A-IN-022).
    """
    members = read_members(data, name)
    if is_source(members):
        return compile_source(members, name)
    zones = {
        path.removeprefix(ZONEINFO): content
        for path, content in members.items()
        if path.startswith(ZONEINFO)
        and (content[:4] == b"TZif" or path.removeprefix(ZONEINFO)[:1].isupper())
    }
    damaged = next((z for z, content in zones.items() if content[:4] != b"TZif"), None)
    if damaged is not None:
        raise Invalid(f"{name} holds {damaged}, which is named like a zone and is no TZif file")
    if not zones:
        raise Invalid(f"{name} holds neither the tz database's source nor compiled zones")
    return _named_properly(zones, name)


def _named_properly(zones: dict[str, bytes], name: str) -> dict[str, bytes]:
    strange = next((z for z in zones if not _TZID.fullmatch(z)), None)
    if strange is not None:
        raise Invalid(f"{name} holds {strange!r}, which is not a tzid")
    return zones


def is_source(members: Mapping[str, bytes]) -> bool:
    """Whether these are the files of IANA's source distribution."""
    return all(source in members for source in SOURCES)


def release_tag_of(members: Mapping[str, bytes]) -> str | None:
    """The release that an archive says it is, or None where it doesn't."""
    text = members.get("version", b"").decode("ascii", "replace").strip()
    if _TAG.fullmatch(text):
        return text
    head = re.match(rb"# version (\S+)\s", members.get("tzdata.zi", b""))
    text = head[1].decode("ascii", "replace") if head else ""
    return text if _TAG.fullmatch(text) else None


def zone_tab_of(members: Mapping[str, bytes], name: str) -> str:
    """The text of ``zone.tab``: which country each zone belongs to."""
    for path in ("zone.tab", f"{ZONEINFO}zone.tab"):
        if path in members:
            try:
                return members[path].decode("utf-8")
            except UnicodeDecodeError:
                raise Invalid(f"{path} of {name} is not UTF-8 text") from None
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
    for source in SOURCES:
        _require_own_links(members[source], source, name)
    with tempfile.TemporaryDirectory(prefix="civiltime-zic-") as scratch:
        folder, target_folder = Path(scratch, "source"), Path(scratch, "zoneinfo")
        folder.mkdir()
        for source in SOURCES:
            (folder / source).write_bytes(members[source])
        _run_zic([zic, "-b", "fat", "-d", str(target_folder), *SOURCES], folder, name)
        zones = {
            path.relative_to(target_folder).as_posix(): path.read_bytes()
            for path in sorted(target_folder.rglob("*"))
            if path.is_file() and path.resolve().is_relative_to(target_folder.resolve())
        }
    if not zones:
        raise Invalid(f"{name} compiled to no zone")
    return _named_properly(zones, name)


def _require_own_links(text: bytes, source: str, name: str) -> None:
    """Links name tzids only: the compiler would link to any file that a source names."""
    for line in text.splitlines():
        words = line.partition(b"#")[0].split()
        if not words:
            continue
        link = b"link".startswith(words[0].lower())  # zic knows a keyword by its beginning
        strange = b'"' in line.partition(b"#")[0]
        if strange or (link and not _TZID.fullmatch(b" ".join(words[1:2]).decode("latin-1"))):
            raise Invalid(
                f"{name}: {source} has a link to what is no tzid, or a quoted word: "
                f"{line[:80].decode('latin-1')!r}"
            )


def _run_zic(command: list[str], folder: Path, name: str) -> None:
    """Run the compiler; what it says on failure goes into one sentence."""
    try:
        done = subprocess.run(  # the command is zic and our own file names
            command,
            cwd=folder,
            env={"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=ZIC_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Invalid(f"zic didn't compile {name} within {ZIC_SECONDS} s") from None
    except OSError as error:
        raise Invalid(f"zic can't be run: {error.strerror}", code="2A-IN-022") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Invalid(f"zic can't compile {name}: {said[0] if said else 'no reason given'}")
