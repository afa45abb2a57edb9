"""What an index refuses, and what it is to its callers."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import shapely
from tests.unit.zones_grid.worlds import world_of

from civiltime.errors import Invalid
from civiltime.zones.grid import ZoneIndex, index
from civiltime.zones.world import World

BAD = (np.nan, np.inf, -np.inf, np.nextafter(180, 181), -np.nextafter(180, 181), 1e300, -1e19)


@pytest.fixture(scope="module")
def squares() -> World:
    """Two squares that overlap, and a third that shares a side with the second."""
    return world_of(
        [shapely.box(0, 0, 10, 10)], [shapely.box(5, 0, 15, 10)], [shapely.box(15, 0, 16, 10)]
    )


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("size", [1, 100_000, 300_000])
def test_a_point_off_the_globe_is_refused_by_its_place(
    squares: World, bad: float, compiled: bool, size: int
) -> None:
    zones = ZoneIndex.of(squares) if size == 1 else _kept(squares)
    if compiled:
        zones.accelerate()
    for at in {0, size - 1}:
        good, wrong = np.zeros(size), np.zeros(size)
        wrong[at] = bad
        with pytest.raises(Invalid, match=f"point {at} "):
            zones.candidates(wrong, good)
        with pytest.raises(Invalid, match=f"point {at} "):
            zones.candidates(good, wrong)


_indexes: dict[int, ZoneIndex] = {}


def _kept(world: World) -> ZoneIndex:
    if id(world) not in _indexes:
        _indexes[id(world)] = ZoneIndex.of(world)
    return ZoneIndex(_indexes[id(world)].grid)


def test_arrays_of_different_lengths_are_refused(squares: World) -> None:
    with pytest.raises(Invalid, match="shapes"):
        _kept(squares).candidates(np.zeros(3), np.zeros(2))


def test_no_points_have_no_answers(squares: World) -> None:
    zones = _kept(squares)
    assert zones.candidates(np.zeros(0), np.zeros(0)).tolist() == []
    zones.accelerate()
    assert zones.candidates(np.zeros(0), np.zeros(0)).tolist() == []


def test_one_point_is_looked_up_by_name(squares: World) -> None:
    zones = _kept(squares)
    assert zones.lookup(5, 2) == ("Zone/000",)
    assert zones.lookup(lat=5, lon=7) == ("Zone/000", "Zone/001")
    assert zones.lookup(5, 15) == ("Zone/001", "Zone/002")
    assert zones.lookup(-5, 2) == ()


def test_any_layout_of_arrays_is_accepted(squares: World) -> None:
    zones = _kept(squares)
    points = np.array([[2.0, 5.0], [7.0, 5.0], [20.0, 20.0]])
    lon, lat = points.T
    assert zones.candidates(lon, lat).tolist() == [1, 1 * 4 + 2, 0]
    assert zones.candidates(lon[::-1], lat[::-1]).tolist() == [0, 1 * 4 + 2, 1]


def test_numba_is_loaded_by_long_streams_only(
    squares: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "LONG", 1000)
    zones = _kept(squares)
    plain = zones._write_values
    for _ in range(3):
        zones.candidates(np.zeros(300), np.zeros(300))
        assert zones._write_values is plain
    zones.candidates(np.zeros(300), np.zeros(300))
    assert zones._write_values is not plain


def test_without_numba_everything_still_works(
    squares: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "civiltime.zones.grid.accelerate", None)
    monkeypatch.delattr("civiltime.zones.grid.accelerate", raising=False)
    zones = _kept(squares)
    zones.accelerate()
    assert zones.lookup(5, 2) == ("Zone/000",)


def test_the_query_path_imports_no_compiler() -> None:
    import subprocess

    code = "import sys, civiltime.zones.grid; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sets_too_many_for_an_int32_are_leaves() -> None:
    """With 1,300 zones the code of three is greater than an int32: such cells are leaves."""
    far = [[shapely.box(-170 + i * 0.2, -80, -169.9 + i * 0.2, -79.9)] for i in range(1300)]
    here = [[shapely.box(0, 0, 5, 5)], [shapely.box(1, 1, 6, 6)], [shapely.box(2, 2, 7, 7)]]
    world = world_of(*far, *here)
    zones = ZoneIndex.of(world)
    lon, lat = np.array([3.3, 1.5, 6.5, 8.0]), np.array([3.3, 1.5, 6.5, 8.0])
    expected = [(1300, 1301, 1302), (1300, 1301), (1302,), ()]
    for _ in range(2):
        codes = zones.candidates(lon, lat)
        assert codes[0] > 2**31
        assert zones.zone_sets(codes) == expected
        zones.accelerate()


def test_a_world_that_is_not_valid_is_refused() -> None:
    outside = shapely.box(170, 0, 181, 1)
    with pytest.raises(Invalid, match="vertex"):
        ZoneIndex.of(world_of([outside]))
    spike = shapely.Polygon([(0, 0), (4, 0), (4, 4), (2, 4), (2, 6), (2, 4), (0, 4)])
    with pytest.raises(Invalid, match="twice along the same edge"):
        ZoneIndex.of(world_of([spike]))
