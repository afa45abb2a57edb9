"""Compiling one zone: recorded transitions, the rule after them, whole minutes, the horizon."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from tests.unit.tzdb.tzif_bytes import version_1, version_2

from civiltime.errors import Invalid
from civiltime.tzdb.timetable import (
    CLAMPED,
    ROUNDED,
    SENTINEL,
    Adjustment,
    compile_timetable,
    compile_zone,
    round_minutes,
)
from civiltime.tzdb.tzif import read_tzif

NEW_YORK = "EST5EDT,M3.2.0,M11.1.0"


def at(year: int, month: int = 1, day: int = 1, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


def compiled(data: bytes, horizon: int = 2099) -> list[tuple[int, int]]:
    instants, minutes, _ = compile_zone(read_tzif(data, "A/B"), "A/B", horizon)
    return list(zip(instants.tolist(), minutes.tolist(), strict=True))


def test_a_zone_without_history_or_rule_is_its_first_type() -> None:
    assert compiled(version_1([], [], [3600])) == [(SENTINEL, 60)]
    assert compiled(version_2([], [], [3600])) == [(SENTINEL, 60)]


def test_a_footer_holds_for_all_time_where_nothing_is_recorded() -> None:
    assert compiled(version_2([], [], [0], "ABC-3")) == [(SENTINEL, 180)]


def test_a_rule_without_history_begins_in_the_middle_of_its_cycle() -> None:
    north = compiled(version_2([], [], [0], NEW_YORK))
    assert north[:2] == [(SENTINEL, -300), (at(1800, 3, 9, 7), -240)]
    south = compiled(version_2([], [], [0], "AEST-10AEDT,M10.1.0,M4.1.0/3"))
    assert south[:2] == [(SENTINEL, 660), (at(1800, 4, 5, 16), 600)]
    assert len(north) == len(south) == 1 + 2 * 300


def test_daylight_time_all_year_is_one_offset() -> None:
    assert compiled(version_2([], [], [0], "XXX3EDT4,0/0,J365/23")) == [(SENTINEL, -240)]
    recorded = version_2([at(2000)], [1], [0, -4 * 3600], "XXX3EDT4,0/0,J365/23")
    assert compiled(recorded) == [(SENTINEL, 0), (at(2000), -240)]


def test_the_rule_holds_strictly_after_the_last_recorded_transition() -> None:
    last = at(2026, 3, 8, 7)  # the rule's own start in 2026
    pairs = compiled(version_2([last], [1], [-5 * 3600, -4 * 3600], NEW_YORK))
    assert pairs[:3] == [(SENTINEL, -300), (last, -240), (at(2026, 11, 1, 6), -300)]
    # Recorded a second earlier, the rule's start changes nothing and isn't listed.
    early = version_2([last - 1], [1], [-5 * 3600, -4 * 3600], NEW_YORK)
    with pytest.raises(Invalid, match=r"A/B.*last transition.*-14400 s.*-18000 s"):
        compiled(early)


def test_a_rule_that_contradicts_the_last_transition_is_refused() -> None:
    with pytest.raises(Invalid, match="A/B: its last transition"):
        compiled(version_2([at(2020)], [1], [0, 3600], "AAA0"))
    assert compiled(version_2([at(2020)], [1], [0, 3600], "AAA-1"))[1] == (at(2020), 60)


def test_a_rule_is_found_across_new_year() -> None:
    # Daylight time from Christmas to the tenth of January; the last record lies in between.
    rule = "AAA0BBB,J359/0,J10/1"
    inside = version_2([at(2019, 7), at(2020, 1, 2)], [0, 1], [0, 3600], rule)
    assert compiled(inside, 2037)[1:4] == [
        (at(2020, 1, 2), 60),
        (at(2020, 1, 10), 0),
        (at(2020, 12, 25), 60),
    ]


def test_the_horizon_is_the_end_of_its_year_and_not_a_second_more() -> None:
    new_year = at(2100)
    for instant, there in ((new_year - 1, True), (new_year, False), (new_year + 1, False)):
        pairs = compiled(version_2([instant], [1], [0, 3600]))
        assert ((instant, 60) in pairs) is there
    # The same for the rule: midnight of New Year's Day by UTC, and a second before it.
    exact = compiled(version_2([], [], [0], "AAA0BBB,J1/0,J100/0"))
    assert exact[-1] == (at(2099, 4, 9, 23), 0)
    before = compiled(version_2([], [], [0], "AAA0BBB,J1/-0:00:01,J100/0"))
    assert before[-1] == (new_year - 1, 60)


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one() -> None:
    data = version_2([], [], [0], NEW_YORK)
    short, long = compiled(data, 2040), compiled(data, 2099)
    assert long[: len(short)] == short
    assert len(long) - len(short) == 2 * 59


def test_transitions_that_change_nothing_are_no_transitions() -> None:
    data = version_1([1, 2, 3], [1, 2, 0], [0, 3600, 3600])
    assert compiled(data) == [(SENTINEL, 0), (1, 60), (3, 0)]


def test_offsets_that_round_to_the_same_minute_are_one_and_both_are_logged() -> None:
    data = version_1([100, 200, 300], [1, 2, 3], [0, 3601, 3599, 7200])
    instants, minutes, logged = compile_zone(read_tzif(data, "A/B"), "A/B", 2099)
    assert instants.tolist() == [SENTINEL, 100, 300]
    assert minutes.tolist() == [0, 60, 120]
    assert logged == [
        Adjustment("A/B", 100, 3601, 60, (ROUNDED,)),
        Adjustment("A/B", 200, 3599, 60, (ROUNDED,)),
    ]


def test_the_sentinel_is_rounded_and_logged_but_not_bounded() -> None:
    data = version_1([100, 200], [1, 2], [54_139, 54_060, -54_031])
    instants, minutes, logged = compile_zone(read_tzif(data, "A/B"), "A/B", 2099)
    assert instants.tolist() == [SENTINEL, 100, 200]
    assert minutes.tolist() == [902, 900, -900]
    assert logged == [
        Adjustment("A/B", SENTINEL, 54_139, 902, (ROUNDED,)),
        Adjustment("A/B", 100, 54_060, 900, (CLAMPED,)),
        Adjustment("A/B", 200, -54_031, -900, (ROUNDED, CLAMPED)),
    ]


def test_bounds_are_inclusive() -> None:
    data = version_1([100, 200, 300], [1, 2, 0], [0, 54_000, -54_000])
    assert compile_zone(read_tzif(data, "A/B"), "A/B", 2099)[2] == []


def test_the_big_bang_is_no_transition() -> None:
    data = version_2([-(2**59), -100], [0, 1], [1200, 3600], "ABC-1")
    assert compiled(data) == [(SENTINEL, 20), (-100, 60)]
    # What it leads to holds before the first real transition, whatever type 0 says.
    other = version_2([-(2**59), -100], [1, 2], [0, 1200, 3600], "ABC-1")
    assert compiled(other) == [(SENTINEL, 20), (-100, 60)]
    alone = version_2([-(2**59)], [1], [0, 3600], "ABC-1")
    assert compiled(alone) == [(SENTINEL, 60)]


def test_an_absurdly_old_history_costs_no_more_than_an_old_one() -> None:
    pairs = compiled(version_2([-(2**58)], [1], [0, -5 * 3600], "EST5EDT,M7.1.0,M11.1.0"))
    assert pairs[:3] == [
        (SENTINEL, 0),
        (-(2**58), -300),
        (at(1800, 7, 6, 7), -240),
    ]
    assert len(pairs) == 2 + 2 * 300


def test_a_history_that_ends_in_the_far_future_ends_at_the_horizon() -> None:
    data = version_2([at(2020), 2**61], [1, 0], [0, 3600], "AAA0")
    assert compiled(data) == [(SENTINEL, 0), (at(2020), 60)]


def test_rounding_is_half_away_from_zero() -> None:
    seconds = np.array([0, 29, 30, 31, 89, 90, -29, -30, -31, -89, -90, 53_999, -53_970], np.int64)
    assert round_minutes(seconds).tolist() == [0, 0, 1, 1, 1, 2, 0, -1, -1, -1, -2, 900, -900]


def test_zones_stand_in_byte_order_and_a_link_is_a_zone() -> None:
    data = version_1([], [], [60])
    timetable = compile_timetable({"a": data, "Z": data, "A/b": data, "A-b": data})
    assert timetable.tzids == ("A-b", "A/b", "Z", "a")
    assert timetable.starts.tolist() == [0, 1, 2, 3, 4]
    assert timetable.pairs("Z")[1].tolist() == [1]


def test_a_zone_that_can_not_be_read_is_named() -> None:
    with pytest.raises(Invalid, match="A/Broken"):
        compile_timetable({"A/Fine": version_1([], [], [60]), "A/Broken": b"TZif"})


def test_an_unknown_zone_is_named() -> None:
    timetable = compile_timetable({"A/B": version_1([], [], [60])})
    with pytest.raises(Invalid, match="A/C"):
        timetable.places(["A/B", "A/C"])


def test_no_zones_are_an_empty_timetable() -> None:
    timetable = compile_timetable({})
    assert (timetable.tzids, timetable.starts.tolist(), len(timetable.instants)) == ((), [0], 0)
