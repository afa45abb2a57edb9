"""The gates of specification 4.3: what is asked, and what a seed's figures answer.

A gate is judged in a band: ``B+``, ``B`` or ``FAIL``.  A structural gate has one answer for
both.  A margin is how far a figure is on the good side of a threshold, negative beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from civiltime.policy.certification import AT_LEAST, CertificationPolicy

Band = Literal["B+", "B", "FAIL"]
Direction = Literal["required", "at_most", "at_least"]
PASS_BPLUS, PASS_B, FAIL = "PASS_BPLUS", "PASS_B", "FAIL_REALISM"


@dataclass(frozen=True)
class Gate:
    """One question."""

    id: str
    axis: Literal["structure", "governance", "realism", "stability"]
    title: str

    def direction(self, policy: CertificationPolicy) -> Direction:
        """Whether it must hold, or must be at most or at least a threshold."""
        if self.id not in policy.gates:
            return "required"
        return "at_least" if self.id in AT_LEAST else "at_most"


STRUCTURE = (
    Gate("states_pass", "structure", "S0 to S5 all pass"),
    Gate("bundle_and_flag", "structure", "Bundle, flag and every published byte verify"),
    Gate("row_parity", "structure", "site_locations = s1_tz_lookup = site_timezones"),
    Gate("unique_keys", "structure", "No key stands twice"),
    Gate("legality", "structure", "Legality is PASS, every zone has its timetable"),
)
GOVERNANCE = (
    Gate("reported_counts", "governance", "Reported guesses are those the rows show"),
    Gate("fallback_rate", "governance", "Fallback rate"),
    Gate("country_fallback_cap", "governance", "No country over its fallback cap"),
    Gate("override_provenance", "governance", "Every override has a reason and an owner"),
    Gate("override_rate", "governance", "Override rate"),
)
REALISM = (
    Gate("cohorts_not_empty", "realism", "Both cohorts have countries"),
    Gate("c_multi_share_two_zones", "realism", "C_multi: share with two zones or more"),
    Gate("c_multi_median_top1", "realism", "C_multi: median share of the leading zone"),
    Gate("c_multi_median_gap", "realism", "C_multi: median lead over the second zone"),
    Gate("c_multi_median_entropy", "realism", "C_multi: median normalised entropy"),
    Gate("c_large_share_top1_below", "realism", "C_large: share not held by one zone"),
)
GATES = STRUCTURE + GOVERNANCE + REALISM
BY_ID = {gate.id: gate for gate in GATES}


@dataclass(frozen=True)
class Exemption:
    """An approved exception: one cap, raised to a ceiling, for the named seeds."""

    id: str
    gate: str
    ceiling: float
    seeds: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """The exception as a certification names it."""
        return {**asdict(self), "seeds": [str(seed) for seed in self.seeds]}


@dataclass(frozen=True)
class Judged:
    """A gate's answer."""

    gate: Gate
    direction: Direction
    value: float | bool | None
    b: float | bool
    b_plus: float | bool
    band: Band
    detail: str = ""
    exemption: str | None = None

    def _margin(self, threshold: float | bool) -> float | None:
        if self.direction == "required" or self.value is None:
            return None
        away = threshold - self.value if self.direction == "at_most" else self.value - threshold
        return float(away)

    def document(self) -> dict[str, Any]:
        """The gate as a certification states it."""
        stated = {
            "id": self.gate.id,
            "axis": self.gate.axis,
            "title": self.gate.title,
            "direction": self.direction,
            "value": self.value,
            "b": self.b,
            "b_plus": self.b_plus,
            "margin_b": self._margin(self.b),
            "margin_b_plus": self._margin(self.b_plus),
            "band": self.band,
        }
        if self.detail:
            stated["detail"] = self.detail
        if self.exemption:
            stated["exception"] = self.exemption
        return stated

    def shortfall(self) -> str:
        """Why it fails, in a few words."""
        if self.direction == "required":
            return f"{self.gate.id} ({self.detail or 'does not hold'})"
        word = "at most" if self.direction == "at_most" else "at least"
        value = "no country to judge" if self.value is None else f"{self.value:.4g}"
        return f"{self.gate.id} ({value}, needs {word} {self.b:g})"


def judge_required(gate: Gate, problem: str | None) -> Judged:
    """A gate that holds (``problem`` is None) or doesn't."""
    holds = problem is None
    return Judged(gate, "required", holds, True, True, "B+" if holds else "FAIL", problem or "")


def judge_number(
    gate: Gate,
    value: float | None,
    policy: CertificationPolicy,
    exemptions: Sequence[Exemption] = (),
) -> Judged:
    """A figure against both thresholds; None, for want of a country, fails.

    An exemption lets a cap be exceeded up to its ceiling; the band is then B at most.  Of
    several the one with the lowest ceiling that is high enough is used.
    """
    threshold, direction = policy.gates[gate.id], gate.direction(policy)
    used = None
    high_enough = [e for e in exemptions if value is not None and value <= e.ceiling]
    if value is None:
        band: Band = "FAIL"
    elif meets(value, threshold.b_plus, direction):
        band = "B+"
    elif meets(value, threshold.b, direction):
        band = "B"
    elif high_enough and direction == "at_most":
        band, used = "B", min(high_enough, key=lambda e: (e.ceiling, e.id)).id
    else:
        band = "FAIL"
    detail = "no country is in the cohort" if value is None else ""
    if used:
        detail = f"over the cap, under the ceiling of an approved exception ({used})"
    return Judged(gate, direction, value, threshold.b, threshold.b_plus, band, detail, used)


def meets(value: float, threshold: float, direction: Direction) -> bool:
    """Whether a figure is on the good side of a threshold, or on it."""
    return value <= threshold if direction == "at_most" else value >= threshold


def judge_figures(
    figures: Mapping[str, float | int | None],
    policy: CertificationPolicy,
    exemptions: Sequence[Exemption] = (),
) -> list[Judged]:
    """The gates of figures: both rates, then the cohorts."""
    rates = [
        judge_number(BY_ID[i], figures[i], policy, [e for e in exemptions if e.gate == i])
        for i in ("fallback_rate", "override_rate")
    ]
    empty = [name for name in ("C_multi", "C_large") if not figures[name.lower()]]
    problem = f"{' and '.join(empty)} without a country" if empty else None
    cohorts = [judge_required(BY_ID["cohorts_not_empty"], problem)]
    cohorts += [judge_number(g, figures[g.id], policy) for g in REALISM if g.id in policy.gates]
    return rates + cohorts


def verdict(gates: Sequence[Judged]) -> str:
    """All at B+: ``PASS_BPLUS``; all at B: ``PASS_B``; else ``FAIL_REALISM``."""
    bands = {g.band for g in gates}
    if not bands or "FAIL" in bands:
        return FAIL
    return PASS_B if "B" in bands else PASS_BPLUS


def worst(verdicts: Sequence[str]) -> str:
    """The lowest of several verdicts."""
    order = (FAIL, PASS_B, PASS_BPLUS)
    return min(verdicts, key=order.index, default=FAIL)
