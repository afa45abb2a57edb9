"""A tar, gzipped or not, as its files by name: read strictly, for it is untrusted.

The law:

1. a gzip is one member, whole (its CRC and length hold) and followed by nothing; it unpacks
   to no more than :data:`MAX_BYTES`;
2. an entry is a plain file or a folder (POSIX.1-1988 ``ustar``, or GNU tar without its
   extensions).  Links, devices, sparse files, long-name records are refused.  Extended
   headers of POSIX.1-2001 may say when and whose, never where or how long;
3. a name stays inside, says the same to every reader and stands once;
4. two zero blocks end the archive, and nothing but zeros follows.

So an archive that was cut, wherever, is refused.  The reader is our own because the standard
library's takes a damaged header between two entries for the end, and what else it accepts
depends on the Python that runs it.
"""

from __future__ import annotations

import re
import zlib

from civiltime.errors import Invalid

MAX_BYTES = 64 << 20
MAX_ENTRIES = 5_000
BLOCK = 512
_GZIP = b"\x1f\x8b"
_SIZE = re.compile(rb" *([0-7]*)[ \0]*")
_NAME = re.compile(r"[\x21-\x2e\x30-\x5b\x5d-\x7e ]+(?:/[\x21-\x2e\x30-\x5b\x5d-\x7e ]+)*")
"""Printable ASCII without backslashes, no empty part."""
_FILE, _FOLDER, _EXTENDED = {b"0", b"\0"}, b"5", {b"x", b"g"}
_HARMLESS = {"mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"}
"""Keys of an extended header that change neither name, size nor content."""


def read_members(data: bytes, name: str) -> dict[str, bytes]:
    """The files of a tar (plain or gzipped) by name, in its order; raises :class:`Invalid`."""
    tar = unzipped(data, name)
    members: dict[str, bytes] = {}
    at = entries = 0
    while header := _header(tar, at, name):
        path, kind, size = header
        entries += 1
        if entries > MAX_ENTRIES:
            raise Invalid(f"{name} holds more entries than a tz database ever did")
        begin, end = at + BLOCK, at + BLOCK + size
        at = begin + -(-size // BLOCK) * BLOCK
        if at > len(tar):
            raise Invalid(f"{name} is truncated in {path}")
        if kind in _EXTENDED:
            _require_harmless(tar[begin:end], name)
        elif kind != _FOLDER:
            if path in members:
                raise Invalid(f"{name} holds {path} twice")
            members[path] = tar[begin:end]
    if len(tar) - at < 2 * BLOCK:
        raise Invalid(f"{name} is truncated: its end is missing")
    if tar.count(0, at) != len(tar) - at:
        raise Invalid(f"{name} has something after its last entry")
    if not members:
        raise Invalid(f"{name} is an empty archive")
    return members


def unzipped(data: bytes, name: str) -> bytes:
    """What a gzip holds, or the bytes themselves where they are none."""
    if data[:2] != _GZIP:
        if len(data) > MAX_BYTES:
            raise Invalid(f"{name} is larger than a tz database ever was")
        return data
    stream = zlib.decompressobj(wbits=31)
    try:
        tar = stream.decompress(data, MAX_BYTES + 1)
    except zlib.error:
        raise Invalid(f"{name} is a damaged gzip: its content or its checksum is wrong") from None
    if len(tar) > MAX_BYTES:
        raise Invalid(f"{name} unpacks to more than a tz database ever did")
    if not stream.eof:
        raise Invalid(f"{name} is truncated: the gzip's end is missing")
    if stream.unused_data:
        raise Invalid(f"{name} has {len(stream.unused_data):,} bytes after the gzip's end")
    return tar


def _header(tar: bytes, at: int, name: str) -> tuple[str, bytes, int] | None:
    """Name, kind and size of the entry at a block; None where a zero block stands."""
    block = tar[at : at + BLOCK]
    if len(block) < BLOCK:
        what = "is truncated: its end is missing" if at else "is not a tar archive"
        raise Invalid(f"{name} {what}")
    if not any(block):
        return None
    summed = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if _octal(block[148:156]) != summed:
        what = f"is damaged: the entry at byte {at:,} is none" if at else "is not a tar archive"
        raise Invalid(f"{name} {what}")
    kind = block[156:157]
    raw = block[:100].partition(b"\0")[0]
    if block[257:263] == b"ustar\0" and block[345]:
        raw = block[345:500].partition(b"\0")[0] + b"/" + raw
    path = "an extended header" if kind in _EXTENDED else _path(raw, kind, name)
    size = _octal(block[124:136])
    if size is None:
        raise Invalid(f"{name} holds {path} without a readable size")
    if kind not in _FILE | {_FOLDER} | _EXTENDED:
        raise Invalid(
            f"{name} holds {path}, which is neither a file nor a folder (links, devices and "
            "records of other formats are refused)"
        )
    return path, kind, 0 if kind == _FOLDER else size


def _octal(digits: bytes) -> int | None:
    """A number field; None where it isn't one (a negative or a base-256 number, say)."""
    found = _SIZE.fullmatch(digits)
    return None if found is None else int(found[1] or b"0", 8)


def _path(raw: bytes, kind: bytes, name: str) -> str:
    path = raw.decode("latin-1")
    plain = path.removeprefix("./")
    if kind == _FOLDER:
        plain = plain.removesuffix("/") or "."
    inside = not {".", ".."} & set(plain.split("/")) or (kind == _FOLDER and plain == ".")
    if not inside or not _NAME.fullmatch(plain):
        raise Invalid(f"{name} holds {path!r}, which points outside of it or is no plain name")
    return plain


def _require_harmless(records: bytes, name: str) -> None:
    """Each record of an extended header is ``length key=value`` and a newline."""
    at = 0
    while at < len(records):
        digits, space, _ = records[at : at + 20].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        record = records[at : at + length]
        key, equals, _ = record[len(digits) + 1 :].partition(b"=")
        word = key.decode("latin-1")
        whole = len(record) == length > len(digits) and record.endswith(b"\n")
        if not (whole and equals and word in _HARMLESS):
            raise Invalid(f"{name} has an extended header that isn't about times or owners")
        at += length
