"""The sealed boundaries as numbered zones and polygons."""

from __future__ import annotations

import numpy as np
from tests.unit.zones.made_world import ISLANDS, box, world_of


def test_zones_are_numbered_in_byte_order_of_their_names() -> None:
    world = world_of([("a", None, box(0, 0, 1, 1)), ("Z", None, box(0, 0, 1, 1))])
    assert world.tzids == ("Z", "a")
    assert world.zone.tolist() == [1, 0]


def test_a_country_has_its_zones_and_no_others() -> None:
    world = world_of(ISLANDS)
    assert [world.tzids[z] for z in world.country_zones("AA")] == ["A/Early", "Z/Late"]
    assert world.country_zones("XX") == ()
    assert world.countries[world.tzids.index("Etc/GMT")] is None


def test_vertices_arrive_bit_for_bit() -> None:
    third = 1 / 3
    world = world_of([("A/B", None, box(third, -0.0, 1, 5e-324))])
    assert np.array_equal(world.boxes, [[third, 0.0, 1.0, 5e-324]])
