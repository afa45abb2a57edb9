"""Publishing: write once, atomically (specification 1.5).

The law: a partition is staged in a temporary folder on the same file system, files and
folders are fsynced, and one rename makes it visible.  If the partition exists already,
byte-identical content is a no-op (``REUSE``) and anything else is refused, with what
was there left untouched.  A crash at any instant leaves nothing or everything.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from civiltime.errors import Invalid
from civiltime.workspace.digest import FileDigest, digest_folder, partition_hash, sha256_bytes

STAGING = ".staging"
Publish = Literal["NEW", "REUSE"]
_TEMPORARY = re.compile(r"\..+\.[0-9]+-[0-9a-f]{8}\.tmp")


@dataclass(frozen=True)
class Published:
    """A partition on disk after publishing."""

    path: Path
    files: tuple[FileDigest, ...]
    publish: Publish

    @property
    def sha256_hex(self) -> str:
        """The partition hash."""
        return partition_hash(self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(f.size_bytes for f in self.files)


def people_json(document: Any) -> bytes:
    """A JSON document as people read it: indented, keys sorted, UTF-8, one newline."""
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode(
        errors="backslashreplace"
    )


def fsync_path(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """A disk that is full says so without saying where; ``path`` does."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A fresh staging folder below ``root``; gone at the end, whatever happens."""
    folder = root / STAGING / f"{os.getpid()}-{secrets.token_hex(8)}"
    folder.mkdir(parents=True)
    try:
        with _naming(root):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # another writer's staging folder may be in it
            folder.parent.rmdir()


def clean_staging(root: Path) -> None:
    """Remove what a crashed writer left; call it only while holding the lock of ``root``."""
    shutil.rmtree(root / STAGING, ignore_errors=True)


def clean_temporaries(folder: Path) -> None:
    """Remove what :func:`replacing` left in a folder when it was killed; hold the lock."""
    for path in folder.glob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def publish_folder(staged: Path, target: Path) -> Published:
    """Make the staged folder visible as ``target``, or find that it is there already.

    Raises :class:`Invalid` when ``target`` holds anything but the same files and bytes.
    """
    files = tuple(digest_folder(staged))
    for file in files:
        fsync_path(staged / file.path)
    for folder in sorted({(staged / f.path).parent for f in files} | {staged}, reverse=True):
        fsync_path(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        try:
            staged.rename(target)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
        else:
            fsync_path(target.parent)
            return Published(target, files, "NEW")
    _require_identical(target, files)
    return Published(target, files, "REUSE")


def _require_identical(target: Path, files: tuple[FileDigest, ...]) -> None:
    there = {f.path: f for f in digest_folder(target)}
    ours = {f.path: f for f in files}
    differing = sorted(
        path for path in there.keys() | ours.keys() if there.get(path) != ours.get(path)
    )
    if differing:
        raise Invalid(
            f"{target.name or target} is published with other content "
            f"(differs in {', '.join(differing[:5])}{' …' if len(differing) > 5 else ''})",
            differing=list(differing),
        )


def publish_file(path: Path, data: bytes) -> Published:
    """Publish one file write-once, with the same law as a folder."""
    file = (FileDigest(path.name, len(data), sha256_bytes(data)),)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        if path.read_bytes() != data:
            raise Invalid(f"{path.name} is published with other content", differing=[path.name])
        return Published(path, file, "REUSE")
    replace_file(path, data)
    return Published(path, file, "NEW")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place at the end, or is gone.

    Never the place of a folder, a device or a pipe.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with _naming(path):
            yield temporary
            fsync_path(temporary)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_path(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file that may change (a report, a configuration) so that it is never torn."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)
