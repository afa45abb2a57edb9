"""How much the four C_multi metrics differ between seeds (specification 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

from civiltime.certify.gates import Gate, Judged, judge_number
from civiltime.certify.metrics import MULTI_METRICS
from civiltime.policy.certification import CertificationPolicy

CV = "cross_seed_cv"
TITLES = {
    "c_multi_share_two_zones": "Spread over the seeds: share with two zones or more",
    "c_multi_median_top1": "Spread over the seeds: median share of the leading zone",
    "c_multi_median_gap": "Spread over the seeds: median lead over the second zone",
    "c_multi_median_entropy": "Spread over the seeds: median normalised entropy",
}


@dataclass(frozen=True)
class Stability:
    """One metric over the seeds that have it."""

    metric: str
    values: Mapping[str, float]
    judged: Judged

    @property
    def mean(self) -> float | None:
        """Arithmetic mean."""
        return fmean(self.values.values()) if self.values else None

    @property
    def sd(self) -> float | None:
        """Standard deviation of the population of seeds."""
        return pstdev(self.values.values()) if self.values else None

    def document(self) -> dict[str, Any]:
        """The metric as a certification states it."""
        judged = self.judged
        return {
            "metric": self.metric,
            "values": dict(self.values),
            "mean": self.mean,
            "sd": self.sd,
            "cv": judged.value,
            "b": judged.b,
            "b_plus": judged.b_plus,
            "band": judged.band,
        }


def coefficient_of_variation(values: list[float]) -> float | None:
    """Population standard deviation over the mean; 0 where all are 0, None without values."""
    if not values:
        return None
    mean = fmean(values)
    return pstdev(values) / mean if mean else 0.0


def stability(
    metrics: Mapping[str, Mapping[str, float | int | None]], policy: CertificationPolicy
) -> list[Stability]:
    """The four metrics over the seeds (keys of ``metrics``) that have a figure."""
    found = []
    for name in MULTI_METRICS:
        values = {s: float(m[name] or 0.0) for s, m in metrics.items() if m.get(name) is not None}
        gate = Gate(CV, "stability", TITLES[name])
        cv = coefficient_of_variation(list(values.values()))
        found.append(Stability(name, values, judge_number(gate, cv, policy)))
    return found
