"""Zone-set codes: any set of zones of any world comes back from its number."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from civiltime.zones.codes import ZoneSetCodes


@st.composite
def worlds_with_sets(draw: st.DrawFn) -> tuple[int, list[frozenset[int]]]:
    """How many zones a world has, and some sets of them."""
    zones = draw(st.integers(1, 1000))
    sets = st.frozensets(st.integers(0, zones - 1), max_size=7)
    return zones, draw(st.lists(sets, min_size=1, max_size=20))


@given(worlds_with_sets())
def test_every_set_comes_back_from_its_code(world: tuple[int, list[frozenset[int]]]) -> None:
    zones, sets = world
    codes = ZoneSetCodes(zones)
    numbers = np.array([codes.encode(s) for s in sets], np.int64)
    expected = [tuple(sorted(s)) for s in sets]
    assert list(codes.decode_all(numbers)) == expected
    assert [codes.decode(int(n)) for n in numbers] == expected
    for number, members in zip(numbers.tolist(), expected, strict=True):
        assert (1 <= number <= zones) == (len(members) == 1)
        assert (number == 0) == (not members)
        assert (number >= codes.first_larger) == (len(members) > 3)


@given(worlds_with_sets())
def test_two_sets_share_a_code_only_if_they_are_equal(
    world: tuple[int, list[frozenset[int]]],
) -> None:
    codes = ZoneSetCodes(world[0])
    by_code = {codes.encode(s): s for s in world[1]}
    assert len(by_code) == len(set(world[1]))


@given(st.integers(1, 1000), st.integers(0, 2**40))
def test_a_code_of_three_or_fewer_needs_no_table(zones: int, number: int) -> None:
    codes = ZoneSetCodes(zones)
    members = codes.decode(number % codes.first_larger)
    if all(a < b for a, b in pairwise(members)) and min(members, default=0) >= 0:
        assert ZoneSetCodes(zones).encode(members) == number % codes.first_larger
