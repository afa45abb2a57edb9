"""Triage: from what failed to what to do next, state first (specification 5.6).

The map, in the order in which it is walked:

1. structure: parity, keys, coverage, legality, bundle -> the run, S1 and S2 first;
2. caps: fallback logic of S1, budgets of S2, with the countries;
3. diversity and concentration: with clean governance, the placement upstream;
4. instability: the metric, the seeds, the levers.

Pure: documents in, findings out.  Where an earlier surface fails, later figures may follow from
it, so they are marked as such and come last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from civiltime.contracts import error_codes
from civiltime.errors import CivilTimeError

Severity = Literal["blocks", "misses_b", "misses_b_plus", "advice"]
Document = Mapping[str, Any]

PARITY = {
    "2A-S1-050": "S1: keys and coverage",
    "2A-S1-051": "S1: keys and coverage",
    "2A-S1-052": "S1: keys and coverage",
    "2A-S1-053": "S1: keys and coverage",
    "2A-S2-050": "S2: keys and coverage",
    "2A-S2-051": "S2: keys and coverage",
    "2A-S2-052": "S2: keys and coverage",
    "2A-S2-056": "S2: keys and coverage",
}
CAPS = {
    "2A-S1-090": "S1: fallback logic",
    "2A-S1-091": "S1: fallback logic",
    "2A-S1-092": "S2: override budget",
    "2A-S2-090": "S2: override budget",
}
STATES = {
    "S0": "S0: the sealed inputs",
    "S1": "S1: the lookup",
    "S2": "S2: the overrides",
    "S3": "S3: the timetable",
    "S4": "S4: legality",
    "S5": "S5: the bundle",
}
ACTIONS = {
    "S1: keys and coverage": (
        "compare the keys of site_locations and s1_tz_lookup: one row out for each row in",
        "look for duplicate keys upstream before S1; repair 1B's egress there, never in 2A",
    ),
    "S2: keys and coverage": (
        "compare s1_tz_lookup and site_timezones: keys, nudges and provisional zones",
        "run the state again from the published s1_tz_lookup; civiltime run --plan says what",
    ),
    "S1: fallback logic": (
        "look at the countries named: sites at sea or beyond a border, or a missing zone",
        "name a preference where zones overlap, or repair the sites upstream; a higher cap "
        "needs an approved exception",
    ),
    "S2: override budget": (
        "take out overrides that geometry has made needless (2A-S1-071 counts them)",
        "narrow country and mcc rows to sites; a higher cap needs an approved exception",
    ),
}
STRUCTURE = {
    "row_parity": "S1: keys and coverage",
    "unique_keys": "S1: keys and coverage",
    "states_pass": "S0 to S5: the run",
    "bundle_and_flag": "S5: the bundle",
    "legality": "S4: legality",
}
GOVERNED = {
    "fallback_rate": "S1: fallback logic",
    "country_fallback_cap": "S1: fallback logic",
    "override_rate": "S2: override budget",
    "override_provenance": "S2: provenance of overrides",
    "reported_counts": "S1: the report of the lookup",
}
MOST = 5
"""Countries that one finding names."""


@dataclass(frozen=True)
class Triaged:
    """One finding: where, how bad, the numbers that led there, what to do next."""

    surface: str
    severity: Severity
    what: str
    numbers: Mapping[str, Any]
    actions: Sequence[str]

    def document(self) -> dict[str, Any]:
        """The finding as ``--json`` shows it."""
        return asdict(self)


# --------------------------------------------------------------------------------- a run


def triage_report(report: Document) -> list[Triaged]:
    """What a failed run report says: one finding for each error."""
    return [_of_error(report, error) for error in report["errors"]]


def _of_error(report: Document, error: Document) -> Triaged:
    code = error["code"]
    surface = PARITY.get(code) or CAPS.get(code) or STATES[report["state"]]
    counts = report["counts"]
    numbers = {
        "code": code,
        "validators": [v["id"] for v in report["validators"] if v.get("code") == code],
        **{name: counts[name] for name in _TOLD if name in counts},
    }
    if code in CAPS:
        numbers |= {"cap": _cap(code, report), "countries": _worst(code, report)}
    repeat = f"then civiltime run --seed {report['seed']}"
    actions = (*ACTIONS.get(surface, ()), error_codes()[code].remediation, repeat)
    return Triaged(surface, "blocks", f"{error['name']}: {error['message']}", numbers, actions)


_TOLD = ("sites", "fallbacks_within", "fallbacks_outside", "overrides", "unresolved")


def _cap(code: str, report: Document) -> Any:
    governance = report["governance"]
    name = {"2A-S1-090": "fallback_rate_cap", "2A-S1-091": "fallback_country_cap"}
    return governance.get(name.get(code, "override_rate_cap"))


def _worst(code: str, report: Document) -> dict[str, float]:
    """The countries with the highest rates."""
    kind = "fallback" if code in {"2A-S1-090", "2A-S1-091"} else "override"
    rates = report["governance"].get(f"{kind}_rate_by_country", {})
    return dict(sorted(rates.items(), key=lambda item: (-item[1], item[0]))[:MOST])


def triage_findings(errors: Sequence[CivilTimeError]) -> list[Triaged]:
    """What verifying a complete run from disk found."""
    return [
        Triaged(
            "S5: the bundle", "blocks", f"{e.name}: {e.message}", {"code": e.code}, (e.remediation,)
        )
        for e in errors
    ]


def triage_unfinished(state: str, run_id: str, seed: int) -> list[Triaged]:
    """A run that stopped without saying why."""
    action = f"civiltime run --seed {seed} --run-id {run_id}"
    what = f"the run has no report of {state}: it was stopped before"
    return [Triaged(STATES[state], "blocks", what, {"state": state}, (action,))]


# ----------------------------------------------------------------------- a certification


def triage_certification(document: Document) -> list[Triaged]:
    """The findings of a certification, state first; none where every gate is at B+."""
    found = [*_structure(document), *_governance(document)]
    clean = not any(f.severity in {"blocks", "misses_b"} for f in found)
    return [*found, *_realism(document, clean), *_stability(document), *_coupling(document)]


def _structure(document: Document) -> Iterator[Triaged]:
    for seed, entry in document["seeds"].items():
        failing = [g for g in _short(entry["gates"], "structure") if g["band"] == "FAIL"]
        for gate in failing:
            surface = STRUCTURE[gate["id"]]
            run = entry["run_id"]
            actions = (*ACTIONS.get(surface, ()), f"civiltime triage {run}")
            numbers = {"seed": seed, "run_id": run, "gate": gate["id"]}
            yield Triaged(surface, "blocks", gate.get("detail", gate["title"]), numbers, actions)
        if not entry["metrics"] and not failing:
            action = f"civiltime run --seed {seed}, then civiltime certify"
            numbers = {"seed": seed, "run_id": entry["run_id"]}
            yield Triaged(STRUCTURE["states_pass"], "blocks", entry["reason"], numbers, (action,))


def _governance(document: Document) -> Iterator[Triaged]:
    for seed, entry in document["seeds"].items():
        for gate in _short(entry["gates"], "governance"):
            surface = GOVERNED[gate["id"]]
            numbers = {
                "seed": seed,
                **_figures(gate),
                **{n: c for n, c in entry["governance"].items() if n.endswith("_count") and c},
                "countries": _countries(document, {gate["id"]}),
            }
            yield Triaged(surface, _severity(gate), _says(gate), numbers, ACTIONS.get(surface, ()))


def _realism(document: Document, clean: bool) -> Iterator[Triaged]:
    """Each gate once, over the seeds that miss it."""
    by_gate: dict[str, dict[str, Document]] = {}
    for seed, entry in document["seeds"].items():
        for gate in _short(entry["gates"], "realism"):
            by_gate.setdefault(gate["id"], {})[seed] = gate
    reach = {a["gate"]: a for a in document["attainability"]}
    for gate_id, seeds in by_gate.items():
        worst = min(seeds.values(), key=lambda g: (g["margin_b"] is not None, g["margin_b"] or 0))
        numbers: dict[str, Any] = {
            **_figures(worst),
            "seeds": {seed: gate["value"] for seed, gate in seeds.items()},
            "countries": _countries(document, {gate_id}),
            "mechanisms": _mechanisms(document),
            "dispersion_rho": {c["seed"]: c["rho"] for c in document["coupling"]},
        }
        numbers |= _attainable(reach.get(gate_id))
        surface = "1B: placement of the sites" if clean else "S1 and S2, before the placement"
        yield Triaged(
            surface, _severity(worst), _says(worst), numbers, _upstream_actions(numbers, clean)
        )


def _attainable(entry: Document | None) -> dict[str, Any]:
    if entry is None:
        return {}
    world = entry["reference_world"] or {}
    return {
        "attainability": entry["mark"],
        "ceiling": entry["ceiling"],
        "reference_world": world.get("value"),
    }


def _upstream_actions(numbers: Document, clean: bool) -> tuple[str, ...]:
    if not clean:
        return ("repair governance or structure first: these figures may follow from it",)
    mark = numbers.get("attainability")
    if mark in {"UNATTAINABLE", "ABOVE_REALITY"}:
        whose = (
            "no placement of sites meets" if mark == "UNATTAINABLE" else "real cities don't meet"
        )
        return (f"the gate is {mark}: {whose} it; freeze, and let the blocker say so",)
    if "overlap" in numbers["mechanisms"]:
        return (
            "zones overlap in countries that weigh: see whether a preference is right, by what "
            "people there use (civiltime programme watchlist)",
            "else prove exhaustion and freeze: civiltime programme status",
        )
    return (
        "upstream-constrained: nothing that S1 or S2 decides moves it; don't redistribute zones",
        "prove exhaustion (civiltime programme watchlist, status), then civiltime freeze",
        "with contradiction evidence ask for a reopen of 1B: civiltime reopen request",
    )


def _stability(document: Document) -> Iterator[Triaged]:
    for row in document["stability"]:
        if row["band"] == "B+":
            continue
        severity: Severity = "misses_b" if row["band"] == "FAIL" else "misses_b_plus"
        numbers = {name: row[name] for name in ("metric", "cv", "b", "values")}
        cv = "unknown" if row["cv"] is None else f"{row['cv']:.3f}"
        yield Triaged(
            "1B: placement between seeds",
            severity,
            f"{row['metric']} differs between seeds: CV {cv}, B needs at most {row['b']:g}",
            numbers,
            (
                "look at the seeds furthest from the mean: their countries near a cohort's edge",
                "take back levers that act on few sites: overrides, preferences, nudge epsilon",
            ),
        )


def _coupling(document: Document) -> Iterator[Triaged]:
    weak = {c["seed"]: c["rho"] for c in document["coupling"] if c["band"] == "FAIL"}
    if weak:
        yield Triaged(
            "1B: dispersion of the sites",
            "advice",
            "countries with wider spread don't have more zones",
            {"dispersion_rho": weak, "expected": document["coupling"][0]["b"]},
            ("the sites of a country lie together: evidence for a reopen of 1B",),
        )


def _short(gates: Sequence[Document], axis: str) -> Iterator[Document]:
    return (g for g in gates if g["axis"] == axis and g["band"] != "B+")


def _severity(gate: Document) -> Severity:
    return "misses_b" if gate["band"] == "FAIL" else "misses_b_plus"


def _figures(gate: Document) -> dict[str, Any]:
    return {"gate": gate["id"], "value": gate["value"], "b": gate["b"], "b_plus": gate["b_plus"]}


def _says(gate: Document) -> str:
    if gate["direction"] == "required":
        return str(gate.get("detail") or gate["title"])
    if gate["value"] is None:
        return f"{gate['title']}: no country to judge"
    word = "at most" if gate["direction"] == "at_most" else "at least"
    band, needs = ("B", gate["b"]) if gate["band"] == "FAIL" else ("B+", gate["b_plus"])
    return f"{gate['title']}: {gate['value']:.4g}, {band} needs {word} {needs:g}"


def _countries(document: Document, gates: set[str]) -> dict[str, str]:
    """The countries that weigh most for these gates, else for any, and what they show."""
    ranked = sorted(document["hotspots"], key=lambda h: h["rank"])
    chosen = [h for h in ranked if h["gate"] in gates]
    return {h["country"]: h["example"] for h in chosen[:MOST]}


def _mechanisms(document: Document) -> dict[str, int]:
    """How many hotspots each mechanism explains."""
    found: dict[str, int] = {}
    for hotspot in document["hotspots"]:
        found[hotspot["mechanism"]] = found.get(hotspot["mechanism"], 0) + 1
    return dict(sorted(found.items()))
