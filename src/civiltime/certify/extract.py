"""Every override and every fallback, with reason, owner and scope (specification 4.4, no. 8).

Reports name no sites, so both are told by country.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from civiltime.certify.evidence import SeedEvidence


def extract(seeds: Sequence[SeedEvidence]) -> dict[str, Any]:
    """What was set by hand and what was guessed, over the seeds that could be scored."""
    scored = [seed for seed in seeds if seed.scored]
    return {
        "overrides": list(_all(map(_overrides, scored))),
        "fallbacks": list(_all(map(_fallbacks, scored))),
    }


def _all(parts: Iterable[Iterable[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for part in parts:
        yield from part


def _overrides(seed: SeedEvidence) -> Iterator[dict[str, Any]]:
    report = seed.reports["S2"]
    by_country = sorted(report["counts"]["overrides_by_country"].items())
    for applied in report["governance"]["applied"]:
        scope = applied["scope"]
        yield {
            "seed": str(seed.seed),
            **applied,
            "sites_of_scope_by_country": {c: n[scope] for c, n in by_country if scope in n},
        }


def _fallbacks(seed: SeedEvidence) -> Iterator[dict[str, Any]]:
    for iso, row in sorted(seed.reports["S1"]["counts"]["by_country"].items()):
        within, outside = row.get("fallbacks_within", 0), row.get("fallbacks_outside", 0)
        if within or outside:
            yield {
                "seed": str(seed.seed),
                "country": iso,
                "sites": row["sites"],
                "within_threshold": within,
                "outside_threshold": outside,
                "reason": "no zone of the boundaries decides these sites",
                "owner": "tz_lookup_policy, nearest_fallback",
                "scope": "country",
            }
