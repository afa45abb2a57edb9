"""The pages under ``docs/`` say what the contracts say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from civiltime.contracts import datasets, docs, error_codes, schema

DOCS = Path(__file__).parents[3] / "docs"
REFS = sorted({d.schema_ref for d in datasets().values()})
SAID = {
    "additionalProperties", "const", "description", "enum", "exclusiveMinimum", "format", "items",
    "maximum", "minItems", "minLength", "minimum", "pattern", "properties", "required", "title",
    "type", "uniqueItems",
}  # fmt: skip
"""The keywords of JSON Schema that the pages put into words."""


def written(folder: Path) -> Path:
    assert docs.main(["--docs", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("page", docs.PAGES)
def test_a_page_is_what_the_contracts_say(page: str) -> None:
    assert (DOCS / page).read_text("utf-8") == docs.PAGES[page](), "run `make docs`"


def test_check_accepts_what_was_just_written(tmp_path: Path) -> None:
    assert docs.main(["--check", "--docs", str(written(tmp_path))]) == 0


@pytest.mark.parametrize("page", docs.PAGES)
def test_check_names_the_page_that_drifted_and_leaves_it(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path) / page
    path.write_text("something else", "utf-8")
    assert docs.main(["--check", "--docs", str(tmp_path)]) == 1
    assert path.read_text("utf-8") == "something else"
    assert str(path) in capsys.readouterr().err


def test_check_misses_no_page_that_is_gone(tmp_path: Path) -> None:
    (written(tmp_path) / "errors.md").unlink()
    assert docs.main(["--check", "--docs", str(tmp_path)]) == 1


def test_the_error_page_has_every_code_once() -> None:
    headings = [line for line in docs.errors_page().splitlines() if line.startswith("### ")]
    assert headings == [f"### {code.code} {code.name}" for code in error_codes().values()]


def test_the_contracts_page_has_every_dataset_and_schema() -> None:
    page = docs.contracts_page()
    for dataset in datasets().values():
        assert f"| [`{dataset.id}`](#{dataset.schema_ref.lower()}) |" in page
        assert f"\n### {dataset.schema_ref}\n" in page


@pytest.mark.parametrize("ref", REFS)
def test_no_schema_says_what_the_page_leaves_out(ref: str) -> None:
    unsaid = {word for node in nodes(schema(ref)) for word in node} - SAID - {"$schema", "$id"}
    assert not unsaid, "teach civiltime.contracts.docs these keywords"


def test_a_field_shows_its_type_null_and_constraints() -> None:
    document = {
        "type": "object",
        "required": ["order", "zones"],
        "properties": {
            "order": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 2147483647},
            "zones": {"type": "array", "minItems": 2, "items": {"enum": ["a", "b"]}},
            "where": {
                "type": ["object", "null"],
                "properties": {"iso": {"type": "string", "pattern": "^[A-Z]{2}$"}},
            },
        },
    }
    seen = [(f.name, f.kind, f.nullable, f.constraints) for f in docs.schema_fields(document)]
    assert seen == [
        ("order", "int32", False, ">= 1"),
        ("zones", "list of any", False, "at least 2; each `a`, `b`"),
        ("where?", "object", True, ""),
        ("where.iso?", "string", False, "`iso2`"),
    ]


def nodes(document: Any) -> Iterator[dict[str, Any]]:
    """``document`` and every schema in it."""
    yield document
    for child in document.get("properties", {}).values():
        yield from nodes(child)
    for word in ("items", "additionalProperties"):
        if isinstance(document.get(word), dict):
            yield from nodes(document[word])
