"""Blockers: the same list, however a certification's seeds are ordered."""

from __future__ import annotations

from typing import Any

from civiltime.programme.blockers import blockers


def judged(*seeds: str) -> dict[str, Any]:
    """A certification that fails one gate on every seed, its seeds in this order."""
    gate = {"id": "c_multi_median_top1", "axis": "realism", "band": "FAIL", "value": 1.0, "b": 0.92,
            "margin_b": -0.08}  # fmt: skip
    entry = {"run_id": "0" * 32, "gates": [gate], "reason": ""}
    return {
        "verdict": "FAIL_REALISM",
        "seeds": dict.fromkeys(seeds, entry),
        "gates": [],
        "hotspots": [],
    }


def test_a_file_sorts_its_seeds_as_text_and_memory_doesnt() -> None:
    in_memory, on_disk = judged("42", "7", "101", "202"), judged("101", "202", "42", "7")
    assert blockers(in_memory) == blockers(on_disk)
    assert [b["seed"] for b in blockers(on_disk)] == ["7", "42", "101", "202"]
