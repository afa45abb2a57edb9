"""From a policy's raw bytes to data of the right shape, or a refusal that names the line."""

from __future__ import annotations

from typing import Any

from civiltime.workspace.shape import check_document
from civiltime.workspace.strict_yaml import YamlDocument, parse_document


def read_policy(raw: bytes, schema_ref: str, name: str) -> YamlDocument:
    """The strict YAML document of a policy; raises :class:`Invalid`."""
    document = parse_document(raw, name)
    check_document(document.data, schema_ref, document)
    return document


def version_tag(raw: bytes, digest: str) -> str:
    """A policy's ``semver``, or ``content-`` and the start of its digest where it has none.

    S0 seals a policy before its own state judges it, so a file that can't be read gets a
    tag from its content rather than an error here.  The word ``latest`` is returned as it
    stands, for S0 to refuse.
    """
    try:
        data: Any = parse_document(raw, "policy").data
    except ValueError:
        data = None
    semver = data.get("semver") if isinstance(data, dict) else None
    return semver if isinstance(semver, str) and semver else f"content-{digest[:12]}"
