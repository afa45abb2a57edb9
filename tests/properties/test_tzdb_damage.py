"""Damage is refused in words: never by another exception, never by leaving a zone out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.tzdb.tzif_bytes import version_2

from civiltime.errors import Invalid
from civiltime.reference.tzdb import pack
from civiltime.tzdb.archive import read_archive
from civiltime.tzdb.timetable import compile_timetable

OSLO = version_2([-2_366_757_780, 354_675_600], [1, 1], [2580, 3600], "CET-1CEST,M3.5.0,M10.5.0/3")
TREE = {"zoneinfo/Europe/Oslo": OSLO, "zoneinfo/UTC": version_2([], [], [0], "UTC0")}


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Some bytes changed, and perhaps the end cut off."""
    raw = bytearray(whole)
    for place in draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=3)):
        raw[place] = draw(st.integers(0, 255))
    return bytes(raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw)


@given(damaged(OSLO))
@settings(deadline=None, max_examples=300)
def test_a_damaged_zone_compiles_or_is_refused_by_its_name(data: bytes) -> None:
    try:
        compile_timetable({"Europe/Oslo": data})
    except Invalid as finding:
        message = finding.message
    else:
        return
    assert "Europe/Oslo" in message


@given(damaged(pack(TREE)))
@settings(deadline=None, max_examples=300)
def test_a_damaged_archive_compiles_or_is_refused_by_its_name(data: bytes) -> None:
    try:
        zones = read_archive(data, "T.tar")
    except Invalid as finding:
        message = finding.message
    else:
        assert len(zones) == len(TREE)
        return
    assert "T.tar" in message


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("tzid", ["Europe/Oslo", "UTC"])
def test_a_zone_without_its_magic_is_refused_not_left_out(tzid: str, place: int) -> None:
    content = bytearray(TREE[f"zoneinfo/{tzid}"])
    content[place] ^= 1
    tree = {**TREE, f"zoneinfo/{tzid}": bytes(content), "zoneinfo/zone.tab": b"# text"}
    with pytest.raises(Invalid, match=rf"T\.tar holds {tzid}, .* no TZif file"):
        read_archive(pack(tree), "T.tar")
