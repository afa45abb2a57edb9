"""``approvers.yaml``: who may approve what, by which key.

The law (specification 5.5): a key stands once and under the id that follows from it; a person
may have several keys.  What a person may approve is one of :data:`SCOPES`: reopening a lane,
an exception to a cap, a waiver of a budget, an authority's new pin.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from civiltime.errors import Invalid
from civiltime.policy.document import read_policy

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

NAME = "approvers.yaml"
Scope = Literal["reopen", "exception", "waiver", "authority"]
SCOPES: tuple[Scope, ...] = ("reopen", "exception", "waiver", "authority")
_LOOK_ALIKE = str.maketrans(
    "АВЕКМНОРСТХІЈЅаеорсухіјѕԁһӏԛԝѵΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορυχ",
    "ABEKMHOPCTXIJSaeopcyxijsdhlqwvABEZHIKMNOPTYXaikvopux",
)
"""Cyrillic and Greek letters that are drawn as Latin ones (after Unicode TS 39, confusables)."""


@dataclass(frozen=True)
class Approver:
    """A person's key, and what it may approve."""

    who: str
    keyid: str
    key: SSlibKey
    may_approve: frozenset[Scope]


@dataclass(frozen=True)
class ApproversPolicy:
    """The policy, by key id."""

    semver: str
    approvers: tuple[Approver, ...]

    def by_keyid(self, keyid: str) -> Approver | None:
        """The approver with that key, or None."""
        return next((a for a in self.approvers if a.keyid == keyid), None)


def parse_approvers(raw: bytes) -> ApproversPolicy:
    """The policy; raises :class:`Invalid` naming the line."""
    document = read_policy(raw, "approvers_policy", NAME)
    approvers: list[Approver] = []
    for index, row in enumerate(document.data["approvers"]):
        where = document.where(("approvers", index))
        if not row["who"].strip():
            raise Invalid(f"{where}: who is blank")
        try:
            key = read_public_key(row["public_key_pem"])
        except Invalid as finding:
            raise Invalid(f"{where}: {finding.message}") from None
        if key.keyid != row["keyid"]:
            raise Invalid(f"{where}: the key's id is {key.keyid}, not {row['keyid']}")
        if any(a.keyid == key.keyid for a in approvers):
            raise Invalid(f"{where}: the same key stands in an earlier entry")
        approvers.append(Approver(row["who"], key.keyid, key, frozenset(row["may_approve"])))
    return ApproversPolicy(document.data["semver"], tuple(approvers))


def read_public_key(pem: str) -> SSlibKey:
    """An Ed25519 public key, with the id that follows from it; :class:`Invalid` for another."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid("public_key_pem is not a public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise Invalid("public_key_pem is not an Ed25519 key")
    return SSlibKey.from_crypto(key)


def same_person(one: str, other: str) -> bool:
    """Whether two names read the same: case, blanks, marks, accents and look-alikes aside."""
    return _letters(one) == _letters(other) or _drawn(one) == _drawn(other)


def _letters(name: str) -> str:
    """A name's letters and digits, without case and accents."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", folded) if c.isalnum())


def _drawn(name: str) -> str:
    """The same as it is drawn, each look-alike a Latin letter."""
    return _letters(unicodedata.normalize("NFKC", name).translate(_LOOK_ALIKE))
