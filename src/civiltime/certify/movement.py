"""Against a baseline certification: what moved, how far, and whether that is an improvement.

Effect sizes first, p-values second (specification 4.4, no. 5), on the countries of C_multi,
seeds pooled:

* Kolmogorov-Smirnov and Wasserstein distance of the distributions of top-1 and entropy;
* the lift of C_multi coverage in percentage points, with a two-proportion z test (pooled
  variance, two-sided);
* Gini's coefficient of the top-1 shares.

An axis is a gate's figure, mean over the seeds.  It moved when it changed by more than
:data:`TOLERANCE` of 1 (governance: at all), and improved when it moved to the good side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from scipy import stats

from civiltime.certify.gates import BY_ID
from civiltime.certify.metrics import Metrics
from civiltime.policy.certification import AT_LEAST

TOLERANCE = 0.005
GOVERNANCE = ("fallback_rate", "override_rate")


def gini(values: Sequence[float]) -> float:
    """Gini's coefficient, 0 where all are equal: sum((2i - n - 1) x_i) / (n sum(x)), sorted."""
    total = math.fsum(values)
    if not total:
        return 0.0
    n = len(values)
    ordered = sorted(values)
    return math.fsum((2 * i - n - 1) * x for i, x in enumerate(ordered, start=1)) / (n * total)


def two_proportions(hits: int, n: int, hits_before: int, n_before: int) -> dict[str, Any]:
    """Lift in percentage points, and the two-proportion z test; z None without variance."""
    lift = 100.0 * (hits / n - hits_before / n_before)
    pooled = (hits + hits_before) / (n + n_before)
    variance = pooled * (1 - pooled) * (1 / n + 1 / n_before)
    z = (hits / n - hits_before / n_before) / math.sqrt(variance) if variance > 0 else None
    p = None if z is None else float(2 * stats.norm.sf(abs(z)))
    return {"lift_pp": lift, "z": z, "p_value": p, "n": n, "n_baseline": n_before}


def distributions(name: str, now: Sequence[float], before: Sequence[float]) -> dict[str, Any]:
    """How far two distributions over countries lie apart."""
    ks = stats.ks_2samp(now, before)
    return {
        "measure": name,
        "wasserstein": float(stats.wasserstein_distance(now, before)),
        "ks": float(ks.statistic),
        "ks_p_value": float(ks.pvalue),
        "mean": fmean(now),
        "mean_baseline": fmean(before),
        "n": len(now),
        "n_baseline": len(before),
    }


def axes(now: Sequence[Metrics], before: Sequence[Metrics]) -> list[dict[str, Any]]:
    """One row a gate: both means, the change, and ``improved``, ``unchanged`` or ``regressed``."""
    rows = []
    for gate in (g for g in BY_ID if any(g in m for m in (*now, *before))):
        new = [float(v) for m in now if (v := m.get(gate)) is not None]
        old = [float(v) for m in before if (v := m.get(gate)) is not None]
        value = fmean(new) if new else None
        value_before = fmean(old) if old else None
        rows.append(
            {
                "axis": gate,
                "title": BY_ID[gate].title,
                "value": value,
                "baseline": value_before,
                "change": None if value is None or value_before is None else value - value_before,
                "verdict": _verdict(gate, value, value_before),
            }
        )
    return rows


def _verdict(gate: str, value: float | None, before: float | None) -> str:
    if value is None or before is None:
        return "unchanged" if value is before else "improved" if before is None else "regressed"
    change = value - before if gate in AT_LEAST else before - value
    tolerance = 0.0 if gate in GOVERNANCE else TOLERANCE
    if abs(change) <= tolerance:
        return "unchanged"
    return "improved" if change > 0 else "regressed"


def movement(
    now: Sequence[Mapping[str, Any]],
    before: Sequence[Mapping[str, Any]],
    metrics: Sequence[Metrics],
    metrics_before: Sequence[Metrics],
) -> dict[str, Any]:
    """All of it; ``now`` and ``before`` are rows of the country diagnostics of C_multi."""
    found: dict[str, Any] = {
        "axes": axes(metrics, metrics_before),
        "distributions": [],
        "coverage": None,
        "gini_top1": {
            "value": gini([r["top1_share"] for r in now]),
            "baseline": gini([r["top1_share"] for r in before]),
        },
        "tolerance": TOLERANCE,
    }
    if now and before:
        found["distributions"] = [
            distributions(name, [r[name] for r in now], [r[name] for r in before])
            for name in ("top1_share", "entropy_norm")
        ]
        several = [sum(r["distinct"] >= 2 for r in rows) for rows in (now, before)]
        found["coverage"] = two_proportions(several[0], len(now), several[1], len(before))
    return found
