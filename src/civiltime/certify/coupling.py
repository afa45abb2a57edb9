"""Whether countries whose sites lie far apart have more zones (specification 4.4, no. 4).

Spearman's rank correlation between the area of the convex hull of a country's sites and its
number of zones.  Ranks don't change under the logarithm, so areas are taken as they are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats

from civiltime.certify.gates import Band
from civiltime.certify.metrics import Country

MIN_SITES = 30
EXPECTED_B, EXPECTED_BPLUS = 0.15, 0.25


def coupling(
    seed: int, countries: Sequence[Country], hull_km2: Mapping[str, float]
) -> dict[str, Any]:
    """The correlation for one seed; ``rho`` is None where one side is constant."""
    judged = [c for c in countries if c.sites >= MIN_SITES]
    areas = [hull_km2.get(c.iso, 0.0) for c in judged]
    zones = [c.distinct for c in judged]
    rho = p_value = None
    if len(set(areas)) > 1 and len(set(zones)) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of two countries: rho is exact, p isn't defined
            result = stats.spearmanr(areas, zones)
        rho, p_value = float(result.statistic), float(result.pvalue)
    band: Band = "FAIL"
    if rho is not None and rho > EXPECTED_B:
        band = "B+" if rho > EXPECTED_BPLUS else "B"
    return {
        "seed": str(seed),
        "rho": rho,
        "p_value": None if p_value is None or math.isnan(p_value) else p_value,
        "countries": len(judged),
        "b": EXPECTED_B,
        "b_plus": EXPECTED_BPLUS,
        "band": band,
    }
