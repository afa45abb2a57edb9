"""What a candidate must do to be a GO: each condition, failed alone."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from civiltime.consumers.verify import STATES
from civiltime.errors import CivilTimeError
from civiltime.performance.bench import MEASURES, TIMED
from civiltime.performance.budgets import Budgets, parse_budgets
from civiltime.performance.compare import compare, require_pair, require_unaltered
from civiltime.performance.pairs import MIN_ROUNDS
from civiltime.performance.sitting import medians
from civiltime.programme.decisions import ApprovedWaiver

Document = dict[str, Any]
TABLE, WITNESS = "data/site_timezones/part-00000.parquet", "b" * 32
COST = {"wall_ms": 1000.0, "cpu_ms": 1000.0, "peak_rss_bytes": 500.0 * 2**20}


def side(name: str, faster: tuple[str, ...] = (), by: float = 0.5) -> Document:
    """One side of a sitting, all of whose rounds are alike."""
    cost = {s: {m: COST[m] for m in MEASURES} for s in TIMED}
    for state in faster:
        cost[state]["wall_ms"] *= by
    decided: Document = {s: {"a check": "pass", "another": "warn"} for s in STATES}
    decided |= {"run": {"exit": "0"}, "certify": {"verdict": "PASS_B", "legality": "B"}}
    outputs = {TABLE: {"sha256_hex": "1" * 64, "content_sha256": "2" * 64}}
    rounds = [
        {"round": n, "turn": 1, "measures": deepcopy(cost), "outputs_sha256": "3" * 64}
        for n in range(1, MIN_ROUNDS + 1)
    ]
    verify = {"intact": "exit 0", "tables damaged": "exit 1: X", "bundle damaged": "exit 1: Y"}
    return {
        "sitting_id": "5" * 32,
        "side": name,
        "started_utc": "2026-01-01T00:00:00.000000Z",
        "machine": {"logical_cpus": 2},
        "build": {"build_sha256": "6" * 64, "software": {}},
        "inputs": {"run_id": "a" * 32, "sites": 31_257, "witnesses": [WITNESS]},
        "rounds": rounds,
        "medians": medians(rounds),
        "outputs": outputs,
        "decisions": {**deepcopy(decided), "verify": verify},
        "witnesses": {WITNESS: {"outputs": deepcopy(outputs), "decisions": deepcopy(decided)}},
    }


def budgets(stretch: float = 1e9) -> Budgets:
    row = f"{{state: S1, measure: wall_ms, target: 1, stretch: {stretch}, per_million_sites: 0}}"
    return parse_budgets(
        f"semver: 1.0.0\nreference_sites: 0\nbudgets:\n  - {row}\n".encode(), "package"
    )


def failing(found: Document) -> set[str]:
    """The conditions that don't hold."""
    missing = {c["id"] for c in found["conditions"] if not c["holds"]}
    assert (found["decision"] == "HOLD") == bool(missing)
    return missing


BASELINE = side("baseline")


def faster() -> Document:
    """A candidate whose S1, and with it the chain, takes half of the time."""
    return side("candidate", ("S1", "total"))


def test_go_where_every_condition_holds() -> None:
    found = compare(BASELINE, faster(), "S1", budgets())
    assert (found["decision"], found["reason"]) == ("GO", "every condition holds")
    assert [c["id"] for c in found["conditions"]] == [
        "equivalent",
        "downstream_green",
        "decision_parity",
        "faster",
        "nothing_slower",
        "memory_not_worse",
        "budget",
    ]
    row = next(m for m in found["measures"] if (m["state"], m["measure"]) == ("S1", "wall_ms"))
    assert (row["baseline"], row["candidate"], row["ratio"]) == (1000, 500, 0.5)


def other_bytes(d: Document) -> None:
    d["outputs"][TABLE] = {"sha256_hex": "8" * 64, "content_sha256": "9" * 64}


def a_file_less(d: Document) -> None:
    d["outputs"] = {}


def other_bytes_of_a_witness(d: Document) -> None:
    d["witnesses"][WITNESS]["outputs"][TABLE] = {"sha256_hex": "8" * 64, "content_sha256": "9" * 64}


def a_failing_check(d: Document) -> None:
    d["decisions"]["S4"]["a check"] = "fail"


def a_skipped_check(d: Document) -> None:
    del d["decisions"]["S5"]["another"]


def a_hollow_verify(d: Document) -> None:
    d["decisions"]["verify"]["tables damaged"] = "exit 0"


def a_verify_that_refuses_everything(d: Document) -> None:
    d["decisions"]["verify"]["intact"] = "exit 1: 2A-RD-001"


def another_refusal(d: Document) -> None:
    d["decisions"]["verify"]["bundle damaged"] = "exit 1: Z"


def another_verdict(d: Document) -> None:
    d["decisions"]["certify"]["verdict"] = "PASS_BPLUS"


def a_gate_less(d: Document) -> None:
    del d["decisions"]["certify"]["legality"]


def another_verdict_on_a_witness(d: Document) -> None:
    d["witnesses"][WITNESS]["decisions"]["certify"]["verdict"] = "FAIL_REALISM"


def every_round(state: str, measure: str, factor: float) -> Callable[[Document], None]:
    def change(d: Document) -> None:
        for row in d["rounds"]:
            row["measures"][state][measure] = COST[measure] * factor
        d["medians"] = medians(d["rounds"])

    change.__name__ = f"{state} {measure} x {factor}"
    return change


@pytest.mark.parametrize(
    ("change", "conditions"),
    [
        (other_bytes, {"equivalent"}),
        (a_file_less, {"equivalent"}),
        (other_bytes_of_a_witness, {"equivalent"}),
        (a_failing_check, {"downstream_green", "decision_parity"}),
        (a_skipped_check, {"decision_parity"}),
        (a_hollow_verify, {"downstream_green", "decision_parity"}),
        (a_verify_that_refuses_everything, {"downstream_green", "decision_parity"}),
        (another_refusal, {"decision_parity"}),
        (another_verdict, {"decision_parity"}),
        (a_gate_less, {"decision_parity"}),
        (another_verdict_on_a_witness, {"decision_parity"}),
        (every_round("S1", "wall_ms", 0.96), {"faster"}),
        (every_round("S1", "wall_ms", 1.0), {"faster"}),
        (every_round("S1", "wall_ms", 1.1), {"faster", "nothing_slower"}),
        (every_round("S5", "wall_ms", 1.1), {"nothing_slower"}),
        (every_round("certify", "wall_ms", 1.1), {"nothing_slower"}),
        (every_round("S2", "peak_rss_bytes", 1.1), {"memory_not_worse"}),
        (every_round("S2", "cpu_ms", 1.1), set()),
    ],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else "",
)
def test_what_holds_a_faster_candidate(
    change: Callable[[Document], None], conditions: set[str]
) -> None:
    candidate = faster()
    change(candidate)
    found = compare(BASELINE, candidate, "S1", budgets())
    assert failing(found) == conditions
    assert all(name in found["reason"] for name in conditions)


def test_a_changed_writer_is_no_changed_output() -> None:
    candidate = faster()
    candidate["outputs"][TABLE]["sha256_hex"] = "8" * 64
    found = compare(BASELINE, candidate, "S1", budgets())
    assert found["decision"] == "GO"
    assert found["differing"] == [{"path": TABLE, "how": "same"}]
    assert "1 were written differently and say the same" in found["conditions"][0]["detail"]


def test_over_budget_stays_open_unless_a_waiver_accepts_the_value() -> None:
    def judged(*waivers: ApprovedWaiver) -> Document:
        return compare(BASELINE, faster(), "S1", budgets(stretch=499), waivers)

    def waiver(ceiling: float) -> ApprovedWaiver:
        return ApprovedWaiver("w1", "S1", "wall_ms", ceiling, "why", "Cleo", "2099-12-31")

    assert failing(judged()) == {"budget"}
    assert failing(judged(waiver(499.9))) == {"budget"}
    accepted = judged(waiver(500))
    assert accepted["decision"] == "GO"
    assert accepted["standings"][0]["band"] == "AMBER"
    assert "waiver w1" in accepted["conditions"][-1]["detail"]


def test_the_validation_path_is_judged_as_any_state() -> None:
    found = compare(BASELINE, side("candidate", ("certify",)), "certify", budgets())
    assert found["decision"] == "GO"
    assert failing(compare(BASELINE, faster(), "certify", budgets())) == {"faster"}


# ---------------------------------------------------------------------------- pairs only


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sitting_id", "7" * 32),
        ("machine", {"logical_cpus": 4}),
        ("started_utc", "2026-01-01T00:00:00.000001Z"),
        ("inputs", {"run_id": "a" * 32, "sites": 31_258}),
        ("side", "baseline"),
        ("rounds", []),
    ],
)
def test_timings_that_are_no_pair_are_refused(key: str, value: object) -> None:
    with pytest.raises(CivilTimeError, match=key) as caught:
        require_pair(BASELINE, {**faster(), key: value})
    assert caught.value.code == "2A-PF-005"


def test_a_pair_is_put_in_order() -> None:
    candidate = faster()
    assert require_pair(candidate, BASELINE) == (BASELINE, candidate)


def test_medians_that_the_rounds_do_not_give_are_refused() -> None:
    candidate = faster()
    require_unaltered(candidate, "it")
    candidate["rounds"][0]["measures"]["S1"]["wall_ms"] -= 1
    candidate["medians"]["S1"]["wall_ms"] -= 1
    with pytest.raises(CivilTimeError, match="altered") as caught:
        require_unaltered(candidate, "it")
    assert caught.value.code == "2A-PF-004"
