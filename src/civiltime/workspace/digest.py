"""Digests: SHA-256, lowercase hex, one helper for each kind of thing (specification 1.6).

* a file: its raw bytes;
* a folder (the *partition hash*): the canonical JSON list of ``[relative path, size,
  SHA-256]`` of its files in byte order of the paths, so that names and boundaries count;
* a JSON document: its RFC 8785 canonical form.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785

from civiltime.errors import Invalid


@dataclass(frozen=True, order=True)
class FileDigest:
    """One file: POSIX path relative to some folder, size in bytes, SHA-256."""

    path: str
    size_bytes: int
    sha256_hex: str

    def as_dict(self) -> dict[str, str | int]:
        """The JSON shape used by reports and checksum files."""
        return {"path": self.path, "size_bytes": self.size_bytes, "sha256_hex": self.sha256_hex}


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of bytes in memory."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's raw bytes, read in constant memory.

    A chain asks for the same file several times.  Its digest is remembered for this process
    under the file's identity (device, inode, size, time of the inode's last change, which no
    program can set), so that each digest is computed once and a written file is read again.
    A file changed so shortly before that its next change could carry the same time isn't
    remembered.
    """
    with path.open("rb") as stream:
        identity = _identity(stream.fileno())
        known = _remembered.get(identity)
        if known is not None:
            return known
        begin = time.time_ns()
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if _identity(stream.fileno()) == identity and begin - identity[-1] > _CLOCK_TICK_NS:
            _remembered[identity] = digest
        return digest


_CLOCK_TICK_NS = 20_000_000
"""Longer than the coarsest step of a file system's clock that is in use (jiffies: 10 ms)."""
_remembered: dict[tuple[int, int, int, int], str] = {}


def _identity(descriptor: int) -> tuple[int, int, int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns


def canonical_json(document: Any) -> bytes:
    """The RFC 8785 canonical form: what is digested."""
    return rfc8785.dumps(document)


def document_digest(document: Any) -> str:
    """SHA-256 of a JSON document's canonical form."""
    return sha256_bytes(canonical_json(document))


def self_digest(document: Any) -> str:
    """The digest that a document carries of itself (of the rest of it).

    RFC 8785 knows numbers only as IEEE doubles, and a seed may be any uint64: integers
    that a double can't hold are digested as their decimal text.
    """
    return document_digest(_portable(document))


def _portable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(item) for item in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()  # halves of characters
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    return value


def by_path_bytes(files: Iterable[FileDigest]) -> list[FileDigest]:
    """The files in byte order of their paths."""
    return sorted(files, key=lambda f: f.path.encode())


def partition_hash(files: Iterable[FileDigest]) -> str:
    """The digest of a folder from the digests of its files."""
    return document_digest([[f.path, f.size_bytes, f.sha256_hex] for f in by_path_bytes(files)])


def list_files(folder: Path) -> list[str]:
    """Relative POSIX paths of all files below ``folder``, in byte order.

    A link or a special file is refused with :class:`Invalid`: its bytes could change
    without the folder changing.
    """
    found: list[str] = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise Invalid(f"{relative} is a link; only regular files may be here", path=relative)
        if path.is_dir():
            continue
        if not path.is_file():
            raise Invalid(f"{relative} is not a regular file", path=relative)
        found.append(relative)
    return sorted(found, key=str.encode)


def digest_folder(folder: Path) -> list[FileDigest]:
    """Digests of every file below ``folder``, paths relative to it, in byte order."""
    return [
        FileDigest(name, (folder / name).stat().st_size, sha256_file(folder / name))
        for name in list_files(folder)
    ]
