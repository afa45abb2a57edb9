"""Shapes: JSON documents against their JSON Schema, tables against their Arrow schema.

The law (specification 1.3): schemas are strict, an undeclared field or column is
invalid.  Arrow schemas derive from the JSON Schemas, so a table has one definition.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pyarrow as pa
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from civiltime import contracts
from civiltime.errors import Invalid
from civiltime.workspace.strict_yaml import YamlDocument
from civiltime.workspace.wording import in_words

_INTEGERS = {"uint64": pa.uint64(), "int64": pa.int64(), "int32": pa.int32()}


@cache
def _validator(ref: str) -> Draft202012Validator:
    return Draft202012Validator(contracts.schema(ref))


def check_document(document: Any, ref: str, name: str | YamlDocument) -> None:
    """Raises :class:`Invalid` naming the first field that breaks the schema ``ref``."""
    error = best_match(_validator(ref).iter_errors(document))
    if error is None:
        return
    path = tuple(error.absolute_path)
    if isinstance(name, YamlDocument):
        where = name.where(path)
    else:
        trail = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
        where = f"{name} ({trail})" if trail else name
    raise Invalid(f"{where}: {in_words(error)}", schema=ref, field=".".join(map(str, path)))


@cache
def arrow_schema(ref: str) -> pa.Schema:
    """The Arrow schema of a table, derived from the JSON Schema of its rows.

    ``integer`` takes its width from ``format`` (int64 without one), ``number`` is
    float64, ``string`` is utf8 or, with ``format: wkb``, binary; a type list that holds
    ``null`` makes the column nullable.
    """
    return pa.schema(
        [_field(name, spec) for name, spec in contracts.schema(ref)["properties"].items()]
    )


def _field(name: str, spec: dict[str, Any]) -> pa.Field:
    kinds = [spec["type"]] if isinstance(spec["type"], str) else list(spec["type"])
    nullable = "null" in kinds
    kind = next(k for k in kinds if k != "null")
    if kind == "integer":
        arrow = _INTEGERS[spec.get("format", "int64")]
    elif kind == "number":
        arrow = pa.float64()
    elif kind == "boolean":
        arrow = pa.bool_()
    else:
        arrow = pa.binary() if spec.get("format") == "wkb" else pa.utf8()
    return pa.field(name, arrow, nullable=nullable)


def check_columns(actual: pa.Schema, ref: str, name: str) -> None:
    """Raises :class:`Invalid` unless ``actual`` has exactly the columns and types of ``ref``.

    Nullability is a matter of the data and is checked with it; a dictionary-encoded
    column counts as its value type.
    """
    expected = arrow_schema(ref)
    missing = [n for n in expected.names if n not in actual.names]
    extra = [n for n in actual.names if n not in expected.names]
    if missing or extra:
        parts = [f"lacks {', '.join(missing)}"] if missing else []
        parts += [f"has undeclared {', '.join(extra)}"] if extra else []
        raise Invalid(f"{name} {' and '.join(parts)}", missing=list(missing), extra=list(extra))
    for field in expected:
        kind = actual.field(field.name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if kind == pa.large_utf8() or kind == pa.string_view():
            kind = pa.utf8()
        if kind != field.type:
            raise Invalid(
                f"{name}: column {field.name} is {kind}, not {field.type}", column=field.name
            )
