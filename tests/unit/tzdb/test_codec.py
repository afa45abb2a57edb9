"""TZC1: golden bytes, and nothing that the format doesn't explain."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from tests.unit.tzdb.tzif_bytes import version_1

from civiltime.errors import Invalid
from civiltime.tzdb.codec import decode, encode
from civiltime.tzdb.timetable import Timetable, compile_timetable

VECTORS = json.loads((Path(__file__).parents[2] / "golden/tzdb/tzc1.json").read_text())


def timetable_of(zones: dict[str, list[list[int]]]) -> Timetable:
    pairs = [pair for tzid in zones for pair in zones[tzid]]
    sizes = [len(zones[tzid]) for tzid in zones]
    return Timetable(
        tzids=tuple(zones),
        starts=np.concatenate([[0], np.cumsum(np.array(sizes, np.int64))]).astype(np.int64),
        instants=np.array([p[0] for p in pairs], np.int64),
        offsets_min=np.array([p[1] for p in pairs], np.int32),
    )


@pytest.mark.parametrize("case", VECTORS, ids=str)
def test_golden_timetables_have_their_bytes(case: str) -> None:
    vector = VECTORS[case]
    data = bytes.fromhex("".join(vector["hex"]))
    assert encode(timetable_of(vector["zones"])) == data
    assert hashlib.sha256(data).hexdigest() == vector["sha256"]
    back = decode(data)
    assert list(back.tzids) == list(vector["zones"])
    for tzid, pairs in vector["zones"].items():
        instants, minutes = back.pairs(tzid)
        assert [list(p) for p in zip(instants.tolist(), minutes.tolist(), strict=True)] == pairs
    assert str(back.instants.dtype) == "int64"
    assert str(back.offsets_min.dtype) == "int32"


GOOD = bytes.fromhex("".join(VECTORS["two zones"]["hex"]))


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_timetable_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(Invalid):
        decode(GOOD[:length])


BROKEN = json.loads((Path(__file__).parents[2] / "golden/tzdb/tzc1_refused.json").read_text())


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_what_the_format_does_not_explain_is_refused(case: str) -> None:
    with pytest.raises(Invalid, match=BROKEN[case]["said"]):
        decode(bytes.fromhex("".join(BROKEN[case]["hex"])))


def test_a_compiled_timetable_comes_back_without_its_adjustments() -> None:
    zones = {"B": version_1([9], [1], [0, 3601]), "A": version_1([], [], [60])}
    timetable = compile_timetable(zones)
    back = decode(encode(timetable))
    assert timetable.adjustments
    assert back.adjustments == ()
    for name in ("starts", "instants", "offsets_min"):
        assert np.array_equal(getattr(back, name), getattr(timetable, name))
    assert encode(back) == encode(timetable)
