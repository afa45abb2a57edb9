"""Verdicts of whole run sets: each gate alone can fail one, and what an exception excuses.

Negative controls (specification 4.3): a set that passes everything at B+, with one thing broken,
fails exactly that gate, and the verdict names it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.certify.figures import GOVERNED, SEEDS, SPREAD, certified, country, seed, seeds

from civiltime.certify.certification import Document
from civiltime.certify.evidence import SeedEvidence
from civiltime.certify.gates import GATES, STRUCTURE, Exemption
from civiltime.certify.governance import Guesses, over_country_cap, unexplained
from civiltime.certify.metrics import Country
from civiltime.certify.observed import COUNTRIES, Decided, Observed
from civiltime.workspace.digest import canonical_json
from civiltime.workspace.publish import people_json


def failing(document: Document) -> dict[str, set[str]]:
    """Ids of failing gates by seed."""
    found = {
        number: {g["id"] for g in entry["gates"] if g["band"] == "FAIL"}
        for number, entry in document["seeds"].items()
    }
    return {number: gates for number, gates in found.items() if gates}


def test_a_set_that_passes_everything() -> None:
    document = certified(seeds())
    assert document["verdict"] == "PASS_BPLUS"
    assert failing(document) == {}
    assert {g["band"] for e in document["seeds"].values() for g in e["gates"]} == {"B+"}
    assert document["one_line"] == "PASS_BPLUS: all gates at B+ on the seeds 42, 7, 101, 202"
    assert document["hotspots"] == document["exceptions"] == []
    order = [g["id"] for g in document["seeds"]["42"]["gates"]]
    assert sorted(order) == sorted(g.id for g in GATES), "each gate once"


def many(*sites: tuple[int, ...]) -> tuple[Country, ...]:
    """Countries of two zones with so many sites in each."""
    return tuple(country(f"A{chr(65 + i)}", 2, *s) for i, s in enumerate(sites))


# Each of these misses its own gate and no other: (gate, countries, guesses).
CONTROLS: dict[str, tuple[tuple[Country, ...], dict[str, Guesses]]] = {
    # 3 of 4000 fall back: 0.00075
    "fallback_rate": (SPREAD, {"AA": Guesses(fallback=3)}),
    "override_rate": (SPREAD, {"AA": Guesses(override=9)}),
    # one country of C_multi with 499 sites: none for C_large
    "cohorts_not_empty": (many((250, 249)), {}),
    # 6 of 9 with two zones; the others spread evenly, so every median is that of an even spread
    "c_multi_share_two_zones": (many(*[(1000, 1000)] * 6, (499,), (499,), (499,)), {}),
    # a share of over 0.92 with a gap of at most 0.85
    "c_multi_median_top1": (many((925, 75)), {}),
    # a gap of over 0.85 with a share of at most 0.92 needs a third zone
    "c_multi_median_gap": ((country("AA", 3, 918, 62, 20),), {}),
    # 0.92 and 0.08 of ten zones: gap 0.84, H / ln 10 = 0.12
    "c_multi_median_entropy": ((country("AA", 10, 920, 80),), {}),
    # 3 of 4 large ones: 0.75; medians are those of the spread ones
    "c_large_share_top1_below": (many((500, 500), (500, 500), (500, 500), (960, 40)), {}),
}


@pytest.mark.parametrize("gate", CONTROLS)
@pytest.mark.parametrize("number", SEEDS)
def test_one_figure_of_one_seed_fails_the_set_by_its_name(gate: str, number: int) -> None:
    countries, guesses = CONTROLS[gate]
    document = certified(seeds(**{f"s{number}": seed(number, countries, guesses)}))
    expected = {gate}
    if gate == "cohorts_not_empty":
        expected |= {"c_large_share_top1_below"}  # which has no country to judge
    assert failing(document) == {str(number): expected}
    assert document["verdict"] == document["seeds"][str(number)]["verdict"] == "FAIL_REALISM"
    others = {e["verdict"] for s, e in document["seeds"].items() if s != str(number)}
    assert others == {"PASS_BPLUS"}
    assert gate in document["one_line"]
    assert f"on seed {number}" in document["one_line"]
    assert gate in document["seeds"][str(number)]["reason"]


@pytest.mark.parametrize("gate", [*(g.id for g in STRUCTURE), *GOVERNED])
def test_one_broken_structure_fails_the_set_by_its_reason(gate: str) -> None:
    document = certified(seeds(s7=seed(7, broken={gate: "the test broke it"})))
    assert failing(document) == {"7": {gate}}
    assert document["verdict"] == document["seeds"]["7"]["verdict"] == "FAIL_REALISM"
    assert "the test broke it" in document["one_line"]
    assert "the test broke it" in document["seeds"]["7"]["reason"]


def test_the_spread_over_seeds_alone_fails_the_set() -> None:
    """Every seed passes; gaps of 0.0 and 0.6 have a CV of 1."""
    wide = seed(7, many((800, 200)))
    document = certified(seeds(s7=wide, s202=seed(202, many((800, 200)))))
    assert failing(document) == {}
    assert {e["verdict"] for e in document["seeds"].values()} == {"PASS_BPLUS"}
    assert document["verdict"] == "FAIL_REALISM"
    assert document["one_line"] == (
        "FAIL_REALISM: c_multi_median_gap differs too much between seeds"
    )
    assert [s["band"] for s in document["stability"]] == ["B+", "B", "FAIL", "B+"]


def test_a_seed_without_a_run_fails_the_set() -> None:
    document = certified(seeds(s101=SeedEvidence(101, reason="no run of this seed")))
    assert document["verdict"] == "FAIL_REALISM"
    assert document["one_line"] == "FAIL_REALISM: seed 101: no run of this seed"
    entry = document["seeds"]["101"]
    assert (entry["verdict"], entry["metrics"], entry["gates"]) == ("FAIL_REALISM", {}, [])
    assert entry["run_id"] is None
    assert [i["seed"] for i in document["inputs"]] == ["42", "7", "202"]
    assert all(set(s["values"]) == {"42", "7", "202"} for s in document["stability"])


def test_a_seed_with_a_reason_fails_though_every_gate_that_was_judged_holds() -> None:
    stopped = seed(7)
    stopped.reason = "it sealed another certification policy"
    document = certified(seeds(s7=stopped))
    assert failing(document) == {}
    assert document["seeds"]["7"]["verdict"] == document["verdict"] == "FAIL_REALISM"
    assert document["one_line"] == f"FAIL_REALISM: seed 7: {stopped.reason}"


def test_without_any_seed_that_can_be_scored_there_still_is_a_certification() -> None:
    document = certified([SeedEvidence(s, reason="no run of this seed") for s in SEEDS])
    assert document["verdict"] == "FAIL_REALISM"
    assert {e["verdict"] for e in document["seeds"].values()} == {"FAIL_REALISM"}
    assert document["inputs"] == document["coupling"] == document["hotspots"] == []
    assert {r["ceiling"] for r in document["attainability"] if r["gate"].startswith("c_")} == {None}
    assert "between seeds" not in document["one_line"], "nothing was measured that could differ"


def test_one_gate_at_b_makes_the_set_b() -> None:
    document = certified(seeds(s7=seed(7, guesses={"AA": Guesses(override=4)})))
    assert document["seeds"]["7"]["verdict"] == document["verdict"] == "PASS_B"
    assert document["seeds"]["7"]["reason"] == "B+ needs more of override_rate"
    assert document["one_line"] == "PASS_B: B on all seeds; short of B+ in override_rate"


def test_gates_are_grouped_by_the_seeds_on_which_they_fail() -> None:
    flat = many((1000,))
    both = [seed(s, flat, {"AA": Guesses(fallback=9)} if s == 7 else {}) for s in SEEDS]
    line = certified(both)["one_line"]
    assert "fallback_rate on seed 7" in line
    assert "c_large_share_top1_below on all seeds" in line


# --------------------------------------------------------------------------- exceptions

GRANTED = Exemption("e-1", "override_rate", 0.00225, (7, 101))


def overridden(*numbers: int, more: int = 0) -> list[SeedEvidence]:
    guesses = {"AA": Guesses(override=9 + more)}  # 9 of 4000: 0.00225
    return [seed(s, guesses=guesses if s in numbers else {}) for s in SEEDS]


def test_an_exception_raises_one_cap_for_its_seeds_and_is_named() -> None:
    document = certified(overridden(7), [GRANTED])
    assert failing(document) == {}
    assert document["verdict"] == document["seeds"]["7"]["verdict"] == "PASS_B"
    assert {e["verdict"] for s, e in document["seeds"].items() if s != "7"} == {"PASS_BPLUS"}
    assert "under the exceptions e-1" in document["one_line"]
    assert document["exceptions"] == [
        {"id": "e-1", "gate": "override_rate", "ceiling": 0.00225, "seeds": ["7", "101"]}
    ]
    (gate,) = (g for g in document["seeds"]["7"]["gates"] if g["id"] == "override_rate")
    assert (gate["band"], gate["exception"]) == ("B", "e-1")
    assert gate["margin_b"] < 0, "the threshold itself doesn't move"
    assert gate["b"] == 0.002


@pytest.mark.parametrize(
    ("evidence", "exemption"),
    [
        (overridden(7), Exemption("e-2", "override_rate", 0.01, (42, 101, 202))),
        (overridden(7), Exemption("e-2", "fallback_rate", 0.01, SEEDS)),
        (overridden(7, more=1), GRANTED),
        (overridden(7, 42), GRANTED),
        (overridden(7), Exemption("e-2", "override_rate", 0.0, SEEDS)),
    ],
    ids=["other seeds", "another gate", "over the ceiling", "one seed more", "ceiling below"],
)
def test_an_exception_excuses_nothing_else(
    evidence: list[SeedEvidence], exemption: Exemption
) -> None:
    document = certified(evidence, [exemption])
    assert document["verdict"] == "FAIL_REALISM"
    assert {gate for gates in failing(document).values() for gate in gates} == {"override_rate"}


@pytest.mark.parametrize("gate", [g.id for g in GATES if g.id != "fallback_rate"])
def test_no_exception_excuses_structure_or_realism(gate: str) -> None:
    """What isn't a cap on guesses has no ceiling that could be raised."""
    if gate in CONTROLS:
        countries, guesses = CONTROLS[gate]
        broken = seed(7, countries, guesses)
    else:
        broken = seed(7, broken={gate: "the test broke it"})
    document = certified(seeds(s7=broken), [Exemption("e-3", gate, 1e9, SEEDS)])
    if gate == "override_rate":
        assert document["verdict"] == "PASS_B"
    else:
        assert document["verdict"] == "FAIL_REALISM"
        assert document["exceptions"] == []


def test_an_exception_that_nothing_needs_lowers_and_names_nothing() -> None:
    document = certified(seeds(), [GRANTED])
    assert document["verdict"] == "PASS_BPLUS"
    assert document["exceptions"] == []


# --------------------------------------------------------------------- country caps, owners


@pytest.mark.parametrize(
    ("fallbacks", "sites", "over"),
    [(2, 100, False), (3, 100, True), (1, 99, False), (99, 99, False), (0, 100, False)],
)
def test_the_country_cap_holds_from_its_smallest_country_on(
    fallbacks: int, sites: int, over: bool
) -> None:
    cap = {"rate": 0.02, "min_sites": 100}
    problem = over_country_cap({"AA": Guesses(fallback=fallbacks)}, {"AA": sites}, cap)
    assert (problem is not None) == over
    if over:
        assert problem == "fallbacks over the country cap of 0.02: AA 0.0300"


def seen(**overrides: int) -> Observed:
    decided = Decided()
    for number, scope in enumerate(("site", "mcc", "country")):
        decided.overrides[number, 0] = overrides.get(scope, 0)
    return Observed({}, [], 0, decided.ties.reshape(COUNTRIES, 1), decided)


def applied(scope: str, owner: str = "geo", reason: str = "PORT") -> dict[str, str]:
    return {"scope": scope, "target": "x", "owner": owner, "reason_code": reason}


Check = Callable[[], str | None]


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (lambda: unexplained([], seen()), None),
        (lambda: unexplained([applied("site")], seen(site=3)), None),
        (lambda: unexplained([applied("site", owner=" ")], seen(site=3)), "without reason"),
        (lambda: unexplained([applied("site", reason="")], seen(site=3)), "without reason"),
        (lambda: unexplained([], seen(mcc=1)), "differ on overrides by mcc"),
        (lambda: unexplained([applied("country")], seen()), "differ on overrides by country"),
    ],
)
def test_overrides_have_reason_owner_and_a_report(problem: Check, says: str | None) -> None:
    found = problem()
    assert found == says if says is None else says in (found or "")


# ------------------------------------------------------------------------------ as bytes


def test_the_same_evidence_gives_the_same_document_and_it_can_be_digested() -> None:
    one, other = certified(overridden(7), [GRANTED]), certified(overridden(7), [GRANTED])
    assert people_json(one) == people_json(other)
    assert canonical_json(one) == canonical_json(other)
