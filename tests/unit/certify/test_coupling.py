"""Coupling of spread and zones, and the hulls beneath it (specification 4.4, no. 4)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from tests.unit.certify.figures import country

from civiltime.certify.coupling import MIN_SITES, coupling
from civiltime.certify.metrics import Country
from civiltime.certify.spread import EARTH_KM, Hulls, hull_km2
from civiltime.states.precedence import country_number


def spread(*zones: int, sites: int = 100) -> list[Country]:
    """Countries with so many zones each."""
    return [
        country(f"A{chr(65 + i)}", n, *[sites - n + 1, *[1] * (n - 1)]) for i, n in enumerate(zones)
    ]


def plain_rho(x: list[float], y: list[float]) -> float:
    """Pearson's correlation of mean ranks."""

    def ranks(values: list[float]) -> list[float]:
        return [sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2 for w in values]

    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])


@pytest.mark.parametrize("case", range(10))
def test_rho_is_spearmans_also_of_the_logarithm(case: int) -> None:
    rng = np.random.default_rng(case)
    zones = rng.integers(1, 6, 25).tolist()
    countries = spread(*zones)
    areas = {c.iso: float(a) for c, a in zip(countries, rng.random(25) * 1e6 + 1, strict=True)}
    found = coupling(42, countries, areas)
    logs = [math.log(a) for a in areas.values()]
    assert found["rho"] == pytest.approx(plain_rho(logs, zones), abs=1e-12)
    assert found["rho"] == pytest.approx(stats.spearmanr(logs, zones).statistic, abs=1e-12)
    assert found["p_value"] == pytest.approx(stats.spearmanr(logs, zones).pvalue)
    assert (found["seed"], found["countries"]) == ("42", 25)


def test_only_countries_with_enough_sites_count() -> None:
    few, enough = spread(1, 2, sites=MIN_SITES - 1), spread(1, 2, 3, sites=MIN_SITES)
    assert coupling(1, few, {})["countries"] == 0
    assert coupling(1, enough, {})["countries"] == 3


def test_a_constant_side_has_no_correlation() -> None:
    areas = {"AA": 1.0, "AB": 2.0, "AC": 3.0}
    for countries, hulls in ((spread(2, 2, 2), areas), (spread(1, 2, 3), {}), ([], {})):
        found = coupling(1, countries, hulls)
        assert (found["rho"], found["p_value"], found["band"]) == (None, None, "FAIL")


def test_two_countries_have_a_rho_and_no_p_value() -> None:
    found = coupling(1, spread(1, 2), {"AA": 1.0, "AB": 2.0})
    assert found["rho"] == pytest.approx(1.0)
    assert (found["p_value"], found["band"]) == (None, "B+")


def test_bands_are_strictly_above() -> None:
    """1 - 6 sum(d^2) / (5 * 24) with d^2 of 12, 16, 22 and 40."""
    areas = {f"A{c}": float(i) for i, c in enumerate("ABCDE", 1)}
    bands = {}
    for zones in ((4, 1, 2, 3, 5), (3, 4, 1, 2, 5), (3, 5, 1, 2, 4), (5, 4, 3, 2, 1)):
        found = coupling(1, spread(*zones), areas)
        bands[round(found["rho"], 9)] = found["band"]
    assert bands == {0.4: "B+", 0.2: "B", -0.1: "FAIL", -1.0: "FAIL"}


def test_a_hull_around_the_earth_has_half_its_surface() -> None:
    """On the equal-area plane 180 degrees by pole to pole are half of 4 pi r^2."""
    lon, lat = np.array([-90.0, 90, 90, -90]), np.array([-90.0, -90, 90, 90])
    assert hull_km2(lon, lat, 0.0) == pytest.approx(2 * math.pi * EARTH_KM**2)


def test_a_hull_does_not_care_for_the_date_line() -> None:
    lon, lat = np.array([10.0, 12, 12, 10, 11]), np.array([0.0, 0, 3, 3, 1])
    here = hull_km2(lon, lat, 11.0)
    there = (lon + 169 + 180) % 360 - 180
    assert hull_km2(there, lat, 180.0) == pytest.approx(here)
    expected = math.radians(2) * math.sin(math.radians(3)) * EARTH_KM**2
    assert here == pytest.approx(expected)


def test_less_than_a_triangle_has_no_area() -> None:
    line = np.array([1.0, 2.0, 3.0, 4.0])
    for n in (1, 2):
        assert hull_km2(line[:n], line[:n], 0.0) == 0.0
    assert hull_km2(line, np.zeros(4), 0.0) == 0.0
    assert hull_km2(np.ones(4), np.ones(4), 0.0) == 0.0


def test_batches_make_the_hull_of_all() -> None:
    rng = np.random.default_rng(3)
    n = 5000
    lon, lat = rng.uniform(-10, 10, n), rng.uniform(-10, 10, n)
    iso = rng.choice([country_number("AA"), country_number("ZZ")], n).astype(np.int32)
    hulls = Hulls(np.zeros(26 * 26))
    for start in range(0, n, 700):
        part = slice(start, start + 700)
        hulls.add(iso[part], lon[part], lat[part])
    whole = {c: hull_km2(lon[iso == c], lat[iso == c], 0.0) for c in set(iso.tolist())}
    assert hulls.areas() == pytest.approx(whole)
