"""The lane's posture: open, frozen, or opened again; and who may run in it.

The law (specification 5.5): the ledger says whether the lane is frozen, and its freeze must be
the file that the ledger names: a lost or edited freeze opens nothing.  A frozen lane takes no
new candidate, until an approved reopen lifts that freeze, once; from then on a candidate may
differ from the pinned runs in the policies that the reopen names and in no other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from civiltime.errors import CivilTimeError, Invalid
from civiltime.policy.approvers import ApproversPolicy, parse_approvers
from civiltime.programme.ledger import Record
from civiltime.programme.requests import KNOBS
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import canonical_json, sha256_bytes
from civiltime.workspace.runs import list_run_ids, open_run
from civiltime.workspace.shape import check_document
from civiltime.workspace.strict_yaml import parse_document

OPEN = "open"
_LABEL = "semver"


@dataclass(frozen=True)
class Posture:
    """Where the lane stands: its last freeze, and the line that lifted it."""

    freeze: Mapping[str, Any] | None
    freeze_sha256_hex: str | None
    lifted: Record | None

    @property
    def frozen(self) -> bool:
        """Whether new candidates are refused."""
        return self.freeze is not None and self.lifted is None


def standing(records: tuple[Record, ...]) -> tuple[str | None, Record | None]:
    """By the ledger alone: the digest of the last freeze, and the line that lifted it."""
    freezes = [r for r in records if r.event == "frozen"]
    if not freezes:
        return None, None
    last = freezes[-1]
    later = (r for r in records[last.sequence :] if (r.event, r.act) == ("used", OPEN))
    return last.subject_sha256_hex, next(later, None)


def posture(workspace: Workspace, records: tuple[Record, ...]) -> Posture:
    """The lane's posture by its ledger; 2A-GV-041 where the freeze isn't what that names."""
    path = workspace.path("segment2a_freeze")
    digest, lifted = standing(records)
    if digest is None:
        if path.exists():
            raise _unusable("the ledger has no line for it")
        return Posture(None, None, None)
    try:
        raw = path.read_bytes()
    except OSError:
        raise _unusable("it is missing") from None
    if sha256_bytes(raw) != digest:
        raise _unusable("it isn't the one that the ledger names")
    document = json.loads(raw)
    check_document(document, "segment2a_freeze", path.name)
    return Posture(document, digest, lifted)


def _unusable(why: str) -> CivilTimeError:
    return CivilTimeError("2A-GV-041", f"segment2a_freeze.json: {why}")


def sealed_approvers(workspace: Workspace, stands: Posture) -> ApproversPolicy:
    """Who may approve: the policy that the freeze pins, or in an open lane one that a run sealed.

    2A-GV-002 where it is wrong, 2A-GV-003 where it isn't sealed.
    """
    try:
        raw = workspace.path("approvers_policy").read_bytes()
        policy = parse_approvers(raw)
    except (OSError, Invalid) as error:
        raise CivilTimeError("2A-GV-002", str(error)) from None
    digest = sha256_bytes(raw)
    if stands.freeze is not None and digest == stands.freeze["approvers_sha256_hex"]:
        return policy
    if stands.frozen or digest not in _sealed_by_runs(workspace):
        where = "the freeze" if stands.frozen else "any run of the lane"
        raise CivilTimeError("2A-GV-003", f"approvers.yaml is not the one that {where} sealed")
    return policy


def _sealed_by_runs(workspace: Workspace) -> set[str]:
    found = set()
    for run_id in list_run_ids(workspace):
        try:
            found.add(open_run(workspace, run_id).receipt.policies.get("approvers_policy", ""))
        except CivilTimeError:
            continue  # an unreadable receipt seals nothing
    return found


def field_digests(raw: bytes) -> dict[str, str]:
    """The digest of each field's value; none where the policy is a list or can't be read."""
    try:
        data = parse_document(raw, "policy").data
    except Invalid:
        return {}
    if not isinstance(data, dict):
        return {}
    return {
        name: sha256_bytes(canonical_json(_as_text(value)))
        for name, value in data.items()
        if name != _LABEL
    }


def _as_text(value: Any) -> Any:
    """A policy's value with every scalar as text, so that a decimal counts as it is written."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return f"{type(value).__name__} {value}"


def changed_knobs(workspace: Workspace, freeze: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """The policies, or fields of them, that differ from those of the pinned runs."""
    changed: list[tuple[str, str | None]] = []
    approvers = {"sha256_hex": [freeze["approvers_sha256_hex"]], "fields": {}}
    pinned = {**freeze["policies"], "approvers_policy": approvers}
    for policy in KNOBS:
        try:
            raw = workspace.path(policy).read_bytes()
        except OSError:
            changed.append((policy, None))
            continue
        before = pinned.get(policy, {"sha256_hex": [], "fields": {}})
        if sha256_bytes(raw) in before["sha256_hex"]:
            continue
        fields, now = before["fields"], field_digests(raw)
        if not fields or not now:
            changed.append((policy, None))
            continue
        names = sorted(fields.keys() | now.keys())
        changed += [(policy, name) for name in names if fields.get(name) != now.get(name)]
    return changed
