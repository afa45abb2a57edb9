"""The chain on the small workspace: what it publishes, and that it publishes once."""

from __future__ import annotations

from tests.conftest import Small


def test_a_run_passes_every_validator_of_every_state(small_run: Small) -> None:
    for state in ("S0", "S1", "S2", "S3", "S4", "S5"):
        report = small_run.report(state)
        assert report["status"] == "pass"
        assert {v["result"] for v in report["validators"]} == {"pass"}, report["warnings"]


def test_a_second_run_of_the_same_receipt_reuses_everything(small_run: Small) -> None:
    before = {p: p.read_bytes() for p in small_run.published()}
    said = small_run.run()
    assert said.code == 0, said.err
    assert {s["publish"] for s in said.json["states"].values()} == {"REUSE"}
    assert {p: p.read_bytes() for p in small_run.published()} == before


def test_the_overlap_is_decided_by_country_and_counted(small_run: Small) -> None:
    counts = small_run.report("S1")["counts"]
    assert counts["tie_breaks_country"] == 1
    assert counts["by_country"]["IL"] == {"sites": 3, "tie_breaks_country": 1}
