"""A set of zones as one number: small sets by digits, larger ones by a registry."""

from __future__ import annotations

import numpy as np

from civiltime.zones.codes import ZoneSetCodes


def test_no_zone_is_zero_and_one_zone_is_its_number_plus_one() -> None:
    codes = ZoneSetCodes(444)
    assert codes.encode([]) == 0
    assert [codes.encode([z]) for z in (0, 1, 443)] == [1, 2, 444]


def test_a_set_has_one_code_whatever_the_order_and_repeats() -> None:
    codes = ZoneSetCodes(10)
    assert codes.encode([7, 2, 5]) == codes.encode([5, 7, 2, 7]) == (3 * 11 + 6) * 11 + 8


def test_every_set_comes_back_and_no_two_share_a_code() -> None:
    codes = ZoneSetCodes(6)
    sets = [tuple(z for z in range(6) if bits >> z & 1) for bits in range(64)]
    numbers = [codes.encode(s) for s in sets]
    assert len(set(numbers)) == 64
    assert list(codes.decode_all(np.array(numbers))) == sets
    assert [codes.decode(n) for n in reversed(numbers)] == sets[::-1]


def test_three_of_the_last_zones_stay_below_the_registry() -> None:
    codes = ZoneSetCodes(444)
    assert codes.encode([441, 442, 443]) < codes.first_larger == 445**3
    assert codes.encode([440, 441, 442, 443]) == codes.first_larger
    assert codes.encode([0, 1, 2, 3, 4]) == codes.first_larger + 1
    assert codes.encode([443, 442, 441, 440]) == codes.first_larger
