"""The first screen: why the verdict is what it is, and what each seed says.

The law: the reasons are the gates of the certification, worst seed first told; gates of all
seeds that miss the same threshold are one reason, and a seed that wasn't scored is another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from civiltime.report.evidence import seed_order
from civiltime.report.wording import band, figure, threshold, verdict


@dataclass(frozen=True)
class Reason:
    """Something that stands in the way: of B (``css`` is ``fail``) or of B+ (``b``)."""

    css: str
    title: str
    detail: str
    where: str


@dataclass(frozen=True)
class SeedCard:
    """A seed's verdict and the size of what was judged."""

    seed: str
    verdict: str
    css: str
    reason: str
    run_id: str
    facts: tuple[tuple[str, str], ...]


def reasons(document: Mapping[str, Any]) -> list[Reason]:
    """What keeps the certification from a better verdict, in the order of the gates."""
    seeds = seed_order(document)
    entries = document["seeds"]
    found = [
        Reason("fail", f"Seed {s} wasn't scored", str(entries[s].get("reason") or ""), "")
        for s in seeds
        if not entries[s].get("metrics")
    ]
    missed: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    columns = [(s, entries[s].get("gates") or ()) for s in seeds]
    for name, gates in (*columns, ("", document.get("gates") or ())):
        for gate in gates:
            missed.setdefault((gate["id"], gate["title"]), {})[name] = gate
    for (_, title), answers in missed.items():
        css = _lowest([band(g["band"]) for g in answers.values()])
        here = {s: g for s, g in answers.items() if band(g["band"]) == css}
        if css != "bplus":
            found.append(Reason(css, title, _asked(here.values(), css), _where(here, seeds)))
    worst = _lowest([r.css for r in found])
    return [r for r in found if r.css == worst]


def _lowest(bands: Sequence[str]) -> str:
    return next((css for css in ("fail", "b") if css in bands), "bplus")


def _asked(gates: Any, css: str) -> str:
    """The worst value and the threshold that it misses."""
    gates = list(gates)
    direction = gates[0]["direction"]
    if direction == "required":
        return next((str(g["detail"]) for g in gates if g.get("detail")), "required, and not so")
    values = [g["value"] for g in gates if g["value"] is not None]
    if not values:
        return "there is nothing to measure"
    worst = max(values) if direction == "at_most" else min(values)
    name, limit = ("B", gates[0]["b"]) if css == "fail" else ("B+", gates[0]["b_plus"])
    asks = "at most" if direction == "at_most" else "at least"
    said = figure(worst) + " at worst" * (len({figure(v) for v in values}) > 1)
    return f"{said}, where {name} asks for {asks} {threshold(limit)}"


def _where(here: Mapping[str, Any], seeds: Sequence[str]) -> str:
    if "" in here:
        return ""
    if len(here) == len(seeds):
        return "all seeds" if len(seeds) > 1 else f"seed {seeds[0]}"
    return f"seed{'s' if len(here) > 1 else ''} {', '.join(here)}"


def seed_cards(document: Mapping[str, Any]) -> list[SeedCard]:
    """One card a required seed, present or missing."""
    cards = []
    for seed in seed_order(document):
        entry = document["seeds"][seed]
        words, css = verdict(entry.get("verdict"))
        metrics = entry.get("metrics") or {}
        facts = [
            (title, figure(metrics[key]))
            for key, title in (
                ("sites", "sites"),
                ("countries", "countries"),
                ("c_multi", "in C_multi"),
                ("c_large", "in C_large"),
            )
            if metrics.get(key) is not None
        ]
        gates = entry.get("gates") or ()
        failing = sum(band(g["band"]) == "fail" for g in gates)
        reason = str(entry.get("reason") or "")
        if metrics and failing:
            reason = f"misses {failing} of {len(gates)} gates"
        cards.append(
            SeedCard(seed, words, css, reason, str(entry.get("run_id") or ""), tuple(facts))
        )
    return cards
