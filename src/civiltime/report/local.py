"""Plot 3: where the sites of the largest countries lie."""

from __future__ import annotations

import numpy as np
import polars as pl

from civiltime.certify.spread import area_km2, corners, on_plane
from civiltime.report.atlas import LocalCountry, Numbers, circular_mean, local_maps, sample
from civiltime.report.evidence import Evidence
from civiltime.report.palette import ZONE_MARKS
from civiltime.report.svg import Drawing

COUNTRIES, SITES = 12, 400
_FACTS = ("country", "name", "support")


def local_spread(evidence: Evidence, frame: pl.DataFrame, width: int) -> Drawing:
    """A small map for each of the countries with the most sites, in the first seed drawn."""
    if not evidence.seeds:
        return Drawing(width, 1, "")
    seed = evidence.seeds[0]
    countries = []
    known = {code: (name, support) for code, name, support in frame.select(*_FACTS).rows()}
    sizes = seed.sites.group_by("country").len("n").with_columns(pl.col("country").cast(pl.String))
    largest = sizes.sort("n", "country", descending=[True, False])["country"].head(COUNTRIES)
    for code in largest:
        name, support = known.get(code, (evidence.name(code), 0))
        here = seed.sites.filter(pl.col("country") == code)
        lon, lat = here["lon"].to_numpy(), here["lat"].to_numpy()
        middle = circular_mean(lon)
        hull = corners(on_plane(lon, lat, middle))
        zones = here.group_by("tzid").len("n").with_columns(pl.col("tzid").cast(pl.String))
        order = zones.sort("n", "tzid", descending=[True, False])["tzid"].to_list()
        ranks = {z: min(i, len(ZONE_MARKS) - 1) for i, z in enumerate(order)}
        drawn = sample(here, SITES).with_columns(
            rank=pl.col("tzid").cast(pl.String).replace_strict(ranks, return_dtype=pl.Int64)
        )
        line = f"{here.height:,} sites, {len(order)} of {support} zones"
        if width > 600:
            line += f", {_area(area_km2(hull))}"
        land = evidence.land.of_country(code) if evidence.land else None
        countries.append(LocalCountry(name, line, drawn, land, _degrees(hull, middle)))
    return local_maps(width, 4 if width > 600 else 2, countries)


def _degrees(hull: Numbers, middle: float) -> Numbers:
    """Corners of a hull on the plane as (longitude, latitude)."""
    lon, lat = np.degrees(hull[:, 0]) + middle, np.degrees(np.arcsin(hull[:, 1]))
    return np.stack([lon, lat], axis=1)


def _area(km2: float) -> str:
    return f"{km2 / 1e6:.1f} M km²" if km2 >= 1e6 else f"{km2:,.0f} km²"
