"""Figures for the plots: one row a country over all seeds, and the zones of its sites.

The law: a country's figure is the mean over the seeds that have it, its range the least and
the greatest of them; nothing is smoothed, weighted or left out.
"""

from __future__ import annotations

import polars as pl

from civiltime.report.evidence import Evidence

MEASURES = ("distinct", "top1_share", "top1_top2_gap", "entropy_norm")
LARGE, SEVERAL, OUTSIDE = "large, several zones", "several zones", "not judged"


def by_country(evidence: Evidence) -> pl.DataFrame:
    """One row a country: mean, least and greatest of each measure over the seeds."""
    measures = [
        getattr(pl.col(c).cast(pl.Float64), how)().alias(c if how == "mean" else f"{c}_{how}")
        for c in MEASURES
        for how in ("mean", "min", "max")
    ]
    frame = evidence.countries.group_by("country").agg(
        pl.col("sites").cast(pl.Float64).mean(),
        pl.col("support").max(),
        *measures,
        pl.col("hull_km2").mean(),
        pl.col("c_multi").any(),
        pl.col("c_large").any(),
        pl.col("top1_tzid").sort_by("top1_share", "top1_tzid").last(),
    )
    names = {c: evidence.name(c) for c in frame["country"]}
    return frame.with_columns(
        name=pl.col("country").replace_strict(names, return_dtype=pl.String),
        cohort=pl.when(pl.col("c_multi") & pl.col("c_large"))
        .then(pl.lit(LARGE))
        .when(pl.col("c_multi"))
        .then(pl.lit(SEVERAL))
        .otherwise(pl.lit(OUTSIDE)),
    ).sort("sites", "country", descending=[True, False])


def zone_counts(evidence: Evidence) -> pl.DataFrame:
    """``country, tzid, n``: sites by country and zone over all seeds."""
    counts = [s.sites.group_by("country", "tzid").len("n") for s in evidence.seeds]
    if not counts:
        return pl.DataFrame(schema={"country": pl.String(), "tzid": pl.String(), "n": pl.UInt32()})
    texts = [c.with_columns(pl.col("country", "tzid").cast(pl.String)) for c in counts]
    return (
        pl.concat(texts)
        .group_by("country", "tzid")
        .agg(pl.col("n").sum())
        .sort("country", "n", "tzid", descending=[False, True, False])
    )


def share_matrix(counts: pl.DataFrame, countries: list[str], zones: int) -> pl.DataFrame:
    """``country, tzid, share`` of these countries; zones beyond ``zones`` are ``OTHER``.

    Every country's leading zone is kept first, then the zones with the most sites.

    Zones stand in the order of the country that uses them most.
    """
    here = counts.filter(pl.col("country").is_in(countries))
    leads = pl.col("n") == pl.col("n").max().over("country")
    kept = (
        here.with_columns(leads=leads)
        .group_by("tzid")
        .agg(pl.col("n").sum(), pl.col("leads").any())
        .sort("leads", "n", "tzid", descending=[True, True, False])
        .head(zones)["tzid"]
        .to_list()
    )
    frame = (
        here.with_columns(
            tzid=pl.when(pl.col("tzid").is_in(kept)).then(pl.col("tzid")).otherwise(pl.lit("OTHER"))
        )
        .group_by("country", "tzid")
        .agg(pl.col("n").sum())
        .with_columns(share=pl.col("n") / pl.col("n").sum().over("country"))
    )
    order = {c: i for i, c in enumerate(countries)}
    home = (
        frame.sort("n", "country", descending=[True, False])
        .group_by("tzid", maintain_order=True)
        .agg(pl.col("country").first().alias("home"), pl.col("n").first().alias("home_n"))
        .with_columns(
            place=pl.col("home").replace_strict(order, return_dtype=pl.Int64),
            last=pl.col("tzid") == "OTHER",
        )
        .sort("last", "place", "home_n", "tzid", descending=[False, False, True, False])
        .with_row_index("row")
        .select("tzid", "row")
    )
    return (
        frame.join(home, on="tzid")
        .with_columns(column=pl.col("country").replace_strict(order, return_dtype=pl.Int64))
        .sort("row", "column")
    )
