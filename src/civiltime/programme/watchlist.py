"""The watchlist: which countries hold the failing gates, and what a correction may cost.

The law (specification 5.4): derived from a certification alone; governance comes first, then the
other axes, in each the country that weighs most.  The budget is what B's caps leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from civiltime.programme.blockers import AXES
from civiltime.programme.evidence import named
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import self_digest
from civiltime.workspace.publish import people_json, replace_file
from civiltime.workspace.shape import check_document

RANK = ("governance", "structure", "realism", "stability")
"""Axes in the order in which they are corrected."""
Certification = Mapping[str, Any]
Entry = dict[str, Any]


def entries(certification: Certification) -> list[Entry]:
    """The ranked entries; none where every gate meets B.

    An axis whose failing gates no country explains has one entry for each gate, without country.
    """
    gates = {
        (seed, gate["id"]): gate
        for seed, entry in certification["seeds"].items()
        for gate in entry["gates"]
        if gate["band"] == "FAIL"
    }
    found = [
        _entry(certification, gates[h["seed"], h["gate"]], h["seed"], h)
        for h in sorted(certification["hotspots"], key=lambda h: h["rank"])
        if (h["seed"], h["gate"]) in gates
    ]
    explained = {entry["axis"] for entry in found}
    found += [
        _entry(certification, gate, seed, None)
        for (seed, _), gate in gates.items()
        if gate["axis"] not in explained
    ]
    found += [
        _entry(certification, gate, None, None)
        for gate in certification["gates"]
        if gate["band"] == "FAIL"
    ]
    found += list(_unscored(certification))
    found.sort(key=lambda entry: RANK.index(entry["axis"]))
    return [{"rank": rank, **entry} for rank, entry in enumerate(found, start=1)]


def _entry(
    certification: Certification,
    gate: Mapping[str, Any],
    seed: str | None,
    hotspot: Mapping[str, Any] | None,
) -> Entry:
    return {
        "country": hotspot["country"] if hotspot else None,
        "seed": seed,
        "axis": gate["axis"],
        "metric": gate["id"],
        "mechanism": hotspot["mechanism"] if hotspot else AXES[gate["axis"]][1],
        "value": gate["value"],
        "threshold": gate["b"],
        "gap": None if gate["margin_b"] is None else abs(gate["margin_b"]),
        "shortfall_share": hotspot["shortfall_share"] if hotspot else None,
        "sites": hotspot["sites"] if hotspot else None,
        "budget": _budget(certification, seed),
    }


def _unscored(certification: Certification) -> Iterator[Entry]:
    """Seeds that fail without a gate that says so."""
    for seed, entry in certification["seeds"].items():
        if entry["verdict"] == "FAIL_REALISM" and all(g["band"] != "FAIL" for g in entry["gates"]):
            yield {
                "country": None,
                "seed": seed,
                "axis": "structure",
                "metric": "run",
                "mechanism": entry["reason"] or "no run",
                "value": None,
                "threshold": None,
                "gap": None,
                "shortfall_share": None,
                "sites": None,
                "budget": {"fallback_rows": 0, "override_rows": 0},
            }


def _budget(certification: Certification, seed: str | None) -> dict[str, int]:
    """Rows that may still be guessed under B's caps; across seeds, in the tightest of them."""
    names = [seed] if seed is not None else list(certification["seeds"])
    return {
        f"{kind}_rows": min(_left(certification, name, kind) for name in names)
        for kind in ("fallback", "override")
    }


def _left(certification: Certification, seed: str, kind: str) -> int:
    entry, caps = certification["seeds"][seed], certification["policy"]["thresholds"]
    if not entry["governance"]:
        return 0
    allowed = int(caps[f"{kind}_rate"]["b"] * entry["metrics"]["sites"])
    return max(allowed - int(entry["governance"][f"{kind}_count"]), 0)


def watchlist(workspace: Workspace, path: Path, certification: Certification) -> dict[str, Any]:
    """The document for a certification that was proved."""
    name, digest = named(workspace, path)
    body = {
        "segment": "2A",
        "lane": workspace.lane,
        "generated_utc": certification["generated_utc"],
        "certification": {"path": name, "sha256_hex": digest},
        "entries": entries(certification),
    }
    return {**body, "watchlist_sha256": self_digest(body)}


def write_watchlist(
    workspace: Workspace, path: Path, certification: Certification
) -> dict[str, Any]:
    """Write the watchlist into the lane's reports."""
    document = watchlist(workspace, path, certification)
    check_document(document, "segment2a_watchlist", "the watchlist")
    replace_file(workspace.path("segment2a_watchlist"), people_json(document))
    return document
