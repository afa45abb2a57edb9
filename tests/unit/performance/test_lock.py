"""What a lock rests on: each of the three checks, failed alone."""

from __future__ import annotations

from typing import Any

import pytest

from civiltime.consumers.verify import Verification
from civiltime.errors import CivilTimeError
from civiltime.performance.lock import (
    governance_no_regression,
    runtime_material,
    structural_all_pass,
)

RUN, OUTPUTS = "a" * 32, "1" * 64
NONE = {"fallback_rate": 0.0, "override_rate": 0.0}


def compared(**changes: Any) -> dict[str, Any]:
    """A comparison whose candidate takes half of the time."""
    total = {"state": "total", "measure": "wall_ms", "baseline": 900, "candidate": 450}
    return {
        "run_id": RUN,
        "measures": [{**total, "ratio": 0.5, "verdict": changes.pop("verdict", "less")}],
        "decision": "GO",
        "reason": "every condition holds",
        "candidate_outputs_sha256": OUTPUTS,
        **changes,
    }


def certified(**bands: str) -> dict[str, Any]:
    """A certification of one seed with a gate of each axis."""
    axes = {"structure": "B+", "governance": "B", "realism": "FAIL"} | bands
    gates = [{"id": f"{axis} gate", "axis": axis, "band": band} for axis, band in axes.items()]
    return {"seeds": {"42": {"gates": gates, "reason": None}}}


NOTHING_SCORED = {"seeds": {"42": {"gates": [], "reason": "the run failed in S2"}}}


def test_a_faster_chain_is_material() -> None:
    found = runtime_material(compared(), RUN, OUTPUTS)
    assert found["holds"]
    assert found["detail"] == "the whole process takes 450 ms for 900, -50.0%"


@pytest.mark.parametrize(
    ("comparison", "says"),
    [
        (None, "no paired comparison"),
        (compared(verdict="unchanged"), "unchanged"),
        (compared(verdict="more"), "more"),
        (compared(decision="HOLD", reason="equivalent: a differs"), "HOLD (equivalent: a differs)"),
        (compared(candidate_outputs_sha256="2" * 64), "other bytes"),
    ],
)
def test_what_is_not_material(comparison: dict[str, Any] | None, says: str) -> None:
    found = runtime_material(comparison, RUN, OUTPUTS)
    assert not found["holds"]
    assert says in found["detail"]


def test_a_comparison_of_another_run_is_refused() -> None:
    with pytest.raises(CivilTimeError) as caught:
        runtime_material(compared(run_id="b" * 32), RUN, OUTPUTS)
    assert caught.value.code == "2A-PF-008"


def test_realism_is_no_matter_of_structure_or_governance() -> None:
    assert structural_all_pass(Verification(RUN), certified())["holds"]
    assert governance_no_regression(certified(), NONE, NONE)["holds"]


def test_structure_fails_by_a_finding_a_gate_or_nothing_judged() -> None:
    altered = Verification(RUN)
    altered.add("2A-RD-002", "a file was changed")
    cases = {
        "2A-RD-002": (altered, certified()),
        "structure gate fails": (Verification(RUN), certified(structure="FAIL")),
        "the run failed in S2": (Verification(RUN), NOTHING_SCORED),
    }
    for says, (verification, certification) in cases.items():
        found = structural_all_pass(verification, certification)
        assert not found["holds"]
        assert says in found["detail"]


@pytest.mark.parametrize("rate", sorted(NONE))
def test_governance_fails_where_a_rate_rose(rate: str) -> None:
    more = {**NONE, rate: 0.0001}
    assert not governance_no_regression(certified(), more, NONE)["holds"]
    assert governance_no_regression(certified(), more, more)["holds"]
    assert governance_no_regression(certified(), NONE, more)["holds"]


@pytest.mark.parametrize("certification", [certified(governance="FAIL"), NOTHING_SCORED])
def test_governance_fails_by_its_gates(certification: dict[str, Any]) -> None:
    assert not governance_no_regression(certification, NONE, NONE)["holds"]
