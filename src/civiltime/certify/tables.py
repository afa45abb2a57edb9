"""The country table and the matrix of shares: what a reader sorts, filters and plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from civiltime.certify.evidence import SeedEvidence
from civiltime.certify.governance import Guesses
from civiltime.errors import Invalid
from civiltime.policy.certification import CertificationPolicy
from civiltime.workspace.shape import arrow_schema, check_columns

SCHEMA = "segment2a_country_diagnostics"
RATED = ("nudge", "tie_break", "singleton", "fallback", "override")


def country_table(seeds: Sequence[SeedEvidence], policy: CertificationPolicy) -> pa.Table:
    """One row a seed and country, seeds in the policy's order, countries in byte order."""
    rows = [row for seed in seeds for row in country_rows(seed, policy)]
    return pa.Table.from_pylist(rows, arrow_schema(SCHEMA))


def country_rows(seed: SeedEvidence, policy: CertificationPolicy) -> list[dict[str, Any]]:
    """The rows of one seed."""
    rows = []
    for c in seed.countries:
        guesses = asdict(seed.guesses.get(c.iso, Guesses()))
        rows.append(
            {
                "seed": seed.seed,
                "run_id": seed.run_id,
                "country": c.iso,
                "sites": c.sites,
                "support": c.support,
                "distinct": c.distinct,
                "top1_tzid": c.top1_tzid,
                "top1_share": float(c.top1),
                "top1_top2_gap": float(c.gap),
                "entropy_norm": c.entropy,
                "entropy_above_1": c.entropy > 1 + 1e-12,
                "c_multi": c.in_multi(policy),
                "c_large": c.in_large(policy),
                "c_large_all": c.in_large(policy, "all"),
                "hull_km2": seed.hull_km2.get(c.iso, 0.0),
                **{f"{kind}_count": guesses[kind] for kind in RATED},
                **{f"{kind}_rate": guesses[kind] / c.sites for kind in RATED},
            }
        )
    return rows


def parse_country_table(raw: bytes, name: str) -> pl.DataFrame:
    """The rows of a country table as it was written.

    Raises :class:`Invalid` where the bytes aren't Parquet, for a column that the table hasn't,
    and for a value that no country has: none at all, or a number that isn't finite.
    """
    try:
        found = pq.read_table(pa.BufferReader(raw))
    except (pa.ArrowException, OSError) as error:
        raise Invalid(f"{name} can't be read as Parquet: {error}") from None
    check_columns(found.schema, SCHEMA, name)
    rows = pl.DataFrame(found.select(arrow_schema(SCHEMA).names))
    number = pl.selectors.float()
    sound = rows.with_columns(pl.when(number.is_finite()).then(number))
    for column in sound.iter_columns():
        if column.null_count():
            raise Invalid(f"{name}: column {column.name} lacks a value", column=column.name)
    return rows


def share_matrix(
    seeds: Sequence[SeedEvidence], countries: int = 20, zones: int = 40
) -> dict[str, Any]:
    """Shares of the greatest zones (columns) in the largest countries (rows), seeds pooled."""
    counts: dict[str, dict[str, int]] = {}
    for seed in seeds:
        for c in seed.countries:
            here = counts.setdefault(c.iso, {})
            for tzid, n in c.zones:
                here[tzid] = here.get(tzid, 0) + n
    totals = {iso: sum(row.values()) for iso, row in counts.items()}
    top = sorted(totals, key=lambda iso: (-totals[iso], iso))[:countries]
    by_zone: dict[str, int] = {}
    for iso in top:
        for tzid, n in counts[iso].items():
            by_zone[tzid] = by_zone.get(tzid, 0) + n
    kept = sorted(by_zone, key=lambda tzid: (-by_zone[tzid], tzid))[:zones]
    shares = []
    for iso in top:
        row = [counts[iso].get(tzid, 0) for tzid in kept]
        shares.append([n / totals[iso] for n in (*row, totals[iso] - sum(row))])
    return {"countries": top, "zones": [*kept, "OTHER"], "shares": shares}
