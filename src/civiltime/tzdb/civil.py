"""Civil-time arithmetic on arrays: offsets, gaps, folds.

Over consecutive transitions of a zone with delta = next offset - offset (minutes):
delta > 0 is a *gap* (local times that never happen), delta < 0 a *fold* (local times that
happen twice).  The step out of the sentinel counts like any other (specification 3.4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from civiltime.tzdb.timetable import Timetable

Longs = npt.NDArray[np.int64]


def windows(timetable: Timetable, tzids: Sequence[str]) -> tuple[Longs, Longs]:
    """Gap and fold windows of each zone: int64[n] and int64[n].

    Raises :class:`~civiltime.errors.Invalid` for a zone that the timetable lacks.
    """
    delta = np.diff(timetable.offsets_min.astype(np.int64))
    inside = np.ones(len(delta), np.bool_)
    inside[timetable.starts[1:-1] - 1] = False  # from one zone's last to the next one's first
    gaps = np.concatenate([np.zeros(1, np.int64), np.cumsum((delta > 0) & inside)])
    folds = np.concatenate([np.zeros(1, np.int64), np.cumsum((delta < 0) & inside)])
    places = timetable.places(tzids)
    begin, end = timetable.starts[places], timetable.starts[places + 1] - 1
    return gaps[end] - gaps[begin], folds[end] - folds[begin]


def offset_at(
    timetable: Timetable, zone: npt.NDArray[np.integer], instants: Longs
) -> npt.NDArray[np.int32]:
    """Minutes east of UTC, int32[n], at each instant (s, UTC) in each zone (its place)."""
    result = np.empty(len(instants), np.int32)
    for place in np.unique(zone):
        rows = np.flatnonzero(zone == place)
        span = slice(int(timetable.starts[place]), int(timetable.starts[place + 1]))
        found = np.searchsorted(timetable.instants[span], instants[rows], side="right") - 1
        result[rows] = timetable.offsets_min[span][found]
    return result


UNIQUE, GAP, FOLD = 0, 1, 2


def local_status(
    timetable: Timetable, zone: npt.NDArray[np.integer], local: Longs
) -> tuple[npt.NDArray[np.uint8], Longs, Longs]:
    """What each local time (s, as if it were UTC) is in its zone.

    Returns the status (:data:`UNIQUE`, :data:`GAP`, :data:`FOLD`), and the earlier and the
    later instant (s, UTC).  They are equal where the time is unique; in a gap they are what
    the offset after and the offset before the step would give.
    """
    status = np.zeros(len(local), np.uint8)
    early, late = np.empty(len(local), np.int64), np.empty(len(local), np.int64)
    for place in np.unique(zone):
        rows = np.flatnonzero(zone == place)
        span = slice(int(timetable.starts[place]), int(timetable.starts[place + 1]))
        instants = timetable.instants[span][1:]
        offsets = timetable.offsets_min[span].astype(np.int64) * 60
        wall = local[rows]
        # The offset that holds once the wall clock has reached its step, seen from each side.
        by_old = offsets[np.searchsorted(instants + offsets[:-1], wall, side="right")]
        by_new = offsets[np.searchsorted(instants + offsets[1:], wall, side="right")]
        low, high = np.minimum(by_old, by_new), np.maximum(by_old, by_new)
        early[rows], late[rows] = wall - high, wall - low
        happens = offset_at(timetable, np.full(len(rows), place), early[rows]) * 60 == high
        status[rows] = np.where(low == high, UNIQUE, np.where(happens, FOLD, GAP))
    return status, early, late


def next_transitions(
    timetable: Timetable, tzid: str, after: int, count: int
) -> list[tuple[int, int, int]]:
    """The next ``count`` transitions after an instant: (instant, minutes before, after)."""
    instants, offsets = timetable.pairs(tzid)
    first = max(int(np.searchsorted(instants, after, side="right")), 1)
    return [
        (int(instants[i]), int(offsets[i - 1]), int(offsets[i]))
        for i in range(first, min(first + count, len(instants)))
    ]
