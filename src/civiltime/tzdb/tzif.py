"""TZif: one zone's file (RFC 9636), read strictly.

The law: magic and version are known, and both headers of a version 2+ file name the same;
the counts agree with each other and with the length; transitions increase strictly; a file
with leap-second records (a "right" zone) is refused, because POSIX time has none.  Of a
version 2+ file the 64-bit block and the footer are used.  Before the first transition local
time type 0 holds (RFC 9636 3.2).  Abbreviations and daylight flags are not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civiltime.errors import Invalid

_HEADER = struct.Struct(">4sc15x6L")


@dataclass(frozen=True)
class Tzif:
    """One zone: instants int64[n] (s, UTC), offsets int32[n] (s) from each instant on.

    ``first_offset`` (s) holds before the first instant; ``footer`` is the POSIX TZ string
    for all time after the last instant, or empty.
    """

    instants: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int32]
    first_offset: int
    footer: str


@dataclass(frozen=True)
class _Counts:
    version: bytes
    isutcnt: int
    isstdcnt: int
    leapcnt: int
    timecnt: int
    typecnt: int
    charcnt: int

    def size(self, time_size: int) -> int:
        return (
            self.timecnt * (time_size + 1)
            + self.typecnt * 6
            + self.charcnt
            + self.leapcnt * (time_size + 4)
            + self.isstdcnt
            + self.isutcnt
        )


def read_tzif(data: bytes, tzid: str) -> Tzif:
    """One zone from its file's bytes; raises :class:`Invalid` naming ``tzid``."""
    counts = _header(data, 0, tzid)
    if counts.version == b"\0":
        block, time_size, begin = counts, 4, _HEADER.size
        end = begin + block.size(4)
        if len(data) != end:
            raise Invalid(f"{tzid}: {len(data)} bytes where its counts say {end}")
        footer = ""
    else:
        begin = _HEADER.size + counts.size(4)
        block, time_size = _header(data, begin, tzid), 8
        if block.version != counts.version:
            raise Invalid(f"{tzid} has two headers of different TZif versions")
        begin += _HEADER.size
        end = begin + block.size(8)
        footer = _footer(data[end:], tzid)
    if block.leapcnt:
        raise Invalid(f"{tzid} counts leap seconds; a 'right' zone can't be compiled")
    if not 1 <= block.typecnt <= 256 or not block.charcnt:
        raise Invalid(f"{tzid} has {block.typecnt} local time types; expected 1 to 256, with names")
    return _block(data, begin, block, time_size, footer, tzid)


def _header(data: bytes, at: int, tzid: str) -> _Counts:
    if len(data) < at + _HEADER.size:
        raise Invalid(f"{tzid} is truncated in its header")
    magic, version, *numbers = _HEADER.unpack_from(data, at)
    if magic != b"TZif":
        raise Invalid(f"{tzid} is not a TZif file (it begins with {magic!r})")
    if version not in {b"\0", b"2", b"3", b"4"}:
        raise Invalid(f"{tzid} is of TZif version {version!r}; 1 to 4 are known")
    counts = _Counts(version, *numbers)
    if counts.isutcnt not in {0, counts.typecnt} or counts.isstdcnt not in {0, counts.typecnt}:
        raise Invalid(f"{tzid} has indicator counts that don't match its types")
    return counts


def _footer(tail: bytes, tzid: str) -> str:
    if len(tail) < 2 or tail[:1] != b"\n" or tail[-1:] != b"\n" or b"\n" in tail[1:-1]:
        raise Invalid(f"{tzid} is truncated, or its footer is not one line")
    try:
        return tail[1:-1].decode("ascii")
    except UnicodeDecodeError:
        raise Invalid(f"{tzid} has a footer that is not ASCII") from None


def _block(data: bytes, begin: int, block: _Counts, time_size: int, footer: str, tzid: str) -> Tzif:
    instants = np.frombuffer(data, f">i{time_size}", block.timecnt, begin).astype(np.int64)
    at = begin + block.timecnt * time_size
    indices = np.frombuffer(data, np.uint8, block.timecnt, at)
    at += block.timecnt
    types = np.frombuffer(
        data, np.dtype([("offset", ">i4"), ("dst", "u1"), ("name", "u1")]), block.typecnt, at
    )
    if (instants[1:] <= instants[:-1]).any():  # compared: a difference could overflow
        raise Invalid(f"{tzid} has transitions out of order")
    if block.timecnt and int(indices.max()) >= block.typecnt:
        raise Invalid(f"{tzid} names a local time type that it doesn't have")
    offsets = types["offset"].astype(np.int32)
    return Tzif(instants, offsets[indices], int(offsets[0]), footer)
