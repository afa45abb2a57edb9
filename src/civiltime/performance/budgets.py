"""Budgets: what a state may take, and how far a measured value is from it.

The law (specification 5.7): each budget has a target and a stretch.  A value is ``GREEN`` within
the target, ``AMBER`` within the stretch, ``RED`` beyond it.  RED stays open, unless a waiver in
force (5.5) accepts the value: then it is AMBER, and names the waiver.

Budgets change no output, so S0 doesn't seal them; every artefact that was judged by them states
their version and digest instead, and a lock refuses a comparison that was judged by others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from civiltime.errors import CivilTimeError, Invalid
from civiltime.policy.document import read_policy
from civiltime.programme.decisions import ApprovedWaiver
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_bytes

Band = Literal["GREEN", "AMBER", "RED"]
Key = tuple[str, str]
"""A state (or ``total``) and a measure."""
NAME = "budgets.yaml"


@dataclass(frozen=True)
class Budget:
    """The limits of one measure of one state, in the measure's unit."""

    state: str
    measure: str
    target: float
    stretch: float
    per_million_sites: float


@dataclass(frozen=True)
class Budgets:
    """A budgets file."""

    semver: str
    sha256_hex: str
    source: Literal["workspace", "package"]
    reference_sites: int
    budgets: tuple[Budget, ...]

    def document(self) -> dict[str, str]:
        """How an artefact names the budgets that it was judged by."""
        return {"semver": self.semver, "sha256_hex": self.sha256_hex, "source": self.source}


@dataclass(frozen=True)
class Standing:
    """A measured value beside its budget for a table of that many sites."""

    state: str
    measure: str
    value: float
    target: float
    stretch: float
    band: Band
    waiver: str | None = None

    @property
    def open(self) -> bool:
        """Whether the budget is missed and nobody accepted that."""
        return self.band == "RED"


def parse_budgets(raw: bytes, source: Literal["workspace", "package"]) -> Budgets:
    """Budgets from their file; raises :class:`Invalid` naming the line."""
    document = read_policy(raw, "performance_budgets", NAME)
    data = document.data
    budgets: dict[Key, Budget] = {}
    for n, row in enumerate(data["budgets"]):
        where = document.where(("budgets", n))
        budget = Budget(
            row["state"],
            row["measure"],
            float(row["target"]),
            float(row["stretch"]),
            float(row["per_million_sites"]),
        )
        if budget.target > budget.stretch:
            raise Invalid(
                f"{where}: the target ({budget.target:g}) is beyond the stretch "
                f"({budget.stretch:g})"
            )
        if (budget.state, budget.measure) in budgets:
            raise Invalid(f"{where}: {budget.state} has two budgets of {budget.measure}")
        budgets[budget.state, budget.measure] = budget
    return Budgets(
        data["semver"],
        sha256_bytes(raw),
        source,
        data["reference_sites"],
        tuple(budgets.values()),
    )


def open_budgets(workspace: Workspace) -> Budgets:
    """The workspace's own budgets, or those of the package; 2A-PF-003 where they aren't sound."""
    path = workspace.path("performance_budgets")
    try:
        if path.exists():
            return parse_budgets(path.read_bytes(), "workspace")
        default = resources.files("civiltime.performance").joinpath(NAME)
        return parse_budgets(default.read_bytes(), "package")
    except Invalid as finding:
        raise CivilTimeError("2A-PF-003", finding.message, {"path": str(path)}) from None


def standings(
    budgets: Budgets,
    values: Mapping[Key, float],
    sites: int,
    waivers: Sequence[ApprovedWaiver] = (),
) -> list[Standing]:
    """Each budget whose value was measured, in the order of the file."""
    return [
        _standing(budget, values[key], _growth(budgets, budget, sites), waivers)
        for budget in budgets.budgets
        if (key := (budget.state, budget.measure)) in values
    ]


def _growth(budgets: Budgets, budget: Budget, sites: int) -> float:
    return budget.per_million_sites * max(0, sites - budgets.reference_sites) / 1e6


def _standing(
    budget: Budget, value: float, growth: float, waivers: Sequence[ApprovedWaiver]
) -> Standing:
    target, stretch = budget.target + growth, budget.stretch + growth
    band: Band = "GREEN" if value <= target else "AMBER" if value <= stretch else "RED"
    waiver = None
    if band == "RED":
        accepted = (
            w
            for w in waivers
            if (w.state, w.measure) == (budget.state, budget.measure) and value <= w.ceiling
        )
        waiver = next((w.id for w in accepted), None)
        band = "AMBER" if waiver else "RED"
    return Standing(budget.state, budget.measure, value, target, stretch, band, waiver)


def standing_document(standing: Standing) -> dict[str, Any]:
    """A standing as an artefact states it."""
    return {
        "state": standing.state,
        "measure": standing.measure,
        "value": standing.value,
        "target": standing.target,
        "stretch": standing.stretch,
        "band": standing.band,
        "waiver": standing.waiver,
    }
