"""Every zone against the standard library's reader, on the same bytes, 1900 to 2099.

The standard library never sees the host's tz database here: it reads the archive's bytes.
Transitions are found twice: ours are looked up there, and theirs are searched on a grid of
weeks and narrowed down to the second, so that none is missing on either side.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from civiltime.reference.tzdb import pack_package, read_source
from civiltime.tzdb.archive import read_archive
from civiltime.tzdb.civil import offset_at
from civiltime.tzdb.timetable import Timetable, compile_timetable, round_minutes

pytestmark = pytest.mark.slow

IANA = Path(__file__).parents[2] / "data/tzdata2026b.tar.gz"
BEGIN = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
WEEK = 7 * 86_400
GRID = np.append(np.arange(BEGIN, END, WEEK, dtype=np.int64), np.int64(END - 1))


def package() -> Mapping[str, bytes]:
    release = pack_package("2026c")
    return read_archive(release.archive, release.archive_name)


def source() -> Mapping[str, bytes]:
    if not (shutil.which("zic") or shutil.which("zic", path="/usr/sbin:/sbin:/usr/local/sbin")):
        pytest.skip("zic, the compiler of the tz database, is not installed")
    release = read_source(IANA, "2026b")
    return read_archive(release.archive, release.archive_name)


def seconds_of(data: bytes) -> Callable[[int], int]:
    """The standard library's offset (s) at an instant."""
    zone = ZoneInfo.from_file(io.BytesIO(data))

    def seconds(instant: int) -> int:
        offset = datetime.fromtimestamp(instant, zone).utcoffset()
        assert offset is not None
        return offset.days * 86_400 + offset.seconds

    return seconds


def searched(seconds: Callable[[int], int], on_grid: list[int]) -> list[tuple[int, int]]:
    """The standard library's own transitions: (instant, offset in seconds from it on)."""
    found = []
    for cell in np.flatnonzero(np.diff(on_grid)):
        low, high = int(GRID[cell]), int(GRID[cell + 1])
        before = on_grid[cell]
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if seconds(middle) == before else (low, middle)
        found.append((high, seconds(high)))
    return found


def disagreements(timetable: Timetable, tzid: str, data: bytes) -> list[str]:
    """What is wrong with one zone, in words."""
    seconds = seconds_of(data)
    instants, minutes = timetable.pairs(tzid)
    said = []
    for i in np.flatnonzero((instants > BEGIN) & (instants < END)):
        at = int(instants[i])
        theirs = round_minutes(np.array([seconds(at - 1), seconds(at)], np.int64))
        if theirs.tolist() != [minutes[i - 1], minutes[i]]:
            said.append(f"{tzid} at {at}: {minutes[i - 1]}, {minutes[i]} is {theirs}")
    on_grid = [seconds(at) for at in GRID.tolist()]
    place = np.full(len(GRID), timetable.places([tzid])[0])
    ours = offset_at(timetable, place, GRID)
    wrong = np.flatnonzero(round_minutes(np.array(on_grid, np.int64)) != ours)
    said += [f"{tzid} at {GRID[w]}: {ours[w]} is {on_grid[w]} s" for w in wrong]
    known = set(instants.tolist())
    theirs_ = searched(seconds, on_grid)
    offsets = [on_grid[0], *(s for _, s in theirs_)]
    steps = round_minutes(np.array(offsets, np.int64))
    said += [
        f"{tzid} at {at}: a transition is missing"
        for at, before, after in zip((t for t, _ in theirs_), steps, steps[1:], strict=False)
        if before != after and at not in known
    ]
    logged = {
        (a.transition_unix_utc, a.raw_seconds, a.adjusted_minutes)
        for a in timetable.adjustments
        if a.tzid == tzid and BEGIN < a.transition_unix_utc < END
    }
    odd = {(at, s, int(round_minutes(np.array([s]))[0])) for at, s in theirs_ if s % 60}
    return said + [f"{tzid}: adjustment {a}" for a in sorted(logged ^ odd)]


@pytest.mark.parametrize("archive", [package, source], ids=["2026c package", "2026b through zic"])
def test_every_transition_and_every_week_of_two_centuries_agree(
    archive: Callable[[], Mapping[str, bytes]],
) -> None:
    zones = archive()
    timetable = compile_timetable(zones)
    seen: dict[bytes, str] = {}
    said: list[str] = []
    for tzid, data in zones.items():
        first = seen.setdefault(data, tzid)
        if first == tzid:
            said += disagreements(timetable, tzid, data)
        else:  # a link: the same bytes, the same pairs
            ours, theirs = timetable.pairs(tzid), timetable.pairs(first)
            assert np.array_equal(ours[0], theirs[0])
            assert np.array_equal(ours[1], theirs[1])
    assert len(seen) > 300
    assert said == []
