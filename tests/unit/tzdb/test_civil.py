"""Offsets, gaps and folds on arrays, against one zone walked by hand and against every second."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.tzdb.tzif_bytes import version_1

from civiltime.errors import Invalid
from civiltime.tzdb.civil import (
    FOLD,
    GAP,
    UNIQUE,
    local_status,
    next_transitions,
    offset_at,
    windows,
)
from civiltime.tzdb.timetable import SENTINEL, Timetable, compile_timetable

HOUR = 3600
TIMETABLE = compile_timetable(
    {
        # out of the sentinel by a gap, then a fold, then a gap of half an hour
        "A/B": version_1([100_000, 200_000, 300_000], [1, 0, 2], [-HOUR, HOUR, -HOUR // 2]),
        "A/Still": version_1([], [], [2 * HOUR]),
        "B/Fold": version_1([100_000], [1], [8 * HOUR, -14 * HOUR]),
    }
)


def zone(tzid: str, n: int) -> np.ndarray:
    return np.full(n, TIMETABLE.places([tzid])[0])


def test_gaps_and_folds_are_counted_from_the_sentinel_on_and_by_zone() -> None:
    gaps, folds = windows(TIMETABLE, ["B/Fold", "A/B", "A/Still", "A/B"])
    assert gaps.tolist() == [0, 2, 0, 2]
    assert folds.tolist() == [1, 1, 0, 1]


def test_windows_of_no_zone_are_none_and_an_unknown_zone_is_refused() -> None:
    assert [len(w) for w in windows(TIMETABLE, [])] == [0, 0]
    assert [len(w) for w in windows(compile_timetable({}), [])] == [0, 0]
    with pytest.raises(Invalid, match="A/Missing"):
        windows(TIMETABLE, ["A/Missing"])


def test_an_offset_holds_from_its_instant_on() -> None:
    instants = np.array([SENTINEL, 99_999, 100_000, 199_999, 200_000, 300_000, 2**62], np.int64)
    expected = [-60, -60, 60, 60, -60, -30, -30]
    assert offset_at(TIMETABLE, zone("A/B", 7), instants).tolist() == expected
    mixed = np.array([2, 1, 0, 2], np.int64)
    at = np.array([99_999, 0, 100_000, 100_000], np.int64)
    assert offset_at(TIMETABLE, mixed, at).tolist() == [480, 120, 60, -840]


def walked(timetable: Timetable, tzid: str, local: int) -> tuple[int, list[int]]:
    """The instants that show a local time, found by trying every offset of the zone."""
    _, minutes = timetable.pairs(tzid)
    place = timetable.places([tzid])
    found = {
        local - int(m) * 60
        for m in set(minutes.tolist())
        if offset_at(timetable, place, np.array([local - int(m) * 60]))[0] == m
    }
    return (GAP, UNIQUE, FOLD)[len(found)], sorted(found)


@pytest.mark.parametrize("tzid", TIMETABLE.tzids)
def test_every_local_time_is_what_walking_the_offsets_says(tzid: str) -> None:
    local = np.arange(0, 400_000, 599, dtype=np.int64)
    edges = [
        i + m * 60 + d
        for i in (100_000, 200_000, 300_000)
        for m in (-840, -60, -30, 60, 480)
        for d in (-1, 0, 1)
    ]
    local = np.concatenate([local, np.array(edges, np.int64)])
    status, early, late = local_status(TIMETABLE, zone(tzid, len(local)), local)
    for row, wall in enumerate(local.tolist()):
        kind, instants = walked(TIMETABLE, tzid, wall)
        assert status[row] == kind
        if kind != GAP:
            assert [early[row], late[row]] == [instants[0], instants[-1]]


def test_in_a_gap_the_two_instants_are_what_the_offsets_around_it_give() -> None:
    wall = np.array([100_000], np.int64)  # clocks went from 96,400 to 103,600
    status, early, late = local_status(TIMETABLE, zone("A/B", 1), wall)
    assert (status[0], early[0], late[0]) == (GAP, 96_400, 103_600)


def test_the_next_transitions_are_strictly_later_and_never_the_sentinel() -> None:
    assert next_transitions(TIMETABLE, "A/B", SENTINEL, 1) == [(100_000, -60, 60)]
    assert next_transitions(TIMETABLE, "A/B", 99_999, 2) == [
        (100_000, -60, 60),
        (200_000, 60, -60),
    ]
    assert next_transitions(TIMETABLE, "A/B", 100_000, 1) == [(200_000, 60, -60)]
    assert next_transitions(TIMETABLE, "A/B", 300_000, 5) == []
    assert next_transitions(TIMETABLE, "A/Still", 0, 5) == []
