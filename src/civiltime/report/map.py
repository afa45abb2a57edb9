"""The map of the sites: which are drawn, in which marks, and where the hotspots are."""

from __future__ import annotations

import numpy as np
import polars as pl

from civiltime.report.atlas import Hotspot, sample, world_map
from civiltime.report.evidence import Evidence
from civiltime.report.plots import NARROW, WIDE, Plot
from civiltime.report.world import zone_marks

BUDGET = 7000
POINTED = 10
"""How many hotspots the map points at; the table has all."""


def draw_map(evidence: Evidence) -> Plot:
    """The map for a wide and for a narrow page; sites of the first seed that can be drawn."""
    sites = _sites(evidence)
    land = evidence.land
    tzids = sites["tzid"].unique().to_list() + (list(land.tzid) if land else [])
    marks = zone_marks(tzids, land)
    spots = _hotspots(evidence, sites)
    seed = f"seed {evidence.seeds[0].seed}" if evidence.seeds else "no seed"
    drawn = sample(sites, BUDGET)
    how_many = f"{drawn.height:,} of {sites.height:,}"
    return Plot(
        0,
        "site_map",
        "Sites and their zones",
        f"Sites of {seed} ({how_many} drawn, evenly from each zone; at least three of a zone). "
        "Zones that touch differ in colour and in shape. Numbers are hotspots, by rank.",
        world_map(WIDE, land, drawn, marks, spots),
        world_map(NARROW, land, sample(sites, BUDGET // 4), marks, spots),
    )


def _sites(evidence: Evidence) -> pl.DataFrame:
    if not evidence.seeds:
        return pl.DataFrame(
            schema={
                "country": pl.String(),
                "tzid": pl.String(),
                "lon": pl.Float64(),
                "lat": pl.Float64(),
            }
        )
    return evidence.seeds[0].sites.with_columns(pl.col("country", "tzid").cast(pl.String))


def _hotspots(evidence: Evidence, sites: pl.DataFrame) -> list[Hotspot]:
    """The best ranked hotspot of each country, at the site nearest to the sites' middle."""
    found: dict[str, Hotspot] = {}
    ranked = sorted(evidence.certification.get("hotspots") or (), key=lambda h: int(h["rank"]))
    for entry in ranked:
        code = str(entry["country"])
        here = sites.filter(pl.col("country") == code)
        if code in found or here.height == 0:
            continue
        lon, lat = _middle(here["lon"].to_numpy(), here["lat"].to_numpy())
        name = evidence.name(code)
        tip = (
            f"hotspot {entry['rank']}: {name}, {str(entry.get('mechanism', '')).replace('_', ' ')}"
        )
        found[code] = Hotspot(int(entry["rank"]), name, lon, lat, tip)
        if len(found) == POINTED:
            break
    return list(found.values())


def _middle(lon: np.ndarray, lat: np.ndarray) -> tuple[float, float]:
    """The place nearest to the mean direction of places on the sphere."""
    east, north = np.radians(lon), np.radians(lat)
    xyz = np.stack(
        [np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=1
    )
    nearest = int(np.argmax(xyz @ xyz.mean(axis=0)))
    return float(lon[nearest]), float(lat[nearest])
