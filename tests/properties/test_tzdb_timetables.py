"""Properties of the tz database's readers: bytes come back, rules agree, rounding is fair."""

from __future__ import annotations

import io
import os
import platform
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.tzdb.tzif_bytes import version_2

from civiltime.errors import Invalid
from civiltime.reference.tzdb import pack
from civiltime.tzdb.civil import local_status, offset_at, windows
from civiltime.tzdb.codec import decode, encode
from civiltime.tzdb.posix import expand_posix, offset_by_rule, parse_posix
from civiltime.tzdb.tar import read_members
from civiltime.tzdb.timetable import SENTINEL, Timetable, compile_zone, round_minutes
from civiltime.tzdb.tzif import read_tzif

BEGIN = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
YEAR = 31_556_952
BEGIN_2005 = 1_104_537_600
INSTANTS = st.integers(BEGIN, END - 1)
TZIDS = st.from_regex(r"[A-Za-z0-9_+-]{1,12}(/[A-Za-z0-9_+-]{1,12}){0,2}", fullmatch=True)


@st.composite
def pairs(draw: st.DrawFn) -> list[tuple[int, int]]:
    """A zone's pairs: sentinel, then increasing instants at which the offset changes."""
    instants = sorted(draw(st.sets(st.integers(-(2**62), 2**63 - 1), max_size=12)))
    found = [(SENTINEL, draw(st.integers(-1000, 1000)))]
    for instant in instants:
        other = st.integers(-900, 900).filter(lambda m: m != found[-1][1])
        found.append((instant, draw(other)))
    return found


@st.composite
def timetables(draw: st.DrawFn) -> Timetable:
    """Any timetable that the format can hold."""
    zones = draw(st.dictionaries(TZIDS, pairs(), max_size=6))
    tzids = sorted(zones, key=str.encode)
    rows = [pair for tzid in tzids for pair in zones[tzid]]
    sizes = [len(zones[tzid]) for tzid in tzids]
    return Timetable(
        tuple(tzids),
        np.cumsum([0, *sizes], dtype=np.int64),
        np.array([r[0] for r in rows], np.int64),
        np.array([r[1] for r in rows], np.int32),
    )


@given(timetables())
@settings(deadline=None)
def test_a_timetable_comes_back_from_its_bytes(timetable: Timetable) -> None:
    data = encode(timetable)
    back = decode(data)
    assert back.tzids == timetable.tzids
    assert np.array_equal(back.starts, timetable.starts)
    assert np.array_equal(back.instants, timetable.instants)
    assert np.array_equal(back.offsets_min, timetable.offsets_min)
    assert encode(back) == data


@given(timetables(), st.data())
@settings(deadline=None)
def test_changed_bytes_are_refused_or_mean_another_timetable(
    timetable: Timetable, data: st.DataObject
) -> None:
    good = encode(timetable)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    try:
        back = decode(bad)
    except Invalid:
        return
    assert encode(back) == bad  # one timetable, one encoding


@given(st.binary(max_size=80))
def test_random_bytes_are_a_timetable_only_if_they_are_its_encoding(data: bytes) -> None:
    for prefix in (b"", b"TZC1\1\0\1\0\0\0"):
        try:
            back = decode(prefix + data)
        except Invalid:
            continue
        assert encode(back) == prefix + data


@given(st.integers(-(2**31), 2**31 - 1))
def test_rounding_is_half_away_from_zero(seconds: int) -> None:
    exact = (Decimal(seconds) / 60).quantize(Decimal(1), ROUND_HALF_UP)
    assert round_minutes(np.array([seconds], np.int64))[0] == int(exact)


# ------------------------------------------------------------------ rules


def clock(seconds: int) -> str:
    sign, rest = "-" if seconds < 0 else "", abs(seconds)
    return f"{sign}{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"


@st.composite
def dates(draw: st.DrawFn, first: int, last: int, *, counted: bool) -> str:
    """A date from the middle of month ``first`` to the middle of month ``last``."""
    day = draw(st.integers(first * 30, last * 30).filter(lambda d: d != 59))
    month = f"M{day // 30 + 1}.{draw(st.integers(1, 5))}.{draw(st.integers(0, 6))}"
    return draw(st.sampled_from([f"J{day}", month, *([str(day)] if counted else [])]))


@st.composite
def rules(draw: st.DrawFn, *, counted: bool) -> str:
    """A rule whose changes stay clear of each other, of New Year and of the 28th of February."""
    std = draw(st.integers(-13 * 3600, 13 * 3600))
    dst = std + draw(st.sampled_from([3600, -3600, 1800, 7200, 1, -5]))
    one, two = draw(dates(1, 4, counted=counted)), draw(dates(7, 10, counted=counted))
    start, end = draw(st.permutations([one, two]))
    of_day = st.integers(-167 * 3600, 167 * 3600)
    text = f"<+AB>{clock(-std)}<-CD>{clock(-dst)},{start}/{clock(draw(of_day))}"
    return f"{text},{end}/{clock(draw(of_day))}"


@pytest.fixture
def c_library() -> Iterator[Callable[[str, int], int]]:
    """The C library's offset by a rule alone, in a test's own TZ."""
    before = os.environ.get("TZ")

    def seconds(text: str, at: int) -> int:
        if os.environ.get("TZ") != text:
            os.environ["TZ"] = text
            time.tzset()
        return time.localtime(at).tm_gmtoff

    yield seconds
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.skipif(
    not platform.libc_ver()[0].startswith("glibc"), reason="compared with glibc only"
)
@given(rules(counted=True), st.lists(st.integers(0, END - 1), min_size=1, max_size=30))
@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_rule_gives_what_the_c_library_gives(
    c_library: Callable[[str, int], int], text: str, instants: list[int]
) -> None:
    rule = parse_posix(text, "A/B")
    steps = expand_posix(rule, 1971, 2098)[0][::13]
    for at in [*instants, *steps.tolist(), *(steps - 1).tolist()]:
        assert offset_by_rule(rule, at) == c_library(text, at)


@given(rules(counted=False), st.lists(INSTANTS, min_size=1, max_size=50))
@settings(deadline=None, max_examples=300)
def test_a_rule_gives_what_the_standard_library_gives_on_the_same_bytes(
    text: str, instants: list[int]
) -> None:
    # No oracle around New Year (it looks at the year by UTC alone), for days that are counted
    # from 0 (a day early) and for J59 in leap years (a day late); the C library is.
    data = version_2([], [], [0], text, version=b"3")
    zone = ZoneInfo.from_file(io.BytesIO(data))
    steps, minutes, _ = compile_zone(read_tzif(data, "A/B"), "A/B", 2099)
    rule = parse_posix(text, "A/B")
    around = steps[(steps > BEGIN) & (steps < END)][:: max(len(steps) // 20, 1)]
    for at in [*instants, *around.tolist(), *(around - 1).tolist()]:
        offset = datetime.fromtimestamp(at, zone).utcoffset()
        assert offset is not None
        seconds = offset.days * 86_400 + offset.seconds
        assert offset_by_rule(rule, at) == seconds
        ours = minutes[np.searchsorted(steps, at, side="right") - 1]
        assert ours == round_minutes(np.array([seconds], np.int64))[0]


WILD = st.builds(
    lambda std, dst, start, end, t1, t2: (
        f"AAA{clock(std)}BBB{clock(dst)},{start}/{clock(t1)},{end}/{clock(t2)}"
    ),
    st.integers(-86_400, 86_400),
    st.integers(-86_400, 86_400),
    *[
        st.one_of(
            st.integers(0, 365).map(str),
            st.integers(1, 365).map("J{}".format),
            st.builds("M{}.{}.{}".format, st.integers(1, 12), st.integers(1, 5), st.integers(0, 6)),
        )
    ]
    * 2,
    *[st.integers(-167 * 3600, 167 * 3600)] * 2,
)


@given(WILD, INSTANTS)
@settings(deadline=None, max_examples=300)
def test_any_rule_expands_in_order_and_alike_from_any_year(text: str, at: int) -> None:
    rule = parse_posix(text, "A/B")
    instants, offsets = expand_posix(rule, 1990, 2040)
    assert (np.diff(instants) >= 0).all()
    assert set(offsets.tolist()) <= {rule.std, rule.dst}
    later, after = expand_posix(rule, 2000, 2050)
    # Years away from where each begins and ends, both say the same.
    for ours, theirs in ((instants, later), (later, instants)):
        inside = ours[(ours > BEGIN_2005) & (ours < BEGIN_2005 + 30 * YEAR)]
        assert np.isin(inside, theirs).all()
    assert len(after) == len(later)
    shifted = at + 146_097 * 86_400
    assert offset_by_rule(rule, at) == offset_by_rule(rule, shifted)


@given(WILD, st.integers(BEGIN, END))
@settings(deadline=None, max_examples=200)
def test_a_record_that_agrees_with_any_rule_compiles_and_the_other_is_refused(
    text: str, last: int
) -> None:
    rule = parse_posix(text, "A/B")
    now = offset_by_rule(rule, last)
    agreeing = version_2([last], [1], [0, now], text)
    instants, minutes, _ = compile_zone(read_tzif(agreeing, "A/B"), "A/B", 2099)
    assert (instants[1:] > instants[:-1]).all()
    assert (minutes[1:] != minutes[:-1]).all()
    contradicting = version_2([last], [1], [0, now + 1], text)
    with pytest.raises(Invalid, match="last transition"):
        compile_zone(read_tzif(contradicting, "A/B"), "A/B", 2099)


# ------------------------------------------------------------------ arithmetic


@st.composite
def plausible(draw: st.DrawFn) -> Timetable:
    """A zone whose offsets change by at most a day and rarely, as the database's do."""
    steps = sorted(draw(st.sets(st.integers(0, 50), min_size=1, max_size=8)))
    offsets = [draw(st.integers(-720, 720))]
    for _ in steps:
        offsets.append(draw(st.integers(-720, 720).filter(offsets[-1].__ne__)))
    instants = [SENTINEL, *(s * 3 * 86_400 for s in steps)]
    starts = np.array([0, len(instants)])
    return Timetable(("A/B",), starts, np.array(instants, np.int64), np.array(offsets, np.int32))


@given(plausible(), st.lists(st.integers(-100_000, 13_000_000), min_size=1, max_size=40))
@settings(deadline=None)
def test_a_local_time_is_shown_by_the_instants_that_are_named(
    timetable: Timetable, walls: list[int]
) -> None:
    zone, local = np.zeros(len(walls), np.int64), np.array(walls, np.int64)
    status, early, late = local_status(timetable, zone, local)
    everything = np.unique(timetable.offsets_min).astype(np.int64) * 60
    for row, wall in enumerate(walls):
        candidates = wall - everything
        shown = offset_at(timetable, np.zeros(len(candidates), np.int64), candidates)
        true = sorted(candidates[shown.astype(np.int64) * 60 == everything].tolist())
        assert status[row] == {1: 0, 0: 1, 2: 2}[len(true)]
        assert early[row] <= late[row]
        if true:
            assert [early[row], late[row]] == [true[0], true[-1]]


@given(timetables())
@settings(deadline=None)
def test_gaps_and_folds_together_are_the_steps_of_each_zone(timetable: Timetable) -> None:
    gaps, folds = windows(timetable, timetable.tzids)
    assert (gaps + folds).tolist() == (np.diff(timetable.starts) - 1).tolist()
    for place, tzid in enumerate(timetable.tzids):
        minutes = timetable.pairs(tzid)[1].tolist()
        ups = sum(b > a for a, b in pairwise(minutes))
        assert gaps[place] == ups


# ------------------------------------------------------------------ archives


@given(st.dictionaries(TZIDS, st.binary(max_size=1500), min_size=1, max_size=5), st.data())
@settings(deadline=None)
def test_an_archive_comes_back_whole_and_never_cut(
    members: dict[str, bytes], data: st.DataObject
) -> None:
    packed = pack(members)
    assert read_members(packed, "T") == members
    end = len(packed.rstrip(b"\0")) // 512 * 512
    with pytest.raises(Invalid):
        read_members(packed[: data.draw(st.integers(0, end))], "T")
    zipped = zlib.compress(packed, wbits=31)
    assert read_members(zipped, "T") == members
    with pytest.raises(Invalid):
        read_members(zipped[: data.draw(st.integers(0, len(zipped) - 1))], "T")


@given(st.binary(max_size=2000))
def test_random_bytes_are_refused_with_one_line(data: bytes) -> None:
    for prefix in (b"", b"\x1f\x8b\x08", b"TZif2"):
        for read in (read_members, read_tzif):
            with pytest.raises(Invalid) as caught:
                read(prefix + data, "T")
            assert "\n" not in caught.value.message
