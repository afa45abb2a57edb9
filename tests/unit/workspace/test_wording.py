"""What a schema finds is said in the words of the file."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from civiltime.workspace.wording import in_words

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["semver"],
    "additionalProperties": False,
    "properties": {
        "semver": {"type": "string", "pattern": "^[0-9]+$"},
        "rate": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "km": {"type": ["integer", "null"], "maximum": 100},
        "scope": {"enum": ["site", "mcc", "country"]},
        "seeds": {"type": "array", "minItems": 1, "uniqueItems": True},
        "version": {"const": 1},
        "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
    },
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": None}, "it is empty; a number is wanted"),
        ({"rate": {"cap": 1}}, "it is a mapping; a number is wanted"),
        ({"rate": "high"}, '"high" is text; a number is wanted'),
        ({"km": True}, "true is true or false; a whole number or empty is wanted"),
        ({"rate": Decimal("-0.5")}, "-0.5 must be at least 0"),
        ({"rate": 1}, "1 must be less than 1"),
        ({"km": 10**400}, f"1{'0' * 59}… must be at most 100"),
        ({"scope": "town"}, '"town" is none of "site", "mcc", "country"'),
        ({"seeds": []}, "a list is too short; the bound is 1"),
        ({"seeds": [1, 1]}, "something stands in the list twice"),
        ({"semver": "v1"}, '"v1" hasn\'t the form ^[0-9]+$'),
        ({"version": 2}, "2 must be 1"),
    ],
)
def test_a_finding_speaks_of_the_file(changes: dict[str, Any], words: str) -> None:
    assert said({"semver": "1", **changes}) == words


def test_fields_that_are_missing_or_unknown_are_named() -> None:
    assert said({}) == "semver is missing"
    known = "semver, rate, km, scope, seeds, version, either"
    assert said({"semver": "1", "sever": 2}) == f"sever is not known; what may stand here: {known}"


def test_of_many_names_some_are_named_and_all_are_counted() -> None:
    strange = dict.fromkeys("abcdefg", 0)
    assert said({"semver": "1", **strange}).startswith("a, b, c, d, e and 2 more are not known")


def test_a_rule_without_words_of_its_own_keeps_the_validators() -> None:
    error = next(Draft202012Validator(SCHEMA).iter_errors({"semver": "1", "either": 3}))
    assert in_words(error) == error.message


def said(document: Any) -> str:
    """The worst finding, in words."""
    error = best_match(Draft202012Validator(SCHEMA).iter_errors(document))
    assert error is not None
    return in_words(error)
