"""The map of triage: documents in, surfaces, numbers and next actions out."""

from __future__ import annotations

from typing import Any

import pytest

from civiltime.contracts import error_codes
from civiltime.programme.triage import (
    triage_certification,
    triage_findings,
    triage_report,
    triage_unfinished,
)


def failed(state: str, code: str, **governance: Any) -> dict[str, Any]:
    """A failed run report, as far as triage reads it."""
    error = {"code": code, "name": error_codes()[code].name, "message": "the message"}
    return {
        "state": state,
        "seed": 42,
        "errors": [error],
        "counts": {"sites": 1000, "fallbacks_within": 30},
        "governance": governance,
        "validators": [{"id": "V-16", "code": code}, {"id": "V-01"}],
    }


def test_a_parity_failure_leads_to_keys_and_coverage() -> None:
    for state, code in (("S1", "2A-S1-050"), ("S1", "2A-S1-051"), ("S2", "2A-S2-050")):
        (found,) = triage_report(failed(state, code))
        assert (found.surface, found.severity) == (f"{state}: keys and coverage", "blocks")
        assert found.numbers["validators"] == ["V-16"]
        assert found.actions[-1] == "then civiltime run --seed 42"


def test_a_cap_failure_names_the_countries_from_the_worst() -> None:
    rates = {iso: n / 100 for n, iso in enumerate(("AA", "BB", "CC", "DD", "EE", "FF"), start=1)}
    report = failed("S1", "2A-S1-090", fallback_rate_by_country=rates, fallback_rate_cap=0.0005)
    (found,) = triage_report(report)
    assert found.surface == "S1: fallback logic"
    assert list(found.numbers["countries"]) == ["FF", "EE", "DD", "CC", "BB"]
    assert found.numbers["cap"] == 0.0005
    assert found.numbers["fallbacks_within"] == 30
    report = failed(
        "S2", "2A-S2-090", override_rate_by_country={"GB": 0.5}, override_rate_cap=0.002
    )
    (found,) = triage_report(report)
    assert (found.surface, found.numbers["countries"]) == ("S2: override budget", {"GB": 0.5})


@pytest.mark.parametrize("code", [c for c in error_codes() if c[3] == "S"])
def test_every_code_of_the_chain_leads_somewhere(code: str) -> None:
    (found,) = triage_report(failed(code[3:5], code))
    assert found.surface.startswith("S")
    assert error_codes()[code].remediation in found.actions


def test_a_run_that_was_stopped_is_taken_up_again() -> None:
    (found,) = triage_unfinished("S3", "a" * 32, 7)
    assert found.actions == (f"civiltime run --seed 7 --run-id {'a' * 32}",)
    assert triage_findings([]) == []


def gate(name: str, axis: str, band: str, value: float | bool, b: float | bool) -> dict[str, Any]:
    """A gate as a certification states it."""
    required = isinstance(b, bool)
    return {
        "id": name,
        "axis": axis,
        "title": f"the {name}",
        "direction": "required" if required else "at_most",
        "value": value,
        "b": b,
        "b_plus": b,
        "band": band,
        "margin_b": None if required else b - value,
    }


def judged(*gates: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A certification of one seed, as far as triage reads it."""
    seed = {
        "run_id": "a" * 32,
        "reason": "",
        "metrics": {"sites": 1000},
        "governance": {"fallback_count": 3, "override_count": 0},
        "gates": list(gates),
    }
    document = {
        "seeds": {"42": seed},
        "gates": [],
        "stability": [],
        "attainability": [],
        "hotspots": [],
        "coupling": [{"seed": "42", "rho": 0.4, "band": "B+", "b": 0.15}],
    }
    return {**document, **more}


TOP1 = gate("c_multi_median_top1", "realism", "FAIL", 1.0, 0.92)
FALLBACK = gate("fallback_rate", "governance", "FAIL", 0.003, 0.0005)
PARITY = gate("row_parity", "structure", "FAIL", False, True)
HOT = {
    "rank": 1, "country": "BR", "gate": "c_multi_median_top1", "mechanism": "upstream_collapse",
    "example": "all 871 sites in America/Sao_Paulo, one of 16 zones",
}  # fmt: skip


def reach(mark: str) -> list[dict[str, Any]]:
    """What the gate of :data:`TOP1` could reach."""
    world = {"value": 0.8}
    return [
        {"gate": "c_multi_median_top1", "mark": mark, "ceiling": 0.33, "reference_world": world}
    ]


def test_all_at_b_plus_leaves_nothing_to_repair() -> None:
    assert triage_certification(judged(gate("x", "realism", "B+", 0.1, 0.9))) == []


def test_concentration_with_clean_governance_is_upstreams() -> None:
    document = judged(TOP1, hotspots=[HOT], attainability=reach("ATTAINABLE"))
    (found,) = triage_certification(document)
    assert (found.surface, found.severity) == ("1B: placement of the sites", "misses_b")
    assert found.numbers["attainability"] == "ATTAINABLE"
    assert (found.numbers["ceiling"], found.numbers["reference_world"]) == (0.33, 0.8)
    assert found.numbers["dispersion_rho"] == {"42": 0.4}
    assert found.numbers["countries"] == {"BR": HOT["example"]}
    assert "upstream-constrained" in found.actions[0]


def test_a_gate_that_reality_fails_is_a_blocker() -> None:
    (found,) = triage_certification(judged(TOP1, attainability=reach("ABOVE_REALITY")))
    assert found.actions[0].startswith("the gate is ABOVE_REALITY")


def test_overlaps_are_2as_to_decide() -> None:
    hot = {**HOT, "mechanism": "overlap"}
    (found,) = triage_certification(judged(TOP1, hotspots=[hot]))
    assert "preference" in found.actions[0]


def test_the_map_is_walked_state_first() -> None:
    found = triage_certification(judged(TOP1, FALLBACK, PARITY))
    assert [f.surface for f in found] == [
        "S1: keys and coverage", "S1: fallback logic", "S1 and S2, before the placement",
    ]  # fmt: skip
    assert found[1].numbers["fallback_count"] == 3
    assert found[2].actions == (
        "repair governance or structure first: these figures may follow from it",
    )


def test_a_seed_without_figures_says_why() -> None:
    document = judged()
    document["seeds"]["42"] |= {"metrics": {}, "reason": "no run of this seed", "run_id": None}
    (found,) = triage_certification(document)
    assert (found.what, found.severity) == ("no run of this seed", "blocks")


def test_instability_names_metric_seeds_and_levers() -> None:
    row = {
        "metric": "c_multi_median_entropy", "band": "FAIL", "cv": 0.5, "b": 0.3,
        "values": {"42": 0.1, "7": 0.9},
    }  # fmt: skip
    (found,) = triage_certification(judged(stability=[row]))
    assert found.numbers["values"] == {"42": 0.1, "7": 0.9}
    assert "CV 0.500, B needs at most 0.3" in found.what
    assert "levers" in found.actions[1]


def test_sites_that_lie_together_are_evidence() -> None:
    weak = [{"seed": "42", "rho": None, "band": "FAIL", "b": 0.15}]
    (found,) = triage_certification(judged(coupling=weak))
    assert (found.severity, found.numbers["dispersion_rho"]) == ("advice", {"42": None})
