"""The timetable: every zone as (UTC instant, offset in minutes).

The law (specification 3.3):

1. from the first known transition up to the end of the horizon year (UTC, its last second
   included); strictly after a zone's last recorded transition by the rule in its footer,
   which must agree with that transition.  A rule is expanded from 1800 on;
2. offsets are whole minutes: one that isn't rounds half away from zero; one outside
   -900..+900 is clamped; each is logged, also where coalescing then swallows it;
3. the first pair of a zone is the sentinel instant -2^63 with the offset before any
   transition; it is exempt from the bounds;
4. consecutive equal offsets are coalesced, after rounding; instants increase strictly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from civiltime.errors import Invalid
from civiltime.tzdb.posix import PosixRule, expand_posix, offset_by_rule, parse_posix
from civiltime.tzdb.tzif import Tzif, read_tzif

SENTINEL = -(2**63)
MAX_OFFSET_MINUTES = 900
ROUNDED, CLAMPED = "ROUNDED_TO_MINUTE", "CLAMPED_TO_BOUNDS"
_BIG_BANG = -(2**59)
"""zic writes an artificial first transition here in some of its formats."""
_RULE_SINCE = -5_364_662_400
"""1800-01-01: no zone had a rule before; an older or a missing history can't ask for more."""


@dataclass(frozen=True)
class Adjustment:
    """One offset that isn't what the database says: see ``tz_offset_adjustments``."""

    tzid: str
    transition_unix_utc: int
    raw_seconds: int
    adjusted_minutes: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Timetable:
    """All zones: the pairs of zone ``i`` are ``starts[i]:starts[i + 1]``.

    ``tzids`` sorted by bytes; ``starts`` int64[zones + 1]; ``instants`` int64[pairs] (s,
    UTC); ``offsets_min`` int32[pairs] (minutes east of UTC).
    """

    tzids: tuple[str, ...]
    starts: npt.NDArray[np.int64]
    instants: npt.NDArray[np.int64]
    offsets_min: npt.NDArray[np.int32]
    adjustments: tuple[Adjustment, ...] = ()

    def pairs(self, tzid: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Instants and offsets of one zone; raises :class:`Invalid` if it isn't here."""
        place = self.places([tzid])[0]
        span = slice(int(self.starts[place]), int(self.starts[place + 1]))
        return self.instants[span], self.offsets_min[span]

    def places(self, tzids: Sequence[str]) -> npt.NDArray[np.int64]:
        """The place of each zone in ``tzids``; raises :class:`Invalid` for an unknown one."""
        known = {tzid: place for place, tzid in enumerate(self.tzids)}
        missing = [t for t in tzids if t not in known]
        if missing:
            raise Invalid(f"the timetable lacks {', '.join(missing[:5])}")
        return np.array([known[t] for t in tzids], np.int64)


def compile_timetable(zones: Mapping[str, bytes], horizon_year: int = 2099) -> Timetable:
    """Compile TZif files by tzid, links as zones of their own.

    Raises :class:`Invalid` naming the zone whose file can't be read.
    """
    tzids = tuple(sorted(zones, key=str.encode))
    compiled = [compile_zone(read_tzif(zones[t], t), t, horizon_year) for t in tzids]
    sizes = np.array([len(c[0]) for c in compiled], np.int64)
    return Timetable(
        tzids=tzids,
        starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)]),
        instants=np.concatenate([np.zeros(0, np.int64), *(c[0] for c in compiled)]),
        offsets_min=np.concatenate([np.zeros(0, np.int32), *(c[1] for c in compiled)]),
        adjustments=tuple(a for c in compiled for a in c[2]),
    )


def compile_zone(
    zone: Tzif, tzid: str, horizon_year: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], list[Adjustment]]:
    """One zone's pairs, from the sentinel on, and its adjustments."""
    instants, raw = _known(zone, tzid, horizon_year)
    minutes = round_minutes(raw)
    bounded = np.clip(minutes, -MAX_OFFSET_MINUTES, MAX_OFFSET_MINUTES)
    bounded[0] = minutes[0]
    adjustments = [
        Adjustment(
            tzid=tzid,
            transition_unix_utc=int(instants[i]),
            raw_seconds=int(raw[i]),
            adjusted_minutes=int(bounded[i]),
            reasons=tuple(
                name
                for name, holds in (
                    (ROUNDED, raw[i] % 60 != 0),
                    (CLAMPED, bounded[i] != minutes[i]),
                )
                if holds
            ),
        )
        for i in np.flatnonzero((raw % 60 != 0) | (bounded != minutes))
    ]
    keep = np.append(True, np.diff(bounded) != 0)
    return instants[keep], bounded[keep].astype(np.int32), adjustments


def _known(
    zone: Tzif, tzid: str, horizon_year: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Raw instants and offsets (s): sentinel, recorded transitions, the rule's transitions.

    Recorded transitions that change nothing (an abbreviation, a daylight flag) are no
    transitions here; a zone is logged only where its offset changes.
    """
    instants, offsets = zone.instants, zone.offsets.astype(np.int64)
    first = zone.first_offset
    ancient = instants <= _BIG_BANG
    if ancient.any():
        first = int(offsets[ancient][-1])
        instants, offsets = instants[~ancient], offsets[~ancient]
    if zone.footer:
        rule = parse_posix(zone.footer, tzid)
        if len(instants):
            _require_continuity(rule, int(instants[-1]), int(offsets[-1]), tzid)
            since = max(int(instants[-1]), _RULE_SINCE)
        else:
            # Without recorded history the rule has always held.
            first, since = offset_by_rule(rule, _RULE_SINCE), _RULE_SINCE
        later, after = expand_posix(rule, _year(since) - 2, horizon_year + 1)
        later, after = later[later > since], after[later > since]
        if len(instants) and since > instants[-1]:
            later = np.append(np.int64(since), later)
            after = np.append(np.int64(offset_by_rule(rule, since)), after)
        instants, offsets = np.concatenate([instants, later]), np.concatenate([offsets, after])
    end = int(np.datetime64(f"{horizon_year + 1}-01-01", "s").astype(np.int64))
    inside = instants < end
    instants = np.concatenate([np.array([SENTINEL], np.int64), instants[inside]])
    offsets = np.concatenate([np.array([first], np.int64), offsets[inside]])
    keep = np.append(True, np.diff(offsets) != 0)
    return instants[keep], offsets[keep]


def _require_continuity(rule: PosixRule, last: int, offset: int, tzid: str) -> None:
    """The rule agrees with the last transition at its instant (RFC 9636 3.3)."""
    expected = offset_by_rule(rule, last)
    if expected != offset:
        raise Invalid(
            f"{tzid}: its last transition (Unix time {last}) leads to an offset of {offset} s, "
            f"the rule in its footer to {expected} s"
        )


def _year(instant: int) -> int:
    return int(np.datetime64(instant, "s").astype("datetime64[Y]").astype(np.int64)) + 1970


def round_minutes(seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Whole minutes, half away from zero: 30 s is 1, -30 s is -1."""
    minutes: npt.NDArray[np.int64] = np.sign(seconds) * ((np.abs(seconds) + 30) // 60)
    return minutes
