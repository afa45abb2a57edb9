"""The grid says what the plain method says, at every kind of trap; broken, it doesn't."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import shapely
from tests.unit.zones_grid.mutants import MUTANTS, Mutant, mutate
from tests.unit.zones_grid.worlds import (
    differences,
    off_lattice,
    on_lattice,
    star,
    star_points,
    trap_points,
    true_sets,
)

from civiltime.reference.boundaries import read_file
from civiltime.zones.grid import ZoneIndex
from civiltime.zones.grid.edges import Floats
from civiltime.zones.grid.layout import COLUMNS, MASK_BITS
from civiltime.zones.plain import PlainZones
from civiltime.zones.world import World

Sets = list[tuple[int, ...]]


@dataclass(frozen=True)
class Case:
    """A world, points, and what covers them."""

    world: World
    lon: Floats
    lat: Floats
    sets: Sets

    def wrong(self) -> int:
        """How many points a fresh index answers wrongly."""
        index = ZoneIndex.of(self.world)
        said = index.zone_sets(index.candidates(self.lon, self.lat))
        return sum(a != b for a, b in zip(said, self.sets, strict=True))


@cache
def cases() -> tuple[Case, ...]:
    """One world on the lattice, one off it, and one where products underflow."""
    found = []
    for world in (on_lattice(off_lattice()), off_lattice()):
        lon, lat = trap_points(world, 1500)
        plain = PlainZones(world)
        found.append(Case(world, lon, lat, list(plain.zone_sets(plain.candidates(lon, lat)))))
    lon, lat = star_points()
    found.append(Case(star(), lon, lat, true_sets(star(), lon, lat)))
    return tuple(found)


@pytest.mark.parametrize("number", range(3), ids=["on the lattice", "off the lattice", "underflow"])
def test_every_trap_is_answered_as_by_the_plain_method(number: int) -> None:
    assert cases()[number].wrong() == 0


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_broken_grid_is_found_out(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = cases()
    mutate(monkeypatch, mutant)
    assert any(_broken(case) for case in tried)


def _broken(case: Case) -> bool:
    try:
        return case.wrong() > 0
    except (ValueError, IndexError):  # Invalid is a ValueError
        return True


def test_the_compiled_kernel_answers_bit_for_bit_alike() -> None:
    for case in cases():
        index = ZoneIndex.of(case.world)
        compiled = ZoneIndex(index.grid)
        compiled.accelerate()
        a, b = (one.candidates(case.lon, case.lat) for one in (index, compiled))
        assert compiled.zone_sets(b) == case.sets
        small = a < index.codes.first_larger
        assert (a[small] == b[small]).all()


def test_the_worlds_reach_what_they_are_made_for() -> None:
    on, off, _ = (ZoneIndex.of(case.world).grid for case in cases())
    assert len(on.values) == 0
    assert len(off.values) > 0
    leaves = ~off.cells[(off.cells < 0) & (~off.cells & 1 == 1)] >> 1
    assert (off.stream[leaves] < 0).any(), "no leaf of more polygons than a mask holds"
    assert off.stream[leaves[off.stream[leaves] >= 0] + 3].max() <= MASK_BITS
    assert len(off.cells) > COLUMNS * (COLUMNS // 2), "no cell is divided"
    assert max(map(len, cases()[1].sets)) > 40


def test_how_many_are_asked_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = cases()[0]
    index = ZoneIndex.of(case.world)
    together = index.candidates(case.lon, case.lat)
    for constant, value in (("query.PIECE", 1000), ("query.PAIRS", 700), ("index.TWO_THREADS", 9)):
        monkeypatch.setattr(f"civiltime.zones.grid.{constant}", value)
        assert (index.candidates(case.lon, case.lat) == together).all()
    some = slice(0, 300)
    points = zip(case.lon[some], case.lat[some], strict=True)
    alone = [index.candidates(np.array([x]), np.array([y]))[0] for x, y in points]
    assert alone == together[some].tolist()


@pytest.fixture(scope="module")
def real_cut(small_boundaries: Path) -> World:
    """Six real zones, every vertex as published, in a frame of ``Etc`` zones."""
    source = read_file(small_boundaries)
    tzids = sorted({*source.tzids, "Etc/GMT-1", "Etc/GMT-2"}, key=str.encode)
    number = {tzid: place for place, tzid in enumerate(tzids)}
    frame = [shapely.box(7.5, -90, 22.5, 90), shapely.box(22.5, -90, 37.5, 90)]
    names = [*source.tzids, "Etc/GMT-1", "Etc/GMT-2"]
    return World(
        tuple(tzids),
        tuple(None for _ in tzids),
        np.array([number[name] for name in names], np.int32),
        np.append(source.polygons, frame),
    )


def test_real_borders_are_answered_as_by_the_plain_method(real_cut: World) -> None:
    lon, lat = trap_points(real_cut, 6000)
    assert len(lon) >= 200_000
    index = ZoneIndex.of(real_cut)
    assert differences(PlainZones(real_cut), index, lon, lat) == 0
    index.accelerate()
    assert differences(PlainZones(real_cut), index, lon, lat) == 0


@pytest.mark.slow
def test_the_whole_world_is_answered_as_by_the_plain_method() -> None:
    from civiltime.reference.cities import load_cities
    from civiltime.reference.tz_world import from_package
    from civiltime.reference.tzdb import pack_package

    table = from_package("2026c", pack_package("2026c").zone_tab).table
    world = World.from_table(table)
    plain, index = PlainZones(world), ZoneIndex.of(world)
    assert len(index.grid.values) == 0, "the release is on the lattice"
    cities = load_cities()
    for lon, lat in (
        trap_points(world, 6000, seed=2),
        (cities["lon_deg"].to_numpy(), cities["lat_deg"].to_numpy()),
    ):
        assert differences(plain, index, lon, lat) == 0
    index.accelerate()
    assert differences(plain, index, lon, lat) == 0
