"""What a certification doesn't believe: broken runs, missing seeds, other policies.

Whatever is wrong with a run fails its seed with the reason; nothing crashes and nothing is skipped.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Small
from tests.end_to_end.certified_world import (
    LANE,
    SEEDS,
    World,
    failing,
    reason,
    uncapped,
    undecided_xinjiang,
)


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x01
    path.write_bytes(raw)


# -------------------------------------------------------------------------- broken runs


@pytest.mark.parametrize(
    ("pattern", "gate", "says"),
    [
        ("data/**/site_timezones/**/*.parquet", "bundle_and_flag", "2A-RD-002"),
        ("data/**/s1_tz_lookup/**/*.parquet", "bundle_and_flag", "2A-RD-002"),
        ("data/**/tz_cache_v1.bin", "bundle_and_flag", "2A-RD-002"),
        ("data/**/legality_report/**/*.json", "bundle_and_flag", "2A-RD-002"),
        ("data/**/validation/**/_passed.flag", "bundle_and_flag", "2A-RD-001"),
        ("data/**/validation/**/index.json", "bundle_and_flag", "2A-RD-001"),
        ("data/**/validation/**/checks.json", "bundle_and_flag", "2A-RD-001"),
        ("reports/**/s1_run_report.json", "states_pass", "S1"),
        ("reports/**/s5_run_report.json", "states_pass", "S5"),
    ],
)
@pytest.mark.parametrize("attack", [flipped, Path.unlink])
def test_a_run_whose_files_changed_fails_its_seed(
    world: World, pattern: str, gate: str, says: str, attack: Callable[[Path], object]
) -> None:
    (path,) = world.run_folder(world.ids["stratified"][7]).glob(pattern)
    attack(path)
    said = world.certify()
    assert says in reason(said)
    assert failing(said.json)["7"] == {gate}


def test_a_receipt_that_was_changed_or_is_lost_fails_its_seed(world: World) -> None:
    path = world.run_folder(world.ids["stratified"][7]) / "run_receipt.json"
    raw = path.read_bytes()
    for change, code in ((flipped, "2A-WS-012"), (Path.unlink, "2A-WS-011")):
        change(path)
        assert reason(world.certify()).startswith(code)
        path.write_bytes(raw)
    assert world.certify().code == 0


def test_a_missing_seed_is_named_and_the_others_are_scored(world: World) -> None:
    said = world.certify("--runs", world.named(s7=""))
    assert reason(said) == "no run of this seed"
    document = said.json
    assert document["seeds"]["7"]["gates"] == []
    assert [i["seed"] for i in document["inputs"]] == ["42", "101", "202"]
    assert "_7-" not in document["runset"]
    shutil.rmtree(world.root / LANE / world.ids["stratified"][7])
    shutil.rmtree(world.root / LANE / world.ids["collapsed"][7])
    assert reason(world.cli("certify")) == "no run of this seed"


def test_runs_that_dont_belong_fail_their_seed(world: World) -> None:
    collapsed, other_seed = world.ids["collapsed"][7], world.ids["stratified"][101]
    said = world.certify("--runs", world.named(s7=collapsed))
    assert "manifest_fingerprint" in reason(said)
    said = world.certify("--runs", world.named(s7=other_seed))
    assert reason(said) == f"run {other_seed} has seed 101"
    said = world.certify("--runs", world.named(s7="f" * 32))
    assert reason(said).startswith("2A-WS-011")


def test_an_upstream_or_boundaries_that_changed_since_fail_every_seed(world: World) -> None:
    (path,) = world.root.glob("reference/spatial/tz_world/*/tz_world.parquet")
    raw = path.read_bytes()
    path.unlink()  # it is a hard link
    path.write_bytes(raw[:-1] + b"x")
    said = world.certify()
    assert said.code == 3
    assert failing(said.json) == {str(s): {"bundle_and_flag"} for s in SEEDS}
    assert "2A-RD-004" in said.json["one_line"]
    assert said.json["inputs"] == []


# ------------------------------------------------------------------------------ 2A-CT


def test_nothing_to_certify(small: Small, world: World) -> None:
    assert small.cli("certify").error == "2A-CT-001"
    said = world.certify("--runs", f"42:{'e' * 32},7:{'f' * 32}")
    assert said.error == "2A-CT-001"
    assert "seed 42: 2A-WS-011" in said.json["error"]["message"]


def test_a_policy_that_isnt_the_sealed_one_judges_nothing(world: World) -> None:
    path = world.config("certification.yaml")
    raw = path.read_bytes()
    for old, new in ((b"b: 0.92", b"b: 0.99"), (b"# at most", b"# at mist")):
        path.write_bytes(raw.replace(old, new))
        said = world.certify()
        assert said.error == "2A-CT-002"
        assert "isn't the one that these runs sealed" in said.json["error"]["message"]
    for damaged in (b"", b"- 1", b"\xff", raw.replace(b"b_plus: 0.80", b"b_plus: 0.95")):
        path.write_bytes(damaged)
        assert world.certify().error == "2A-CT-002"
    path.unlink()
    assert world.certify().error == "2A-CT-002"
    assert not (world.root / LANE / "reports").exists()


def test_a_run_that_sealed_another_policy_fails_its_seed(world: World) -> None:
    world.edit("certification.yaml", "b: 0.92", "b: 0.93")
    newer = world.again(7)
    world.edit("certification.yaml", "b: 0.93", "b: 0.92")
    said = world.certify("--runs", world.named(s7=newer))
    assert reason(said) == "it sealed another certification policy"


# ------------------------------------------------------------------- one gate, from disk


BEYOND = {
    "c_multi_share_two_zones": (7, "{b: 0.70, b_plus: 0.85}", "{b: 1, b_plus: 1}"),
    "c_multi_median_top1": (42, "{b: 0.92, b_plus: 0.80}", "{b: 0.3, b_plus: 0.3}"),
    "c_multi_median_gap": (42, "{b: 0.85, b_plus: 0.65}", "{b: 0.1, b_plus: 0.1}"),
    "c_multi_median_entropy": (42, "{b: 0.20, b_plus: 0.35}", "{b: 0.99, b_plus: 0.99}"),
    "c_large_share_top1_below": (42, "top1_share_below: 0.95", "top1_share_below: 0.2"),
    "cohorts_not_empty": (42, "min_sites: 500", "min_sites: 50000"),
}
"""A threshold that the real run of that seed misses."""


@pytest.mark.parametrize("gate", BEYOND)
def test_a_real_run_misses_exactly_the_gate_that_was_moved(world: World, gate: str) -> None:
    seed, old, new = BEYOND[gate]
    world.edit("certification.yaml", "[42, 7, 101, 202]", f"[{seed}]")
    world.edit("certification.yaml", old, new)
    said = world.certify("--runs", f"{seed}:{world.again(seed)}")
    assert said.code == 3
    expected = {gate}
    if gate == "cohorts_not_empty":
        expected |= {"c_large_share_top1_below"}  # which has no country to judge
    assert failing(said.json) == {str(seed): expected}
    assert f"{gate}" in said.json["one_line"]
    assert said.json["hotspots"] or gate == "cohorts_not_empty"


def test_real_runs_that_differ_more_than_they_may(world: World) -> None:
    world.edit("certification.yaml", "[42, 7, 101, 202]", "[42, 7]")
    world.edit("certification.yaml", "{b: 0.30, b_plus: 0.20}", "{b: 0.001, b_plus: 0.001}")
    said = world.certify("--runs", f"42:{world.again(42)},7:{world.again(7)}")
    assert said.code == 3
    assert failing(said.json) == {}
    assert {e["verdict"] for e in said.json["seeds"].values()} == {"PASS_BPLUS"}
    assert "differs too much between seeds" in said.json["one_line"]


def test_a_b_between_the_thresholds_ends_with_0(world: World) -> None:
    world.edit("certification.yaml", "[42, 7, 101, 202]", "[42]")
    world.edit("certification.yaml", "{b: 0.20, b_plus: 0.35}", "{b: 0.20, b_plus: 0.99}")
    said = world.certify("--runs", f"42:{world.again(42)}")
    assert (said.code, said.json["verdict"]) == (0, "PASS_B")
    assert said.json["one_line"] == (
        "PASS_B: B on all seeds; short of B+ in c_multi_median_entropy"
    )


def test_guesses_over_the_rate_fail_it_and_nothing_else(world: World) -> None:
    undecided_xinjiang(world)
    uncapped(world)
    said = world.certify("--runs", f"42:{world.again(42)}")
    assert failing(said.json) == {"42": {"fallback_rate"}}
    (hot,) = said.json["hotspots"]
    assert (hot["country"], hot["mechanism"]) == ("CN", "fallback")
    (row,) = said.json["evidence"]["fallbacks"]
    guessed = row["within_threshold"] + row["outside_threshold"]
    assert row["country"] == "CN"
    assert said.json["seeds"]["42"]["metrics"]["fallback_rate"] == guessed / 12_000 > 0.0005


def test_a_lookup_that_stopped_at_its_cap_fails_its_seed_with_the_code(world: World) -> None:
    undecided_xinjiang(world)
    said = world.certify("--runs", f"42:{world.again(42)}")
    assert said.code == 3
    assert failing(said.json) == {"42": {"states_pass"}}
    assert "S1 failed with 2A-S1-09" in said.json["one_line"]
    assert "CN" in said.json["seeds"]["42"]["reason"]


def test_overrides_over_the_rate_fail_it_and_are_in_the_extract(world: World) -> None:
    undecided_xinjiang(world)
    uncapped(world)
    world.config("tz_overrides.yaml").write_text(
        "- {scope: country, target: CN, tzid: Asia/Shanghai, reason_code: OFFICIAL,"
        " owner: geo-team, notes: Beijing time everywhere}\n"
    )
    said = world.certify("--runs", f"42:{world.again(42)}")
    assert failing(said.json) == {"42": {"override_rate"}}
    (row,) = said.json["evidence"]["overrides"]
    assert (row["owner"], row["reason_code"], row["target"]) == ("geo-team", "OFFICIAL", "CN")
    sites_set = row["sites_of_scope_by_country"]["CN"]
    assert said.json["seeds"]["42"]["metrics"]["override_rate"] == sites_set / 12_000 > 0.002
    assert said.json["hotspots"][0]["mechanism"] == "override"
