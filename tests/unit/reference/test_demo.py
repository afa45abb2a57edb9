"""The demo upstream: deterministic, real, and decided by geometry alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from civiltime.contracts import schema
from civiltime.errors import Invalid
from civiltime.reference import demo, demo_authorities, tz_world
from civiltime.reference.cities import cities_digest
from civiltime.reference.sites import check_rows
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.shape import check_document
from civiltime.workspace.strict_yaml import parse_yaml

GOLDEN = Path(__file__).parents[2] / "golden" / "reference" / "demo.json"
SITES = 2000


@pytest.fixture
def atlas(small_world: tz_world.TzWorld, small_cities: pa.Table) -> demo.Atlas:
    return demo.build_atlas(small_cities, small_world.table)


def content(table: pa.Table) -> str:
    """A digest of the rows, whatever Parquet writes."""
    text = json.dumps(table.to_pydict(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def near(table: pa.Table, lon: float, lat: float) -> np.ndarray:
    x, y = table["lon_deg"].to_numpy(), table["lat_deg"].to_numpy()
    return np.asarray((np.abs(x - lon) <= 0.0103) & (np.abs(y - lat) <= demo.STEPS_DEG[0]))


@pytest.mark.parametrize("posture", demo.POSTURES)
def test_the_golden_rows(atlas: demo.Atlas, posture: demo.Posture) -> None:
    """The bytes depend on nothing but posture, seed and number; see the file's note."""
    golden = json.loads(GOLDEN.read_bytes())
    assert content(demo.demo_sites(posture, 42, 50, atlas)) == golden["rows"][posture]


@pytest.mark.parametrize("posture", demo.POSTURES)
def test_rows_are_good_and_as_many_as_asked_for(atlas: demo.Atlas, posture: demo.Posture) -> None:
    for sites in (1, 7, 8, SITES):
        table = demo.demo_sites(posture, 7, sites, atlas)
        assert len(table) == sites
        check_rows(table)
        merchants = len(table["merchant_id"].unique())
        assert merchants == max(1, sites // demo.SITES_PER_MERCHANT)


def test_seeds_and_postures_differ(atlas: demo.Atlas) -> None:
    drawn = [demo.demo_sites(p, s, 50, atlas) for p in demo.POSTURES for s in (42, 7)]
    assert len({content(table) for table in drawn}) == 6


def test_sites_stand_near_cities_that_a_zone_decides(atlas: demo.Atlas) -> None:
    """City 7 is nowhere, city 8 is of a country without a zone: nobody is there."""
    table = demo.demo_sites("population", 42, SITES, atlas)
    cities = [(2.5, 2.5), (4.9999, 2.5), (7.5, 2.5), (2.5, 12.5), (7.5, 12.5), (2.0, 3.0)]
    around = np.stack([near(table, lon, lat) for lon, lat in cities])
    assert around.any(axis=0).all()
    assert around.any(axis=1).all()
    assert set(table["legal_country_iso"].to_pylist()) == {"DE", "NO", "US"}


def test_no_site_crosses_a_border(atlas: demo.Atlas) -> None:
    """City 2 is 11 metres from Norway: its sites stay in Germany."""
    table = demo.demo_sites("population", 42, SITES, atlas)
    german = np.array(table["legal_country_iso"].to_pylist()) == "DE"
    lon = table["lon_deg"].to_numpy()[german]
    assert (lon <= 5.0).all()
    assert (lon > 4.99).any()


def test_a_city_may_keep_the_other_countrys_zone_that_both_sources_give_it(
    atlas: demo.Atlas,
) -> None:
    """City 6 is Norwegian, lies in Europe/Berlin, and GeoNames says so too."""
    table = demo.demo_sites("population", 42, SITES, atlas)
    norwegian = np.array(table["legal_country_iso"].to_pylist()) == "NO"
    assert (near(table, 2.0, 3.0) & norwegian).any()


def test_coordinates_are_whole_multiples_of_1e_7_degrees(atlas: demo.Atlas) -> None:
    table = demo.demo_sites("stratified", 42, SITES, atlas)
    for name in ("lon_deg", "lat_deg"):
        values = table[name].to_numpy()
        assert (np.rint(values * 1e7) / 1e7 == values).all()


def share_of_chicago(table: pa.Table) -> float:
    american = np.array(table["legal_country_iso"].to_pylist()) == "US"
    return float(near(table, 7.5, 12.5)[american].mean())


def test_postures_spread_as_they_say(atlas: demo.Atlas) -> None:
    """America has 8 + 2 million people in two zones; nobody can live in city 7."""
    shares = {p: share_of_chicago(demo.demo_sites(p, 42, 8000, atlas)) for p in demo.POSTURES}
    assert shares["collapsed"] == 0
    assert shares["population"] == pytest.approx(0.2, abs=0.02)
    assert shares["population"] + 0.02 < shares["stratified"] < 0.5


def test_collapsed_is_one_tile_a_country(atlas: demo.Atlas) -> None:
    table = demo.demo_sites("collapsed", 42, SITES, atlas)
    countries = np.array(table["legal_country_iso"].to_pylist())
    for iso, lon, lat in (("DE", 2.5, 2.5), ("US", 2.5, 12.5), ("NO", 7.5, 2.5)):
        assert near(table, lon, lat)[countries == iso].all()


def test_merchants_follow_the_square_root_of_people(atlas: demo.Atlas) -> None:
    assert atlas.countries == ("DE", "NO", "US")
    roots = np.sqrt([3.5e6, 1.6e6, 10e6]) * 1000
    assert atlas.country_weight.tolist() == np.floor(roots).astype(int).tolist()
    table = demo.demo_sites("population", 42, 20_000, atlas)
    countries = np.array(table["legal_country_iso"].to_pylist())
    shares = [(countries == iso).mean() for iso in atlas.countries]
    assert shares == pytest.approx(roots / roots.sum(), abs=0.05)


def test_draws_depend_on_their_names_alone() -> None:
    draws = demo.Draws("x", 1)
    draws.uniform("a", 1000)
    assert draws.uniform("b", 3).tolist() == demo.Draws("x", 1).uniform("b", 3).tolist()
    halves = np.concatenate([demo.Draws("y").raw("a", 5), []])
    assert len(set(halves.tolist()) & set(demo.Draws("x").raw("a", 5).tolist())) == 0


def test_a_demo_is_published_as_one_upstream(
    tmp_path: Path, small_world: tz_world.TzWorld, small_cities: pa.Table
) -> None:
    made = [
        demo.demo_upstream(
            tmp_path / str(i),
            "population",
            seeds,
            world=small_world.table,
            sites=20,
            cities=small_cities,
            sources={"tz_world": "ab" * 32},
        )
        for i, seeds in enumerate([(42, 7), (7, 42, 7), (42,)])
    ]
    assert made[0] == made[1] != made[2]
    (summary,) = (tmp_path / "0").rglob("summary.json")
    document = json.loads(summary.read_bytes())
    assert document["kind"] == "demo"
    assert document["parameters"] == {"posture": "population", "seeds": ["7", "42"], "sites": 20}
    assert document["sources"]["cities"] == cities_digest(small_cities)


def test_what_a_demo_refuses(
    tmp_path: Path, atlas: demo.Atlas, small_world: tz_world.TzWorld, small_cities: pa.Table
) -> None:
    with pytest.raises(Invalid, match="collapsed, population, stratified"):
        demo.demo_sites("dense", 1, 1, atlas)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="at least one site"):
        demo.demo_sites("population", 1, 0, atlas)
    with pytest.raises(Invalid, match="at least one seed"):
        demo.demo_upstream(tmp_path, "population", [], world=small_world.table, cities=small_cities)
    with pytest.raises(Invalid, match="no city"):
        demo.build_atlas(small_cities.slice(7), small_world.table)


def test_the_digest_of_the_cities_is_of_their_content(small_cities: pa.Table) -> None:
    halves = pa.concat_tables([small_cities.slice(0, 3), small_cities.slice(3)])
    assert cities_digest(halves) == cities_digest(small_cities)
    assert cities_digest(small_cities.slice(1)) != cities_digest(small_cities)


def test_the_authorities_pin_the_reports_that_stand_in() -> None:
    authorities = parse_yaml(demo_authorities.authorities_yaml().decode(), "authorities.yaml")
    check_document(authorities, "authorities", "authorities.yaml")
    assert schema("authorities")["title"]
    reports = demo_authorities.authority_reports()
    for segment in ("1A", "1B"):
        pinned = authorities["authorities"][segment]
        report = json.loads(reports[pinned["report"]])
        assert pinned["sha256_hex"] == sha256_bytes(reports[pinned["report"]])
        assert (report["run_id"], report["segment"]) == (pinned["run_id"], segment)
        assert report["stand_in"] is True
