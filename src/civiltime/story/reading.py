"""What the commands of the story said, in a line or two each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any


def certified(said: Any) -> list[str]:
    """A demo: its runs, and their verdict."""
    passed = sum(run["status"] == "pass" for run in said["runs"].values())
    sites = sum(run["counts"]["sites"] for run in said["runs"].values())
    return [
        f"{passed} runs pass S0 to S5, {sites:,} sites in all",
        said["certification"]["one_line"],
    ]


def standing(said: Any) -> list[str]:
    """``programme status``: each phase, and why it isn't closed."""
    return [_phase(phase) for phase in said["phases"]]


def _phase(phase: Mapping[str, Any]) -> str:
    proved = [c for c in phase["conditions"] if c["proved"]]
    why = f" ({phase['problem']})" if phase["problem"] else ""
    share = f"{len(proved)} of {len(phase['conditions'])} conditions proved"
    return f"{phase['phase']} {phase['closure']}, {share}{why}"


def closed(said: Any) -> list[str]:
    """A closure: what was decided, and what proved it."""
    closure = said["closure"]
    proofs = [f"{c['id']}: {c['reason']}" for c in closure["conditions"]]
    return [f"{closure['phase']} closed: {closure['decision']}", *proofs]


def findings(said: Any) -> list[str]:
    """Triage: each finding and its first action."""
    lines = []
    for finding in said["findings"]:
        lines.append(f"{finding['surface']}: {finding['what']}")
        lines += [f"-> {action}" for action in finding["actions"][:1]]
    return lines or ["nothing to repair"]


def pruned(said: Any) -> list[str]:
    """What retention deleted."""
    runs = [f"run {r['run_id'][:8]} deleted ({r['role']}): {r['reason']}" for r in said["runs"]]
    return runs or ["every run is kept for a reason"]


def frozen(said: Any) -> list[str]:
    """A freeze: its status and its blockers."""
    freeze = said["freeze"]
    return [freeze["status"], *blocked(freeze["blockers"])]


def blocked(blockers: Any) -> list[str]:
    """Blockers, the seeds of one metric together."""
    seeds = Counter(blocker["metric"] for blocker in blockers)
    first = {b["metric"]: b for b in reversed(blockers)}
    return [
        f"blocked by {metric} on {n} seeds: {_figure(first[metric]['value'])}, "
        f"{first[metric]['band']} needs {_figure(first[metric]['threshold'])} "
        f"({first[metric]['owning_surface']})"
        for metric, n in seeds.items()
    ]


def _figure(value: float | bool | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, bool) else f"{value:.4g}"


def moved(said: Any) -> list[str]:
    """A certification: its verdict, and how it moved from its baseline."""
    axes = (said["movement"] or {"axes": []})["axes"]
    lines = [
        f"{a['axis']}: {a['baseline']:.4g} to {a['value']:.4g}, {a['verdict']}"
        for a in axes
        if a["baseline"] is not None and a["value"] is not None
    ]
    return [said["one_line"], *lines]
