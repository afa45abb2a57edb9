"""Reports that don't say what the rows show are caught, though their digest was made to fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Small, sites
from tests.end_to_end.certified_world import (
    World,
    failing,
    reason,
    uncapped,
    undecided_xinjiang,
)


def counts_of(report: Any, iso: str = "CN") -> dict[str, Any]:
    counts: dict[str, Any] = report["counts"]["by_country"][iso]
    return counts


FORGERIES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "fewer sites": ("sites", lambda r: counts_of(r).update(sites=1)),
    "a country less": ("sites", lambda r: r["counts"]["by_country"].pop("NZ")),
    "a nudge": ("nudged", lambda r: counts_of(r).update(nudged=1)),
    "fallbacks that aren't": ("ties", lambda r: counts_of(r).update(fallbacks_within=1)),
    "singletons that aren't": ("singletons", lambda r: counts_of(r).update(singletons=5)),
    "fewer ties": ("ties", lambda r: counts_of(r).pop("tie_breaks_preference")),
    "overrides that aren't": ("overrides by mcc", lambda r: counts_of(r).update(overrides_mcc=2)),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_report_that_counts_other_than_the_rows_is_caught(world: World, forgery: str) -> None:
    what, change = FORGERIES[forgery]
    run_id = world.ids["stratified"][7]
    world.forge(run_id, "S1", change)
    assert world.cli("verify", run_id).code == 0, "the digest was made to fit"
    said = world.certify()
    assert "S1's report counts other" in reason(said)
    assert what in reason(said)
    assert "reported_counts" in failing(said.json)["7"]


@pytest.mark.parametrize("cover", ["singletons", "tie_breaks_preference", "tie_breaks_country"])
def test_fallbacks_cant_pass_for_anything_else(world: World, cover: str) -> None:
    undecided_xinjiang(world)
    uncapped(world)
    run_id = world.again(42)

    def hide(report: Any) -> None:
        row = counts_of(report)
        for name in ("fallbacks_within", "fallbacks_outside"):
            row[cover] = row.get(cover, 0) + row.pop(name, 0)

    world.forge(run_id, "S1", hide)
    said = world.certify("--runs", f"42:{run_id}")
    assert failing(said.json) == {"42": {"reported_counts"}}
    assert "(CN)" in said.json["one_line"]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r["counts"].pop("by_country"),
        lambda r: r["counts"].update(by_country=[]),
        lambda r: r["counts"].update(by_country=None),
        lambda r: r["counts"]["by_country"].update(CN=None),
        lambda r: r["counts"]["by_country"].update(CN=[1]),
        lambda r: r["counts"]["by_country"].update(ch={"sites": 1}),
        lambda r: r["counts"]["by_country"].update({"": {"sites": 1}}),
        lambda r: counts_of(r).update(sites="many"),
        lambda r: counts_of(r).update(sites=2**70),
        lambda r: counts_of(r).update(nudged=None),
        lambda r: r["governance"].pop("fallback_country_cap"),
        lambda r: r["governance"].update(fallback_country_cap=None),
        lambda r: r["governance"].update(fallback_country_cap={"rate": "x", "min_sites": "y"}),
        lambda r: r["governance"].update(fallback_country_cap=[0.5]),
    ],
)
def test_a_report_of_any_form_fails_its_seed_and_crashes_nothing(
    world: World, change: Callable[[Any], object]
) -> None:
    world.forge(world.ids["stratified"][7], "S1", change)
    assert reason(world.certify())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda r: r["governance"]["applied"].append(
                {"scope": "site", "target": "1|CN|1", "tzid": "Asia/Urumqi", "reason_code": "X",
                 "owner": "me"}
            ),
            "differ on overrides by site",
        ),
        (
            lambda r: r["governance"]["applied"].append(
                {"scope": "site", "target": "1|CN|1", "tzid": "Asia/Urumqi", "reason_code": " ",
                 "owner": ""}
            ),
            "without reason or owner: site 1|CN|1",
        ),
        (lambda r: r["governance"].pop("applied"), "governance.applied"),
        (lambda r: r["governance"].update(applied=None), "governance.applied"),
        (lambda r: r["governance"].update(applied=[7]), "governance.applied"),
        (lambda r: r["governance"].update(applied=[{"scope": "site"}]), "governance.applied"),
        (
            lambda r: r["governance"]["applied"].append(
                {"scope": "planet", "target": "Earth", "tzid": "Etc/UTC", "reason_code": "X",
                 "owner": "me"}
            ),
            "governance.applied",
        ),
        (lambda r: r["counts"].update(overrides_by_country=[]), "counts.overrides_by_country"),
    ],
)  # fmt: skip
def test_what_s2_reports_is_compared_with_the_rows(
    world: World, change: Callable[[Any], object], says: str
) -> None:
    world.forge(world.ids["stratified"][7], "S2", change)
    assert says in reason(world.certify())


def test_a_cap_that_lookup_yaml_hasnt_is_caught_while_that_is_the_sealed_one(world: World) -> None:
    run_id = world.ids["stratified"][7]
    world.forge(run_id, "S1", lambda r: r["governance"]["fallback_country_cap"].update(rate=0.9))
    said = world.certify()
    assert "a country cap of 0.9 from" in reason(said)
    assert failing(said.json) == {"7": {"country_fallback_cap"}}
    world.edit("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 0.5")
    assert world.certify().code == 0, "a policy that was edited since can't be asked"


OVERRIDE = """\
- scope: country
  target: "CN"
  tzid: Asia/Shanghai
  reason_code: OFFICIAL_TIME
  owner: geo-team
  notes: Official time is that of Beijing.
"""


def test_an_override_is_that_of_the_sealed_policy(world: World) -> None:
    undecided_xinjiang(world)
    uncapped(world)
    world.config("tz_overrides.yaml").write_text(OVERRIDE, "utf-8")
    run_id = world.again(42)

    def certified() -> set[str]:
        found = failing(world.certify("--runs", f"42:{run_id}").json)["42"]
        return found - {"override_rate"}

    assert not certified()
    world.forge(run_id, "S2", lambda r: r["governance"]["applied"][0].update(owner="somebody"))
    assert certified() == {"override_provenance"}


# ------------------------------------------------------------------------------- borders


def test_a_site_on_a_border_that_its_nudge_decides_is_neither_tie_nor_guess(
    small: Small, small_boundaries: Path
) -> None:
    """Both zones cover a corner that they share; moved, one does."""
    corners: dict[str, set[tuple[float, float]]] = {
        f["properties"]["tzid"]: {
            (lon, lat)
            for polygon in f["geometry"]["coordinates"]
            for ring in polygon
            for lon, lat in ring
        }
        for f in json.loads(small_boundaries.read_bytes())["features"]
    }
    shared = sorted(corners["Europe/Zurich"] & corners["Europe/Vaduz"])
    small.edit("certification.yaml", "[42, 7, 101, 202]", "[42]")
    rows = [
        (1, iso, i, lon, lat)
        for iso, places in (("CH", shared), ("DE", shared[:20]))
        for i, (lon, lat) in enumerate(places, 1)
    ]
    small.publish_sites(sites(*rows))
    assert small.run().code == 0
    counted = small.report("S1")["counts"]["by_country"]
    assert counted["CH"] == {"sites": len(shared), "tie_breaks_country": len(shared)}
    assert counted["DE"] == {"sites": 20, "nudged": 20}
    (entry,) = small.cli("certify").json["seeds"].values()
    required = {g["id"]: g["value"] for g in entry["gates"] if g["direction"] == "required"}
    assert required.pop("cohorts_not_empty") is False
    assert set(required.values()) == {True}


def test_every_step_of_the_lookup_is_counted_as_its_report_says(small: Small) -> None:
    """Sites at sea and between zones: singletons, fallbacks, ties; the rows tell them apart."""
    small.edit("certification.yaml", "[42, 7, 101, 202]", "[42]")
    small.edit("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 1")
    rows = [
        (1, "CH", 1, 8.5, 47.4),  # polygon
        (1, "CH", 2, 2.0, 48.0),  # no zone here; one zone there: singleton
        (1, "CY", 1, 30.0, 33.0),  # no zone here; two there: fallback
        (1, "IL", 1, 35.1745, 32.1046),  # two zones, one of the country: tie
        (1, "CH", 3, 35.1745, 32.1046),  # two zones, none of the country: fallback
    ]
    small.publish_sites(sites(*sorted(rows)))
    assert small.run().code == 0, small.report("S1")["errors"]
    by_country = small.report("S1")["counts"]["by_country"]
    assert by_country["CH"] == {"sites": 3, "singletons": 1, "fallbacks_outside": 1, "nudged": 2}
    assert by_country["CY"] == {"sites": 1, "fallbacks_outside": 1, "nudged": 1}
    assert by_country["IL"]["tie_breaks_country"] == 1
    (entry,) = small.cli("certify").json["seeds"].values()
    required = {g["id"]: g["value"] for g in entry["gates"] if g["direction"] == "required"}
    assert required["reported_counts"] is True
    assert entry["governance"]["fallback_count"] == 2
    assert entry["governance"]["singleton_count"] == 1
