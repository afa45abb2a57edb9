"""The contracts, as data, and one small loader.

JSON Schema says the shape (``schemas/*.json``), the dictionary says id -> path, the
registry says existence, licence and retention, the error table says the codes
(specification 1.3 and 1.7).  Nothing else in the code knows a dataset's path or a
code's meaning; the pages of ``docs/`` are generated from the same files.

Everything here is read once per process and is immutable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, TypeVar, cast

from civiltime.errors import Effect

T = TypeVar("T")
Root = Literal["upstream", "workspace", "run", "lane"]


@dataclass(frozen=True)
class ErrorCode:
    """One row of the error table."""

    code: str
    name: str
    state: str
    effect: Effect
    validators: tuple[str, ...]
    meaning: str
    remediation: str


@dataclass(frozen=True)
class Dataset:
    """One entry of the dataset dictionary."""

    id: str
    title: str
    root: Root
    path: str
    partitions: tuple[str, ...]
    ordering: tuple[str, ...]
    format: str
    schema_ref: str

    @property
    def is_folder(self) -> bool:
        """Whether the path names a partition folder rather than one file."""
        return self.path.endswith("/")

    def resolve(self, **tokens: str | int) -> str:
        """The relative POSIX path for these identity tokens.

        A missing token raises ``KeyError``: a path is never half resolved.
        """
        return self.path.format_map({key: str(value) for key, value in tokens.items()})


@dataclass(frozen=True)
class RegistryEntry:
    """One entry of the artefact registry; ``retention_days`` None means: with its run."""

    id: str
    licence: str
    retention_days: int | None
    required: bool
    producer: str
    consumers: tuple[str, ...]


def _rows(name: str) -> list[dict[str, Any]]:
    from civiltime.workspace.strict_yaml import parse_yaml

    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    return cast("list[dict[str, Any]]", parse_yaml(text, name))


def _entry(kind: type[T], row: dict[str, Any]) -> T:
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items()})


@cache
def error_codes() -> Mapping[str, ErrorCode]:
    """Every code, in the order of the table."""
    return {row["code"]: _entry(ErrorCode, row) for row in _rows("errors.yaml")}


@cache
def datasets() -> Mapping[str, Dataset]:
    """Every dataset by id, in the order of the dictionary."""
    return {row["id"]: _entry(Dataset, row) for row in _rows("dictionary.yaml")}


@cache
def registry() -> Mapping[str, RegistryEntry]:
    """Every registered artefact by id."""
    return {row["id"]: _entry(RegistryEntry, row) for row in _rows("registry.yaml")}


@cache
def schema(ref: str) -> Mapping[str, Any]:
    """The JSON Schema (2020-12) that ``ref`` names; of one row where it is a table.

    Raises ``FileNotFoundError`` for an anchor that doesn't exist.
    """
    path = resources.files(__package__).joinpath("schemas", f"{ref}.json")
    return cast("Mapping[str, Any]", json.loads(path.read_text("utf-8")))
