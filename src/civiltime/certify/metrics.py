"""What a country's sites score, and what the cohorts score (specification 4.1 and 4.2).

Shares are kept as fractions of whole numbers until the last step, so that a threshold that
is met exactly is met: the median of 0.90 and 0.94 is 0.92.  Only entropy needs logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from statistics import median

from civiltime.policy.certification import CertificationPolicy

MULTI_METRICS = (
    "c_multi_share_two_zones",
    "c_multi_median_top1",
    "c_multi_median_gap",
    "c_multi_median_entropy",
)
"""The four whose spread over the seeds is judged."""

FORMULAS = {
    "top1_share": "sites in the country's leading zone / its sites; ties go to the first tzid",
    "top1_top2_gap": "top1_share - share of the second zone; 1 where one zone is observed",
    "entropy_norm": "-sum(p ln p) over observed zones / ln(support); 0 where support < 2",
    "c_multi": "support >= c_multi.min_support and sites >= c_multi.min_sites",
    "c_large": "sites >= c_large.min_sites, and support >= 2 unless eligibility is all",
    "c_multi_share_two_zones": "countries of C_multi with two zones or more / countries of C_multi",
    "c_multi_median_top1": "median of top1_share over C_multi",
    "c_multi_median_gap": "median of top1_top2_gap over C_multi",
    "c_multi_median_entropy": "median of entropy_norm over C_multi",
    "c_large_share_top1_below": "countries of C_large with top1_share < c_large.top1_share_below"
    " / countries of C_large",
    "fallback_rate": "sites that took the nearest zone of their country / sites",
    "override_rate": "sites that an override decided / sites",
    "cross_seed_cv": "population standard deviation / mean over the seeds; 0 where all are 0",
}


@dataclass(frozen=True)
class Country:
    """The sites of one country in one seed.

    ``zones`` holds (tzid, sites), most sites first, ties in byte order of the tzid.
    """

    iso: str
    support: int
    zones: tuple[tuple[str, int], ...]

    @cached_property
    def sites(self) -> int:
        """All sites of the country."""
        return sum(n for _, n in self.zones)

    @property
    def distinct(self) -> int:
        """Zones that have a site."""
        return len(self.zones)

    @property
    def top1_tzid(self) -> str:
        """The leading zone."""
        return self.zones[0][0]

    @property
    def top1(self) -> Fraction:
        """Share of the leading zone."""
        return Fraction(self.zones[0][1], self.sites)

    @property
    def gap(self) -> Fraction:
        """Share of the leading zone less that of the second; 1 where there is one zone."""
        if len(self.zones) == 1:
            return Fraction(1)
        return Fraction(self.zones[0][1] - self.zones[1][1], self.sites)

    @cached_property
    def entropy(self) -> float:
        """Shannon entropy of the observed shares over that of an even spread on the support.

        Over 1 where sites fall in zones of other countries, beyond the country's own.
        """
        if self.support < 2:
            return 0.0
        shares = [n / self.sites for _, n in self.zones]
        return (0.0 - math.fsum(p * math.log(p) for p in shares)) / math.log(self.support)

    def in_multi(self, policy: CertificationPolicy) -> bool:
        """Whether the country is of the cohort C_multi."""
        return self.support >= policy.c_multi_min_support and self.sites >= policy.c_multi_min_sites

    def in_large(self, policy: CertificationPolicy, eligibility: str | None = None) -> bool:
        """Whether the country is of C_large, by the policy's eligibility or by the one given."""
        several = self.support >= 2 or (eligibility or policy.c_large_eligibility) == "all"
        return several and self.sites >= policy.c_large_min_sites


def countries_of(
    counts: Iterable[tuple[str, str, int]], support: Mapping[str, int]
) -> tuple[Country, ...]:
    """Countries in byte order, from (country, tzid, sites); pairs without sites don't count."""
    zones: dict[str, list[tuple[str, int]]] = {}
    for iso, tzid, n in counts:
        if n:
            zones.setdefault(iso, []).append((tzid, n))
    return tuple(
        Country(iso, support.get(iso, 0), tuple(sorted(zones[iso], key=lambda z: (-z[1], z[0]))))
        for iso in sorted(zones)
    )


Metrics = dict[str, float | int | None]


def cohort_metrics(countries: Sequence[Country], policy: CertificationPolicy) -> Metrics:
    """Every figure of specification 4.2 over the cohorts; None where a cohort is empty."""
    multi = [c for c in countries if c.in_multi(policy)]
    large = {e: [c for c in countries if c.in_large(policy, e)] for e in ("multi_tz", "all")}
    below = {e: _share(lambda c: float(c.top1) < limit(policy), cs) for e, cs in large.items()}
    return {
        "sites": sum(c.sites for c in countries),
        "countries": len(countries),
        "c_multi": len(multi),
        "c_large": len(large[policy.c_large_eligibility]),
        "c_large_multi_tz": len(large["multi_tz"]),
        "c_large_all": len(large["all"]),
        "c_single": sum(not (c.in_multi(policy) or c.in_large(policy)) for c in countries),
        "c_multi_share_two_zones": _share(lambda c: c.distinct >= 2, multi),
        "c_multi_median_top1": _median([c.top1 for c in multi]),
        "c_multi_median_gap": _median([c.gap for c in multi]),
        "c_multi_median_entropy": median(c.entropy for c in multi) if multi else None,
        "c_large_share_top1_below": below[policy.c_large_eligibility],
        "c_large_share_top1_below_multi_tz": below["multi_tz"],
        "c_large_share_top1_below_all": below["all"],
    }


def limit(policy: CertificationPolicy) -> float:
    """The share of the leading zone under which a large country counts as spread."""
    return policy.c_large_top1_share_below


def _share(holds: Callable[[Country], bool], countries: Sequence[Country]) -> float | None:
    return sum(map(holds, countries)) / len(countries) if countries else None


def _median(values: Sequence[Fraction]) -> float | None:
    return float(median(values)) if values else None
