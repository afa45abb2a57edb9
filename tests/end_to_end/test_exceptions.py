"""Exceptions from the request to the verdict: one cap, its seeds, its ceiling, and nothing else.

Seed 7 runs with overrides over their cap; the other three seeds pass at B+.
"""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import civiltime
from tests.end_to_end.certified_world import (
    LANE,
    PREFERENCE,
    SEEDS,
    World,
    copied_world,
    failing,
    uncapped,
)

import civiltime as ct


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> World:
    """Approvers sealed, seed 7 over its override cap."""
    world = copied_world(tmp_path_factory, tmp_path / "world")
    entries = ""
    for who, may in (("Ben", "reopen"), ("Cleo", "exception")):
        said = civiltime("keys", "generate", "--out", tmp_path, "--name", who, "--may", may)
        assert said.code == 0, said.err
        entries += said.out
    world.edit("approvers.yaml", "approvers: []\n", f"approvers:\n{entries}")
    world.edit("lookup.yaml", PREFERENCE, "overlap_preferences: []\n")
    uncapped(world)
    world.config("tz_overrides.yaml").write_text(
        "- {scope: country, target: CN, tzid: Asia/Urumqi, reason_code: LOCAL,"
        " owner: geo-team, notes: where two zones claim the land}\n"
    )
    world.ids["stratified"][7] = world.again(7)
    return world


def approved(world: World, *, seeds: tuple[int, ...] = (7,), gate: str = "override_rate",
             ceiling: str = "0.05", expires: str = "2099-12-31",
             more: tuple[str | Path, ...] = ()) -> Path:  # fmt: skip
    """The envelope of an exception that Dora asked for and Cleo approved."""
    said = world.cli(
        "exception", "request", "--requester", "Dora", "--reason", "much land is claimed twice",
        "--gate", gate, "--ceiling", ceiling, "--expires", expires,
        *(part for seed in seeds for part in ("--seed", str(seed))), *more,
    )  # fmt: skip
    assert said.code == 0, said.err
    said = world.cli("approve", said.json["path"], "--key", world.root.parent / "cleo.key")
    assert said.code == 0, said.err
    return Path(said.json["path"])


def judged(world: World) -> Any:
    """What certify says now."""
    said = world.certify()
    assert said.code in {0, 3}, said.err
    return said.json


def certification(world: World) -> Path:
    (path,) = (world.root / LANE / "reports").glob("segment2a_certification_*.json")
    return path


def test_an_approved_exception_lets_its_seed_pass_at_b_and_is_named(world: World) -> None:
    before = judged(world)
    assert failing(before) == {"7": {"override_rate"}}
    approval = approved(world, more=("--evidence", certification(world)))
    said = world.certify()
    assert said.code == 0
    after = said.json
    assert after["verdict"] == after["seeds"]["7"]["verdict"] == "PASS_B"
    for seed in SEEDS:
        if seed != 7:
            assert after["seeds"][str(seed)] == before["seeds"][str(seed)]
    gates = [{g["id"]: g for g in d["seeds"]["7"]["gates"]} for d in (before, after)]
    assert {g for g in gates[0] if gates[0][g] != gates[1][g]} == {"override_rate"}
    request = json.loads(base64.b64decode(json.loads(approval.read_bytes())["payload"]))
    (named,) = after["exceptions"]
    assert named["id"] in after["one_line"]
    assert (named["approver"], named["seeds"], named["ceiling"]) == ("Cleo", ["7"], 0.05)
    assert named["expires_utc"] == request["expires_utc"]
    assert len(request["evidence"]) == 1

    written = certification(world).read_bytes()
    assert judged(world)["exceptions"] == [named], "its evidence was replaced by its effect"
    assert certification(world).read_bytes() == written, "the same artefacts, the same bytes"
    runs = {int(s): r for s, r in world.ids["stratified"].items()}
    assert ct.certify_runs(ct.open_workspace(world.root), runs).verdict == "PASS_B"
    page = civiltime("certify", "-w", world.root, "--runs", world.named())
    assert named["id"] in page.out
    assert max(map(len, page.out.splitlines()[:-1])) <= 100


def test_what_an_exception_doesnt_name_it_doesnt_excuse(world: World) -> None:
    approved(world, seeds=(42, 101, 202))
    approved(world, gate="fallback_rate")
    approved(world, ceiling="0.0021")
    after = judged(world)
    assert failing(after) == {"7": {"override_rate"}}
    assert after["exceptions"] == []


def test_of_several_the_lowest_that_is_high_enough_is_named(world: World) -> None:
    for ceiling in ("0.9", "0.0021", "0.04", "0.2"):
        approved(world, ceiling=ceiling)
    (named,) = judged(world)["exceptions"]
    assert named["ceiling"] == 0.04


def test_a_tampered_approval_excuses_nothing(world: World) -> None:
    approval = approved(world, ceiling="0.0021")
    envelope = json.loads(approval.read_bytes())
    payload = base64.b64decode(envelope["payload"])
    higher = payload.replace(b"0.0021", b"0.0500")
    assert higher != payload
    envelope["payload"] = base64.b64encode(higher).decode()
    approval.write_text(json.dumps(envelope))
    assert judged(world)["verdict"] == "FAIL_REALISM"


def test_a_run_made_after_an_exception_expired_cant_use_it(world: World) -> None:
    """The clock of the newest run counts; that of the day of certifying doesn't."""
    end = datetime.now(UTC) + timedelta(seconds=20)
    approved(world, expires=end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    assert judged(world)["verdict"] == "PASS_B"
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds() + 0.1))
    assert judged(world)["verdict"] == "PASS_B", "the same runs are certified the same again"
    world.ids["stratified"][7] = world.again(7)
    after = judged(world)
    assert failing(after) == {"7": {"override_rate"}}


def test_nothing_excuses_where_nobody_can_tell(world: World) -> None:
    approved(world)
    ledger = world.root / LANE / "reports" / "governance.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b"Cleo", b"Ana!"))
    assert world.certify().error == "2A-GV-030"


def test_a_certification_is_proved_by_the_exceptions_that_it_names(world: World) -> None:
    """One that is approved later opens nothing; one that is lost does."""

    def deterministic() -> tuple[bool, str]:
        phases = world.cli("programme", "status").json["phases"]
        rows = [c for p in phases for c in p["conditions"] if c["id"] == "deterministic"]
        return rows[0]["proved"], rows[0]["reason"]

    approval = approved(world)
    (named,) = judged(world)["exceptions"]
    assert deterministic()[0]
    approved(world, ceiling="0.04")
    assert deterministic()[0]
    approval.unlink()
    proved, reason = deterministic()
    assert not proved
    assert f"exception {named['id']} isn't approved" in reason
