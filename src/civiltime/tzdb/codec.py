"""TZC1: the timetable's bytes (specification 2.3).

Little-endian: magic ``TZC1``, version u16 = 1, zone count u32; then per zone, in byte order
of its id: id length u16, id (ASCII), transition count u32, and (instant i64 in seconds
UTC, offset i32 in minutes) pairs, strictly increasing, the first at -2^63.
``tz_index_digest`` is the SHA-256 of these bytes.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from civiltime.errors import Invalid
from civiltime.tzdb.timetable import SENTINEL, Timetable

MAGIC = b"TZC1"
VERSION = 1
_HEAD = struct.Struct("<4sHI")
_PAIR = np.dtype([("instant", "<i8"), ("offset", "<i4")])


def encode(timetable: Timetable) -> bytes:
    """The bytes of a timetable."""
    parts = [_HEAD.pack(MAGIC, VERSION, len(timetable.tzids))]
    pairs = np.empty(len(timetable.instants), _PAIR)
    pairs["instant"], pairs["offset"] = timetable.instants, timetable.offsets_min
    for place, tzid in enumerate(timetable.tzids):
        name = tzid.encode("ascii")
        span = pairs[int(timetable.starts[place]) : int(timetable.starts[place + 1])]
        parts += [struct.pack("<H", len(name)), name, struct.pack("<I", len(span)), span.tobytes()]
    return b"".join(parts)


def decode(data: bytes) -> Timetable:
    """A timetable from its bytes (without adjustments, which lie beside it).

    Raises :class:`Invalid` for any byte that the format doesn't explain: another magic or
    version, truncation, trailing bytes, ids out of order, a missing sentinel, instants
    that don't increase, equal offsets in a row.  So a timetable has one encoding.
    """
    if len(data) < _HEAD.size:
        raise Invalid("the timetable is truncated in its header")
    magic, version, zones = _HEAD.unpack_from(data)
    if magic != MAGIC or version != VERSION:
        raise Invalid(f"not a TZC1 timetable of version 1: {magic!r}, version {version}")
    at = _HEAD.size
    tzids: list[str] = []
    spans: list[npt.NDArray[np.void]] = []
    for _ in range(zones):
        try:
            (length,) = struct.unpack_from("<H", data, at)
            name = data[at + 2 : at + 2 + length].decode("ascii")
            if not name.isprintable() or not name:
                raise ValueError(name)
            (count,) = struct.unpack_from("<I", data, at + 2 + length)
            at += 6 + length
            span = np.frombuffer(data, _PAIR, count, at)
        except (struct.error, ValueError):
            raise Invalid(
                f"the timetable is truncated or damaged after {len(tzids)} zones"
            ) from None
        at += count * _PAIR.itemsize
        if tzids and tzids[-1].encode() >= name.encode():
            raise Invalid(f"the timetable's zones are out of order at {name}")
        if not count or int(span["instant"][0]) != SENTINEL:
            raise Invalid(f"{name} doesn't begin with the sentinel")
        if not (span["instant"][1:] > span["instant"][:-1]).all():
            raise Invalid(f"the transitions of {name} don't increase")
        if (span["offset"][1:] == span["offset"][:-1]).any():
            raise Invalid(f"{name} has a transition that changes nothing")
        tzids.append(name)
        spans.append(span)
    if at != len(data):
        raise Invalid(f"the timetable has {len(data) - at} bytes after its last zone")
    pairs = np.concatenate([np.zeros(0, _PAIR), *spans])
    sizes = np.array([len(span) for span in spans], np.int64)
    return Timetable(
        tzids=tuple(tzids),
        starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]),
        instants=pairs["instant"].astype(np.int64),
        offsets_min=pairs["offset"].astype(np.int32),
    )
