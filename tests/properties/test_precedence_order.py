"""Properties of the order of answers, against the specification told row by row.

The world is a chequerboard: the zones of a point follow from the cell that it lies in, so that
a nudge can lead anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from civiltime.policy.lookup import LookupPolicy, OverlapPreference
from civiltime.policy.nudge import Nudge
from civiltime.policy.overrides import Override
from civiltime.states.precedence import (
    FALLEN_BACK,
    OVERRIDDEN,
    Codes,
    Decision,
    Floats,
    Ints,
    OverrideTable,
    Precedence,
    Resolved,
    Sites,
    Tiebreak,
    country_iso,
    country_number,
    nudge_points,
)
from civiltime.states.tally import Tally
from civiltime.zones.codes import ZoneSetCodes

TZIDS = ("A/0", "A/1", "B/2", "B/3", "C/4", "Etc/5")
COUNTRIES = ("AA", "AA", "BB", "BB", "CC", None)
ZONE_COUNTRY = np.array([-1 if c is None else country_number(c) for c in COUNTRIES], np.int32)
SINGLETONS = np.full(26 * 26, -1, np.int32)
SINGLETONS[country_number("CC")] = 4
CELL = 0.5
SETS = st.frozensets(st.integers(0, 5), max_size=5)


@dataclass
class Board:
    """Zones by cell: ``sets[(column + 7 * row) mod len]``."""

    sets: list[frozenset[int]]
    codes: ZoneSetCodes = field(default_factory=lambda: ZoneSetCodes(len(TZIDS)))
    tzids: tuple[str, ...] = TZIDS

    def zones(self, lon: float, lat: float) -> frozenset[int]:
        """The zones of a point."""
        cell = math.floor(lon / CELL) + 7 * math.floor(lat / CELL)
        return self.sets[cell % len(self.sets)]

    def candidates(self, lon: Floats, lat: Floats) -> Codes:
        """The code of each point's zones."""
        sets = [self.zones(x, y) for x, y in zip(lon.tolist(), lat.tolist(), strict=True)]
        return np.array([self.codes.encode(s) for s in sets], np.int64)

    def zone_sets(self, codes: Codes) -> list[tuple[int, ...]]:
        """The zones of each code."""
        return list(self.codes.decode_all(codes))


def nearest(lon: Floats, lat: Floats, country: Ints) -> tuple[Ints, Floats]:
    """The country's first zone; as many metres as degrees of longitude."""
    found = [np.flatnonzero(c == ZONE_COUNTRY) for c in country]
    zone = np.array([f[0] if len(f) else -1 for f in found], np.int32)
    return zone, np.where(zone < 0, np.inf, np.abs(lon))


@st.composite
def overrides(draw: st.DrawFn) -> tuple[Override, ...]:
    targets = st.one_of(
        st.tuples(
            st.just("site"),
            st.builds(
                "{}|{}|{}".format,
                st.sampled_from([1, 2, 3, 2**64 - 1, 2**64]),
                st.sampled_from(["AA", "BB", "CC", "XX"]),
                st.sampled_from([1, 2, 3, 2**31]),
            ),
        ),
        st.tuples(st.just("mcc"), st.sampled_from(["0000", "0007", "9999"])),
        st.tuples(st.just("country"), st.sampled_from(["AA", "BB", "CC", "XX"])),
    )
    return tuple(
        Override(scope, target, draw(st.sampled_from(TZIDS)), "R", "o", None, "n", None)  # type: ignore[arg-type]
        for scope, target in sorted(draw(st.sets(targets, max_size=8)))
    )


@st.composite
def orders(draw: st.DrawFn) -> Precedence:
    preferences = {}
    for zones in draw(st.lists(st.frozensets(st.integers(0, 5), min_size=2), max_size=4)):
        country = draw(st.sampled_from(["AA", "BB", "XX"]))
        names = frozenset(TZIDS[z] for z in zones)
        prefer = TZIDS[draw(st.sampled_from(sorted(zones)))]
        preferences[country, names] = OverlapPreference(country, names, prefer, "R", "o")
    policy = LookupPolicy(
        semver="1.0.0",
        fallback_rate_cap=1.0,
        fallback_country_rate_cap=1.0,
        fallback_country_min_sites=1,
        override_rate_cap=1.0,
        country_consistent_tiebreak=draw(st.booleans()),
        overlap_preferences=tuple(preferences.values()),
        nearest_fallback_enabled=draw(st.booleans()),
        nearest_fallback_threshold_m=90.0,
        sample_limit=5,
        timetable_horizon_year=2099,
    )
    mcc = (np.array([1, 3], np.uint64), np.array([7, 0], np.int32))
    return Precedence(
        tiebreak=Tiebreak(
            Board(draw(st.lists(SETS, min_size=1, max_size=12))), ZONE_COUNTRY, policy
        ),
        nudge=Nudge("1.0.0", draw(st.sampled_from([1e-6, 0.25, 1.0]))),
        overrides=OverrideTable(draw(overrides()), draw(st.sampled_from([None, mcc]))),
        nearest=nearest,
        singletons=SINGLETONS,
    )


ROWS = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, 2**64 - 1]),
        st.sampled_from(["AA", "BB", "CC", "XX", "ZZ"]),
        st.sampled_from([1, 2, 3, 2**31 - 1]),
        st.floats(-180, 180) | st.sampled_from([-180.0, 180.0, 0.0, 0.5 - 1e-7]),
        st.floats(-90, 90) | st.sampled_from([-90.0, 90.0, 0.0, 0.5 - 1e-7]),
    ),
    max_size=30,
)
Row = tuple[int, str, int, float, float]


def sites_of(rows: list[Row]) -> Sites:
    return Sites(
        np.array([r[0] for r in rows], np.uint64),
        np.array([country_number(r[1]) for r in rows], np.int32),
        np.array([r[2] for r in rows], np.int32),
        np.array([r[3] for r in rows], np.float64),
        np.array([r[4] for r in rows], np.float64),
    )


def told(order: Precedence, row: Row) -> tuple[int, Decision, tuple[float, float] | None]:
    """Specification 3.1 for one row: zone, what decided, where the point was moved."""
    merchant, country, number, lon, lat = row
    board = order.tiebreak.zones
    assert isinstance(board, Board)

    def tie(zones: frozenset[int]) -> tuple[int, int]:
        if len(zones) == 1:
            return min(zones), 0
        own = [z for z in zones if COUNTRIES[z] == country]
        if order.policy.country_consistent_tiebreak and len(own) == 1:
            return own[0], 1
        for entry in order.policy.overlap_preferences:
            if entry.country == country and entry.zones == {TZIDS[z] for z in zones}:
                return TZIDS.index(entry.prefer), 2
        return -1, -1

    covering = board.zones(lon, lat)
    zone, how = tie(covering)
    if how >= 0:
        return zone, Decision(how), None
    moved_lon = lon + order.nudge.epsilon_degrees
    moved_lon = moved_lon - 360 if moved_lon > 180 else moved_lon
    moved_lon = moved_lon + 360 if moved_lon <= -180 else moved_lon
    moved = moved_lon, min(lat + order.nudge.epsilon_degrees, 90.0)
    zone, how = tie(board.zones(*moved))
    if how >= 0:
        return zone, Decision(Decision.NUDGE + how), moved
    category = None
    if order.overrides.mcc is not None:
        category = {1: "0007", 3: "0000"}.get(merchant)
    wanted = {"site": f"{merchant}|{country}|{number}", "mcc": category, "country": country}
    for scope, target in wanted.items():
        for entry_ in order.overrides.active:
            if (entry_.scope, entry_.target) == (scope, target):
                return TZIDS.index(entry_.tzid), Decision[f"OVERRIDE_{scope.upper()}"], moved
    if not covering and country == "CC":
        return 4, Decision.SINGLETON, moved
    if order.policy.nearest_fallback_enabled and country in COUNTRIES:
        far = abs(lon) > 90
        return (
            COUNTRIES.index(country),
            Decision.FALLBACK_OUTSIDE if far else Decision.FALLBACK_WITHIN,
            moved,
        )
    return -1, Decision.UNRESOLVED, moved


@given(orders(), ROWS)
@settings(deadline=None, max_examples=300)
def test_every_row_is_answered_as_the_specification_tells_it(
    order: Precedence, rows: list[Row]
) -> None:
    answer = order.resolve(sites_of(rows))
    for i, row in enumerate(rows):
        zone, decision, moved = told(order, row)
        assert (answer.zone[i], Decision(int(answer.decision[i]))) == (zone, decision)
        nudge = (float(answer.nudge_lon[i]), float(answer.nudge_lat[i]))
        assert (nudge == moved) if moved else all(map(math.isnan, nudge))


def joined(parts: list[Resolved]) -> list[bytes]:
    names = ("zone", "decision", "nudge_lon", "nudge_lat", "codes")
    return [np.concatenate([getattr(p, n) for p in parts]).tobytes() for n in names]


@given(orders(), ROWS, st.lists(st.integers(0, 30), max_size=6))
@settings(deadline=None)
def test_where_a_table_is_cut_into_batches_never_changes_an_answer_or_a_count(
    order: Precedence, rows: list[Row], cuts: list[int]
) -> None:
    whole = sites_of(rows)
    order.tiebreak.zones.candidates(whole.lon, whole.lat)  # codes are registered once
    edges = sorted({0, len(rows), *(c % (len(rows) + 1) for c in cuts)})
    tallies, answers = [], []
    cut = [whole.take(np.arange(begin, end)) for begin, end in pairwise(edges)]
    for pieces in ([whole], cut):
        tally = Tally()
        parts = [order.resolve(piece) for piece in pieces]
        for piece, part in zip(pieces, parts, strict=True):
            tally.add(piece, part, order, 5)
        tallies.append(tally)
        answers.append(joined(parts) if parts else joined([order.resolve(whole)]))
    one, many = tallies
    assert answers[0] == answers[1]
    assert one.counts() == many.counts()
    assert one.samples == many.samples
    assert one.governance(order.policy) == many.governance(order.policy)
    active = len(order.overrides.active)
    assert one.not_consulted(active).tolist() == many.not_consulted(active).tolist()


@given(orders(), ROWS)
@settings(deadline=None)
def test_geometry_answers_with_a_zone_that_covers_and_overrides_come_after_it(
    order: Precedence, rows: list[Row]
) -> None:
    board = order.tiebreak.zones
    assert isinstance(board, Board)
    answer = order.resolve(sites_of(rows))
    for i, row in enumerate(rows):
        decision = Decision(int(answer.decision[i]))
        covering = board.zones(row[3], row[4])
        if decision < Decision.NUDGE:
            assert answer.zone[i] in covering
        else:
            assert len(covering) != 1
        if Decision.NUDGE <= decision < Decision.OVERRIDE_SITE:
            assert answer.zone[i] in board.zones(answer.nudge_lon[i], answer.nudge_lat[i])
        if decision in {Decision.TIE_COUNTRY, Decision.NUDGE_TIE_COUNTRY}:
            assert COUNTRIES[answer.zone[i]] == row[1]
        assert (answer.zone[i] < 0) == (decision == Decision.UNRESOLVED)
        assert (i in answer.distance_m) <= (decision in {*FALLEN_BACK, Decision.UNRESOLVED})


@given(orders(), ROWS)
@settings(deadline=None)
def test_the_tally_counts_every_row_once_and_every_idle_override(
    order: Precedence, rows: list[Row]
) -> None:
    tally, sites = Tally(), sites_of(rows)
    answer = order.resolve(sites)
    tally.add(sites, answer, order, 5)
    decisions = [told(order, row)[1] for row in rows]
    counts = tally.counts()
    assert counts["sites"] == tally.sites == len(rows)
    assert counts["nudged"] == sum(d >= Decision.NUDGE for d in decisions)
    assert sum(c["sites"] for c in counts["by_country"].values()) == len(rows)
    assert tally.override_rate == sum(d in OVERRIDDEN for d in decisions) / max(len(rows), 1)
    assert tally.fallback_rate == sum(d in FALLEN_BACK for d in decisions) / max(len(rows), 1)
    assert tally.null_zones == tally.total(Decision.UNRESOLVED)
    assert tally.unknown_zones == tally.half_nudges == 0
    for position, override in enumerate(order.overrides.active):
        alone = OverrideTable((override,), order.overrides.mcc)
        matched = alone.winners(sites) >= 0 if rows else np.zeros(0, np.bool_)
        idle = sum(
            bool(m) and d < Decision.OVERRIDE_SITE for m, d in zip(matched, decisions, strict=True)
        )
        assert tally.not_consulted(len(order.overrides.active))[position] == idle
    unresolved = [s for s in tally.samples if s["reason"] == "UNRESOLVED"]
    assert len(unresolved) == min(decisions.count(Decision.UNRESOLVED), 5)


@given(
    st.floats(-180, 180), st.floats(-90, 90), st.floats(1e-12, 1.0) | st.sampled_from([1e-300, 1.0])
)
def test_a_nudge_stays_on_the_globe_and_moves_at_most_its_step(
    lon: float, lat: float, epsilon: float
) -> None:
    (x,), (y,) = nudge_points(np.array([lon]), np.array([lat]), epsilon)
    assert -180 < x <= 180
    assert y == min(lat + epsilon, 90.0)
    turn = (x - lon) % 360
    assert min(turn, 360 - turn) <= epsilon * (1 + 1e-9) + 1e-12
    if lon > -180 and lon + epsilon <= 180:
        assert x == lon + epsilon


@given(st.integers(0, 26 * 26 - 1))
def test_a_country_is_its_number(number: int) -> None:
    assert country_number(country_iso(number)) == number


def test_the_corners_of_the_globe_are_nudged_by_the_specification() -> None:
    lon, lat = nudge_points(
        np.array([180.0, -180.0, 179.9999995]), np.array([90.0, -90.0, 0]), 1e-6
    )
    assert lon.tolist() == [180.000001 - 360, -179.999999, 179.9999995 + 1e-6 - 360]
    assert lat.tolist() == [90.0, -89.999999, 1e-6]
