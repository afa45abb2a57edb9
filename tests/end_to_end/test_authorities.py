"""Pinned authorities: shown, pinned once freely, and anew only by an approved reopen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.conftest import civiltime
from tests.end_to_end.governed import Lane
from tests.end_to_end.refusals import refused

from civiltime.workspace.digest import sha256_file
from civiltime.workspace.publish import replace_file

RUN = "ab" * 16


def report(lane: Lane, name: str, run_id: str | None = RUN) -> Path:
    """A report of an upstream segment, in the workspace."""
    path = lane.root / "runs" / name
    path.write_text(json.dumps({"run_id": run_id} if run_id else {}))
    return path


def pinned(lane: Lane) -> Path:
    """A new report of 1B, where another is pinned."""
    said = lane.cli("authorities", "pin", "1B", report(lane, "old.json"))
    assert said.code == 0, said.err
    return report(lane, "new.json", "cd" * 16)


def asked(lane: Lane, new: Path) -> Path:
    """A request to pin 1B anew."""
    return lane.ask_reopen("--authority", f"1B={new}")


def test_an_authority_is_pinned_shown_and_verified_by_the_gate(lane: Lane) -> None:
    said = lane.cli("authorities", "pin", "1B", report(lane, "lock.json"))
    assert (said.code, said.json["publish"]) == (0, "NEW"), said.err
    assert said.json["posture"] == "FROZEN_BEST_EFFORT_BELOW_B"
    again = lane.cli("authorities", "pin", "1B", lane.root / "runs/lock.json")
    assert again.json["publish"] == "REUSE"
    shown = lane.cli("authorities", "show").json["authorities"]
    assert [(a["name"], a["run_id"], a["holds"]) for a in shown] == [("1B", RUN, True)]
    assert lane.candidate().code == 0
    (lane.root / "runs/lock.json").write_text("{}")
    assert "CHANGED" in civiltime("authorities", "show", "-w", lane.root).out
    assert lane.candidate().error == "2A-S0-090"


def by_hand(lane: Lane, old: Path, new: Path) -> None:
    """Another report of 1B, written into authorities.yaml by someone with an editor."""
    said = lane.root / "authorities.yaml"
    text = said.read_text("utf-8").replace(old.name, new.name)
    said.write_text(text.replace(sha256_file(old), sha256_file(new)), "utf-8")


def test_a_pin_by_hand_is_not_what_was_agreed(lane: Lane) -> None:
    new = pinned(lane)
    by_hand(lane, lane.root / "runs/old.json", new)
    (shown,) = lane.cli("authorities", "show").json["authorities"]
    assert (shown["holds"], shown["agreed"]) == (True, False)
    page = civiltime("authorities", "show", "-w", lane.root).out
    assert "NOT AGREED: the governance ledger says" in page
    said = lane.candidate()
    assert said.error == "2A-S0-090"
    assert "the governance ledger says" in said.json["error"]["message"]
    by_hand(lane, new, lane.root / "runs/old.json")
    assert lane.candidate().code == 0


def test_without_a_ledger_the_newest_run_says_what_was_agreed(lane: Lane) -> None:
    new = pinned(lane)
    assert lane.candidate().code == 0
    (ledger,) = lane.root.rglob("governance.jsonl")
    ledger.unlink()
    assert lane.candidate().code == 0
    by_hand(lane, lane.root / "runs/old.json", new)
    said = lane.candidate()
    assert said.error == "2A-S0-090"
    assert "run " in said.json["error"]["message"]


def test_an_authority_that_was_taken_out_stops_the_gate_and_isnt_free(lane: Lane) -> None:
    new = pinned(lane)
    assert lane.candidate().code == 0
    said = lane.root / "authorities.yaml"
    said.write_text("semver: 1.0.0\nauthorities: {}\n")
    assert lane.candidate().error == "2A-S0-090"
    refused(lane.root, "2A-GV-050", "authorities", "pin", "1B", new)
    assert lane.cli("authorities", "pin", "1B", lane.root / "runs/old.json").code == 0
    assert lane.candidate().code == 0


def test_only_an_approved_reopen_pins_anew_and_only_once(lane: Lane) -> None:
    new = pinned(lane)
    pin = ("authorities", "pin", "1B", new)
    refused(lane.root, "2A-GV-050", *pin)
    request = asked(lane, new)
    refused(lane.root, "2A-GV-020", *pin, "--approval", request)
    approval = lane.approved(request)
    said = lane.cli(*pin, "--approval", approval)
    assert (said.code, said.json["publish"]) == (0, "NEW"), said.err
    refused(lane.root, "2A-GV-026", *pin, "--approval", approval)
    (shown,) = lane.cli("authorities", "show").json["authorities"]
    assert shown["run_id"] == "cd" * 16
    assert lane.candidate().code == 0


def test_a_pin_is_exactly_what_the_reopen_names(lane: Lane) -> None:
    new = pinned(lane)
    approval = lane.approved(asked(lane, new))
    other = report(lane, "other.json", "cd" * 16)
    refused(lane.root, "2A-GV-024", "authorities", "pin", "1B", other, "--approval", approval)
    refused(lane.root, "2A-GV-024", "authorities", "pin", "1A", new, "--approval", approval)
    refused(
        lane.root, "2A-GV-024",
        "authorities", "pin", "1B", new, "--run-id", "ef" * 16, "--approval", approval,
    )  # fmt: skip
    new.write_text(json.dumps({"run_id": "cd" * 16, "more": 1}))
    refused(lane.root, "2A-GV-024", "authorities", "pin", "1B", new, "--approval", approval)


def test_a_reopen_of_a_pin_doesnt_open_the_lane(frozen: Lane) -> None:
    frozen.approved(asked(frozen, pinned(frozen)))
    assert frozen.candidate().error == "2A-GV-040"


def test_a_reopen_of_a_lane_doesnt_pin(frozen: Lane) -> None:
    new = pinned(frozen)
    approval = frozen.approved(frozen.ask_reopen())
    refused(frozen.root, "2A-GV-024", "authorities", "pin", "1B", new, "--approval", approval)


def test_a_reopen_may_do_both_each_once(frozen: Lane) -> None:
    new = pinned(frozen)
    request = frozen.ask_reopen("--state", "S0", "--authority", f"1B={new}")
    approval = frozen.approved(request)
    pin = ("authorities", "pin", "1B", new, "--approval", approval)
    assert frozen.cli(*pin).code == 0
    refused(frozen.root, "2A-GV-026", *pin)
    assert frozen.candidate().code == 0
    assert frozen.ledger.read_text().count('"event":"used"') == 2


def test_who_may_not_approve_authorities_doesnt(frozen: Lane) -> None:
    request = asked(frozen, pinned(frozen))
    message = refused(frozen.root, "2A-GV-024", "approve", request, "--key", frozen.key("Cleo"))
    assert "may not approve authority" in message


def test_an_approval_of_another_pin_is_obsolete(lane: Lane) -> None:
    new = pinned(lane)
    approval = lane.approved(asked(lane, new))
    newer = report(lane, "newer.json", "12" * 16)
    other = lane.approved(asked(lane, newer))
    assert lane.cli("authorities", "pin", "1B", newer, "--approval", other).code == 0
    refused(lane.root, "2A-GV-027", "authorities", "pin", "1B", new, "--approval", approval)
    back = report(lane, "old.json")
    third = lane.approved(lane.ask_reopen("--authority", f"1B={back}"))
    assert lane.cli("authorities", "pin", "1B", back, "--approval", third).code == 0
    refused(lane.root, "2A-GV-026", "authorities", "pin", "1B", newer, "--approval", other)


def test_a_pin_that_a_dead_process_left_half_done_is_finished(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = pinned(lane)
    pin = ("authorities", "pin", "1B", new, "--approval", lane.approved(asked(lane, new)))

    def dies(path: Path, data: bytes) -> None:
        raise OSError("the machine stopped")

    monkeypatch.setattr("civiltime.programme.repin.replace_file", dies)
    assert lane.cli(*pin).error == "2A-WS-004"
    monkeypatch.setattr("civiltime.programme.repin.replace_file", replace_file)
    assert lane.cli(*pin).code == 0
    refused(lane.root, "2A-GV-026", *pin)
    assert lane.ledger.read_text().count('"event":"used"') == 1


@pytest.mark.parametrize(
    ("name", "path", "more"),
    [
        ("1C", "runs/ok.json", ()),
        ("1A", "runs/nowhere.json", ()),
        ("1A", "../outside.json", ()),
        ("1A", "runs/silent.json", ()),
        ("1A", "runs/ok.json", ("--run-id", "XYZ")),
    ],
)
def test_what_cant_be_an_authority_isnt_pinned(
    lane: Lane, name: str, path: str, more: tuple[str, ...]
) -> None:
    report(lane, "ok.json")
    report(lane, "silent.json", None)
    (lane.root.parent / "outside.json").write_text(json.dumps({"run_id": RUN}))
    refused(lane.root, "2A-GV-051", "authorities", "pin", name, lane.root / path, *more)


def test_a_broken_authorities_yaml_is_refused_not_replaced(lane: Lane) -> None:
    (lane.root / "authorities.yaml").write_text("authorities: [")
    refused(lane.root, "2A-S0-090", "authorities", "show")
    refused(lane.root, "2A-S0-090", "authorities", "pin", "1B", report(lane, "lock.json"))
