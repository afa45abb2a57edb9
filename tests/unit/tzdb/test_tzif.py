"""One zone's file: hand-made bytes in, instants and offsets out, anything else refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from tests.unit.tzdb.tzif_bytes import block, version_1, version_2

from civiltime.errors import Invalid
from civiltime.tzdb.tzif import read_tzif

GOLDEN = bytes.fromhex(
    # header of version 2: no transition, one type, four letters in the 32-bit block
    "545a696632" + "00" * 15 + "00000000" * 4 + "00000001" + "00000004"
    "000000000000" + "55544300"
    # header of version 2: two transitions, two types, eight letters
    "545a696632" + "00" * 15 + "00000000" * 3 + "00000002" + "00000002" + "00000008"
    "ffffffff80000000" + "0000000000000000"  # -2^31 and the epoch
    "0100"  # their types
    "00000e1000" + "00"  # type 0: +3600 s, standard
    "fffff1f001" + "04"  # type 1: -3600 s, daylight
    "4f4e4500" + "54574f00" + "0a" + "4f4e452d31" + "0a"  # ONE, TWO, footer ONE-1
)


def test_the_golden_bytes_are_read_as_they_are_explained() -> None:
    zone = read_tzif(GOLDEN, "A/B")
    assert zone.instants.tolist() == [-(2**31), 0]
    assert zone.offsets.tolist() == [-3600, 3600]
    assert (zone.first_offset, zone.footer) == (3600, "ONE-1")


def test_a_version_1_file_has_32_bit_instants_and_no_footer() -> None:
    zone = read_tzif(version_1([-5, 7], [1, 0], [60, 120]), "A/B")
    assert zone.instants.tolist() == [-5, 7]
    assert zone.instants.dtype == np.int64
    assert zone.offsets.tolist() == [120, 60]
    assert (zone.first_offset, zone.footer) == (60, "")


@pytest.mark.parametrize("version", [b"2", b"3", b"4"])
def test_later_versions_are_read_from_their_64_bit_block(version: bytes) -> None:
    zone = read_tzif(version_2([2**40], [1], [0, 3600], "A" * 3 + "-1", version=version), "A/B")
    assert zone.instants.tolist() == [2**40]


@pytest.mark.parametrize("length", range(len(GOLDEN)))
def test_a_file_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(Invalid, match="A/B"):
        read_tzif(GOLDEN[:length], "A/B")


@pytest.mark.parametrize("length", range(len(version_1([1], [0], [0]))))
def test_a_version_1_file_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(Invalid, match="A/B"):
        read_tzif(version_1([1], [0], [0])[:length], "A/B")


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


SECOND = 44 + 10
BROKEN = {
    "another magic": (patched(GOLDEN, 0, b"TZiF"), "not a TZif"),
    "a version of the future": (patched(GOLDEN, 4, b"5"), "version"),
    "another second magic": (patched(GOLDEN, SECOND, b"XXXX"), "not a TZif"),
    "two versions": (patched(GOLDEN, SECOND + 4, b"3"), "different"),
    "a wrong indicator count": (patched(GOLDEN, SECOND + 20, b"\0\0\0\1"), "indicator"),
    "a count beyond the file": (patched(GOLDEN, SECOND + 32, b"\xff\xff\xff\xff"), "truncated"),
    "a type it doesn't have": (patched(GOLDEN, SECOND + 44 + 16, b"\x02"), "type"),
    "equal instants": (patched(GOLDEN, SECOND + 44, struct.pack(">qq", 5, 5)), "order"),
    "falling instants": (
        patched(GOLDEN, SECOND + 44, struct.pack(">qq", 2**62, -(2**63))),
        "order",
    ),
    "a footer without its end": (GOLDEN[:-1], "footer"),
    "a footer of two lines": (GOLDEN[:-1] + b"\nX\n", "footer"),
    "a footer that is not ASCII": (GOLDEN[:-2] + b"\xe9\n", "ASCII"),
    "bytes after version 1": (version_1([], [], [0]) + b"\0", "counts"),
    "no local time type": (version_1([], [], []), "types"),
    "257 local time types": (version_2([], [], [0] * 257), "types"),
    "nothing": (b"", "header"),
}


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_what_the_format_does_not_explain_is_refused(case: str) -> None:
    data, said = BROKEN[case]
    with pytest.raises(Invalid, match=said):
        read_tzif(data, "A/B")


def test_a_file_that_counts_leap_seconds_is_refused() -> None:
    leap = struct.pack(">qi", 78_796_800, 1)
    plain = block(b"2", "q", [], [], [0])
    right = patched(plain, 28, b"\0\0\0\1") + leap
    with pytest.raises(Invalid, match="leap"):
        read_tzif(block(b"2", "i", [], [], [0]) + right + b"\nUTC0\n", "right/UTC")
