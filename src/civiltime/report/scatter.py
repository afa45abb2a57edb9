"""Plots 1, 2 and 6: a figure of each country against its number of sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from civiltime.certify.coupling import MIN_SITES
from civiltime.report.palette import COHORT_MARKS, INK, SOFT
from civiltime.report.style import Frame, Scale, axis, draw, labelled, layers, log_scale, values
from civiltime.report.svg import Drawing

COHORTS = list(COHORT_MARKS)
TOP = 62
"""Room above a plot for its legend and the title of its upright axis."""


def spatial_spread(frame: pl.DataFrame, width: int) -> Drawing:
    """Plot 1: area of the convex hull against sites, both on logarithmic axes."""
    rows = frame.filter((pl.col("hull_km2") > 0) & (pl.col("sites") >= MIN_SITES))
    box = Frame.within(width, 330, top=TOP, left=52)
    x = log_scale(rows["sites"].to_list(), box.width)
    # the axis always reaches a continent, so that heaped sites look heaped
    y = log_scale([*rows["hull_km2"].to_list(), 1e7], box.height, least=1e-3)
    tips = rows.with_columns(
        tip=pl.format("{}: {} sites, {} km²", "name", _whole("sites"), _whole("hull_km2"))
    )
    return _scatter(tips, "hull_km2", x, y, box, "Hull of the sites, km²", "~s", "p1")


def zone_diversity(frame: pl.DataFrame, width: int) -> Drawing:
    """Plot 2: distinct zones against sites; a rule spans the seeds."""
    box = Frame.within(width, 330, top=TOP, left=46)
    x = log_scale(frame["sites"].to_list(), box.width)
    most = max([2.0, *frame["distinct_max"].to_list(), *frame["support"].to_list()])
    y = Scale("log", 0.85, most * 1.25, box.height)
    tips = frame.with_columns(
        tip=pl.format(
            "{}: {} sites, {} zones of {}",
            "name",
            _whole("sites"),
            pl.col("distinct").round(1),
            "support",
        )
    )
    return _scatter(tips, "distinct", x, y, box, "Distinct zones", "d", "p2", span=True)


def entropy(frame: pl.DataFrame, limits: tuple[float, float] | None, width: int) -> Drawing:
    """Plot 6: normalised entropy against sites, with what the median must reach."""
    rows = frame.filter(pl.col("support") > 1)
    box = Frame.within(width, 330, top=TOP, left=46)
    x = log_scale(rows["sites"].to_list(), box.width)
    y = Scale("linear", 0.0, max([1.0, *rows["entropy_norm_max"].to_list()]) * 1.02, box.height)
    tips = rows.with_columns(
        tip=pl.format(
            "{}: {} sites, entropy {}", "name", _whole("sites"), pl.col("entropy_norm").round(3)
        )
    )
    rules = [
        (v, f"median at least {v:g} for {b}")
        for v, b in zip(limits or (), ("B", "B+"), strict=False)
    ]
    return _scatter(
        tips, "entropy_norm", x, y, box, "Normalised entropy", ".1f", "p6", span=True, rules=rules
    )


def _whole(column: str) -> pl.Expr:
    """Numbers of a tip, grouped in threes."""
    return pl.col(column).map_elements(lambda v: f"{v:,.0f}", return_dtype=pl.String)


def _scatter(
    rows: pl.DataFrame,
    measure: str,
    x: Scale,
    y: Scale,
    box: Frame,
    title: str,
    form: str,
    name: str,
    *,
    span: bool = False,
    rules: Sequence[tuple[float, str]] = (),
) -> Drawing:
    order = {c: i for i, c in enumerate(reversed(COHORTS))}
    rows = rows.with_columns(
        order=pl.col("cohort").replace_strict(order, return_dtype=pl.Int64)
    ).sort("order", "sites", "country")
    data = values(rows)
    at_x = alt.X("sites:Q", scale=x.altair(), axis=axis("Sites (mean of the seeds)", x, form="~s"))
    at_y = alt.Y(f"{measure}:Q", scale=y.altair(), axis=axis(title, y, vertical=True, form=form))
    drawn: list[Any] = []
    for value, words in rules:
        drawn += rule(value, words, x)
    if span:
        drawn.append(
            alt.Chart(data)
            .mark_rule(color=SOFT, strokeWidth=0.8, strokeOpacity=0.6)
            .encode(x=at_x, y=alt.Y(f"{measure}_min:Q"), y2=f"{measure}_max:Q")
        )
    drawn.append(
        alt.Chart(data)
        .mark_point(filled=True, size=42, opacity=1, stroke="#fff", strokeWidth=0.7)
        .encode(
            x=at_x,
            y=at_y,
            color=alt.Color(
                "cohort:N",
                scale=alt.Scale(domain=COHORTS, range=[m.colour for m in COHORT_MARKS.values()]),
                legend=alt.Legend(legendX=-box.left + 4, legendY=-TOP + 4, direction="horizontal"),
            ),
            shape=alt.Shape(
                "cohort:N",
                scale=alt.Scale(domain=COHORTS, range=[m.shape for m in COHORT_MARKS.values()]),
            ),
            description="tip:N",
        )
    )
    named = rows.sort("order", "sites", "country", descending=[True, True, False])
    reserved = [(0.0, y.pixels - y.at(v) - 14, 170.0, y.pixels - y.at(v) + 2) for v, _ in rules]
    names = labelled(
        list(named.select("sites", measure, "name").iter_rows()),
        x,
        y,
        most=20 if box.width > 400 else 9,
        reserved=reserved,
    )
    return draw(layers(*drawn, *([names] if names else [])), box, name)


def rule(value: float, words: str, x: Scale) -> list[alt.Chart]:
    """A level threshold with its words on it."""
    data = alt.InlineData(values=[{"level": value, "from": x.low, "words": words}])
    base = alt.Chart(data).encode(y=alt.Y("level:Q"))
    return [
        base.mark_rule(color=INK, strokeWidth=1, strokeDash=[5, 3]),
        base.mark_text(align="left", dx=3, dy=-6, fontSize=10.5, fill=INK).encode(
            x=alt.X("from:Q"), text="words:N"
        ),
    ]
