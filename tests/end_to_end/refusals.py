"""What every refusal has in common, whichever command says it."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Said, civiltime

LOCKS = {".lock", ".ingest.lock"}


def files(root: Path) -> dict[str, bytes]:
    """Every file below a folder and its bytes, locks aside."""
    return {
        p.relative_to(root).as_posix(): p.read_bytes()
        for p in root.rglob("*")
        if p.is_file() and p.name not in LOCKS
    }


def refused(root: Path, code: str, *arguments: str | Path) -> str:
    """Run a command that must be refused under a code and leave the workspace as it was.

    Said to a machine and to a person, never as a traceback.  Returns the message.
    """
    before = files(root)
    said = civiltime(*arguments, "-w", root, "--json")
    assert (said.code, said.error) == (1, code), (said.out, said.err)
    require_explained(said, code)
    assert files(root) == before
    error = said.json["error"]
    assert error["message"]
    assert error["remediation"]
    return str(error["message"])


def require_explained(said: Said, code: str) -> None:
    """The refusal on stderr: the code, what is wrong and what to do."""
    assert "Traceback" not in said.err
    assert said.err.startswith(f"error {code} "), said.err
    assert "\n  what: " in said.err
    assert "\n  do:   " in said.err
