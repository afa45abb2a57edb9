"""Hotspots: which state to make faster next, or none.

The law (specification 5.7): states are ranked by their share of the chain's wall time.  The next
state is one whose budget is missed before one that is only near it, and of these the one with the
greatest share.  Where every state is within its target and only the chain isn't, it is the
greatest share.  ``GO`` names the next state; ``HOLD`` says that everything is within its target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from civiltime.performance.budgets import (
    Budgets,
    Standing,
    standing_document,
    standings,
)
from civiltime.programme.decisions import ApprovedWaiver

ROLES = ("primary", "secondary", "closure")
"""What the first three are called: POPT.1, POPT.2 and POPT.3 work on them."""


@dataclass(frozen=True)
class Hotspot:
    """A state in the ranking; ``share`` is of the states' wall time."""

    rank: int
    state: str
    wall_ms: float
    share: float
    standing: Standing | None

    @property
    def role(self) -> str | None:
        """``primary``, ``secondary`` or ``closure``; None from the fourth on."""
        return ROLES[self.rank - 1] if self.rank <= len(ROLES) else None


@dataclass(frozen=True)
class Gate:
    """The decision that opens or holds the next phase, and why."""

    decision: Literal["GO", "HOLD"]
    next_state: str | None
    reason: str


def rank(wall_ms: Mapping[str, float], judged: Sequence[Standing]) -> list[Hotspot]:
    """The states from the greatest share of wall time to the least; ties in the chain's order."""
    total = sum(wall_ms.values())
    by_state = {s.state: s for s in judged if s.measure == "wall_ms"}
    ordered = sorted(wall_ms, key=lambda state: (-wall_ms[state], state))
    return [
        Hotspot(n, s, wall_ms[s], wall_ms[s] / total if total else 0.0, by_state.get(s))
        for n, s in enumerate(ordered, start=1)
    ]


def choose(hotspots: Sequence[Hotspot], chain: Standing | None) -> Gate:
    """GO with the next state, or HOLD."""
    for band, words in (("RED", "is beyond its stretch"), ("AMBER", "is beyond its target")):
        for spot in hotspots:
            standing = spot.standing
            if standing is None or standing.waiver or standing.band != band:
                continue
            return Gate("GO", spot.state, f"{_figures(standing)}: it {words}; rank {spot.rank}")
    if chain is not None and chain.band != "GREEN" and not chain.waiver and hotspots:
        first = hotspots[0]
        share = f"{first.share:.0%} of the wall time"
        return Gate("GO", first.state, f"{_figures(chain)}, beyond its target; it has {share}")
    return Gate("HOLD", None, "every measured budget is within its target, or waived")


def _figures(standing: Standing) -> str:
    limits = f"target {standing.target:,.0f}, stretch {standing.stretch:,.0f}"
    return f"{standing.state} takes {standing.value:,.0f} ms ({limits})"


def hotspot_map(
    baseline: Mapping[str, Any],
    evidence: Mapping[str, str],
    budgets: Budgets,
    waivers: Sequence[ApprovedWaiver] = (),
) -> dict[str, Any]:
    """The hotspots of a baseline as a document; ``evidence`` is its path and digest."""
    wall = {row["state"]: float(row["wall_ms"]) for row in baseline["states"]}
    values = {
        (row["state"], measure): float(row[measure])
        for row in baseline["states"]
        for measure in ("wall_ms", "cpu_ms", "peak_rss_bytes")
    }
    total = baseline["total"]
    values["total", "wall_ms"] = float(total["log_window_ms"])
    values["total", "cpu_ms"] = float(total["cpu_ms"])
    values["total", "peak_rss_bytes"] = float(total["peak_rss_bytes"])
    judged = standings(budgets, values, baseline["sites"], waivers)
    hotspots = rank(wall, judged)
    chain = next((s for s in judged if (s.state, s.measure) == ("total", "wall_ms")), None)
    gate = choose(hotspots, chain)
    return {
        "segment": "2A",
        "run_id": baseline["run_id"],
        "baseline": dict(evidence),
        "budgets": budgets.document(),
        "sites": baseline["sites"],
        "hotspots": [
            {
                "rank": spot.rank,
                "role": spot.role,
                "state": spot.state,
                "wall_ms": spot.wall_ms,
                "share": spot.share,
                "band": spot.standing.band if spot.standing else None,
                "over_target_ms": max(0.0, spot.wall_ms - spot.standing.target)
                if spot.standing
                else None,
            }
            for spot in hotspots
        ],
        "standings": [standing_document(s) for s in judged],
        "decision": gate.decision,
        "next_state": gate.next_state,
        "reason": gate.reason,
    }
