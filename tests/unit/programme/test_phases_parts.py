"""The pure parts of the phases: watchlist, improvements, regressions, exhaustion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from civiltime.certify.observed import COUNTRIES, Decided
from civiltime.programme.phases.dossier import OpenError
from civiltime.programme.phases.exhaustion import KINDS, require_exhausted
from civiltime.programme.phases.p1 import regressions
from civiltime.programme.phases.p3 import improvements
from civiltime.programme.watchlist import entries
from civiltime.states.precedence import country_number

POLICY = {"thresholds": {"fallback_rate": {"b": 0.0005}, "override_rate": {"b": 0.002}}}


def gate(name: str, axis: str, band: str, margin: float | None = -0.1) -> dict[str, Any]:
    """A gate."""
    return {"id": name, "axis": axis, "band": band, "value": 0.5, "b": 0.4, "margin_b": margin}


def judged(sites: str = "p", **seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """A certification of seeds by their gates (``s42=[...]``), over the placement ``sites``."""
    return {
        "seeds": {
            name[1:]: {
                "gates": gates,
                "reason": "",
                "verdict": "FAIL_REALISM",
                "metrics": {"sites": 10_000},
                "governance": {"fallback_count": 2, "override_count": 30},
            }
            for name, gates in seeds.items()
        },
        "inputs": [{"seed": n[1:], "egress": {"site_locations": sites}} for n in seeds],
        "gates": [],
        "hotspots": [],
        "policy": POLICY,
    }


def hotspot(rank: int, country: str, name: str, seed: str = "42") -> dict[str, Any]:
    """A hotspot."""
    return {
        "rank": rank, "country": country, "seed": seed, "gate": name, "mechanism": "m",
        "shortfall_share": 0.5, "sites": 7,
    }  # fmt: skip


TOP1 = gate("c_multi_median_top1", "realism", "FAIL")
FALLBACK = gate("fallback_rate", "governance", "FAIL")


def test_governance_comes_first_whatever_weighs_more() -> None:
    document = judged(s42=[TOP1, FALLBACK])
    document["hotspots"] = [
        hotspot(1, "BR", "c_multi_median_top1"),
        hotspot(2, "FR", "fallback_rate"),
    ]
    found = entries(document)
    assert [(e["rank"], e["country"], e["axis"]) for e in found] == [
        (1, "FR", "governance"), (2, "BR", "realism"),
    ]  # fmt: skip
    assert found[0]["gap"] == 0.1
    assert found[0]["budget"] == {"fallback_rows": 3, "override_rows": 0}


def test_a_failing_gate_without_country_is_listed_too() -> None:
    document = judged(s42=[TOP1], s7=[gate("x", "realism", "B+")])
    document["gates"] = [gate("cross_seed_cv", "stability", "FAIL")]
    found = entries(document)
    assert [(e["metric"], e["country"], e["seed"]) for e in found[-2:]] == [
        ("c_multi_median_top1", None, "42"), ("cross_seed_cv", None, None),
    ]  # fmt: skip


def test_a_passing_certification_has_no_watchlist() -> None:
    document = judged(s42=[gate("x", "realism", "B")])
    document["seeds"]["42"]["verdict"] = "PASS_B"
    assert entries(document) == []


MOVED = [
    ("one better", [-0.05, -0.1], True),
    ("none moved", [-0.1, -0.1], False),
    ("one worse", [0.1, -0.2], False),
    ("one gone", [0.1, None], False),
]


@pytest.mark.parametrize(("margins", "counts"), [m[1:] for m in MOVED], ids=[m[0] for m in MOVED])
def test_an_improvement_is_worse_on_no_seed(margins: list[float | None], counts: bool) -> None:
    before = judged(s42=[TOP1], s7=[TOP1])
    now = [[gate("c_multi_median_top1", "realism", "FAIL", m)] for m in margins]
    after = judged(s42=now[0], s7=now[1])
    assert list(improvements(before, after)) == (["c_multi_median_top1"] if counts else [])


def test_other_sites_are_no_correction() -> None:
    after = judged("q", s42=[gate("c_multi_median_top1", "realism", "B+", 0.3)])
    assert list(improvements(judged(s42=[TOP1]), after)) == []


def test_a_gate_that_passed_before_is_no_failing_axis() -> None:
    before = judged(s42=[gate("x", "realism", "B", 0.1)])
    after = judged(s42=[gate("x", "realism", "B+", 0.4)])
    assert list(improvements(before, after)) == []


def test_only_what_held_can_regress() -> None:
    good, bad = gate("row_parity", "structure", "B+"), gate("row_parity", "structure", "FAIL")
    assert list(regressions(judged(s42=[good]), judged(s42=[bad]))) == ["row_parity of seed 42"]
    assert list(regressions(judged(s42=[bad]), judged(s42=[bad]))) == []
    assert list(regressions(judged(s42=[good]), judged(s42=[good]))) == []


def decided() -> Decided:
    """Ten sites in Brazil, five in France."""
    found = Decided()
    found.sites[country_number("BR")] = 10
    found.sites[country_number("FR")] = 5
    return found


def test_rows_of_polygons_alone_are_counted() -> None:
    assert require_exhausted("42", decided(), ["BR"]) == 10
    assert require_exhausted("42", decided(), None) == 15


@pytest.mark.parametrize("kind", KINDS)
def test_one_row_that_a_policy_could_move_is_enough(kind: str) -> None:
    found = decided()
    counts = getattr(found, kind)
    counts[..., country_number("FR")] = np.ones(counts.shape[:-1], np.int64)
    assert counts.shape[-1] == COUNTRIES
    assert require_exhausted("42", found, ["BR"]) == 10
    for countries in (["BR", "FR"], None):
        with pytest.raises(OpenError, match=rf"{kind}: FR"):
            require_exhausted("42", found, countries)
