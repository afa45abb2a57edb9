"""POSIX TZ strings: the rule for all years after a zone's last recorded transition.

The grammar is POSIX.1's ``std offset [dst [offset] [,start[/time],end[/time]]]`` with the
extensions of RFC 9636 3.3.1: names in angle brackets, hours from -167 to 167.  Dates are
``Mm.w.d``, ``Jn`` (1..365, no leap day) or ``n`` (0..365).  The sign is POSIX's: west is
positive, so that an offset east of Greenwich is minus the number written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civiltime.errors import Invalid

Longs = npt.NDArray[np.int64]
DAY = 86_400
_BEGIN_2000 = 946_684_800
_NAME = r"(?:<[A-Za-z0-9+-]{3,}>|[A-Za-z]{3,})"
_TIME = r"[+-]?[0-9]{1,3}(?::[0-9]{2}(?::[0-9]{2})?)?"
_DATE = r"(?:M[0-9]{1,2}\.[0-9]\.[0-9]|J[0-9]{1,3}|[0-9]{1,3})"
_RULE = re.compile(
    rf"{_NAME}(?P<std>{_TIME})"
    rf"(?:{_NAME}(?P<dst>{_TIME})?"
    rf",(?P<start>{_DATE})(?:/(?P<start_time>{_TIME}))?"
    rf",(?P<end>{_DATE})(?:/(?P<end_time>{_TIME}))?)?"
)
_MONTH_WEEK_DAY = re.compile(r"M([0-9]+)\.([0-9])\.([0-9])")


@dataclass(frozen=True)
class PosixRule:
    """A parsed rule: offsets in seconds east of UTC; times in seconds of the local day."""

    std: int
    dst: int | None
    start: str
    start_time: int
    end: str
    end_time: int


def parse_posix(text: str, tzid: str) -> PosixRule:
    """The rule of a footer; raises :class:`Invalid` naming ``tzid``."""
    found = _RULE.fullmatch(text)
    if found is None:
        raise Invalid(f"{tzid} ends with {text!r}, which is not a POSIX TZ string")
    std = -_seconds(found["std"], 24, tzid)
    if found["start"] is None:
        return PosixRule(std, None, "", 0, "", 0)
    dst = std + 3600 if found["dst"] is None else -_seconds(found["dst"], 24, tzid)
    return PosixRule(
        std,
        dst,
        _date(found["start"], tzid),
        _seconds(found["start_time"] or "2", 167, tzid),
        _date(found["end"], tzid),
        _seconds(found["end_time"] or "2", 167, tzid),
    )


def _seconds(text: str, most_hours: int, tzid: str) -> int:
    sign = -1 if text.startswith("-") else 1
    hours, minutes, seconds = ([int(p) for p in text.lstrip("+-").split(":")] + [0, 0])[:3]
    if hours > most_hours or minutes > 59 or seconds > 59:
        raise Invalid(f"{tzid}: the time {text!r} in its footer is out of range")
    return sign * (hours * 3600 + minutes * 60 + seconds)


def _date(text: str, tzid: str) -> str:
    found = _MONTH_WEEK_DAY.fullmatch(text)
    if found:
        month, week, day = (int(g) for g in found.groups())
        valid = 1 <= month <= 12 and 1 <= week <= 5 and day <= 6
    else:
        valid = 1 <= int(text[1:]) <= 365 if text[0] == "J" else int(text) <= 365
    if not valid:
        raise Invalid(f"{tzid}: the date {text!r} in its footer is out of range")
    return text


def expand_posix(rule: PosixRule, first_year: int, last_year: int) -> tuple[Longs, Longs]:
    """The rule's transitions: instants (s, UTC), ordered, and the offset (s) from each on.

    ``first_year`` to ``last_year`` inclusive are the years in which a start or an end
    falls by the rule's own calendar; by UTC it may lie in the year beside.  Daylight time
    that lasts until the next one starts never ends: its end is no transition, and the
    starts change nothing; the caller coalesces them.
    """
    if rule.dst is None or last_year < first_year:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    years = np.arange(first_year, last_year + 2, dtype=np.int64)
    starts = _days(rule.start, years) * DAY + rule.start_time - rule.std
    ends = (_days(rule.end, years) * DAY + rule.end_time - rule.dst)[:-1]
    starts, next_starts = starts[:-1], starts[1:]
    # An end before its year's start belongs to the daylight time of the year before.
    ends = ends[(ends != starts) & ((ends < starts) | (ends < next_starts))]
    instants = np.concatenate([starts, ends])
    offsets = np.repeat(np.array([rule.dst, rule.std], np.int64), [len(starts), len(ends)])
    order = np.argsort(instants, kind="stable")
    return instants[order], offsets[order]


def offset_by_rule(rule: PosixRule, instant: int) -> int:
    """The offset (s) that the rule gives at an instant (s, UTC), whenever that is."""
    if rule.dst is None:
        return rule.std
    # The calendar repeats every 400 years, weekdays included.
    begin, cycle = 2000, 146_097 * DAY
    at = (instant - _BEGIN_2000) % cycle + _BEGIN_2000
    instants, offsets = expand_posix(rule, begin - 2, begin + 401)
    return int(offsets[np.searchsorted(instants, at, side="right") - 1])


def _days(date: str, years: Longs) -> Longs:
    """Days since 1970-01-01 of a rule's date in each year."""
    found = _MONTH_WEEK_DAY.fullmatch(date)
    if found is None:
        january = _first_of_month(years, 1)
        if date[0] != "J":
            return january + int(date)
        number = int(date[1:])
        return january + number - 1 + (_is_leap(years) & (number >= 60))
    month, week, weekday = (int(g) for g in found.groups())
    first = _first_of_month(years, month)
    begins = (first + 4) % 7  # 1970-01-01 was a Thursday; Sunday is 0
    day = (weekday - begins) % 7 + 7 * (week - 1)
    length = _first_of_month(years + (month == 12), month % 12 + 1) - first
    return first + np.where(day >= length, day - 7, day)


def _first_of_month(years: Longs, month: int) -> Longs:
    months = (years - 1970) * 12 + month - 1
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _is_leap(years: Longs) -> npt.NDArray[np.bool_]:
    leap: npt.NDArray[np.bool_] = (years % 4 == 0) & ((years % 100 != 0) | (years % 400 == 0))
    return leap
