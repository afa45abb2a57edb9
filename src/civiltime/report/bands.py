"""Plots 5, 7 and 8: how a figure is distributed over the countries."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from civiltime.report.palette import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, SOFT, VERMILLION
from civiltime.report.style import Frame, Scale, axis, draw, layers, values
from civiltime.report.svg import Drawing, stack

SEED_LINES = (
    (BLUE, [1, 0]),
    (VERMILLION, [6, 3]),
    (GREEN, [2, 2]),
    (PURPLE, [8, 2, 2, 2]),
    (ORANGE, [3, 1]),
    (INK, [1, 3]),
)
"""A seed's colour and dashes."""


def top1_share(frame: pl.DataFrame, limits: tuple[float, float] | None, width: int) -> Drawing:
    """Plot 5: a row for each country of C_multi, with the range over the seeds."""
    rows = (
        frame.filter("c_multi")
        .sort("top1_share", "country", descending=[True, False])
        .head(40)
        .with_columns(
            tip=pl.format(
                "{}: {} in {}",
                "name",
                pl.col("top1_share").map_elements(lambda v: f"{v:.1%}", return_dtype=pl.String),
                "top1_tzid",
            )
        )
    )
    box = Frame.within(width, max(16 * rows.height, 40), left=118, right=20, top=30, bottom=48)
    x = Scale("linear", 0.0, 1.0, box.width)
    names = rows["name"].to_list()
    base = alt.Chart(values(rows)).encode(
        y=alt.Y(
            "name:N",
            sort=names,
            axis=alt.Axis(title=None, labelColor=INK, labelLimit=112, grid=False),
        )
    )
    at = axis("Share of the country's sites in its leading zone", x, form=".0%")
    lines = base.mark_rule(color=SKY, strokeWidth=4, strokeCap="round").encode(
        x=alt.X("top1_share_min:Q", scale=x.altair(), axis=at), x2="top1_share_max:Q"
    )
    dots = base.mark_point(filled=True, size=48, color=BLUE, opacity=1).encode(
        x=alt.X("top1_share:Q", scale=x.altair(), axis=at), description="tip:N"
    )
    return draw(layers(*uprights(limits), lines, dots), box, "p5")


def gap(countries: pl.DataFrame, limits: tuple[float, float] | None, width: int) -> Drawing:
    """Plot 7: the cumulative share of C_multi countries by gap, one line a seed."""
    judged = countries.filter("c_multi").select("seed", "top1_top2_gap", "country")
    seeds = judged["seed"].unique(maintain_order=True).to_list()
    steps = (
        judged.sort("seed", "top1_top2_gap", "country")
        .with_columns(share=(pl.int_range(pl.len()) + 1).over("seed") / pl.len().over("seed"))
        .select("seed", "top1_top2_gap", "share")
    )
    ends = pl.DataFrame(
        [(s, v, float(v)) for s in seeds for v in (0.0, 1.0)],
        schema=steps.schema,
        orient="row",
    )
    line = pl.concat([steps, ends]).sort("seed", "top1_top2_gap", "share")
    box = Frame.within(width, 330, top=62, left=46, right=16)
    x, y = Scale("linear", 0.0, 1.0, box.width), Scale("linear", 0.0, 1.0, box.height)
    colours = [SEED_LINES[i % len(SEED_LINES)][0] for i in range(len(seeds))]
    dashes = [SEED_LINES[i % len(SEED_LINES)][1] for i in range(len(seeds))]
    names = [f"seed {s}" for s in seeds]
    line = line.with_columns(seed=pl.format("seed {}", "seed"))
    curves = (
        alt.Chart(values(line))
        .mark_line(interpolate="step-after", strokeWidth=1.8)
        .encode(
            x=alt.X(
                "top1_top2_gap:Q",
                scale=x.altair(),
                axis=axis("Lead of the first zone over the second", x, form=".1f"),
            ),
            y=alt.Y(
                "share:Q",
                scale=y.altair(),
                axis=axis("Share of C_multi countries", y, vertical=True, form=".0%"),
            ),
            color=alt.Color(
                "seed:N",
                scale=alt.Scale(domain=names, range=colours),
                legend=alt.Legend(
                    legendX=-box.left + 4, legendY=-58, direction="horizontal", symbolType="stroke"
                ),
            ),
            strokeDash=alt.StrokeDash("seed:N", scale=alt.Scale(domain=names, range=dashes)),
        )
    )
    half = (
        alt.Chart(alt.InlineData(values=[{"y": 0.5}]))
        .mark_rule(color=SOFT, strokeWidth=1)
        .encode(y="y:Q")
    )
    return draw(layers(half, *uprights(limits), curves), box, "p7")


def uprights(limits: tuple[float, float] | None) -> list[Any]:
    """Thresholds of a median as upright lines, named above the plot."""
    if limits is None:
        return []
    rows = [{"at": v, "words": w} for v, w in zip(limits, ("B", "B+"), strict=True)]
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=alt.X("at:Q"))
    return [
        base.mark_rule(color=INK, strokeWidth=1, strokeDash=[5, 3]),
        base.mark_text(fontSize=10.5, fill=INK, baseline="bottom", dy=-4).encode(
            y=alt.value(0), text="words:N"
        ),
    ]


def zone_count(countries: pl.DataFrame, width: int) -> Drawing:
    """Plot 8: countries by their number of zones, and the share with at most so many."""
    seeds = max(countries["seed"].n_unique(), 1)
    rows = (
        countries.group_by("distinct")
        .agg(pl.len().alias("n"))
        .sort("distinct")
        .with_columns(n=pl.col("n") / seeds, share=pl.col("n").cum_sum() / pl.col("n").sum())
        .with_columns(
            tip=pl.format(
                "{} zones: {} countries, {} % have at most as many",
                "distinct",
                pl.col("n").round(1),
                (100 * pl.col("share")).round(1),
            )
        )
    )
    most = max([4, *rows["distinct"].to_list()])
    box = Frame.within(width, 150, top=32, left=46, right=16, bottom=48)
    x = Scale("linear", 0.4, most + 0.6, box.width)
    y = Scale("linear", 0.0, max([1.0, *rows["n"].to_list()]) * 1.12, box.height)
    at = axis("Distinct zones", x, form="d")
    bars = alt.Chart(values(rows)).encode(x=alt.X("distinct:Q", scale=x.altair(), axis=at))
    histogram = layers(
        bars.mark_bar(color=BLUE, width=max(3.0, 0.62 * box.width / most)).encode(
            y=alt.Y("n:Q", scale=y.altair(), axis=axis("Countries", y, vertical=True)),
            description="tip:N",
        ),
        bars.mark_text(fontSize=10.5, fill=INK, baseline="bottom", dy=-2).encode(
            y=alt.Y("n:Q"), text=alt.Text("n:Q", format=".3~g")
        ),
    )
    full = Scale("linear", 0.0, 1.0, box.height)
    low = pl.DataFrame({"distinct": [0.4], "share": [0.0]})
    high = pl.DataFrame({"distinct": [most + 0.6], "share": [1.0]})
    steps = rows.select(pl.col("distinct").cast(pl.Float64), "share")
    line = pl.concat([low, steps, high]) if rows.height else low
    ecdf = (
        alt.Chart(values(line))
        .mark_line(interpolate="step-after", color=BLUE, strokeWidth=1.8)
        .encode(
            x=alt.X("distinct:Q", scale=x.altair(), axis=at),
            y=alt.Y(
                "share:Q",
                scale=full.altair(),
                axis=axis("Share of countries", full, vertical=True, form=".0%"),
            ),
        )
    )
    return stack(draw(histogram, box, "p8a"), draw(ecdf, box, "p8b"))
