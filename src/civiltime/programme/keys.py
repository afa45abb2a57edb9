"""Keys of approvers: Ed25519, one file a person, never beside the data.

The law: a private key is written once, for its owner's eyes only, outside of every workspace,
and is refused where it is found otherwise.  What is printed is the public half, as the entry of
``approvers.yaml`` to paste.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from civiltime.errors import CivilTimeError
from civiltime.policy.approvers import SCOPES, Scope
from civiltime.workspace.config import CONFIG_NAME

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

_MINE_ALONE = 0o600
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True)
class GeneratedKey:
    """A new key: where the private half lies, and the public half."""

    who: str
    keyid: str
    path: Path
    public_key_pem: str

    def entry(self, may_approve: Sequence[Scope] = SCOPES) -> str:
        """The entry of ``approvers.yaml``."""
        pem = "".join(f"      {line}\n" for line in self.public_key_pem.splitlines())
        return (
            f"  - who: {json.dumps(self.who, ensure_ascii=False)}\n"
            f"    keyid: {json.dumps(self.keyid)}\n"
            f"    public_key_pem: |\n{pem}"
            f"    may_approve: [{', '.join(may_approve)}]\n"
        )


def generate_key(folder: Path, who: str) -> GeneratedKey:
    """Write a new private key to ``folder``; 2A-GV-001 in a workspace or where one stands."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from securesystemslib.signer import CryptoSigner

    name = re.sub(r"[^a-z0-9]+", "-", who.casefold()).strip("-")
    if not name or not who.isprintable():
        raise _unusable(f"{who!r} is not a name", folder)
    _require_outside(folder)
    private = Ed25519PrivateKey.generate()
    signer = CryptoSigner(private)
    path = folder / f"{name}.key"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MINE_ALONE)
    except FileExistsError:
        raise _unusable(f"{path} is there already; a key isn't replaced", path) from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(signer.private_bytes)
        stream.flush()
        os.fsync(descriptor)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return GeneratedKey(who, signer.public_key.keyid, path, pem.decode())


def load_signer(path: Path) -> CryptoSigner:
    """The signer of a private key file; 2A-GV-001 unless it is one, kept as it must be."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    _require_outside(path)
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            pem = stream.read(_MAX_BYTES)
    except OSError as problem:
        raise _unusable(f"{path} can't be read: {problem.strerror}", path) from None
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise _unusable(f"{path} can be read by others (mode {status.st_mode & 0o777:o})", path)
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable(f"{path} is not a private key in PEM without a password", path) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(f"{path} is not an Ed25519 key", path)
    return CryptoSigner(key)


def _require_outside(path: Path) -> None:
    """No workspace holds the path, links resolved."""
    try:
        resolved = path.resolve()
    except RuntimeError:
        raise _unusable(f"{path} is a link that leads to itself", path) from None
    for folder in (resolved, *resolved.parents):
        if (folder / CONFIG_NAME).is_file():
            raise _unusable(f"{path} lies in the workspace {folder}", path)


def _unusable(why: str, path: Path) -> CivilTimeError:
    return CivilTimeError("2A-GV-001", why, {"path": str(path)})
