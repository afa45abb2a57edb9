"""What stands between a certified lane and the next band.

The law (specification 5.5): a blocker is a gate that misses the band, with its value, the
threshold, the gap, who owns the surface that could move it, and the mechanism.  A lane that
fails is held against B, one at B against B+, and one at B+ has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

STATUS = {
    "PASS_BPLUS": "LOCKED_PASS_BPLUS",
    "PASS_B": "LOCKED_PASS_B",
    "FAIL_REALISM": "FROZEN_BEST_EFFORT_FAIL_REALISM",
}
UPSTREAM = "1B: placement of the sites"
OWNERS = {
    "upstream_collapse": UPSTREAM,
    "dominant_zone": UPSTREAM,
    "territory_dominant": UPSTREAM,
    "fallback": "S1: fallback of the lookup",
    "override": "S2: overrides",
    "overlap": "S1: preferences where zones overlap",
}
"""Who can move what a mechanism holds."""
AXES = {
    "structure": ("S0 to S5: the run", "structure"),
    "governance": ("S1 and S2: lookup policy and overrides", "policy"),
    "realism": (UPSTREAM, "placement"),
    "stability": ("1B: placement between seeds", "seed_instability"),
}
"""Owner and mechanism where no hotspot names one."""

Gate = Mapping[str, Any]


def blockers(certification: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The blockers of a certification, seed by seed in their own order, then across seeds.

    The order is that of the numbers: a file has its seeds in another one than memory.
    """
    verdict = certification["verdict"]
    if verdict == "PASS_BPLUS":
        return []
    band = "B" if verdict == "FAIL_REALISM" else "B+"
    mechanisms = {
        (h["seed"], h["gate"]): h["mechanism"] for h in reversed(_hotspots(certification))
    }
    found = []
    for seed, entry in sorted(certification["seeds"].items(), key=lambda item: int(item[0])):
        if entry["run_id"] is None or not entry["gates"]:
            found.append(_missing(seed, band, entry["reason"]))
        found += [
            _blocker(seed, band, gate, mechanisms.get((seed, gate["id"])))
            for gate in _short_of(band, entry["gates"])
        ]
    found += [_blocker(None, band, gate, None) for gate in _short_of(band, certification["gates"])]
    return found


def _hotspots(certification: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(certification["hotspots"], key=lambda h: h["rank"])


def _short_of(band: str, gates: list[Gate]) -> Iterator[Gate]:
    enough = {"B", "B+"} if band == "B" else {"B+"}
    return (gate for gate in gates if gate["band"] not in enough)


def _blocker(seed: str | None, band: str, gate: Gate, mechanism: str | None) -> dict[str, Any]:
    margin = gate["margin_b" if band == "B" else "margin_b_plus"]
    owner, usual = AXES[gate["axis"]]
    return {
        "seed": seed,
        "metric": gate["id"],
        "band": band,
        "value": gate["value"],
        "threshold": gate["b" if band == "B" else "b_plus"],
        "gap": None if margin is None else abs(margin),
        "owning_surface": OWNERS.get(mechanism or "", owner),
        "mechanism": mechanism or usual,
    }


def _missing(seed: str, band: str, reason: str) -> dict[str, Any]:
    return {
        "seed": seed,
        "metric": "run",
        "band": band,
        "value": None,
        "threshold": None,
        "gap": None,
        "owning_surface": AXES["structure"][0],
        "mechanism": reason or "no run",
    }
