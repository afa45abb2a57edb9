"""``civiltime explain`` on real sites: the step that decided, its evidence, and no false answer."""

from __future__ import annotations

from typing import Any

from tests.conftest import Small, civiltime
from tests.end_to_end.refusals import refused


def explained(small: Small, key: str) -> Any:
    """The explanation of a site."""
    said = small.cli("explain", small.run_id, key)
    assert said.code == 0, said.out
    return said.json


def test_a_site_in_one_polygon(small_run: Small) -> None:
    found = explained(small_run, "1|CH|1")
    assert found["candidates"] == [{"tzid": "Europe/Zurich", "country": "CH"}]
    assert (found["s1"]["decision"], found["s1"]["evidence"]) == ("polygon", {})
    assert found["s2"]["tzid"] == "Europe/Zurich"
    assert found["s2"]["tzid_source"] == "polygon"
    assert not found["s2"]["changed"]
    steps = [(t["from_minutes"], t["to_minutes"], t["kind"]) for t in found["transitions"]]
    assert sorted(steps) == [(60, 120, "gap"), (120, 60, "fold")]


def test_a_tie_is_told_with_all_that_claim_the_land(small_run: Small) -> None:
    found = explained(small_run, "3|IL|3")
    assert {c["tzid"] for c in found["candidates"]} == {"Asia/Hebron", "Asia/Jerusalem"}
    assert found["s1"]["decision"] == "tie_country"
    assert found["s2"]["tzid"] == "Asia/Jerusalem"


def test_every_merchant_id_is_found(small_run: Small) -> None:
    assert explained(small_run, "18446744073709551615|LI|1")["s2"]["tzid"] == "Europe/Vaduz"


def test_a_fallback_is_told_with_nudge_and_distance(small: Small) -> None:
    small.edit(
        "lookup.yaml", "country_consistent_tiebreak: true", "country_consistent_tiebreak: false"
    )
    small.edit("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 0.5")
    assert small.run().code == 0
    found = explained(small, "3|IL|3")
    assert found["s1"]["decision"] == "fallback_within"
    evidence = found["s1"]["evidence"]
    assert evidence["distance_m"] == 0.0
    assert evidence["nudge"]["lat_deg"] > found["lat_deg"]
    assert len(evidence["nudge"]["candidates"]) == 2
    page = civiltime("explain", small.run_id, "3|IL|3", "-w", small.root).out
    assert "distance_m" in page
    assert all(len(line) <= 100 for line in page.splitlines())


def test_an_override_is_told_with_reason_and_owner(small: Small) -> None:
    small.edit(
        "lookup.yaml", "country_consistent_tiebreak: true", "country_consistent_tiebreak: false"
    )
    small.edit("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 0.5")
    small.edit("lookup.yaml", "override_rate_cap: 0.0020", "override_rate_cap: 0.5")
    small.config("tz_overrides.yaml").write_text(
        "- {scope: site, target: '3|IL|3', tzid: Asia/Jerusalem, reason_code: CUSTOMER_REPORT, "
        "owner: ops, notes: their clocks}\n"
    )
    assert small.run().code == 0
    found = explained(small, "3|IL|3")
    assert found["s1"]["decision"] == "override_site"
    override = found["s1"]["evidence"]["override"]
    assert (override["reason_code"], override["owner"]) == ("CUSTOMER_REPORT", "ops")
    assert (found["s2"]["tzid_source"], found["s2"]["override_scope"]) == ("override", "site")


def test_what_is_no_site_is_refused(small_run: Small) -> None:
    explain = ("explain", small_run.run_id)
    refused(small_run.root, "2A-EX-001", *explain, "1|CH|99")
    for key in ("1|ch|1", "1|CH", "0|CH|1", f"{2**64}|CH|1", f"1|CH|{2**31}", "", "1|CH|1|2"):
        refused(small_run.root, "2A-EX-002", *explain, key)
    refused(small_run.root, "2A-WS-011", "explain", "f" * 32, "1|CH|1")


def test_nothing_is_read_without_a_pass(small_run: Small) -> None:
    (part,) = small_run.folder.rglob("site_timezones/**/*.parquet")
    part.write_bytes(part.read_bytes() + b"x")
    refused(small_run.root, "2A-RD-002", "explain", small_run.run_id, "1|CH|1")
    flag = next(small_run.folder.rglob("_passed.flag"))
    flag.unlink()
    refused(small_run.root, "2A-RD-001", "explain", small_run.run_id, "1|CH|1")


def test_policies_edited_since_explain_nothing(small_run: Small) -> None:
    small_run.edit("lookup.yaml", "sample_limit: 10", "sample_limit: 9")
    message = refused(small_run.root, "2A-EX-003", "explain", small_run.run_id, "1|CH|1")
    assert "lookup.yaml changed since S0 sealed it" in message
