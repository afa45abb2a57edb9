"""``certification.yaml``: cohorts, thresholds, required seeds.

The law (specification 2.2 and 4): S0 seals the policy before any row is read, so that no
threshold is chosen after the result is known; B+ is never easier than B.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from civiltime.errors import Invalid
from civiltime.policy.document import read_policy

NAME = "certification.yaml"
AT_LEAST = ("c_multi_share_two_zones", "c_multi_median_entropy", "c_large_share_top1_below")
"""Gates where more is better; in all others less is."""


@dataclass(frozen=True)
class Threshold:
    """Where the bands B and B+ begin."""

    b: float
    b_plus: float


@dataclass(frozen=True)
class CertificationPolicy:
    """The policy.  Shares and rates are of 1."""

    semver: str
    required_seeds: tuple[int, ...]
    c_multi_min_support: int
    c_multi_min_sites: int
    c_large_min_sites: int
    c_large_eligibility: Literal["multi_tz", "all"]
    c_large_top1_share_below: float
    gates: Mapping[str, Threshold]

    def cohorts(self) -> dict[str, Any]:
        """The cohort definitions as a certification states them."""
        return {
            "c_multi": {
                "min_support": self.c_multi_min_support,
                "min_sites": self.c_multi_min_sites,
            },
            "c_large": {
                "min_sites": self.c_large_min_sites,
                "eligibility": self.c_large_eligibility,
                "top1_share_below": self.c_large_top1_share_below,
            },
        }


def parse_certification_policy(raw: bytes) -> CertificationPolicy:
    """The policy; raises :class:`Invalid` naming the line."""
    document = read_policy(raw, "certification_policy", NAME)
    data = document.data
    gates = {k: Threshold(float(v["b"]), float(v["b_plus"])) for k, v in data["gates"].items()}
    for name, gate in gates.items():
        easier = gate.b_plus < gate.b if name in AT_LEAST else gate.b_plus > gate.b
        if easier:
            where = document.where(("gates", name))
            raise Invalid(f"{where}: B+ ({gate.b_plus}) is easier than B ({gate.b})")
    return CertificationPolicy(
        semver=data["semver"],
        required_seeds=tuple(data["required_seeds"]),
        c_multi_min_support=data["c_multi"]["min_support"],
        c_multi_min_sites=data["c_multi"]["min_sites"],
        c_large_min_sites=data["c_large"]["min_sites"],
        c_large_eligibility=data["c_large"]["eligibility"],
        c_large_top1_share_below=float(data["c_large"]["top1_share_below"]),
        gates=gates,
    )
