"""Freezes: what they pin, what a frozen lane refuses, and how far a reopen goes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Small, civiltime
from tests.end_to_end.governed import Lane
from tests.end_to_end.refusals import files, refused

from civiltime.programme.decisions import approved_exceptions
from civiltime.workspace.config import open_workspace
from civiltime.workspace.digest import self_digest, sha256_file
from civiltime.workspace.publish import people_json


def recertified(lane: Lane, name: str, **changes: Any) -> Path:
    """The lane's certification with other findings, written as a sound one."""
    document = json.loads(lane.certification.read_bytes()) | changes
    document.pop("certification_sha256")
    path = lane.reports / f"segment2a_certification_{name}.json"
    path.write_bytes(people_json({**document, "certification_sha256": self_digest(document)}))
    return path


def judged(lane: Lane, band: str, verdict: str) -> dict[str, Any]:
    """A seed 42 whose gates are all in a band."""
    seeds = json.loads(lane.certification.read_bytes())["seeds"]
    gates = [{**gate, "band": band} for gate in seeds["42"]["gates"]]
    return {"42": {**seeds["42"], "verdict": verdict, "gates": gates}}


def test_a_freeze_pins_runs_policies_approvers_and_names_its_blockers(lane: Lane) -> None:
    said = lane.freeze()
    assert said["publish"] == "NEW"
    freeze = said["freeze"]
    assert freeze["status"] == "FROZEN_BEST_EFFORT_FAIL_REALISM"
    assert freeze["runs"]["42"]["run_id"] == lane.run_id
    assert freeze["certification"]["sha256_hex"] == sha256_file(lane.certification)
    assert freeze["policies"]["tz_nudge"]["sha256_hex"] == [
        sha256_file(lane.config("tz_nudge.yml"))
    ]
    assert freeze["approvers_sha256_hex"] == sha256_file(lane.config("approvers.yaml"))
    (cohort,) = (b for b in freeze["blockers"] if b["metric"] == "c_multi_share_two_zones")
    assert (cohort["band"], cohort["threshold"], cohort["owning_surface"][:2]) == ("B", 0.7, "1B")
    assert freeze == json.loads((lane.reports / "segment2a_freeze.json").read_bytes())


def test_a_required_seed_without_a_run_blocks(lane: Lane) -> None:
    lane.edit("certification.yaml", "[42]", "[42, 7]")
    assert lane.candidate().code == 0
    assert lane.cli("certify").code == 3
    freeze = lane.freeze()["freeze"]
    nothing = dict.fromkeys(("run_id", "manifest_fingerprint", "flag_sha256_hex"))
    assert freeze["runs"]["7"] == {**nothing, "verdict": "FAIL_REALISM"}
    assert freeze["runs"]["42"]["run_id"] != lane.run_id, "the one under the other policy"
    (missing,) = (b for b in freeze["blockers"] if b["seed"] == "7")
    assert missing["mechanism"] == "no run of this seed"
    assert "another certification.yaml" in refused(
        lane.root, "2A-GV-042", "freeze", lane.certification
    )


def test_a_freeze_is_shown_to_a_person(lane: Lane) -> None:
    said = civiltime("freeze", "-w", lane.root)
    assert said.code == 0, said.err
    assert "what keeps B out of reach" in said.out
    assert max(map(len, said.out.splitlines()[1:])) <= 100
    assert "for good" not in said.err


def test_a_lane_without_approvers_is_frozen_for_good(small_run: Small) -> None:
    assert small_run.cli("certify").code == 3
    said = civiltime("freeze", "-w", small_run.root)
    assert said.code == 0, said.err
    assert "for good" in said.err


def test_freezing_twice_changes_nothing(frozen: Lane) -> None:
    before = files(frozen.root)
    assert frozen.freeze()["publish"] == "REUSE"
    assert frozen.freeze(frozen.certification)["publish"] == "REUSE"
    assert files(frozen.root) == before


@pytest.mark.parametrize(
    ("band", "verdict", "status", "blocked"),
    [
        ("B+", "PASS_BPLUS", "LOCKED_PASS_BPLUS", None),
        ("B", "PASS_B", "LOCKED_PASS_B", "B+"),
        ("FAIL", "FAIL_REALISM", "FROZEN_BEST_EFFORT_FAIL_REALISM", "B"),
    ],
)
def test_the_status_follows_the_verdict(
    lane: Lane, band: str, verdict: str, status: str, blocked: str | None
) -> None:
    path = recertified(
        lane, "made", verdict=verdict, seeds=judged(lane, band, verdict), gates=[], exceptions=[]
    )
    freeze = lane.freeze(path)["freeze"]
    assert freeze["status"] == status
    assert {b["band"] for b in freeze["blockers"]} == ({blocked} if blocked else set())


def test_without_a_certification_named_the_best_is_frozen(lane: Lane) -> None:
    for name, band, verdict in (("b", "B", "PASS_B"), ("z", "FAIL", "FAIL_REALISM")):
        seeds = judged(lane, band, verdict)
        recertified(lane, name, verdict=verdict, seeds=seeds, gates=[], exceptions=[])
    assert lane.freeze()["freeze"]["status"] == "LOCKED_PASS_B"


# ------------------------------------------------------------------------------- refusals


def test_nothing_certified_nothing_frozen(small_run: Small) -> None:
    refused(small_run.root, "2A-GV-042", "freeze")


def test_a_certification_that_was_edited_isnt_frozen(lane: Lane) -> None:
    path = lane.certification
    path.write_bytes(path.read_bytes().replace(b'"FAIL_REALISM"', b'"PASS_BPLUS"'))
    refused(lane.root, "2A-GV-042", "freeze", path)
    refused(lane.root, "2A-GV-042", "freeze")
    refused(lane.root, "2A-GV-042", "freeze", lane.root / "nowhere.json")


def test_a_verdict_that_its_gates_dont_add_up_to_isnt_frozen(lane: Lane) -> None:
    made = recertified(lane, "made", verdict="PASS_BPLUS")
    assert "its gates say FAIL_REALISM" in refused(lane.root, "2A-GV-042", "freeze", made)
    made = recertified(lane, "made", verdict="PASS_BPLUS", seeds={}, gates=[])
    assert "requires" in refused(lane.root, "2A-GV-042", "freeze", made)


def test_a_run_that_isnt_what_was_certified_isnt_frozen(lane: Lane) -> None:
    victim = next(p for p in lane.published() if "site_timezones" in str(p))
    victim.write_bytes(victim.read_bytes() + b"\0")
    assert lane.run_id in refused(lane.root, "2A-GV-042", "freeze")


def test_a_lane_is_frozen_on_one_certification(frozen: Lane) -> None:
    other = recertified(frozen, "other", one_line="another")
    refused(frozen.root, "2A-GV-043", "freeze", other)


@pytest.mark.parametrize("changed", [{"id": "0" * 16}, {"ceiling": 0.9}, {"seeds": ["42", "7"]}])
def test_an_exception_that_nobody_approved_isnt_frozen(lane: Lane, changed: Any) -> None:
    lane.approved(lane.ask_exception(), "Cleo")
    at = json.loads(lane.certification.read_bytes())["generated_utc"]
    (found,) = approved_exceptions(open_workspace(lane.root), at)
    claimed = [found.document() | changed]
    refused(lane.root, "2A-GV-042", "freeze", recertified(lane, "made", exceptions=claimed))


def test_a_freeze_uses_up_the_exceptions_it_rests_on(lane: Lane) -> None:
    approval = lane.approved(lane.ask_exception(), "Cleo")
    workspace = open_workspace(lane.root)
    at = json.loads(lane.certification.read_bytes())["generated_utc"]
    (found,) = approved_exceptions(workspace, at)
    lane.freeze(recertified(lane, "made", exceptions=[found.document()]))
    assert lane.verify(approval) == "2A-GV-026"
    assert approved_exceptions(workspace, at) == [found], "the same runs are scored the same again"
    assert approved_exceptions(workspace, "2098-01-01T00:00:00.000000Z") == []


@pytest.mark.parametrize("target", [".", "/", "", "..", "none.json", "civiltime.toml"])
def test_triage_of_what_is_neither_run_nor_certification_is_refused(
    lane: Lane, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lane.root)
    assert civiltime("triage", target, "-w", lane.root, "--json").error == "2A-CT-004"


@pytest.mark.parametrize(
    "errors",
    [[], [{}], [{"code": -1}], [{"code": "2A-S1-090"}]],
    ids=["none", "empty", "no", "cut"],
)
def test_triage_of_a_failure_that_no_state_wrote_is_refused(
    lane: Lane, errors: list[dict[str, Any]]
) -> None:
    (path,) = lane.folder.glob("reports/layer1/2A/state=S1/**/*_run_report.json")
    report = json.loads(path.read_bytes()) | {"status": "fail", "errors": errors}
    del report["report_sha256"]
    path.write_bytes(people_json({**report, "report_sha256": self_digest(report)}))
    said = civiltime("triage", lane.run_id, "-w", lane.root, "--json")
    assert (said.code, said.error) == (1, "2A-WS-012")


# ----------------------------------------------------------------------- the frozen lane


@pytest.mark.parametrize("data", [False, True], ids=["its receipt alone", "with altered data"])
def test_a_run_planted_in_a_frozen_lane_is_a_new_candidate(frozen: Lane, data: bool) -> None:
    planted = "f" * 32
    receipt = json.loads((frozen.folder / "run_receipt.json").read_bytes()) | {"run_id": planted}
    del receipt["receipt_sha256"]
    folder = frozen.folder.with_name(planted)
    if data:
        shutil.copytree(frozen.folder, folder)
        (table,) = (folder / "data").glob("**/site_timezones/**/*.parquet")
        table.unlink()
    folder.mkdir(exist_ok=True)
    sound = {**receipt, "receipt_sha256": self_digest(receipt)}
    (folder / "run_receipt.json").write_bytes(people_json(sound))
    assert frozen.cli("run", "--seed", "42", "--run-id", planted).error == "2A-GV-040"


def test_a_frozen_lane_still_repeats_the_runs_it_has(frozen: Lane) -> None:
    said = frozen.run()
    assert said.code == 0, said.err
    refused(frozen.root, "2A-GV-040", "run", "--seed", "42", "--run-id", "f" * 32)


def test_a_lost_or_edited_freeze_opens_nothing(frozen: Lane) -> None:
    path = frozen.reports / "segment2a_freeze.json"
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b"FROZEN_BEST", b"LOCKED_BEST"))
    refused(frozen.root, "2A-GV-041", "run", "--seed", "42")
    path.unlink()
    refused(frozen.root, "2A-GV-041", "run", "--seed", "42")
    assert frozen.freeze()["publish"] == "REUSE"
    assert path.read_bytes() == sound


def test_a_freeze_that_the_ledger_doesnt_know_opens_nothing(frozen: Lane) -> None:
    frozen.ledger.unlink()
    refused(frozen.root, "2A-GV-041", "run", "--seed", "42")


def test_a_reopened_lane_takes_what_the_reopen_names_and_nothing_else(frozen: Lane) -> None:
    frozen.approved(frozen.ask_reopen("--state", "S1", "--knob", "tz_lookup_policy.sample_limit"))
    frozen.edit("lookup.yaml", "fallback_rate_cap: ", "fallback_rate_cap: 0.0")
    message = refused(frozen.root, "2A-GV-024", "run", "--seed", "42")
    assert "tz_lookup_policy.fallback_rate_cap changed" in message
    frozen.edit("lookup.yaml", "fallback_rate_cap: 0.0", "fallback_rate_cap: ")
    frozen.edit("lookup.yaml", "sample_limit: ", "sample_limit: 1")
    assert frozen.candidate().code == 0
    frozen.edit("tz_overrides.yaml", "[]", "[ ]")
    assert "tz_overrides" in refused(frozen.root, "2A-GV-024", "run", "--seed", "42")


def test_a_whole_policy_may_be_named(frozen: Lane) -> None:
    frozen.approved(frozen.ask_reopen("--state", "S1", "--knob", "tz_lookup_policy"))
    frozen.edit("lookup.yaml", "sample_limit: ", "sample_limit: 1")
    frozen.edit("lookup.yaml", "override_rate_cap: ", "override_rate_cap: 0")
    assert frozen.candidate().code == 0


def test_a_reopened_lane_can_be_frozen_again_and_old_approvals_are_obsolete(frozen: Lane) -> None:
    first = frozen.approved(frozen.ask_reopen())
    second = frozen.approved(frozen.ask_reopen("--state", "S2", "--knob", "tz_overrides"))
    assert frozen.candidate().code == 0
    codes = sorted((frozen.verify(first), frozen.verify(second)))
    assert codes == ["", "2A-GV-026"]
    again = frozen.freeze(recertified(frozen, "again", one_line="after the reopen"))
    assert again["publish"] == "NEW"
    assert sorted((frozen.verify(first), frozen.verify(second))) == ["2A-GV-026", "2A-GV-027"]
    assert frozen.candidate().error == "2A-GV-040"


def test_freezing_again_on_the_same_certification_needs_a_new_reopen(frozen: Lane) -> None:
    frozen.approved(frozen.ask_reopen())
    assert frozen.candidate().code == 0
    assert frozen.freeze(frozen.certification)["publish"] == "NEW"
    assert frozen.candidate().error == "2A-GV-040"


def test_what_a_freeze_rests_on_is_not_replaced(lane: Lane) -> None:
    other = recertified(lane, "7-00000000", runset="7-00000000")
    tables = [p.as_posix().replace("_certification_", "_country_diagnostics_") for p in
              (lane.certification, other)]  # fmt: skip
    shutil.copy(*(p.replace(".json", ".parquet") for p in tables))
    lane.freeze(lane.certification)
    before = lane.certification.read_bytes()
    assert "frozen on" in refused(lane.root, "2A-CT-006", "certify", "--baseline", other)
    assert lane.certification.read_bytes() == before
    assert lane.cli("certify").code == 3, "the same certification may be written again"
