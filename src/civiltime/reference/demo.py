"""The demo upstream: a stand-in for the frozen 1A and 1B, made of real geography.

The law: deterministic per posture, seed and number of sites, on any machine and with any
version of NumPy.  Randomness is the raw 64-bit stream of Philox under a SHA-256 key, made
into uniforms here; arithmetic is +, -, *, / and comparison, and coordinates are whole
multiples of 1e-7 degrees.

* Merchants (one for eight sites) get a home country by the square root of its people; one
  in eight works in two more countries.  Every merchant has a site, and a few have many.
* A site stands at a real city, up to 0.01 degrees (about a kilometre) off, where one zone
  decides it without override or fallback: the one zone of its country there, or the only
  zone there if GeoNames too counts the city to it (Hanoi keeps ``Asia/Bangkok``, the tz
  database's zone of Thailand).  A step over a border is halved twice, then left out; a
  city where nothing decides isn't drawn.
* ``population`` takes the country's cities by people.  ``stratified`` does so for 70 % of
  the sites; for 30 %, in countries with several zones, it takes one of them first, each as
  likely, and then a city of that zone by people.  ``collapsed`` puts all sites of a country
  into one tile at one city: the largest around which one zone covers the whole tile.

Nothing here is tuned to a verdict.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from civiltime.errors import Invalid
from civiltime.reference.cities import cities_digest, load_cities
from civiltime.reference.upstream import publish_upstream
from civiltime.workspace.shape import arrow_schema

Posture = Literal["collapsed", "population", "stratified"]
POSTURES: tuple[Posture, ...] = get_args(Posture)
DEFAULT_SITES = 31_257
KIND = "demo"
SITES_PER_MERCHANT = 8
STEPS_DEG = (0.01, 0.005, 0.0025)
_LARGEST = 8  # how many of a country's largest cities may become its tile
_PREFERRED = {"CN": "Asia/Urumqi"}  # as the default overlap preference says

NOWHERE, SEVERAL = -1, -2

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Draws:
    """Named streams of uniforms; each call gives the next numbers of its stream."""

    def __init__(self, *key: str | int) -> None:
        self.key = "/".join(map(str, ("civiltime demo", *key)))
        self.streams: dict[str, np.random.Philox] = {}

    def raw(self, name: str, n: int) -> NDArray[np.uint64]:
        """``n`` raw 64-bit numbers of the stream ``name``."""
        if name not in self.streams:
            digest = hashlib.sha256(f"{self.key}/{name}".encode()).digest()
            key = np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64)
            self.streams[name] = np.random.Philox(key=key)
        return np.atleast_1d(self.streams[name].random_raw(n))

    def uniform(self, name: str, n: int) -> Floats:
        """``n`` uniforms in [0, 1), multiples of 2^-53."""
        return (self.raw(name, n) >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True)
class Land:
    """Which zone decides a point, without override, nudge or fallback.

    Polygons are sorted by country; country number c owns ``first[c]:first[c + 1]``, those
    before ``first[0]`` belong to no country of the atlas.
    """

    zones: tuple[str, ...]
    polygons: NDArray[np.object_]
    bounds: Floats
    zone: Ints
    first: Ints
    tie: Ints  # by country: the zone that an overlap of its own zones falls to, or -1

    def zone_at(self, lon: Floats, lat: Floats, country: Ints, guest: Ints) -> Ints:
        """The zone number that decides each point, or -1.

        The country's one zone there, whatever other country claims the land; two zones of
        the country only by preference; else ``guest``, if no other zone is there.
        """
        found = np.full(len(lon), NOWHERE, np.int64)
        for number in np.unique(country):
            rows = np.flatnonzero(country == number)
            own = range(self.first[number], self.first[number + 1])
            found[rows] = self._cover(lon[rows], lat[rows], own)
        found = np.where(found == SEVERAL, self.tie[country], found)
        rows = np.flatnonzero((found == NOWHERE) & (guest >= 0))
        if len(rows):
            only = self._cover(lon[rows], lat[rows], range(len(self.polygons)))
            found[rows] = np.where(only == guest[rows], only, NOWHERE)
        return found

    def holds(self, boxes: NDArray[np.object_], country: int) -> Mask:
        """Whether one zone of the country, and no other of its zones, covers each box."""
        own = range(self.first[country], self.first[country + 1])
        touched = np.full(len(boxes), NOWHERE, np.int64)
        covered = np.zeros(len(boxes), np.bool_)
        for polygon in own:
            rows = np.flatnonzero(shapely.intersects(self.polygons[polygon], boxes))
            touched[rows] = _joined(touched[rows], self.zone[polygon])
            covered[rows] |= shapely.covers(self.polygons[polygon], boxes[rows])
        return covered & (touched >= 0)

    def _cover(self, lon: Floats, lat: Floats, polygons: range) -> Ints:
        """The zone of these polygons that covers each point, NOWHERE or SEVERAL."""
        order = np.argsort(lon, kind="stable")
        lon, lat = lon[order], lat[order]
        found = np.full(len(lon), NOWHERE, np.int64)
        for polygon in polygons:
            west, south, east, north = self.bounds[polygon]
            begin, end = np.searchsorted(lon, west), np.searchsorted(lon, east, "right")
            rows = begin + np.flatnonzero((lat[begin:end] >= south) & (lat[begin:end] <= north))
            if len(rows):
                rows = rows[shapely.intersects_xy(self.polygons[polygon], lon[rows], lat[rows])]
                found[rows] = _joined(found[rows], self.zone[polygon])
        result = np.empty_like(found)
        result[order] = found
        return result


def _joined(found: Ints, zone: np.int64) -> Ints:
    return np.where((found == NOWHERE) | (found == zone), zone, SEVERAL)


@dataclass(frozen=True)
class Atlas:
    """Cities and land of the countries that have both, ready to draw from.

    Every city here is decided by a zone.  Cities are sorted by country, zone and id;
    ``reach[i]`` is the weight of all cities before city i; a group is the run of a
    country's cities in one of its zones.
    """

    countries: tuple[str, ...]
    country_weight: Ints
    lon: Floats
    lat: Floats
    guest: Ints  # the zone that GeoNames gives a city, where it is another country's; or -1
    weight: Ints
    reach: Ints
    by_country: Ints  # city index at which country c begins; one more at the end
    groups: Ints  # [g, 2]: first city and end, of each zone of a country
    groups_of: Ints  # group index at which country c begins; one more at the end
    land: Land


def build_atlas(cities: pa.Table, world: pa.Table) -> Atlas:
    """Cities (as :func:`load_cities` gives them) on the land of a ``tz_world`` table.

    Raises :class:`Invalid` when no city lies in a country of the table.
    """
    zone_country = dict(
        zip(world["tzid"].to_pylist(), world["country_iso"].to_pylist(), strict=True)
    )
    names = np.array(cities["country"].to_pylist(), dtype=object)
    countries = tuple(sorted((set(zone_country.values()) - {None}) & set(names)))
    if not countries:
        raise Invalid("no city lies in a country that the boundaries have")
    land = _land(world, countries)
    number = {iso: i for i, iso in enumerate(countries)}
    keep = np.flatnonzero([iso in number for iso in names])
    country = np.array([number[iso] for iso in names[keep]], np.int64)
    rank = {zone: i for i, zone in enumerate(land.zones)}
    said = np.array(cities["timezone"].to_pylist(), dtype=object)[keep]
    zone = np.array([rank.get(z, NOWHERE) for z in said], np.int64)
    own = np.array([zone_country.get(z) for z in said], dtype=object) == names[keep]
    guest, zone = np.where(own, NOWHERE, zone), np.where(own, zone, NOWHERE)
    lon, lat = cities["lon_deg"].to_numpy()[keep], cities["lat_deg"].to_numpy()[keep]
    decided = land.zone_at(lon, lat, country, guest) != NOWHERE
    if not decided.any():
        raise Invalid("no city lies where a zone of the boundaries decides")
    order = np.lexsort((cities["geonameid"].to_numpy()[keep], zone, country))
    order = order[decided[order]]
    country, zone = country[order], zone[order]
    by_country = np.searchsorted(country, np.arange(len(countries) + 1))
    people = cities["population"].to_numpy()[keep][order].astype(np.int64)
    reach = np.r_[0, np.cumsum(people)]
    empty = reach[by_country[1:]] == reach[by_country[:-1]]
    weight = np.where(empty[country], 1, people)
    reach = np.r_[0, np.cumsum(weight)]
    starts = np.flatnonzero(np.r_[True, (country[1:] != country[:-1]) | (zone[1:] != zone[:-1])])
    groups = np.column_stack([starts, np.r_[starts[1:], len(country)]])
    groups = groups[(reach[groups[:, 1]] > reach[groups[:, 0]]) & (zone[starts] != NOWHERE)]
    return Atlas(
        countries=countries,
        country_weight=_roots(np.diff(reach[by_country])),
        lon=lon[order],
        lat=lat[order],
        guest=guest[order],
        weight=weight,
        reach=reach,
        by_country=by_country,
        groups=groups,
        groups_of=np.searchsorted(country[groups[:, 0]], np.arange(len(countries) + 1)),
        land=land,
    )


def _roots(totals: Ints) -> Ints:
    """Square roots in thousandths, exact."""
    return np.array([math.isqrt(int(total) * 10**6) for total in totals], np.int64)


def _land(world: pa.Table, countries: tuple[str, ...]) -> Land:
    names = world["tzid"].to_pylist()
    zones = tuple(sorted(set(names)))
    rank = {zone: i for i, zone in enumerate(zones)}
    number = {iso: i for i, iso in enumerate(countries)}
    country = np.array([number.get(iso, -1) for iso in world["country_iso"].to_pylist()], np.int64)
    order = np.argsort(country, kind="stable")
    polygons = shapely.from_wkb(world["geometry"].take(pa.array(order)).to_numpy())
    shapely.prepare(polygons)
    return Land(
        zones=zones,
        polygons=polygons,
        bounds=shapely.bounds(polygons),
        zone=np.array([rank[z] for z in names], np.int64)[order],
        first=np.searchsorted(country[order], np.arange(len(countries) + 1)),
        tie=np.array([rank.get(_PREFERRED.get(iso, ""), NOWHERE) for iso in countries], np.int64),
    )


def demo_sites(posture: Posture, seed: int, sites: int, atlas: Atlas) -> pa.Table:
    """``sites`` rows of ``site_locations`` in key order, deterministic.

    Raises :class:`Invalid` for an unknown posture or a number below 1.
    """
    if posture not in POSTURES:
        raise Invalid(f"{posture!r} is not a posture; there are {', '.join(POSTURES)}")
    if sites < 1:
        raise Invalid(f"a demo needs at least one site, not {sites}")
    draws = Draws(posture, seed, sites)
    merchant, country = _merchants_and_countries(draws, sites, atlas)
    order = np.lexsort((country, merchant))
    merchant, country = merchant[order], country[order]
    head = np.r_[True, (merchant[1:] != merchant[:-1]) | (country[1:] != country[:-1])]
    begin = np.maximum.accumulate(np.where(head, np.arange(sites), 0))
    lon, lat = _places(draws, posture, country, atlas)
    names = pa.array(atlas.countries, pa.utf8())
    return pa.Table.from_arrays(
        [
            pa.array(merchant),
            names.take(pa.array(country)),
            pa.array((np.arange(sites) - begin + 1).astype(np.int32)),
            pa.array(lon),
            pa.array(lat),
        ],
        schema=arrow_schema("site_locations"),
    )


def demo_upstream(
    root: Path,
    posture: Posture,
    seeds: Sequence[int],
    *,
    world: pa.Table,
    sites: int = DEFAULT_SITES,
    cities: pa.Table | None = None,
    sources: Mapping[str, str] | None = None,
) -> str:
    """Publish the demo below ``root``, one fingerprint with one partition a seed.

    ``world`` is a ``tz_world`` table, ``cities`` the installed package's unless given;
    ``sources`` adds digests to the recorded ones, such as that of the boundary file.
    Returns the ``manifest_fingerprint``.
    """
    cities = load_cities() if cities is None else cities
    atlas = build_atlas(cities, world)
    tables = {seed: demo_sites(posture, seed, sites, atlas) for seed in sorted(set(seeds))}
    if not tables:
        raise Invalid("a demo needs at least one seed")
    parameters = {"posture": posture, "sites": sites, "seeds": [str(seed) for seed in tables]}
    digests = {"cities": cities_digest(cities), **(sources or {})}
    return publish_upstream(root, KIND, parameters, digests, tables)


def _pick(weights: Ints, uniform: Floats) -> Ints:
    """Indices drawn by integer weights."""
    reach = np.cumsum(weights)
    return np.searchsorted(reach, _below(uniform, reach[-1]), "right")


def _below(uniform: Floats, total: Ints | np.int64) -> Ints:
    """Whole numbers 0..total-1."""
    return np.minimum((uniform * total).astype(np.int64), total - 1)


def _merchants_and_countries(
    draws: Draws, sites: int, atlas: Atlas
) -> tuple[NDArray[np.uint64], Ints]:
    """Merchant id and country number of each site."""
    merchants = max(1, sites // SITES_PER_MERCHANT)
    ids = _merchant_ids(draws, merchants)
    places = [_pick(atlas.country_weight, draws.uniform("country", merchants)) for _ in range(3)]
    abroad = draws.uniform("abroad", merchants) < 0.125
    size = 4096 // (1 + (draws.raw("size", merchants) % np.uint64(64)).astype(np.int64))
    extra = _pick(size, draws.uniform("merchant", sites - merchants))
    merchant = np.r_[np.arange(merchants), extra]
    where = draws.uniform("where", sites)
    choice = np.where(abroad[merchant], (where >= 0.5).astype(np.int64) + (where >= 0.75), 0)
    return ids[merchant], np.stack(places)[choice, merchant]


def _merchant_ids(draws: Draws, n: int) -> NDArray[np.uint64]:
    """Distinct ids 1..2^64-1, in the order in which they were drawn."""
    raw = draws.raw("merchant id", n + 64)
    _, first = np.unique(raw, return_index=True)
    raw = raw[np.sort(first)]
    ids: NDArray[np.uint64] = raw[raw != 0][:n]
    return ids


def _places(draws: Draws, posture: Posture, country: Ints, atlas: Atlas) -> tuple[Floats, Floats]:
    """Coordinates of each site."""
    if posture == "collapsed":
        city = _tiles(atlas)[country]
    else:
        city = _cities(draws, posture, country, atlas)
    lon, lat = atlas.lon[city], atlas.lat[city]
    pending = np.arange(len(country))
    for step in STEPS_DEG:
        at = city[pending]
        x, y = _near(draws, atlas.lon[at], atlas.lat[at], step)
        good = atlas.land.zone_at(x, y, country[pending], atlas.guest[at]) != NOWHERE
        lon[pending[good]], lat[pending[good]] = x[good], y[good]
        pending = pending[~good]
    return lon, lat


def _cities(draws: Draws, posture: Posture, country: Ints, atlas: Atlas) -> Ints:
    """A city for each site."""
    n = len(country)
    first, end = atlas.by_country[country], atlas.by_country[country + 1]
    if posture == "stratified":
        zones = atlas.groups_of[country + 1] - atlas.groups_of[country]
        by_zone = (draws.uniform("mode", n) < 0.3) & (zones > 1)
        group = atlas.groups_of[country] + _below(draws.uniform("zone", n), np.maximum(zones, 1))
        group = np.where(by_zone, group, 0)
        first = np.where(by_zone, atlas.groups[group, 0], first)
        end = np.where(by_zone, atlas.groups[group, 1], end)
    base = atlas.reach[first]
    target = base + _below(draws.uniform("city", n), atlas.reach[end] - base)
    return np.searchsorted(atlas.reach, target, "right") - 1


def _near(draws: Draws, lon: Floats, lat: Floats, step: float) -> tuple[Floats, Floats]:
    """A point up to ``step`` degrees from each city, on the grid of 1e-7 degrees."""
    n = len(lon)
    y = np.clip(lat + (2.0 * draws.uniform("lat", n) - 1.0) * step, -90.0, 90.0)
    x = lon + (2.0 * draws.uniform("lon", n) - 1.0) * step / _cosine(lat)
    x = np.where(x > 180.0, x - 360.0, np.where(x < -180.0, x + 360.0, x))
    return np.rint(x * 1e7) / 1e7, np.rint(y * 1e7) / 1e7


def _cosine(lat: Floats) -> Floats:
    """The cosine of a latitude up to 80 degrees, by Bhaskara: no libm, 0.2 % off."""
    capped = np.minimum(np.abs(lat), 80.0)
    square = capped * capped
    return (32400.0 - 4.0 * square) / (32400.0 + square)


def _tiles(atlas: Atlas) -> Ints:
    """For each country the largest city around which one zone covers the whole tile."""
    tiles = np.zeros(len(atlas.countries), np.int64)
    for number in range(len(tiles)):
        first, end = atlas.by_country[number], atlas.by_country[number + 1]
        if first == end:
            continue
        largest = first + np.argsort(-atlas.weight[first:end], kind="stable")[:_LARGEST]
        lon, lat = atlas.lon[largest], atlas.lat[largest]
        width = STEPS_DEG[0] / _cosine(lat)
        boxes = shapely.box(lon - width, lat - STEPS_DEG[0], lon + width, lat + STEPS_DEG[0])
        tiles[number] = largest[int(np.argmax(atlas.land.holds(boxes, number)))]
    return tiles
