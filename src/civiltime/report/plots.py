"""The eight plots: each drawn twice, for a wide page and for a narrow one.

The law: a plot shows figures of the country table and thresholds of the gates, on axes that
are named and never cut off silently; each mark's figures stand in its tip, and in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from civiltime.report import bands, scatter
from civiltime.report.evidence import Evidence
from civiltime.report.frames import by_country
from civiltime.report.heatmap import heatmap
from civiltime.report.local import local_spread
from civiltime.report.svg import Drawing

WIDE, HALF, NARROW = 1088, 532, 328
"""Widths in CSS pixels: the whole page, half of it, a phone."""


@dataclass(frozen=True)
class Plot:
    """A plot, how to read it, and its pictures for a wide and for a narrow page."""

    number: int
    slug: str
    title: str
    reading: str
    wide: Drawing
    narrow: Drawing

    @property
    def is_half(self) -> bool:
        """Whether two of them stand side by side."""
        return self.wide.width <= HALF


def threshold(document: Mapping[str, Any], gate: str) -> tuple[float, float] | None:
    """The B and B+ thresholds that the seeds were judged by, where the gate has numbers."""
    for found in (g for seed in document["seeds"].values() for g in seed.get("gates") or ()):
        if found["id"] == gate and not isinstance(found["b"], bool):
            return float(found["b"]), float(found["b_plus"])
    return None


def draw_plots(evidence: Evidence) -> tuple[Plot, ...]:
    """The plots in the order of the specification."""
    frame = by_country(evidence)

    def limits(gate: str) -> tuple[float, float] | None:
        return threshold(evidence.certification, gate)

    def both(make: Callable[[int], Drawing], wide: int = HALF) -> tuple[Drawing, Drawing]:
        return make(wide), make(NARROW)

    return (
        Plot(
            1,
            "spatial_spread",
            "Spatial spread against site count",
            "Area of the convex hull of a country's sites, for countries with 30 sites or more. "
            "Sites heaped in one place lie at the bottom, however many there are.",
            *both(lambda w: scatter.spatial_spread(frame, w)),
        ),
        Plot(
            2,
            "zone_diversity",
            "Zone diversity against site count",
            "Distinct zones among a country's sites; the axis ends at the most that any country "
            "has. A country with many sites and one zone stands at the lower right.",
            *both(lambda w: scatter.zone_diversity(frame, w)),
        ),
        Plot(
            3,
            "local_spread",
            "Local spread of the largest countries",
            "Every map has its own scale. Shapes say the zone's rank within the country (the "
            "circle is the leading zone); the dashed line is the convex hull.",
            *both(lambda w: local_spread(evidence, frame, w), WIDE),
        ),
        Plot(
            4,
            "country_zone_shares",
            "Country by zone: shares of sites",
            "Per cent of a country's sites in each zone, all drawn seeds together; a column adds "
            "up to 100. Largest countries with more than one zone.",
            *both(lambda w: heatmap(evidence, frame, w), WIDE),
        ),
        Plot(
            5,
            "top1_share",
            "Share of the leading zone, by country",
            "Countries of C_multi. A dot is the mean of the seeds, the line from the least to "
            "the greatest of them; B and B+ are what the gate asks of the median.",
            *both(lambda w: bands.top1_share(frame, limits("c_multi_median_top1"), w)),
        ),
        Plot(
            6,
            "entropy",
            "Entropy against site count",
            "Normalised entropy: 0 when all sites share a zone, 1 when they are spread evenly "
            "over all zones of the country. Countries with more than one zone.",
            *both(lambda w: scatter.entropy(frame, limits("c_multi_median_entropy"), w)),
        ),
        Plot(
            7,
            "dominance_gap",
            "Dominance gap",
            "Share of C_multi countries whose leading zone is ahead of the second by at most so "
            "much. The median, of which the gate asks B and B+, is where a line crosses one half.",
            *both(lambda w: bands.gap(evidence.countries, limits("c_multi_median_gap"), w)),
        ),
        Plot(
            8,
            "zone_count",
            "How many zones countries have",
            "Above: countries to which the boundaries give several zones, by the number of zones "
            "their sites are in, mean of the seeds. Below: the share of countries with at most "
            "so many; countries with one zone can have no more.",
            *both(lambda w: bands.zone_count(evidence.countries, w)),
        ),
    )
