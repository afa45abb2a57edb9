"""Files that a decision rests on: below the workspace, by digest."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from civiltime.errors import CivilTimeError
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_file


def named(workspace: Workspace, path: Path, code: str = "2A-GV-011") -> tuple[str, str]:
    """A file as a document names it: path below the workspace, SHA-256.

    ``path`` is taken as it stands, then from the workspace's folder.  Where it isn't a file
    below the workspace, links resolved: ``code``.
    """
    root = workspace.root.resolve()
    with suppress(RuntimeError):  # a link that leads to itself
        for found in (path.resolve(), (root / path).resolve()):
            if found.is_file() and found.is_relative_to(root):
                return found.relative_to(root).as_posix(), sha256_file(found)
    raise CivilTimeError(
        code, f"{path} is not a file of the workspace {workspace.root}", {"path": str(path)}
    )


def require_unchanged(workspace: Workspace, evidence: Mapping[str, str]) -> None:
    """2A-GV-011 unless every file is still the one that was named."""
    for path, digest in evidence.items():
        found = named(workspace, workspace.root / path)
        if found != (path, digest):
            raise CivilTimeError(
                "2A-GV-011", f"{path} changed since the request named it", {"path": path}
            )
