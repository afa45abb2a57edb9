"""The rule in a footer: grammar, sign, calendar, and years that begin or end in daylight time."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from civiltime.errors import Invalid
from civiltime.tzdb.posix import PosixRule, expand_posix, offset_by_rule, parse_posix

HOUR = 3600


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


def transitions(text: str, first: int, last: int) -> list[tuple[str, int]]:
    instants, offsets = expand_posix(parse_posix(text, "A/B"), first, last)
    return [
        (datetime.fromtimestamp(i, UTC).strftime("%Y-%m-%dT%H:%M:%S"), o)
        for i, o in zip(instants.tolist(), offsets.tolist(), strict=True)
    ]


def test_west_is_positive_in_the_text_and_negative_here() -> None:
    assert parse_posix("EST5", "A/B") == PosixRule(-5 * HOUR, None, "", 0, "", 0)
    assert parse_posix("<+0545>-5:45", "A/B").std == 5 * HOUR + 45 * 60
    assert parse_posix("LMT0:01:15", "A/B").std == -75
    assert parse_posix("ABC-24", "A/B").std == 24 * HOUR


def test_daylight_time_is_an_hour_ahead_unless_told() -> None:
    assert parse_posix("EST5EDT,M3.2.0,M11.1.0", "A/B").dst == -4 * HOUR
    assert parse_posix("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "A/B").dst == 11 * HOUR


def test_a_change_is_at_two_unless_told() -> None:
    rule = parse_posix("EST5EDT,M3.2.0,M11.1.0/-167:59:59", "A/B")
    assert rule.start_time == 2 * HOUR
    assert rule.end_time == -(167 * HOUR + 59 * 60 + 59)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "EST",
        "E5",
        "EST5EDT",  # a default rule would be a guess
        "EST25",
        "EST5:60",
        "EST5EDT,M3.2.0",
        "EST5EDT,M0.2.0,M11.1.0",
        "EST5EDT,M13.2.0,M11.1.0",
        "EST5EDT,M3.0.0,M11.1.0",
        "EST5EDT,M3.6.0,M11.1.0",
        "EST5EDT,M3.2.7,M11.1.0",
        "EST5EDT,J0,J365",
        "EST5EDT,J1,J366",
        "EST5EDT,0,366",
        "EST5EDT,M3.2.0/168,M11.1.0",
        "EST5EDT,M3.2.0,M11.1.0 ",
        "<EST5",
        "<E!T>5",
        "EST\u0665",
        "EST5EDT,M\u0663.2.0,M11.1.0",
    ],
)
def test_what_is_no_rule_is_refused_with_its_zone(text: str) -> None:
    with pytest.raises(Invalid, match="A/B"):
        parse_posix(text, "A/B")


def test_new_york_in_2026() -> None:
    assert transitions("EST5EDT,M3.2.0,M11.1.0", 2026, 2026) == [
        ("2026-03-08T07:00:00", -4 * HOUR),
        ("2026-11-01T06:00:00", -5 * HOUR),
    ]


def test_dublin_goes_back_to_its_winter_time_by_a_start() -> None:
    assert transitions("IST-1GMT0,M10.5.0,M3.5.0/1", 2026, 2026) == [
        ("2026-03-29T01:00:00", HOUR),
        ("2026-10-25T01:00:00", 0),
    ]


def test_nuuk_changes_on_the_day_before_by_a_negative_time() -> None:
    assert transitions("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 2026, 2026) == [
        ("2026-03-29T01:00:00", -HOUR),
        ("2026-10-25T01:00:00", -2 * HOUR),
    ]


def test_the_fifth_week_is_the_last() -> None:
    days = [when[:10] for when, _ in transitions("AAA0BBB,M2.5.0/0,M9.1.1", 2026, 2029)[::2]]
    assert days == ["2026-02-22", "2027-02-28", "2028-02-27", "2029-02-25"]


def test_a_julian_day_never_counts_the_leap_day_and_a_number_does() -> None:
    j = transitions("AAA0BBB,J59/0,J60/0", 2027, 2028)
    assert [w for w, _ in j] == [
        "2027-02-28T00:00:00",
        "2027-02-28T23:00:00",
        "2028-02-28T00:00:00",
        "2028-02-29T23:00:00",
    ]
    n = transitions("AAA0BBB,58/0,59/0", 2027, 2028)
    assert [w for w, _ in n] == [
        "2027-02-28T00:00:00",
        "2027-02-28T23:00:00",
        "2028-02-28T00:00:00",
        "2028-02-28T23:00:00",
    ]


def test_day_365_of_a_short_year_is_new_year() -> None:
    assert transitions("AAA0BBB,100/0,365/0", 2027, 2027)[1] == ("2027-12-31T23:00:00", 0)


def test_a_start_on_new_years_day_may_lie_in_the_old_year_by_utc() -> None:
    rule = parse_posix("AAA-12BBB,J1/0,J100/0", "A/B")
    assert transitions("AAA-12BBB,J1/0,J100/0", 2027, 2027)[0][0] == "2026-12-31T12:00:00"
    assert offset_by_rule(rule, at(2026, 12, 31, 11, 59, 59)) == 12 * HOUR
    assert offset_by_rule(rule, at(2026, 12, 31, 12)) == 13 * HOUR
    assert offset_by_rule(rule, at(2027, 1, 1, 12)) == 13 * HOUR


ALL_YEAR = {
    "the end is the next start": "XXX3EDT4,0/0,J365/23",
    "the end is after the next start": "EST5EDT,0/0,J365/26",
    "the end is long after the next start": "EST5EDT,0/0,J365/167",
    "the end is its own start": "EST5EDT,J100/2,J100/3",
}


@pytest.mark.parametrize("case", ALL_YEAR, ids=str)
def test_daylight_time_all_year_never_ends(case: str) -> None:
    rule = parse_posix(ALL_YEAR[case], "A/B")
    _, offsets = expand_posix(rule, 1990, 2110)
    assert set(offsets.tolist()) == {-4 * HOUR}
    for instant in range(at(2027, 12, 30), at(2028, 1, 3), 1800):
        assert offset_by_rule(rule, instant) == -4 * HOUR


def test_daylight_time_that_rests_for_a_second_is_not_all_year() -> None:
    _, offsets = expand_posix(parse_posix("EST5EDT,0/0,J365/24:59:59", "A/B"), 2020, 2020)
    assert offsets.tolist() == [-4 * HOUR, -5 * HOUR]


def test_a_rule_without_daylight_time_has_no_transitions() -> None:
    instants, offsets = expand_posix(parse_posix("EST5", "A/B"), 1900, 2100)
    assert len(instants) == len(offsets) == 0
    assert offset_by_rule(parse_posix("EST5", "A/B"), -(2**60)) == -5 * HOUR


def test_no_years_have_no_transitions() -> None:
    assert len(expand_posix(parse_posix("EST5EDT,M3.2.0,M11.1.0", "A/B"), 2027, 2026)[0]) == 0


def test_the_calendar_repeats_every_400_years() -> None:
    rule = parse_posix("EST5EDT,M3.2.0,M11.1.0", "A/B")
    cycle = 146_097 * 86_400
    for instant in (at(2026, 3, 8, 6, 59, 59), at(2026, 3, 8, 7), at(2026, 11, 1, 6)):
        offsets = {offset_by_rule(rule, instant + k * cycle) for k in (-5, -1, 0, 1, 7)}
        assert len(offsets) == 1
    instants, offsets_ = expand_posix(rule, 1990, 2110)
    middles = (instants[:-1] + instants[1:]) // 2
    assert [offset_by_rule(rule, m) for m in middles.tolist()] == offsets_[:-1].tolist()
    assert (np.diff(instants) > 0).all()
