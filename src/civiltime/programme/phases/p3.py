"""P3, targeted correction: a failing axis moved within bounds, or proof that none can be.

The law (specification 5.4): a correction is a later certification over the same placement of sites
that is better on a gate that fails in the baseline, and buys that with no more fallbacks or
overrides and no structural loss.  Zones are never redistributed after assignment: scoring reads
what S1 and S2 decided row by row, and verifies it against the boundaries.
"""

from __future__ import annotations

from collections.abc import Iterator

from civiltime.programme.evidence import named
from civiltime.programme.phases.condition import Condition, Phase, Proof
from civiltime.programme.phases.dossier import Document, Dossier, OpenError
from civiltime.programme.phases.exhaustion import require_exhausted, rows_decided
from civiltime.programme.phases.p1 import regressions
from civiltime.programme.watchlist import entries, watchlist
from civiltime.workspace.publish import people_json

MOVABLE = {"realism", "stability"}
"""Axes that the placement of the sites alone can hold."""


def watchlist_written(dossier: Dossier) -> Proof:
    """The watchlist is what P2's certification gives."""
    workspace = dossier.workspace
    path = workspace.path("segment2a_watchlist")
    if not path.is_file():
        raise OpenError("it isn't written; run civiltime programme watchlist")
    document = watchlist(workspace, dossier.earlier["P2"], dossier.of_phase("P2"))
    if path.read_bytes() != people_json(document):
        raise OpenError(
            "it isn't what P2's certification gives; run civiltime programme watchlist again"
        )
    return Proof(f"{len(document['entries'])} entries", [path, dossier.earlier["P2"]])


def axis_moved(dossier: Dossier) -> Proof:
    """A failing axis improved, or nothing in 2A can improve it, or nothing fails."""
    before, after = dossier.of_phase("P0"), dossier.judged
    files = [dossier.subject, dossier.earlier["P0"]]
    decision = decide(dossier)
    if decision == "NOTHING_TO_CORRECT":
        return Proof("the baseline and the newest certification meet B on every gate", files)
    if decision == "CORRECTED":
        return Proof(f"better than the baseline: {', '.join(improvements(before, after))}", files)
    rows = _exhausted(dossier)
    tables = [run.path("validation_passed_flag_2A") for run in dossier.runs.values()]
    return Proof(
        f"exhausted: {rows:,} rows, each decided by its polygon alone", [dossier.subject, *tables]
    )


def decide(dossier: Dossier) -> str:
    """What the phase decided."""
    before, after = dossier.of_phase("P0"), dossier.judged
    if "FAIL_REALISM" not in {before["verdict"], after["verdict"]}:
        return "NOTHING_TO_CORRECT"
    if any(improvements(before, after)):
        return "CORRECTED"
    return "UPSTREAM_CONSTRAINED"


def improvements(before: Document, after: Document) -> Iterator[str]:
    """Gates that fail in the baseline, better on some seed and worse on none."""
    if _placement(before) != _placement(after):
        return
    pairs: dict[str, list[float]] = {}
    fails = set()
    for seed, entry in before["seeds"].items():
        now = {g["id"]: g for g in after["seeds"][seed]["gates"]}
        for gate in entry["gates"]:
            margin = now.get(gate["id"], {}).get("margin_b")
            if gate["band"] == "FAIL":
                fails.add(gate["id"])
            if margin is not None and gate["margin_b"] is not None:
                pairs.setdefault(gate["id"], []).append(margin - gate["margin_b"])
    for gate_id in sorted(fails):
        moved = pairs.get(gate_id, [])
        if len(moved) == len(before["seeds"]) and min(moved) >= 0 and max(moved) > 0:
            yield gate_id


def _placement(judged: Document) -> dict[str, str]:
    """The digest of the sites of each seed."""
    return {i["seed"]: i["egress"]["site_locations"] for i in judged["inputs"]}


def _exhausted(dossier: Dossier) -> int:
    """Rows that were counted again; :class:`OpenError` where a policy could still act."""
    listed = entries(dossier.judged)
    if not listed:
        raise OpenError("it passes on other sites than the baseline's, so not by a correction")
    owned = [e for e in listed if e["axis"] not in MOVABLE]
    if owned:
        first = owned[0]
        raise OpenError(
            f"{first['metric']} of seed {first['seed']} fails, and {first['axis']} is 2A's own"
        )
    told = [e["country"] for e in (*listed, *entries(dossier.of_phase("P2")))]
    countries = None if None in told else told
    return sum(
        require_exhausted(seed, rows_decided(run), countries) for seed, run in dossier.runs.items()
    )


def not_inflated(dossier: Dossier) -> Proof:
    """No seed has more fallbacks or overrides than in the baseline."""
    before, after = dossier.of_phase("P0"), dossier.judged
    for seed, entry in after["seeds"].items():
        for kind in ("fallback", "override"):
            old = before["seeds"][seed]["governance"].get(f"{kind}_rate", 0.0)
            new = entry["governance"].get(f"{kind}_rate", 0.0)
            if new > old:
                raise OpenError(f"seed {seed}: the {kind} rate rose from {old:.4%} to {new:.4%}")
    files = [dossier.subject, dossier.earlier["P0"]]
    return Proof("no seed falls back or is set by hand more than in the baseline", files)


def not_regressed(dossier: Dossier) -> Proof:
    """Structure and legality hold, and scoring again gives the same bytes."""
    regressed = list(regressions(dossier.of_phase("P0"), dossier.judged))
    if regressed:
        raise OpenError(f"regressed against the baseline: {', '.join(regressed)}")
    name, digest = named(dossier.workspace, dossier.subject)
    return Proof(f"{name.rpartition('/')[2]} scored again: {digest[:16]}…", [dossier.subject])


PHASE = Phase(
    id="P3",
    title="targeted correction",
    conditions=(
        Condition("watchlist", "The watchlist is derived from P2", watchlist_written),
        Condition("correction", "A failing axis improved, or exhaustion is proved", axis_moved),
        Condition("no_inflation", "Not by more fallbacks or overrides", not_inflated),
        Condition("no_regression", "Structure, legality, determinism hold", not_regressed),
    ),
    subject=Dossier.newest,
    decide=decide,
)
