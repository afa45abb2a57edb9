"""TZif files made by hand, byte by byte (RFC 9636)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

LMT, STD = b"LMT\0", b"STD\0"


def block(
    version: bytes, time: str, instants: Sequence[int], types: Sequence[int], offsets: Sequence[int]
) -> bytes:
    """A header and its data block; ``time`` is the struct code of an instant."""
    head = struct.pack(
        ">4sc15x6L", b"TZif", version, 0, 0, 0, len(instants), len(offsets), len(STD)
    )
    return (
        head
        + b"".join(struct.pack(f">{time}", i) for i in instants)
        + bytes(types)
        + b"".join(struct.pack(">iBB", offset, 0, 0) for offset in offsets)
        + STD
    )


def version_1(instants: Sequence[int], types: Sequence[int], offsets: Sequence[int]) -> bytes:
    """A file of 1980s make: 32-bit instants, no footer."""
    return block(b"\0", "i", instants, types, offsets)


def version_2(
    instants: Sequence[int],
    types: Sequence[int],
    offsets: Sequence[int],
    footer: str = "",
    *,
    version: bytes = b"2",
) -> bytes:
    """A modern file; its 32-bit block says nothing."""
    return (
        block(version, "i", [], [], [0])
        + block(version, "q", instants, types, offsets)
        + b"\n"
        + footer.encode("ascii")
        + b"\n"
    )
