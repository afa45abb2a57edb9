"""The DSSE envelope of an approval: one signature over one canonical request.

The law: the payload type is ours, the signature is Ed25519 over the DSSE pre-authentication
encoding of type and payload, and the file is written in one way only, so that a change of any
byte is found.  Nothing here knows who may approve what.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from civiltime.errors import CivilTimeError, Invalid
from civiltime.programme.requests import Request
from civiltime.workspace.publish import people_json
from civiltime.workspace.shape import check_document

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import Key, Signer

PAYLOAD_TYPE = "application/vnd.civiltime.request+json"


def sign_request(request: Request, signer: Signer) -> bytes:
    """The envelope's file."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(request.raw, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return people_json(envelope.to_dict())


def open_envelope(raw: bytes) -> Envelope:
    """The envelope, not yet verified.

    2A-GV-020 where nothing is signed, 2A-GV-022 where it isn't as it was written.
    """
    from securesystemslib.dsse import Envelope

    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not document.get("signatures"):
        raise CivilTimeError("2A-GV-020", "the file holds no signature")
    try:
        check_document(document, "approval", "the envelope")
        if len(document["signatures"]) != 1:
            raise Invalid("it has more than one signature")
        envelope = Envelope.from_dict(document)
        if people_json(envelope.to_dict()) != raw:
            raise Invalid("it isn't written as civiltime writes it")
    except ValueError as error:
        raise CivilTimeError("2A-GV-022", f"the envelope was changed: {error}") from None
    return envelope


def require_signed_by(envelope: Envelope, key: Key) -> None:
    """2A-GV-022 unless that key signed this content as a request."""
    from securesystemslib.exceptions import VerificationError

    if envelope.payload_type != PAYLOAD_TYPE:
        raise CivilTimeError("2A-GV-022", f"it signs {envelope.payload_type}, not {PAYLOAD_TYPE}")
    try:
        envelope.verify([key], 1)
    except VerificationError:
        raise CivilTimeError("2A-GV-022", "the signature doesn't fit the content") from None
