"""Freezing a lane: its best certified runs pinned, with what stands in their way.

The law (specification 5.5): a freeze rests on one certification of the lane, whose runs are all
still what was certified; without one given, the best is taken.  It pins run and flag of every
required seed, the policies that those runs sealed, and the approvers who may reopen.  The same
certification makes the same bytes, so freezing twice changes nothing; another one needs a
reopen first, and the lifted one is kept.  Exceptions that the certification rests on are used up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civiltime.errors import CivilTimeError, Invalid
from civiltime.policy.approvers import ApproversPolicy, parse_approvers
from civiltime.programme.blockers import STATUS, blockers
from civiltime.programme.certified import NONE, best_certified, certified_runs, read_certified
from civiltime.programme.decisions import approved_exceptions
from civiltime.programme.evidence import named
from civiltime.programme.lane import field_digests, standing
from civiltime.programme.ledger import Ledger, used, writing
from civiltime.programme.past import keep_past
from civiltime.programme.requests import KNOBS
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.publish import Publish, people_json, replace_file
from civiltime.workspace.runs import Run
from civiltime.workspace.shape import check_document

APPROVERS = "approvers_policy"
REOPEN_CONTRACT = (
    "contradiction evidence: files of the workspace, by digest",
    "this freeze, by digest, and the states and policies that may change",
    "the expected movement: metric, from, to",
    "an approval by somebody else, with a key of the approvers.yaml that this freeze pins",
)


@dataclass(frozen=True)
class Frozen:
    """A freeze on the disk."""

    path: Path
    document: Mapping[str, Any]
    publish: Publish
    reopenable: bool
    """Whether somebody may approve a reopen of it."""


def freeze_lane(workspace: Workspace, certification: Path | None = None) -> Frozen:
    """Freeze the lane on a certification, or on its best.

    2A-GV-042 where there is none that holds, 2A-GV-043 where the lane is frozen on another.
    """
    approvers, approvers_sha256 = _approvers(workspace)
    name, digest = named(workspace, certification or best_certified(workspace), NONE)
    judged = read_certified(workspace, workspace.root / name)
    runs = certified_runs(workspace, judged)
    document = {
        "segment": "2A",
        "lane": workspace.lane,
        "status": STATUS[judged["verdict"]],
        "generated_utc": judged["generated_utc"],
        "certification": {"path": name, "sha256_hex": digest},
        "runs": {s: _entry(run, judged, s) for s, run in runs.items()},
        "policies": _policies(workspace, [run for run in runs.values() if run is not None]),
        "approvers_sha256_hex": approvers_sha256,
        "blockers": blockers(judged),
        "reopen_contract": list(REOPEN_CONTRACT),
    }
    check_document(document, "segment2a_freeze", "the freeze")
    with writing(workspace) as ledger:
        publish = _publish(workspace, ledger, document, judged)
    reopenable = any("reopen" in a.may_approve for a in approvers.approvers)
    return Frozen(workspace.path("segment2a_freeze"), document, publish, reopenable)


def _publish(
    workspace: Workspace, ledger: Ledger, document: Mapping[str, Any], judged: Mapping[str, Any]
) -> Publish:
    """Write the freeze, then say so in the ledger; a freeze that stands is restored or kept."""
    target, raw = workspace.path("segment2a_freeze"), people_json(document)
    digest = sha256_bytes(raw)
    frozen, lifted = standing(ledger.records)
    if frozen is not None and lifted is None:
        if frozen != digest:
            raise CivilTimeError("2A-GV-043", f"{workspace.lane} is frozen otherwise")
        replace_file(target, raw)
        return "REUSE"
    _use_exceptions(workspace, ledger, judged)
    if frozen is not None and target.is_file():
        before = target.read_bytes()
        if sha256_bytes(before) == frozen:
            keep_past(workspace, "segment2a_past_freeze", before)
    replace_file(target, raw)
    ledger.append(
        "frozen", digest, document["status"], certification=document["certification"]["path"]
    )
    return "NEW"


def _entry(run: Run | None, judged: Mapping[str, Any], seed: str) -> dict[str, Any]:
    flags = {i["seed"]: i["flag_sha256_hex"] for i in judged["inputs"]}
    return {
        "run_id": None if run is None else run.id,
        "manifest_fingerprint": None if run is None else run.receipt.manifest_fingerprint,
        "flag_sha256_hex": None if run is None else flags[seed],
        "verdict": judged["seeds"][seed]["verdict"],
    }


def _policies(workspace: Workspace, runs: list[Run]) -> dict[str, Any]:
    """Each policy's digests as the runs sealed it; its fields, where it is still that."""
    found = {}
    for policy in KNOBS:
        if policy == APPROVERS:
            continue
        sealed = sorted({r.receipt.policies[policy] for r in runs if policy in r.receipt.policies})
        path = workspace.path(policy)
        raw = path.read_bytes() if path.is_file() else b""
        fields = field_digests(raw) if [sha256_bytes(raw)] == sealed else {}
        found[policy] = {"sha256_hex": sealed, "fields": fields}
    return found


def _approvers(workspace: Workspace) -> tuple[ApproversPolicy, str]:
    """The approvers, and the digest of their policy; 2A-GV-002 where it isn't sound."""
    try:
        raw = workspace.path(APPROVERS).read_bytes()
        return parse_approvers(raw), sha256_bytes(raw)
    except (OSError, Invalid) as error:
        raise CivilTimeError("2A-GV-002", str(error)) from None


def _use_exceptions(workspace: Workspace, ledger: Ledger, judged: Mapping[str, Any]) -> None:
    """Use up the exceptions that the certification rests on; 2A-GV-042 for one that isn't sound."""
    if not judged["exceptions"]:
        return
    approved = {e.id: e for e in approved_exceptions(workspace, judged["generated_utc"])}
    for stated in judged["exceptions"]:
        found = approved.get(stated["id"])
        if found is None or found.document() != stated:
            raise CivilTimeError(NONE, f"exception {stated['id']} isn't approved in this lane")
    for digest, who in (
        (approved[e["id"]].request_sha256_hex, e["approver"]) for e in judged["exceptions"]
    ):
        if used(ledger.records, digest, "exception") is None:
            ledger.append("used", digest, "exception", who=who)
