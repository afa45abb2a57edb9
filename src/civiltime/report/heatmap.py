"""Plot 4: which zones the sites of a country are in."""

from __future__ import annotations

from typing import Literal

import altair as alt
import polars as pl

from civiltime.report.evidence import Evidence
from civiltime.report.frames import share_matrix, zone_counts
from civiltime.report.palette import BLUE, DEEP, INK, PAPER
from civiltime.report.style import Frame, draw, layers, values
from civiltime.report.svg import Drawing

PALE = "#e8f1f7"
"""A cell's colour at 0; half way it is blue, at 1 deep blue."""
BLACK, TURN = "#000000", 0.457
"""Figures are black up to this share and white beyond it: 4.5 : 1 on every cell."""
ROW = 19


def heatmap(evidence: Evidence, frame: pl.DataFrame, width: int) -> Drawing:
    """Columns are countries, rows are zones; a cell's number is its share in per cent."""
    wide = width > 600
    several = frame.filter(pl.col("support") > 1)
    chosen = (several if several.height else frame).head(24 if wide else 7)["country"].to_list()
    rows = share_matrix(zone_counts(evidence), chosen, 34 if wide else 20)
    names = {c: evidence.name(c) for c in chosen}
    rows = rows.with_columns(
        name=pl.col("country").replace_strict(names, return_dtype=pl.String),
        words=pl.col("share").map_elements(_per_cent, return_dtype=pl.String),
        zone=pl.col("tzid").replace("OTHER", "other zones")
        if wide
        else pl.col("tzid")
        .replace("OTHER", "other zones")
        .str.split("/")
        .list.last()
        .str.replace_all("_", " "),
    ).with_columns(tip=pl.format("{} in {}: {} %", "tzid", "name", "words"))
    zones = rows.unique("row").sort("row")["zone"].to_list() if rows.height else []
    box = Frame.within(
        width, max(ROW * len(zones), ROW), left=196 if wide else 112, right=4, top=26, bottom=8
    )
    base = alt.Chart(values(rows)).encode(
        x=alt.X("country:N", sort=chosen, axis=_axis("top"), scale=alt.Scale(paddingInner=0.06)),
        y=alt.Y("zone:N", sort=zones, axis=_axis("left"), scale=alt.Scale(paddingInner=0.08)),
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "share:Q",
            scale=alt.Scale(domain=[0, 0.5, 1], range=[PALE, BLUE, DEEP], interpolate="rgb"),
            legend=None,
        ),
        description="tip:N",
    )
    figures = base.mark_text(fontSize=10, baseline="middle").encode(
        text="words:N",
        color=alt.condition(f"datum.share > {TURN}", alt.value(PAPER), alt.value(BLACK)),
    )
    return draw(layers(cells, figures), box, "p4")


def _axis(orient: Literal["top", "left"]) -> alt.Axis:
    return alt.Axis(
        title=None,
        orient=orient,
        labelAngle=0,
        labelColor=INK,
        grid=False,
        labelLimit=200,
        labelFontWeight="bold" if orient == "top" else "normal",
        labelFontSize=10.5,
    )


def _per_cent(share: float) -> str:
    """A share in per cent; what rounds to nothing is told from nothing."""
    return "<1" if share < 0.005 else f"{100 * share:.0f}"
