"""A gate on one line: the bands that it draws, and where the seeds stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from civiltime.report.palette import BLUE, PAPER, RULE, SOFT
from civiltime.report.svg import number, text

WIDTH, HEIGHT, PAD = 190, 34, 6
GOOD, FAIR = "#b5d6ea", "#e3f0f7"


def strip(gate: Mapping[str, Any], values: Sequence[Any]) -> str:
    """An SVG element; shares run from 0 to 1, smaller caps to twice the cap or the worst seed."""
    b, b_plus, most = float(gate["b"]), float(gate["b_plus"]), gate["direction"] == "at_most"
    seeds = [float(v) for v in values if v is not None]
    end = max([1.0 if b > 0.5 or not most else 2 * b, *seeds])

    def at(value: float) -> float:
        return PAD + max(0.0, min(value / end, 1.0)) * (WIDTH - 2 * PAD)

    edges = (0.0, b_plus, b) if most else (end, b_plus, b)
    best = sorted((at(edges[0]), at(edges[1])))
    fair = sorted((at(edges[1]), at(edges[2])))
    parts = [
        _box(PAD, WIDTH - PAD, PAPER, RULE),
        _box(fair[0], fair[1], FAIR),
        _box(best[0], best[1], GOOD),
        *(f'<path d="M{number(at(v))},10V26" stroke="{SOFT}"/>' for v in (b, b_plus)),
    ]
    for (left, right), name in ((best, "B+"), (fair, "B")):
        if right - left > 16:
            middle = (left + right) / 2
            parts.append(text(middle, 8, name, size=9, fill=SOFT, anchor="middle"))
    parts += [
        f'<circle cx="{number(at(v))}" cy="18" r="3.4" fill="{BLUE}" stroke="{PAPER}"/>'
        for v in seeds
    ]
    parts.append(text(PAD, 34, "0", size=9, fill=SOFT))
    parts.append(text(WIDTH - PAD, 34, f"{end:.4g}", size=9, fill=SOFT, anchor="end"))
    return (
        f'<svg class="strip" width="{WIDTH}" height="{HEIGHT + 2}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT + 2}" aria-hidden="true">{"".join(parts)}</svg>'
    )


def _box(left: float, right: float, fill: str, stroke: str = "") -> str:
    rim = f' stroke="{stroke}"' if stroke else ""
    return (
        f'<rect x="{number(left)}" y="12" width="{number(right - left)}" height="12" '
        f'fill="{fill}"{rim}/>'
    )
