"""The full release: what the packages carry, taken whole.  Slow: 8.19 million vertices."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

from civiltime.errors import Invalid
from civiltime.reference import demo, tz_world
from civiltime.reference.boundaries import Boundaries, read_package
from civiltime.reference.cities import load_cities
from civiltime.reference.zone_tab import parse_zone_tab

pytestmark = pytest.mark.slow
RELEASE = "2026c"


@pytest.fixture(scope="module")
def zone_tab() -> str:
    return resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text("utf-8")


@pytest.fixture(scope="module")
def package() -> Boundaries:
    return read_package(RELEASE)


@pytest.fixture(scope="module")
def world(zone_tab: str) -> tz_world.TzWorld:
    return tz_world.from_package(RELEASE, zone_tab)


@pytest.fixture(scope="module")
def atlas(world: tz_world.TzWorld) -> demo.Atlas:
    return demo.build_atlas(load_cities(), world.table)


def test_the_package_is_taken_whole(world: tz_world.TzWorld) -> None:
    shapes = shapely.from_wkb(world.table["geometry"].to_numpy())
    assert (world.zone_count, world.polygon_count) == (444, 1322)
    assert shapely.get_num_interior_rings(shapes).sum() == 756
    assert world.provenance["vertices"] == 8_187_730
    assert 50e6 < len(world.parquet) < 130e6


def test_every_coordinate_is_a_whole_multiple_of_1e_7_to_the_last_bit(
    world: tz_world.TzWorld,
) -> None:
    values = shapely.get_coordinates(shapely.from_wkb(world.table["geometry"].to_numpy()))
    assert (np.rint(values * 1e7) * 1e-7 == values).all()


def test_our_file_is_valid_and_comes_back_as_it_was(
    world: tz_world.TzWorld, zone_tab: str, tmp_path: Path
) -> None:
    path = tmp_path / "tz_world.parquet"
    path.write_bytes(world.parquet)
    assert tz_world.open_table(path).equals(world.table)
    assert tz_world.inspect(path)[:2] == ("EPSG:4326", 1322)
    assert tz_world.from_file(path, RELEASE, zone_tab).parquet == world.parquet


def cut(source: Boundaries, keep: np.ndarray) -> Boundaries:
    return Boundaries(source.tzids[keep], source.polygons[keep], {"kind": "test"})


def test_no_single_zone_of_the_full_release_looks_reduced(
    package: Boundaries, zone_tab: str
) -> None:
    """Whatever a small cut leaves out, no zone of another country covers its place."""
    places = parse_zone_tab(zone_tab)
    for tzid in sorted(set(package.tzids) & set(places)):
        one = cut(package, package.tzids == tzid)
        tz_world.refuse_reduced(one, places)


def merged(source: Boundaries, kept: str, lost: str) -> Boundaries:
    """What the reduced variants do: one zone takes the land of another."""
    rows = np.isin(source.tzids, (kept, lost))
    land = shapely.get_parts(shapely.union_all(source.polygons[rows]))
    tzids = np.concatenate([source.tzids[~rows], np.full(len(land), kept, dtype=object)])
    return Boundaries(tzids, np.concatenate([source.polygons[~rows], land]), {"kind": "test"})


@pytest.mark.parametrize(
    ("kept", "lost"),
    [
        ("Europe/Berlin", "Europe/Oslo"),
        ("Europe/Berlin", "Europe/Copenhagen"),
        ("Europe/Brussels", "Europe/Amsterdam"),
        ("Asia/Kuala_Lumpur", "Asia/Singapore"),
        ("Africa/Abidjan", "Africa/Accra"),
    ],
)
def test_a_simulated_1970_variant_is_refused(
    package: Boundaries, zone_tab: str, kept: str, lost: str
) -> None:
    if kept not in set(package.tzids):
        pytest.fail(f"{kept} is not in the release")
    with pytest.raises(Invalid) as caught:
        tz_world.refuse_reduced(merged(package, kept, lost), parse_zone_tab(zone_tab))
    assert (caught.value.code, caught.value.context["missing"]) == ("012", lost)


@pytest.mark.parametrize("posture", demo.POSTURES)
def test_every_site_of_the_demo_is_decided_by_geometry(
    world: tz_world.TzWorld, atlas: demo.Atlas, posture: demo.Posture
) -> None:
    """By all zones that cover it, independently of how the demo looks them up."""
    table = demo.demo_sites(posture, 42, demo.DEFAULT_SITES, atlas)
    points = shapely.points(table["lon_deg"].to_numpy(), table["lat_deg"].to_numpy())
    polygons = shapely.from_wkb(world.table["geometry"].to_numpy())
    row, site = shapely.STRtree(points).query(polygons, predicate="covers")
    zone = np.array(world.table["tzid"].to_pylist(), dtype=object)[row]
    country = np.array(world.table["country_iso"].to_pylist(), dtype=object)[row]
    home = country == np.array(table["legal_country_iso"].to_pylist(), dtype=object)[site]
    covering = np.bincount(site, minlength=len(table))
    at_home = np.bincount(site, home, minlength=len(table))
    chinese = np.bincount(site, np.isin(zone, ("Asia/Shanghai", "Asia/Urumqi")), len(table))
    decided = (covering == 1) | (at_home == 1) | ((covering == 2) & (chinese == 2))
    assert decided.all()


def test_postures_are_ordered_by_their_diversity(
    world: tz_world.TzWorld, atlas: demo.Atlas
) -> None:
    """Collapsed: one zone a country.  Stratified spreads wider than population."""
    zones = {}
    for posture in demo.POSTURES:
        table = demo.demo_sites(posture, 42, demo.DEFAULT_SITES, atlas)
        number = {iso: i for i, iso in enumerate(atlas.countries)}
        country = np.array([number[iso] for iso in table["legal_country_iso"].to_pylist()])
        guest = np.full(len(table), demo.NOWHERE)
        lon, lat = table["lon_deg"].to_numpy(), table["lat_deg"].to_numpy()
        found = atlas.land.zone_at(lon, lat, country, guest)
        pairs = set(zip(country[found >= 0].tolist(), found[found >= 0].tolist(), strict=True))
        zones[posture] = len(pairs) - len({pair[0] for pair in pairs})
    assert zones["collapsed"] == 0
    assert 0 < zones["population"] < zones["stratified"]


def test_the_cities_are_those_of_the_package() -> None:
    cities = load_cities()
    assert len(cities) == 234_908
    ids = cities["geonameid"].to_numpy()
    assert (np.diff(ids) > 0).all()
    assert isinstance(cities.schema.field("lon_deg").type, pa.DataType)
