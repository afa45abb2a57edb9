"""What S1 counts while it streams: decisions by country, rates, bounded samples.

The law (specification 3.1): counts in total and by country; rates are shares of all
sites, or of a country's; a cap is exceeded when the rate is greater than it.  Samples are the
first rows without an answer, then the first that fell back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from civiltime.policy.lookup import LookupPolicy
from civiltime.states.precedence import (
    FALLEN_BACK,
    OVERRIDDEN,
    Decision,
    Precedence,
    Resolved,
    Sites,
    country_iso,
)

KINDS = len(Decision)
NAMES: dict[str, tuple[Decision, ...]] = {
    "tie_breaks_country": (Decision.TIE_COUNTRY, Decision.NUDGE_TIE_COUNTRY),
    "tie_breaks_preference": (Decision.TIE_PREFERENCE, Decision.NUDGE_TIE_PREFERENCE),
    "overrides_site": (Decision.OVERRIDE_SITE,),
    "overrides_mcc": (Decision.OVERRIDE_MCC,),
    "overrides_country": (Decision.OVERRIDE_COUNTRY,),
    "singletons": (Decision.SINGLETON,),
    "fallbacks_within": (Decision.FALLBACK_WITHIN,),
    "fallbacks_outside": (Decision.FALLBACK_OUTSIDE,),
    "unresolved": (Decision.UNRESOLVED,),
}


def _zeros(*shape: int) -> npt.NDArray[np.int64]:
    return np.zeros(shape, np.int64)


def _samples(
    sites: Sites, answer: Resolved, precedence: Precedence, rows: npt.NDArray[np.int64]
) -> list[dict[str, Any]]:
    zones = precedence.tiebreak.zones
    samples = []
    for row, candidates in zip(rows.tolist(), zones.zone_sets(answer.codes[rows]), strict=True):
        iso = country_iso(int(sites.country[row]))
        metres = answer.distance_m.get(row)
        chosen = int(answer.zone[row])
        samples.append(
            {
                "key": f"{sites.merchant_id[row]}|{iso}|{sites.site_order[row]}",
                "candidates": [zones.tzids[z] for z in candidates],
                "reason": Decision(int(answer.decision[row])).name,
                "tzid": zones.tzids[chosen] if chosen >= 0 else None,
                "distance_m": None if metres is None or np.isinf(metres) else round(metres, 3),
            }
        )
    return samples


@dataclass
class Tally:
    """Counts over all batches; ``by_country[country number, decision]``."""

    by_country: npt.NDArray[np.int64] = field(default_factory=lambda: _zeros(26 * 26, KINDS))
    nudged: npt.NDArray[np.int64] = field(default_factory=lambda: _zeros(26 * 26))
    idle: npt.NDArray[np.int64] | None = None
    null_zones: int = 0
    unknown_zones: int = 0
    half_nudges: int = 0
    sample_limit: int = 0
    unresolved: list[dict[str, Any]] = field(default_factory=list)
    fallen_back: list[dict[str, Any]] = field(default_factory=list)

    @property
    def samples(self) -> list[dict[str, Any]]:
        """Rows without an answer and rows that fell back, at most ``sample_limit``."""
        return [*self.unresolved, *self.fallen_back][: self.sample_limit]

    def add(self, sites: Sites, answer: Resolved, precedence: Precedence, limit: int) -> None:
        """Count one batch, and keep the first rows that fell back or stayed unresolved."""
        decision = answer.decision.astype(np.int64)
        cells = np.bincount(sites.country * KINDS + decision, minlength=self.by_country.size)
        self.by_country += cells.reshape(self.by_country.shape)
        moved = ~np.isnan(answer.nudge_lon)
        self.nudged += np.bincount(sites.country[moved], minlength=len(self.nudged))
        self.half_nudges += int((moved != ~np.isnan(answer.nudge_lat)).sum())
        self.null_zones += int((answer.zone < 0).sum())
        self.unknown_zones += int((answer.zone >= len(precedence.tiebreak.zones.tzids)).sum())
        if precedence.overrides.active:
            self._count_idle(sites, decision, precedence)
        self.sample_limit = limit
        unresolved = answer.decision == Decision.UNRESOLVED
        fallen_back = (answer.decision >= Decision.FALLBACK_WITHIN) & ~unresolved
        for rows, samples in ((unresolved, self.unresolved), (fallen_back, self.fallen_back)):
            chosen = np.flatnonzero(rows)[: max(limit - len(samples), 0)]
            samples.extend(_samples(sites, answer, precedence, chosen))

    def _count_idle(
        self, sites: Sites, decision: npt.NDArray[np.int64], precedence: Precedence
    ) -> None:
        if self.idle is None:
            self.idle = _zeros(len(precedence.overrides.active))
        decided = decision < Decision.OVERRIDE_SITE
        for matched in precedence.overrides.matches(sites).values():
            hits = matched[decided & (matched >= 0)]
            self.idle += np.bincount(hits, minlength=len(self.idle))

    def total(self, *decisions: Decision) -> int:
        """Rows that any of these decided."""
        return int(self.by_country[:, list(decisions)].sum())

    @property
    def sites(self) -> int:
        """All rows."""
        return int(self.by_country.sum())

    @property
    def fallback_rate(self) -> float:
        """Share of sites that took the nearest zone."""
        return self.total(*FALLEN_BACK) / max(self.sites, 1)

    @property
    def override_rate(self) -> float:
        """Share of sites that an override decided."""
        return self.total(*OVERRIDDEN) / max(self.sites, 1)

    def _rates(self, decisions: tuple[Decision, ...]) -> dict[str, float]:
        counts = self.by_country[:, list(decisions)].sum(axis=1)
        sites = self.by_country.sum(axis=1)
        return {country_iso(int(c)): float(counts[c] / sites[c]) for c in np.flatnonzero(counts)}

    def not_consulted(self, active: int) -> npt.NDArray[np.int64]:
        """For each active override, the rows that it matched but geometry had decided."""
        return _zeros(active) if self.idle is None else self.idle

    def worst_fallback_countries(self) -> list[str]:
        """The five countries with most fallbacks, with their counts."""
        return self._worst(FALLEN_BACK)

    def worst_override_countries(self) -> list[str]:
        """The five countries with most overrides, with their counts."""
        return self._worst(OVERRIDDEN)

    def _worst(self, decisions: tuple[Decision, ...]) -> list[str]:
        counts = self.by_country[:, list(decisions)].sum(axis=1)
        order = np.argsort(-counts, kind="stable")[:5]
        return [f"{country_iso(int(c))} {counts[c]:,}" for c in order if counts[c]]

    def countries_over_cap(self, policy: LookupPolicy) -> list[tuple[str, float, int]]:
        """(country, fallback rate, sites) of every country over its cap."""
        sites = self.by_country.sum(axis=1)
        counts = self.by_country[:, list(FALLEN_BACK)].sum(axis=1)
        judged = sites >= max(policy.fallback_country_min_sites, 1)
        rate = counts / np.maximum(sites, 1)
        over = np.flatnonzero(judged & (rate > policy.fallback_country_rate_cap))
        return [(country_iso(int(c)), float(rate[c]), int(sites[c])) for c in over]

    def counts(self) -> dict[str, Any]:
        """The report's counts: totals, and every country that has sites."""
        sites = self.by_country.sum(axis=1)
        countries = {}
        for c in np.flatnonzero(sites):
            row = {name: int(self.by_country[c, list(d)].sum()) for name, d in NAMES.items()}
            nonzero = {name: n for name, n in row.items() if n}
            if self.nudged[c]:
                nonzero["nudged"] = int(self.nudged[c])
            countries[country_iso(int(c))] = {"sites": int(sites[c]), **nonzero}
        return {
            "sites": self.sites,
            "nudged": int(self.nudged.sum()),
            **{name: self.total(*d) for name, d in NAMES.items()},
            "by_country": countries,
        }

    def governance(self, policy: LookupPolicy) -> dict[str, Any]:
        """The report's rates, in total and by country, with the caps beside them."""
        ties = NAMES["tie_breaks_country"] + NAMES["tie_breaks_preference"]
        return {
            "fallback_rate": self.fallback_rate,
            "fallback_rate_cap": policy.fallback_rate_cap,
            "fallback_rate_by_country": self._rates(FALLEN_BACK),
            "fallback_country_cap": {
                "rate": policy.fallback_country_rate_cap,
                "min_sites": policy.fallback_country_min_sites,
            },
            "override_rate": self.override_rate,
            "override_rate_cap": policy.override_rate_cap,
            "override_rate_by_country": self._rates(OVERRIDDEN),
            "tie_break_rate": self.total(*ties) / max(self.sites, 1),
            "tie_break_rate_by_country": self._rates(ties),
        }
