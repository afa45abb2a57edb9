"""Why a certification isn't better: in words, once for all seeds that share it."""

from __future__ import annotations

from typing import Any

from civiltime.report.headline import Reason, reasons, seed_cards
from civiltime.report.tables import exceptions, gate_rows

TITLE = "C_multi: median share of the leading zone"


def gate(value: float | None, band: str, **more: Any) -> dict[str, Any]:
    """A gate's answer."""
    return {
        "id": "c_multi_median_top1", "title": TITLE, "axis": "realism", "direction": "at_most",
        "b": 0.92, "b_plus": 0.8, "value": value, "band": band, "detail": "",
        "margin_b": None if value is None else 0.92 - value,
        "margin_b_plus": None if value is None else 0.8 - value, **more,
    }  # fmt: skip


def certification(**gates: dict[str, Any] | None) -> dict[str, Any]:
    """A certification of seeds with one gate each; None is a seed that wasn't scored."""
    return {
        "seeds": {
            name.removeprefix("s"): {
                "verdict": {"FAIL": "FAIL_REALISM", "B": "PASS_B"}.get(
                    found["band"] if found else "FAIL", "PASS_BPLUS"
                ),
                "reason": "" if found else "no run",
                "run_id": "ab" * 16 if found else "",
                "metrics": {"sites": 1200} if found else {},
                "gates": [found] if found else [],
            }
            for name, found in gates.items()
        },
        "gates": [],
    }


def test_nothing_stands_in_the_way_of_b_plus() -> None:
    assert reasons(certification(s7=gate(0.5, "B+"), s42=gate(0.6, "B+"))) == []


def test_the_worst_seed_is_told_for_all() -> None:
    document = certification(s7=gate(0.95, "FAIL"), s42=gate(0.97, "FAIL"))
    detail = "0.970 at worst, where B asks for at most 0.92"
    assert reasons(document) == [Reason("fail", TITLE, detail, "all seeds")]


def test_only_what_decides_is_told() -> None:
    document = certification(s7=gate(0.85, "B"), s42=gate(0.97, "FAIL"))
    document["gates"] = [gate(0.85, "B", title="Spread over the seeds")]
    assert [(r.css, r.where) for r in reasons(document)] == [("fail", "seed 42")]
    document = certification(s7=gate(0.85, "B"), s42=gate(0.7, "B+"), s101=gate(0.9, "B"))
    detail = "0.900 at worst, where B+ asks for at most 0.8"
    assert reasons(document) == [Reason("b", TITLE, detail, "seeds 7, 101")]


def test_a_seed_that_was_not_scored_comes_first() -> None:
    document = certification(s7=gate(0.97, "FAIL"), s42=None)
    assert [r.title for r in reasons(document)] == ["Seed 42 wasn't scored", TITLE]
    assert [c.reason for c in seed_cards(document)] == ["misses 1 of 1 gates", "no run"]


def test_what_all_seeds_score_is_not_called_the_worst() -> None:
    (found,) = reasons(certification(s7=gate(0.97, "FAIL"), s42=gate(0.97, "FAIL")))
    assert found.detail == "0.970, where B asks for at most 0.92"


def test_a_figure_that_is_not_there() -> None:
    (found,) = reasons(certification(s7=gate(None, "FAIL")))
    assert found.detail == "there is nothing to measure"


def test_attainability_stands_beside_the_threshold() -> None:
    mark = {"gate": "c_multi_median_top1", "mark": "ABOVE_REALITY", "mark_b_plus": "UNATTAINABLE"}
    (row,) = gate_rows({"7": [gate(0.97, "FAIL")]}, [mark])["realism"]
    assert row.marks == ("above reality", "unattainable")
    (row,) = gate_rows({"7": [gate(0.97, "FAIL")]}, [{**mark, "mark": "ATTAINABLE"}])["realism"]
    assert row.marks == ("", "unattainable")


def test_an_exception_is_told_whole() -> None:
    granted = {
        "id": "0123456789abcdef", "gate": "override_rate", "ceiling": 0.0125,
        "seeds": ["7", "42"], "reason": "much land is claimed twice", "approver": "Cleo",
        "expires_utc": "2027-01-31T00:00:00.000000Z",
    }  # fmt: skip
    override = gate(0.01, "B", id="override_rate", title="Override rate")
    table = exceptions({**certification(s7=override), "exceptions": [granted]})
    assert table.rows == (
        (
            "Override rate", "0.0125", "7, 42", "much land is claimed twice", "Cleo",
            "2027-01-31 00:00 UTC", "0123456789abcdef",
        ),
    )  # fmt: skip
    assert exceptions({**certification(s7=override), "exceptions": []}).rows == ()
