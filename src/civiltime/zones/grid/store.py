"""One file a grid: flat arrays, memory-mapped, checked at every opening.

The law: the file's name and its header carry the digest of the sealed ``tz_world`` and the
number of this format; another world or format is another file.  ``read`` returns None, never
a wrong grid, for a file that is missing, cut short, damaged, of another world or format, and
the caller builds anew.  A file appears by one rename, so a reader sees all of it or nothing,
and a mapped file stays as it was when a new one takes its name.

A file is::

    magic, 8 bytes | header length, 8 bytes | SHA-256 of the header, 32 bytes | header, JSON
    zeros up to a multiple of 64 bytes | arrays, each padded to a multiple of 64 bytes

The header holds the zones, and each array's length and checksum: the SHA-256 of the sums,
modulo 2**64, over the rows and the columns of a table of its 8-byte words, and of what the
table leaves over.  Any single changed word changes it, so do two words that changed
places.  It reads the file at the speed of memory, several times faster than SHA-256 would.
It is there for truncation and rot; a person who can write the cache can write civiltime.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from civiltime.workspace.publish import fsync_path
from civiltime.zones.grid.layout import Grid

FORMAT = 1
"""To be raised whenever the meaning of any number in the file changes."""
MAGIC = b"CTGRID\r\n"
ALIGN = 64
COLUMNS = 1 << 11
"""8-byte words a row of the checksum's table."""
ROWS = 1 << 6
"""Rows that are summed at once, so that they are read from the cache the second time."""
ARRAYS = (("cells", "<i4"), ("stream", "<i4"), ("values", "<f8"))


def path_in(cache: Path, tz_world_sha256: str) -> Path:
    """Where the grid of a world lies in a cache."""
    return cache / f"zone-grid-v{FORMAT}-{tz_world_sha256}.bin"


def write(path: Path, tz_world_sha256: str, grid: Grid) -> None:
    """Write a grid's file; it is there completely or not at all."""
    arrays = {name: np.ascontiguousarray(getattr(grid, name), kind) for name, kind in ARRAYS}
    header = json.dumps(
        {
            "format": FORMAT,
            "tz_world_sha256": tz_world_sha256,
            "tzids": grid.tzids,
            "countries": grid.countries,
            "larger": grid.larger,
            "lengths": {name: len(array) for name, array in arrays.items()},
            "checksums": {name: checksum(array) for name, array in arrays.items()},
        }
    ).encode()
    start = MAGIC + len(header).to_bytes(8, "little") + hashlib.sha256(header).digest() + header
    partial = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(8)}.partial")
    try:
        with partial.open("xb") as stream:
            stream.write(start)
            for array in arrays.values():
                stream.write(bytes(-stream.tell() % ALIGN))
                stream.write(array.data)
            stream.write(bytes(-stream.tell() % ALIGN))
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    fsync_path(path.parent)


def clean(path: Path) -> None:
    """Remove what writers of ``path`` left that were killed; call it with the lock held."""
    for partial in path.parent.glob(f"{path.name}.*.partial"):
        with suppress(OSError):
            partial.unlink()


def read(path: Path, tz_world_sha256: str) -> Grid | None:
    """The grid of a file, mapped and checked; None where there is no good one."""
    try:
        with path.open("rb") as stream:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return _parse(data, tz_world_sha256)
    except (OSError, ValueError, KeyError, TypeError):  # missing, empty, or not such a file
        return None


def _parse(data: mmap.mmap, tz_world_sha256: str) -> Grid | None:
    size = int.from_bytes(data[8:16], "little")
    header = data[48 : 48 + size]
    if data[:8] != MAGIC or data[16:48] != hashlib.sha256(header).digest():
        return None
    facts: dict[str, Any] = json.loads(header)
    if (facts["format"], facts["tz_world_sha256"]) != (FORMAT, tz_world_sha256):
        return None
    place = _up(48 + size)
    arrays: dict[str, Any] = {}
    for name, kind in ARRAYS:
        arrays[name] = np.frombuffer(data, kind, facts["lengths"][name], place)
        if checksum(arrays[name]) != facts["checksums"][name]:
            return None
        place += _up(arrays[name].nbytes)
    if place != len(data):
        return None
    return Grid(
        tzids=tuple(facts["tzids"]),
        countries=tuple(facts["countries"]),
        larger=[tuple(zones) for zones in facts["larger"]],
        **arrays,
    )


def checksum(array: npt.NDArray[np.generic]) -> str:
    """The checksum of an array's bytes, as in the module's law."""
    raw = array.view(np.uint8)
    table = raw[: len(raw) // (8 * COLUMNS) * (8 * COLUMNS)].view("<u8").reshape(-1, COLUMNS)
    columns = np.zeros(COLUMNS, np.uint64)
    digest = hashlib.sha256()
    for start in range(0, len(table), ROWS):
        rows = table[start : start + ROWS]
        digest.update(rows.sum(axis=1).astype("<u8").tobytes())
        columns += rows.sum(axis=0)
    digest.update(columns.astype("<u8").tobytes())
    digest.update(raw[table.nbytes :].tobytes())
    return digest.hexdigest()


def _up(size: int) -> int:
    return -(-size // ALIGN) * ALIGN
