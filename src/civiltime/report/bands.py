"""Plots 5, 7 and 8: how a figure is distributed over the countries."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from civiltime.report.palette import BLUE, GREEN, INK, PURPLE, SOFT, VERMILLION
from civiltime.report.style import Frame, Scale, axis, draw, layers, values
from civiltime.report.svg import Drawing, stack

SEED_LINES = (
    (BLUE, [1, 0]),
    (VERMILLION, [6, 3]),
    (GREEN, [2, 2]),
    (PURPLE, [8, 2, 2, 2]),
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
    box = Frame.within(width, max(16 * rows.height, 40), left=118, right=44, top=30, bottom=48)
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
    lines = base.mark_rule(color=BLUE, strokeWidth=1.5).encode(
        x=alt.X("top1_share_min:Q", scale=x.altair(), axis=at), x2="top1_share_max:Q"
    )
    dots = base.mark_point(filled=True, size=48, color=BLUE, opacity=1).encode(
        x=alt.X("top1_share:Q", scale=x.altair(), axis=at), description="tip:N"
    )
    return draw(layers(*uprights(limits, per_cent=True), lines, dots), box, "p5")


def gap(countries: pl.DataFrame, limits: tuple[float, float] | None, width: int) -> Drawing:
    """Plot 7: the cumulative share of C_multi countries by gap, one line a seed."""
    judged = countries.filter("c_multi").select("seed", "top1_top2_gap", "country")
    seeds = sorted(judged["seed"].unique(), key=int)
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


def uprights(limits: tuple[float, float] | None, *, per_cent: bool = False) -> list[Any]:
    """Thresholds of a median as upright lines, each named on its outer side above the plot."""
    if limits is None:
        return []
    lower, upper = sorted(zip(limits, ("B", "B+"), strict=True))
    lines = []
    sides: tuple[tuple[Any, Any, int], ...] = ((lower, "right", 4), (upper, "left", -4))
    for (value, band), align, dx in sides:
        words = f"{band} {100 * value:g}%" if per_cent else f"{band} {value:g}"
        base = alt.Chart(alt.InlineData(values=[{"at": value, "words": words}]))
        base = base.encode(x=alt.X("at:Q"))
        lines += [
            base.mark_rule(color=INK, strokeWidth=1, strokeDash=[5, 3]),
            base.mark_text(
                fontSize=10.5, fill=INK, baseline="bottom", dy=-4, dx=dx, align=align
            ).encode(y=alt.value(0), text="words:N"),
        ]
    return lines


def zone_count(countries: pl.DataFrame, width: int) -> Drawing:
    """Plot 8: histogram and cumulative share of the number of zones."""
    seeds = max(countries["seed"].n_unique(), 1)
    several = _counts(countries.filter(pl.col("support") > 1))
    rows = several.with_columns(
        n=pl.col("n") / seeds,
        tip=pl.format(
            "{} zones: {} countries; {} % of those with several zones have at most as many",
            "distinct",
            (pl.col("n") / seeds).round(1),
            (100 * pl.col("share")).round(1),
        ),
    )
    most = max([4, *countries["distinct"].to_list(), *countries["support"].to_list()])
    box = Frame.within(width, 150, top=32, left=46, right=16, bottom=48)
    x = Scale("linear", 0.4, most + 0.6, box.width)
    y = Scale("linear", 0.0, max([1.0, *rows["n"].to_list()]) * 1.15, box.height)
    step = 1 if most <= 12 else 5
    ticks = [1, *range(step if step > 1 else 2, most + 1, step)]
    at = axis("Distinct zones", x, form="d", values=ticks)
    bars = alt.Chart(values(rows)).encode(x=alt.X("distinct:Q", scale=x.altair(), axis=at))
    histogram = bars.mark_bar(color=BLUE, width=max(3.0, 0.62 * box.width / most)).encode(
        y=alt.Y(
            "n:Q", scale=y.altair(), axis=axis("Countries with several zones", y, vertical=True)
        ),
        description="tip:N",
    )
    return stack(
        draw(layers(histogram), box, "p8a"),
        draw(_cumulative(several, _counts(countries), x, box, at), box, "p8b"),
    )


def _counts(countries: pl.DataFrame) -> pl.DataFrame:
    """``distinct, n, share``: rows by number of zones, and the share with at most so many."""
    counts = countries.group_by("distinct").agg(pl.len().cast(pl.Float64).alias("n"))
    return counts.sort("distinct").with_columns(share=pl.col("n").cum_sum() / pl.col("n").sum())


def _cumulative(
    several: pl.DataFrame, every: pl.DataFrame, x: Scale, box: Frame, at: alt.Axis
) -> alt.LayerChart:
    """Both cumulative shares, each named where it is to be read."""
    full = Scale("linear", 0.0, 1.0, box.height)
    lines = []
    for steps, dash, words, dy in (
        (every, [6, 3], "all countries", -11),
        (several, [1, 0], "countries with several zones", 15),
    ):
        points = [(x.low, 0.0), *steps.select("distinct", "share").rows()]
        points.append((x.high, points[-1][1]))
        data = alt.InlineData(values=[{"distinct": a, "share": b} for a, b in points])
        half = points[len(points) // 2]
        name = alt.InlineData(values=[{"distinct": half[0], "share": half[1], "words": words}])
        where = alt.X("distinct:Q", scale=x.altair(), axis=at)
        up = alt.Y(
            "share:Q",
            scale=full.altair(),
            axis=axis("Share with at most so many", full, vertical=True, form=".0%"),
        )
        lines += [
            alt.Chart(data)
            .mark_line(interpolate="step-after", color=BLUE, strokeWidth=1.8, strokeDash=dash)
            .encode(x=where, y=up),
            alt.Chart(name)
            .mark_text(align="left", fontSize=10.5, fill=INK, dy=dy)
            .encode(x=where, y=up, text="words:N"),
        ]
    return layers(*lines)
