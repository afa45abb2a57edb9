"""A schema's finding in the words of someone who wrote the file, not of a validator."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from jsonschema import ValidationError

LONGEST = 60
NAMED = 5
_KINDS: dict[type, str] = {dict: "a mapping", list: "a list", str: "text", bool: "true or false"}
_WANTED = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "empty",
}


def shown(value: Any) -> str:
    """A value as it stands in a file, shortened."""
    if value is None:
        return "empty"
    if isinstance(value, Decimal):
        text = str(value)
    elif isinstance(value, dict | list):
        text = _KINDS[type(value)]
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def in_words(error: ValidationError) -> str:
    """What is wrong, in one line; the validator's own words for a rule that isn't known here."""
    say = _RULES.get(str(error.validator))
    text = say(error.instance, error.validator_value, error) if say else error.message
    return text if len(text) <= 200 else f"{text[:200]}…"


def _type(value: Any, wanted: Any, _error: ValidationError) -> str:
    kinds = [wanted] if isinstance(wanted, str) else wanted
    expected = " or ".join(_WANTED[k] for k in kinds)
    if value is None:
        return f"it is empty; {expected} is wanted"
    kind = _KINDS.get(type(value), "a number")
    what = "it" if isinstance(value, dict | list) else shown(value)
    return f"{what} is {kind}; {expected} is wanted"


def _missing(value: Any, required: Any, _error: ValidationError) -> str:
    missing = [name for name in required if name not in value]
    return f"{_listed(missing)} missing"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} {'is' if len(names) == 1 else 'are'}"


def _unknown(value: Any, _allowed: Any, error: ValidationError) -> str:
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    strange = sorted(str(name) for name in value if name not in known)
    listed = ", ".join(known)
    hint = f"; what may stand here: {listed}" if listed else ""
    return f"{_listed(strange)} not known{hint}"


def _choice(value: Any, choices: Any, _error: ValidationError) -> str:
    return f"{shown(value)} is none of {', '.join(shown(c) for c in choices)}"


def _bound(words: str) -> Callable[[Any, Any, ValidationError], str]:
    return lambda value, bound, _error: f"{shown(value)} must be {words} {shown(bound)}"


def _size(words: str) -> Callable[[Any, Any, ValidationError], str]:
    return lambda value, bound, _error: f"{shown(value)} is {words}; the bound is {bound}"


def _pattern(value: Any, pattern: Any, _error: ValidationError) -> str:
    return f"{shown(value)} hasn't the form {pattern}"


_RULES: dict[str, Callable[[Any, Any, ValidationError], str]] = {
    "type": _type,
    "required": _missing,
    "additionalProperties": _unknown,
    "enum": _choice,
    "const": lambda value, only, _error: f"{shown(value)} must be {shown(only)}",
    "minimum": _bound("at least"),
    "maximum": _bound("at most"),
    "exclusiveMinimum": _bound("more than"),
    "exclusiveMaximum": _bound("less than"),
    "pattern": _pattern,
    "minLength": _size("too short"),
    "maxLength": _size("too long"),
    "minItems": _size("too short"),
    "maxItems": _size("too long"),
    "uniqueItems": lambda _value, _rule, _error: "something stands in the list twice",
}
