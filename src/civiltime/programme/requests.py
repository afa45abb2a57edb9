"""Requests: what people ask for before anything frozen or capped may move.

The law (specification 5.5): a request says who asks, why, until when, and on which evidence, by
digest; then exactly what it wants.

* a **reopen** names the freeze that it contradicts with the states and policies that may change,
  or the authorities to pin anew with the pins that they replace, and the movement expected;
* an **exception** names a cap, a ceiling and seeds;
* a **waiver** names a state's budget and a ceiling.

A request is one RFC 8785 document; its id is the start of that document's digest.  Nothing here
reads a file or the clock.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from civiltime import contracts
from civiltime.errors import CivilTimeError, Invalid
from civiltime.policy.approvers import Scope
from civiltime.workspace.digest import canonical_json, sha256_bytes
from civiltime.workspace.shape import check_document

Kind = Literal["reopen", "exception", "waiver"]
KINDS: tuple[Kind, ...] = ("reopen", "exception", "waiver")
KNOBS = (
    "tz_overrides",
    "tz_nudge",
    "tz_lookup_policy",
    "certification_policy",
    "approvers_policy",
)
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_STAYS_OPEN = timedelta(days=30)


@dataclass(frozen=True)
class Request:
    """A well-formed request: its canonical bytes, and what they say."""

    raw: bytes
    document: Mapping[str, Any]

    @property
    def sha256_hex(self) -> str:
        """The digest that an approval signs and the ledger records."""
        return sha256_bytes(self.raw)

    @property
    def id(self) -> str:
        """The name of the request: the start of its digest."""
        return self.sha256_hex[:16]

    @property
    def kind(self) -> Kind:
        """What is asked for."""
        kind: Kind = self.document["kind"]
        return kind

    @property
    def requester(self) -> str:
        """Who asks."""
        return str(self.document["requester"])

    @property
    def lane(self) -> str:
        """The lane that it is about."""
        return str(self.document["lane"])

    @property
    def expires_utc(self) -> str:
        """The last instant at which it can take effect."""
        return str(self.document["expires_utc"])

    @property
    def evidence(self) -> Mapping[str, str]:
        """Path below the workspace -> SHA-256."""
        return {e["path"]: e["sha256_hex"] for e in self.document["evidence"]}

    @property
    def frozen_sha256_hex(self) -> str | None:
        """The freeze that it opens, if it opens one."""
        return self.document.get("frozen_sha256_hex")

    @property
    def authorities(self) -> Mapping[str, Mapping[str, Any]]:
        """The new pins that it asks for, by name."""
        return {a["name"]: a for a in self.document.get("authorities", ())}

    @property
    def needs(self) -> frozenset[Scope]:
        """What an approver must be allowed to approve."""
        if self.kind != "reopen":
            return frozenset({self.kind})
        opens: set[Scope] = {"reopen"} if self.frozen_sha256_hex else set()
        pins: set[Scope] = {"authority"} if self.authorities else set()
        return frozenset(opens | pins)


def make_request(document: Mapping[str, Any]) -> Request:
    """The request that a document is; 2A-GV-010 where it isn't one."""
    try:
        raw = canonical_json(document)
    except ValueError as error:
        raise CivilTimeError("2A-GV-010", f"the request can't be written: {error}") from None
    return read_request(raw)


def read_request(raw: bytes) -> Request:
    """A request from its bytes; 2A-GV-010 unless they are canonical, complete and make sense."""
    try:
        document = json.loads(raw)
        kind = document.get("kind") if isinstance(document, dict) else None
        if kind not in KINDS:
            raise Invalid(f"it is none of {', '.join(KINDS)}")
        check_document(document, f"{kind}_request", f"the {kind} request")
        if canonical_json(document) != raw:
            raise Invalid("it isn't in canonical form")
        _require_sense(document)
    except (ValueError, RecursionError) as error:
        raise CivilTimeError("2A-GV-010", f"this isn't a request: {error}") from None
    return Request(raw, document)


def _require_sense(document: Mapping[str, Any]) -> None:
    """What a schema can't say."""
    for name in ("requester", "reason"):
        if not document[name].strip():
            raise Invalid(f"{name} is blank")
    if not _instant(document["created_utc"]) < _instant(document["expires_utc"]):
        raise Invalid("it expires before it was written")
    paths = [e["path"] for e in document["evidence"]]
    if len(set(paths)) < len(paths):
        raise Invalid("a file stands twice in its evidence")
    if document["kind"] == "reopen":
        _require_scope(document)


def _require_scope(document: Mapping[str, Any]) -> None:
    """A reopen opens a lane, pins authorities anew, or both, and says what moves."""
    states, knobs = document["states"], document["knobs"]
    names = [a["name"] for a in document["authorities"]]
    if len(set(names)) < len(names):
        raise Invalid("an authority stands twice")
    if not states and not names:
        raise Invalid("it names neither a state nor an authority")
    if bool(states) != (document["frozen_sha256_hex"] is not None):
        raise Invalid("states and the freeze that they were frozen by go together")
    if knobs and not states:
        raise Invalid("it names policies, but no state that reads them")
    for knob in knobs:
        policy, _, field = knob.partition(".")
        if policy not in KNOBS or "." in field or knob.endswith("."):
            raise Invalid(
                f"{knob} is not a policy, or a field of one; the policies are {', '.join(KNOBS)}"
            )
        readers = contracts.registry()[policy].consumers
        if not set(readers) & set(states):
            raise Invalid(f"{policy} is read by {', '.join(readers)}, none of them is in its scope")
    still = [m["metric"] for m in document["expected_movement"] if m["from"] == m["to"]]
    if still:
        raise Invalid(f"{still[0]} isn't expected to move")


def _instant(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def expiry(text: str | None, created_utc: str) -> str:
    """When a request expires: on a day (its end), at an instant, or after 30 days.

    2A-GV-010 for anything else.
    """
    if text is None:
        return (_instant(created_utc) + _STAYS_OPEN).strftime(_TIME)
    full = f"{text}T23:59:59.999999Z" if _DAY.fullmatch(text) else text
    try:
        return _instant(full).strftime(_TIME)
    except ValueError:
        raise CivilTimeError(
            "2A-GV-010",
            f"{text!r} is neither a day such as 2027-01-31 nor an instant such as "
            "2027-01-31T12:00:00.000000Z",
        ) from None


def movement(text: str) -> dict[str, Any]:
    """``METRIC=FROM..TO`` as a request states it; 2A-GV-010 for anything else."""
    found = re.fullmatch(r"([a-z][a-z0-9_]*)=(.+)\.\.(.+)", text)
    try:
        if found is None:
            raise ValueError
        return {"metric": found[1], "from": float(found[2]), "to": float(found[3])}
    except ValueError:
        raise CivilTimeError(
            "2A-GV-010",
            f"{text!r} is not a movement; write METRIC=FROM..TO, such as "
            "c_multi_median_top1=0.97..0.90",
        ) from None


def reopening(
    *,
    frozen_sha256_hex: str | None,
    states: Sequence[str],
    knobs: Sequence[str],
    movements: Sequence[str],
    authorities: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What a reopen request says of its own."""
    return {
        "frozen_sha256_hex": frozen_sha256_hex,
        "states": sorted(set(states)),
        "knobs": sorted(set(knobs)),
        "expected_movement": [movement(m) for m in movements],
        "authorities": [dict(a) for a in authorities],
    }
