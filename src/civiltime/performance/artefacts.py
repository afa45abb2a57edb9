"""Timing artefacts: reading them back, and naming them as evidence.

A timing artefact carries no digest of itself: nothing that has an identity rests on a clock.
Whoever builds on one names the file by its digest, as with any other evidence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from civiltime.errors import CivilTimeError, Invalid
from civiltime.programme.evidence import named
from civiltime.workspace.config import Workspace
from civiltime.workspace.publish import people_json, replace_file
from civiltime.workspace.shape import check_document

UNUSABLE = "2A-PF-004"


def read_artefact(workspace: Workspace, path: Path, kind: str) -> tuple[dict[str, Any], Evidence]:
    """A performance artefact of the workspace, and its name; 2A-PF-004 where it isn't one."""
    name, digest = named(workspace, path, UNUSABLE)
    try:
        document: dict[str, Any] = json.loads((workspace.root / name).read_bytes())
        check_document(document, kind, name)
    except Invalid as finding:
        raise CivilTimeError(UNUSABLE, finding.message, {"path": name}) from None
    except (ValueError, RecursionError) as error:
        raise CivilTimeError(UNUSABLE, f"{name} is not JSON: {error}", {"path": name}) from None
    return document, evidence(name, digest)


Evidence = dict[str, str]


def evidence(path: str, sha256_hex: str) -> Evidence:
    """How a document names a file that it rests on."""
    return {"path": path, "sha256_hex": sha256_hex}


def write_artefact(path: Path, document: dict[str, Any], kind: str) -> None:
    """Write an artefact whose shape is proved first."""
    check_document(document, kind, path.name)
    replace_file(path, people_json(document))
