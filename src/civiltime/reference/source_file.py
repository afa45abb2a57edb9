"""A file that somebody wants to bring in."""

from __future__ import annotations

from pathlib import Path

from civiltime.errors import Invalid


def require_file(path: Path) -> None:
    """Raises :class:`Invalid`: 001 where there is no file, 002 where its name is no text."""
    if not path.is_file():
        wrong = f"{path.name} is not a file" if path.exists() else f"there is no file {path.name}"
        raise Invalid(wrong, code="001", path=path.name)
    try:
        path.name.encode()
    except UnicodeEncodeError:  # the provenance names it, and is text
        raise Invalid(f"the file's name {path.name!r} is not UTF-8", code="002") from None
