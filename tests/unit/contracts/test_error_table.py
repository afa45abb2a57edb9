"""The error table is complete, well formed and of use to a person."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from civiltime.contracts import ErrorCode, docs, error_codes

ROOT = Path(__file__).parents[3]
CODES = list(error_codes().values())
OWN = {
    "2A-S0-019": "UPSTREAM_EGRESS_UNBOUND",
    "2A-S0-033": "POLICY_SCHEMA_INVALID",
    "2A-S1-072": "FALLBACK_OUTSIDE_THRESHOLD",
}
"""Codes of the chain's states that the specification doesn't have."""


def golden() -> dict[str, str]:
    lines = (ROOT / "tests/golden/contracts/spec_codes.txt").read_text("utf-8").splitlines()
    return dict(line.split() for line in lines)


each_code = pytest.mark.parametrize("code", CODES, ids=lambda code: code.code)


def test_the_chain_has_exactly_the_codes_of_the_specification_and_its_own() -> None:
    chain = {code.code: code.name for code in CODES if code.state.startswith("S")}
    assert chain == golden() | OWN


def test_no_code_stands_twice() -> None:
    text = (ROOT / "src/civiltime/contracts/errors.yaml").read_text("utf-8")
    written = re.findall(r"^- code: (\S+)$", text, flags=re.MULTILINE)
    assert len(written) == len(set(written)) == len(CODES)


def test_a_name_is_unique_within_its_family() -> None:
    names = [(code.state, code.name) for code in CODES]
    assert len(names) == len(set(names))


def test_codes_are_ordered_by_family_then_number() -> None:
    families = list(docs.FAMILIES)
    assert sorted(CODES, key=lambda code: (families.index(code.state), code.code)) == CODES


@each_code
def test_a_code_is_well_formed(code: ErrorCode) -> None:
    assert re.fullmatch(rf"2A-{code.state}-[0-9]{{3}}", code.code)
    assert re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9]+)*", code.name)
    assert code.effect in {"abort", "warn"}
    assert all(re.fullmatch(r"V-[0-9]{2}[a-z]?", v) for v in code.validators)


@each_code
def test_a_code_says_what_is_wrong_and_what_to_do(code: ErrorCode) -> None:
    for text in (code.meaning, code.remediation):
        assert len(text) > 20
        assert len(text) <= 220
        assert text == " ".join(text.split())
        assert text.endswith(".")


def test_only_the_warnings_of_the_specification_and_our_own_warn() -> None:
    assert {code.code for code in CODES if code.effect == "warn"} == {
        "2A-S0-019", "2A-S0-070", "2A-S1-070", "2A-S1-071", "2A-S1-072",
        "2A-S2-070", "2A-WS-005", "2A-RD-005",
    }  # fmt: skip


def test_every_code_that_the_program_names_is_in_the_table() -> None:
    for path in sorted((ROOT / "src").rglob("*.py")):
        named = set(re.findall(r"\b2A-(?:S[0-5]|WS|IN|RD)-[0-9]{3}\b", path.read_text("utf-8")))
        assert named <= error_codes().keys(), path
