"""The shared cache of compiled timetables (specification 3.3).

The law: an entry is keyed by the archive's digest, the horizon and the format version; it
carries a digest of itself; an entry that isn't what it says is discarded and rebuilt; a
miss compiles and stores atomically.  A hit skips compilation and nothing else.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from civiltime.errors import Invalid
from civiltime.tzdb.archive import read_archive
from civiltime.tzdb.codec import decode, encode
from civiltime.tzdb.timetable import compile_timetable
from civiltime.workspace.digest import digest_folder, partition_hash
from civiltime.workspace.publish import people_json, publish_folder, staging

FORMAT = "tzc1"
INDEX, ADJUSTMENTS = "index.bin", "adjustments.json"


@dataclass(frozen=True)
class Compiled:
    """A compiled archive: the encoded index, and every offset that was adjusted."""

    index: bytes
    adjustments: list[dict[str, Any]]


def compile_archive(raw: bytes, name: str, horizon_year: int) -> Compiled:
    """Compile every zone of an archive; :class:`Invalid` (020) where it can't be parsed."""
    try:
        timetable = compile_timetable(read_archive(raw, name), horizon_year)
        return Compiled(encode(timetable), [asdict(a) for a in timetable.adjustments])
    except Invalid as finding:
        finding.code = finding.code or "020"
        raise


def load_or_compile(
    cache: Path, archive_sha256: str, horizon_year: int, compile_it: Callable[[], Compiled]
) -> tuple[Compiled, bool]:
    """The compiled archive, and whether the cache had it."""
    name = f"{archive_sha256}-{horizon_year}-{FORMAT}"
    with suppress(OSError, ValueError):
        return _load(cache, name), True
    for stale in cache.glob(f"{name}-*"):
        shutil.rmtree(stale, ignore_errors=True)
    compiled = compile_it()
    with suppress(OSError, Invalid):  # the cache is a convenience; the run doesn't need it
        _store(cache, name, compiled)
    return compiled, False


def _load(cache: Path, name: str) -> Compiled:
    """The entry whose folder name ends in the digest of its content."""
    (folder,) = cache.glob(f"{name}-*")
    if partition_hash(digest_folder(folder)) != folder.name.removeprefix(f"{name}-"):
        raise Invalid(f"{folder.name} is not what its name says")
    compiled = Compiled(
        (folder / INDEX).read_bytes(), json.loads((folder / ADJUSTMENTS).read_bytes())
    )
    decode(compiled.index)
    return compiled


def _store(cache: Path, name: str, compiled: Compiled) -> None:
    with staging(cache) as folder:
        staged = folder / "entry"
        staged.mkdir()
        (staged / INDEX).write_bytes(compiled.index)
        (staged / ADJUSTMENTS).write_bytes(people_json(compiled.adjustments))
        publish_folder(staged, cache / f"{name}-{partition_hash(digest_folder(staged))}")
