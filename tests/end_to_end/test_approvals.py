"""Requests and approvals: a valid one works once, every other is refused under its own code."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import civiltime
from tests.end_to_end.governed import LATER, REQUESTER, Lane
from tests.end_to_end.refusals import refused

from civiltime.programme.decisions import approved_exceptions, approved_waivers
from civiltime.programme.envelope import sign_request
from civiltime.programme.keys import load_signer
from civiltime.programme.requests import read_request
from civiltime.workspace.config import open_workspace
from civiltime.workspace.publish import people_json

AT = "2026-12-01T00:00:00.000000Z"
LONG_AGO, FAR_AHEAD = "2000-01-01T00:00:00.000000Z", "2100-01-01T00:00:00.000000Z"


def refused_approval(lane: Lane, code: str, request: Path, who: str = "Ben") -> str:
    """The message of an approval that is refused and changes nothing."""
    return refused(lane.root, code, "approve", request, "--key", lane.key(who))


def at(monkeypatch: pytest.MonkeyPatch, instant: str) -> None:
    """Let approvals be judged at an instant."""
    monkeypatch.setattr("civiltime.programme.approvals.now_utc", lambda: instant)
    monkeypatch.setattr("civiltime.programme.decisions.now_utc", lambda: instant)


# ------------------------------------------------------------------------ a valid approval


def test_an_approved_reopen_opens_the_lane_it_names_and_is_used_up(frozen: Lane) -> None:
    request = frozen.ask_reopen()
    assert frozen.candidate().error == "2A-GV-040", "a request alone opens nothing"
    approval = frozen.approved(request)
    assert frozen.verify(approval) == ""
    assert frozen.candidate().code == 0
    assert frozen.verify(approval) == "2A-GV-026"
    assert frozen.candidate().code == 0, "once open, the lane stays open"
    assert frozen.ledger.read_text().count('"event":"used"') == 1


def test_verify_shows_every_check_to_a_person(frozen: Lane) -> None:
    approval = frozen.approved(frozen.ask_reopen())
    said = civiltime("verify", approval, "-w", frozen.root)
    assert said.code == 0
    assert "in force" in said.out
    assert "Somebody else than the requester approved" in said.out
    assert max(map(len, said.out.splitlines())) <= 100


def test_the_commands_of_a_kind_approve_that_kind_only(frozen: Lane) -> None:
    request = frozen.ask_reopen()
    message = refused(
        frozen.root, "2A-GV-010", "exception", "approve", request, "--key", frozen.key("Cleo")
    )
    assert "reopen request" in message
    said = frozen.cli("reopen", "approve", request, "--key", frozen.key("Ben"))
    assert said.code == 0, said.err


def test_a_request_carries_the_digests_of_its_evidence_and_is_canonical(frozen: Lane) -> None:
    request = read_request(frozen.ask_reopen().read_bytes())
    path = frozen.certification.relative_to(frozen.root).as_posix()
    assert list(request.evidence) == [path]
    assert re.fullmatch("[0-9a-f]{64}", request.evidence[path])
    assert request.document["requester"] == REQUESTER


def test_an_exception_holds_for_its_gate_ceiling_and_seeds_until_it_expires(lane: Lane) -> None:
    lane.approved(lane.ask_exception((42, 7), "2026-12-31"), "Cleo")
    (found,) = approved_exceptions(open_workspace(lane.root), AT)
    assert (found.gate, found.ceiling, found.seeds) == ("override_rate", 0.01, (42, 7))
    assert found.approver == "Cleo"
    assert approved_exceptions(open_workspace(lane.root), "2027-01-01T00:00:00.000000Z") == []
    assert approved_waivers(open_workspace(lane.root), AT) == []


def test_a_waiver_holds_for_its_state_and_measure(lane: Lane) -> None:
    request = lane.asked(
        "waiver", "request", "--requester", REQUESTER, "--reason", "a test", "--state", "S1",
        "--measure", "wall_ms", "--ceiling", "9000", "--expires", LATER,
    )  # fmt: skip
    assert approved_waivers(open_workspace(lane.root), AT) == []
    said = lane.cli("waiver", "approve", request, "--key", lane.key("Cleo"))
    assert said.code == 0, said.err
    (found,) = approved_waivers(open_workspace(lane.root), AT)
    assert (found.state, found.measure, found.ceiling) == ("S1", "wall_ms", 9000)


# ------------------------------------------------------------------- refusals at signing


def test_a_key_that_isnt_listed_approves_nothing(frozen: Lane) -> None:
    refused_approval(frozen, "2A-GV-021", frozen.ask_reopen(), "Ana")


SPELLINGS = {
    "itself": "Ben",
    "lower case": "ben",
    "blanks": " BEN ",
    "full width": "\uff22\uff45\uff4e",
    "no-width blank": "B\u200ben",
    "soft hyphen": "Be\u00adn",
    "accent": "B\u00e9n",
    "dots": "B.e.n.",
    "Cyrillic letters": "\u0412\u0435n",
    "Greek capitals": "\u0392\u0395\u039d",
}


@pytest.mark.parametrize("name", SPELLINGS.values(), ids=SPELLINGS)
def test_nobody_approves_their_own_request(frozen: Lane, name: str) -> None:
    refused_approval(frozen, "2A-GV-023", frozen.ask_reopen(requester=name))


def test_an_approver_keeps_to_what_they_may_approve(frozen: Lane) -> None:
    assert "reopen" in refused_approval(frozen, "2A-GV-024", frozen.ask_reopen(), "Cleo")
    assert "exception" in refused_approval(frozen, "2A-GV-024", frozen.ask_exception(), "Ben")


def test_an_expired_request_isnt_approved(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    request = lane.ask_exception(expires="2099-01-01")
    at(monkeypatch, FAR_AHEAD)
    refused_approval(lane, "2A-GV-025", request, "Cleo")


def test_a_request_that_was_edited_isnt_approved(frozen: Lane) -> None:
    request = frozen.ask_reopen()
    request.write_bytes(request.read_bytes().replace(b"a test", b"a TEST"))
    refused_approval(frozen, "2A-GV-022", request)
    request.write_bytes(people_json(json.loads(request.read_bytes())))
    refused_approval(frozen, "2A-GV-010", request)


def test_changed_evidence_isnt_approved(frozen: Lane) -> None:
    request = frozen.ask_reopen()
    frozen.certification.write_bytes(frozen.certification.read_bytes() + b"\n")
    refused_approval(frozen, "2A-GV-011", request)
    frozen.certification.unlink()
    refused_approval(frozen, "2A-GV-011", request)


def test_a_request_is_approved_once(frozen: Lane) -> None:
    request = frozen.ask_reopen()
    frozen.approved(request)
    refused_approval(frozen, "2A-GV-028", request)


def test_approvers_added_after_the_freeze_approve_nothing(frozen: Lane) -> None:
    request = frozen.ask_reopen()
    frozen.edit("approvers.yaml", "[reopen, authority]", "[reopen, authority, exception]")
    refused_approval(frozen, "2A-GV-003", request)
    frozen.edit("approvers.yaml", "[reopen, authority, exception]", "[reopen, authority]")
    frozen.approved(request)


def test_in_an_open_lane_a_run_seals_the_approvers(lane: Lane) -> None:
    lane.edit("approvers.yaml", "[exception, waiver]", "[exception]")
    request = lane.ask_exception()
    refused_approval(lane, "2A-GV-003", request, "Cleo")
    assert lane.candidate().code == 0
    lane.approved(request, "Cleo")


def test_unsound_approvers_approve_nothing(frozen: Lane) -> None:
    request = frozen.ask_reopen()
    frozen.edit("approvers.yaml", 'who: "Ben"', 'who: ""')
    assert "line" in refused_approval(frozen, "2A-GV-002", request)


def test_a_key_must_be_kept_as_a_key(frozen: Lane) -> None:
    request, key = frozen.ask_reopen(), frozen.key("Ben")
    key.chmod(0o640)
    assert "640" in refused_approval(frozen, "2A-GV-001", request)
    key.chmod(0o600)
    inside = frozen.root / "ben.key"
    inside.write_bytes(key.read_bytes())
    inside.chmod(0o600)
    refused(frozen.root, "2A-GV-001", "approve", request, "--key", inside)
    key.write_text("no key")
    refused_approval(frozen, "2A-GV-001", request)
    key.unlink()
    refused_approval(frozen, "2A-GV-001", request)


# ------------------------------------------------------------------- refusals of envelopes


def test_a_request_alone_is_unsigned(frozen: Lane) -> None:
    assert frozen.verify(frozen.ask_reopen()) == "2A-GV-020"


def altered(path: Path, **changes: Any) -> None:
    """Write the envelope with some fields replaced."""
    path.write_bytes(people_json({**json.loads(path.read_bytes()), **changes}))


def test_an_envelope_without_its_signature_is_unsigned(frozen: Lane) -> None:
    approval = frozen.approved(frozen.ask_reopen())
    altered(approval, signatures=[])
    assert frozen.verify(approval) == "2A-GV-020"
    assert frozen.candidate().error == "2A-GV-040"


def test_altered_content_is_refused(frozen: Lane) -> None:
    approval = frozen.approved(frozen.ask_reopen())
    payload = base64.b64decode(json.loads(approval.read_bytes())["payload"])
    wider = base64.b64encode(payload.replace(b'"tz_nudge"', b'"tz_overrides"')).decode()
    altered(approval, payload=wider)
    assert frozen.verify(approval) == "2A-GV-022"
    assert frozen.candidate().error == "2A-GV-040"


def test_a_signature_of_another_payload_type_is_refused(frozen: Lane) -> None:
    approval = frozen.approved(frozen.ask_reopen())
    altered(approval, payloadType="application/vnd.in-toto+json")
    assert frozen.verify(approval) == "2A-GV-022"


def test_a_listed_id_over_anothers_signature_is_refused(frozen: Lane) -> None:
    approval = frozen.approved(frozen.ask_reopen())
    request = read_request(base64.b64decode(json.loads(approval.read_bytes())["payload"]))
    forged = json.loads(sign_request(request, load_signer(frozen.key("Ana"))))
    (signature,) = json.loads(approval.read_bytes())["signatures"]
    altered(approval, signatures=[{**forged["signatures"][0], "keyid": signature["keyid"]}])
    assert frozen.verify(approval) == "2A-GV-022"
    altered(approval, signatures=forged["signatures"])
    assert frozen.verify(approval) == "2A-GV-021"
    altered(approval, signatures=[signature, *forged["signatures"]])
    assert frozen.verify(approval) == "2A-GV-022"


def test_no_byte_of_an_envelope_can_change(frozen: Lane) -> None:
    approval = frozen.approved(frozen.ask_reopen())
    sound = approval.read_bytes()
    for position in range(0, len(sound), 17):
        for flip in (1, 0x20):
            approval.write_bytes(
                sound[:position] + bytes([sound[position] ^ flip]) + sound[position + 1 :]
            )
            code = frozen.verify(approval)
            assert code in {"2A-GV-020", "2A-GV-021", "2A-GV-022"}, (position, code)
    for raw in (sound[:-1], sound + b"\n", b"", b"\xff", b"[]", b'{"signatures": 1}', b"[" * 5000):
        approval.write_bytes(raw)
        assert frozen.verify(approval) in {"2A-GV-020", "2A-GV-022"}
    approval.write_bytes(sound)
    assert frozen.verify(approval) == ""


def test_a_self_made_approval_without_the_ledger_is_refused(frozen: Lane) -> None:
    """Signed by a listed approver, but never requested or approved in this lane."""
    request = read_request(frozen.ask_reopen().read_bytes())
    path = frozen.reports / "governance" / f"reopen_{request.id}.approval.json"
    path.write_bytes(sign_request(request, load_signer(frozen.key("Ben"))))
    assert frozen.verify(path) == "2A-GV-024"
    assert frozen.candidate().error == "2A-GV-040"


def test_an_approval_of_another_lane_is_refused(frozen: Lane, tmp_path: Path) -> None:
    other = frozen.copied(tmp_path / "other")
    approval = other.approved(other.ask_reopen())
    here = frozen.reports / "governance" / approval.name
    here.parent.mkdir()
    here.write_bytes(approval.read_bytes())
    assert frozen.verify(here) == "2A-GV-024"
    assert frozen.candidate().error == "2A-GV-040"


def test_an_approval_expires(frozen: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    approval = frozen.approved(frozen.ask_reopen())
    at(monkeypatch, FAR_AHEAD)
    assert frozen.verify(approval) == "2A-GV-025"
    said = frozen.candidate()
    assert said.error == "2A-GV-040"
    assert "2A-GV-025" in said.json["error"]["message"]


def test_an_approval_falls_with_its_evidence(frozen: Lane) -> None:
    approval = frozen.approved(frozen.ask_reopen())
    frozen.certification.write_bytes(frozen.certification.read_bytes() + b"\n")
    assert frozen.verify(approval) == "2A-GV-011"
    assert frozen.candidate().error == "2A-GV-040"


def test_an_exception_that_isnt_sound_doesnt_hold(lane: Lane) -> None:
    workspace = open_workspace(lane.root)
    approval = lane.approved(lane.ask_exception(), "Cleo")
    assert len(approved_exceptions(workspace, AT)) == 1
    payload = base64.b64decode(json.loads(approval.read_bytes())["payload"])
    higher = payload.replace(b'"ceiling":0.01', b'"ceiling":0.99')
    assert higher != payload
    altered(approval, payload=base64.b64encode(higher).decode())
    assert approved_exceptions(workspace, AT) == []


# ------------------------------------------------------------------- requests and keys


def test_a_reopen_needs_a_frozen_lane(lane: Lane) -> None:
    arguments = (
        "reopen", "request", "--requester", REQUESTER, "--reason", "why", "--state", "S1",
        "--evidence", lane.certification, "--expect", "c_multi_median_top1=0.97..0.9",
    )  # fmt: skip
    assert "isn't frozen" in refused(lane.root, "2A-GV-010", *arguments)


@pytest.mark.parametrize("where", ["nowhere.json", "../outside.json", "runs"])
def test_evidence_is_a_file_of_the_workspace(frozen: Lane, where: str) -> None:
    (frozen.root.parent / "outside.json").write_text("{}")
    refused(
        frozen.root, "2A-GV-011", "reopen", "request", "--requester", REQUESTER, "--reason", "why",
        "--state", "S1", "--expect", "c_multi_median_top1=0.97..0.9",
        "--evidence", frozen.root / where,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--knob", "tz_world", "not a policy"),
        ("--knob", "tz_nudge.", "not a policy"),
        ("--knob", "tz_nudge.a.b", "not a policy"),
        ("--state", "S7", "S7"),
        ("--expect", "top1", "not a movement"),
        ("--expect", "top1=a..b", "not a movement"),
        ("--expect", "top1=nan..1", "can't be written"),
        ("--expect", "top1=1..1", "isn't expected to move"),
        ("--expires", "tomorrow", "neither a day"),
        ("--expires", "2001-01-01", "expires before"),
        ("--requester", "  ", "requester is blank"),
        ("--reason", "", "reason"),
    ],
)
def test_a_request_says_what_it_must(frozen: Lane, option: str, value: str, said: str) -> None:
    given: dict[str, str | Path] = {
        "--requester": REQUESTER,
        "--reason": "why",
        "--evidence": frozen.certification,
        "--state": "S1",
        "--knob": "tz_nudge",
        "--expect": "c_multi_median_top1=0.97..0.9",
    }
    given[option] = value
    arguments = [part for pair in given.items() for part in pair]
    assert said in refused(frozen.root, "2A-GV-010", "reopen", "request", *arguments)


def test_a_knob_belongs_to_a_state_that_reads_it(frozen: Lane) -> None:
    message = refused(
        frozen.root, "2A-GV-010", "reopen", "request", "--requester", REQUESTER, "--reason", "why",
        "--evidence", frozen.certification, "--expect", "a=1..2", "--state", "S4",
        "--knob", "tz_nudge",
    )  # fmt: skip
    assert "tz_nudge is read by" in message


def test_a_new_key_is_for_its_owner_alone_and_never_in_a_workspace(
    lane: Lane, tmp_path: Path
) -> None:
    said = civiltime(
        "keys", "generate", "--out", tmp_path / "k", "--name", "Élise du Pré", "--json"
    )
    assert said.code == 0, said.err
    key = Path(said.json["path"])
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert "PRIVATE" not in said.out + said.err
    again = civiltime(
        "keys", "generate", "--out", tmp_path / "k", "--name", "Élise du Pré", "--json"
    )
    assert again.error == "2A-GV-001"
    for folder in (lane.root, lane.root / "config" / "keys"):
        refused(lane.root, "2A-GV-001", "keys", "generate", "--out", folder, "--name", "Eve")
    refused(lane.root, "2A-GV-001", "keys", "generate", "--out", tmp_path, "--name", "/..")


def test_a_link_that_leads_to_itself_is_no_evidence_and_no_place_for_keys(frozen: Lane) -> None:
    loop = frozen.root / "loop"
    loop.symlink_to(loop)
    assert frozen.cli("authorities", "pin", "1B", loop).error == "2A-GV-051"
    assert frozen.cli("perf", "hotspots", loop).error == "2A-PF-004"
    assert frozen.cli("freeze", loop).error == "2A-GV-042"
    assert frozen.cli("keys", "generate", "--out", loop, "--name", "Eve").error == "2A-GV-001"
