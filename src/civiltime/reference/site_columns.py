"""The columns of a site file, whatever its format: which must be there, and of what type."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from civiltime.errors import Invalid

SCHEMA_REF = "site_locations"
Place = Callable[[int], str]
"""Where a row, counted from 0, stands in its file."""


def require_columns(
    present: list[str], wanted: Mapping[str, str], name: str, *, ignore_extra: bool
) -> None:
    """Raises :class:`Invalid`: a column twice (002), one missing (004), an undeclared one (005)."""
    repeated = sorted({c for c in present if present.count(c) > 1})
    if repeated:
        raise Invalid(f"{name} has the column {repeated[0]!r} twice", code="002")
    missing = [source for source in wanted.values() if source not in present]
    if missing:
        raise Invalid(
            f"{name} has no column {_listed(missing)}; it has {_listed(present)}{_hint(present)}",
            code="004",
            missing=list(missing),
        )
    extra = [c for c in present if c not in wanted.values()]
    if extra and not ignore_extra:
        raise Invalid(
            f"{name} has columns that sites don't have: {_listed(extra)}; drop them, or "
            "say --ignore-extra",
            code="005",
            extra=list(extra[:20]),
        )


def _listed(columns: list[str]) -> str:
    """Names as they are, and in quotes where that could be misread."""
    shown = [c if c.isprintable() and c == c.strip() != "" else repr(c) for c in columns[:20]]
    return ", ".join(shown) + (", ..." if len(columns) > len(shown) else "")


def _hint(present: list[str]) -> str:
    """What a header of one column usually means."""
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(present) == 1 and mark in present[0]:
            return f" (separated by {name}? a CSV has commas)"
    return ""


def said(kind: pa.DataType) -> str:
    """A column's type in words."""
    if kind == pa.uint64():
        return "a whole number 1..2^64-1"
    if kind == pa.int32():
        return "a whole number 1..2^31-1"
    return "a number" if kind == pa.float64() else "text"


def limit(kind: pa.DataType) -> int:
    """The greatest whole number of a column's type."""
    return (1 << 64) - 1 if kind == pa.uint64() else (1 << 31) - 1
