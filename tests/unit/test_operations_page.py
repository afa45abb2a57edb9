"""docs/operations.md: its commands, options, decisions, conditions and codes are the tool's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from civiltime import contracts
from civiltime.cli.app import app
from civiltime.programme.blockers import STATUS
from civiltime.programme.phases.standing import PHASES

PAGE = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")
DECISIONS = {
    *STATUS, *STATUS.values(),
    "BASELINE_LOCKED", "GOVERNED", "CORRECTED", "UPSTREAM_CONSTRAINED", "NOTHING_TO_CORRECT",
}  # fmt: skip


def commands() -> list[list[str]]:
    """Every command of the page's blocks, lines that go on joined."""
    blocks = "\n".join(re.findall(r"```(?:text|sh)\n(.*?)```", PAGE, re.DOTALL))
    lines = blocks.replace("\\\n", " ").splitlines()
    found = [line.removeprefix("$ ") for line in lines]
    return [shlex.split(line)[1:] for line in found if line.startswith("civiltime ")]


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words[:3]))
def test_every_command_parses_as_it_stands(words: list[str]) -> None:
    command = get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(words[0], rest)  # raises where an option or argument is none


def test_the_page_walks_every_group_of_the_programme() -> None:
    said = {words[0] for words in commands()}
    assert said >= {
        "approve", "authorities", "certify", "demo", "explain", "freeze", "keys", "perf",
        "programme", "reopen", "run", "runs", "triage", "verify",
    }  # fmt: skip


def test_phases_are_listed_with_their_conditions() -> None:
    for phase in PHASES:
        names = " ".join(f"`{condition.id}`" for condition in phase.conditions)
        assert f"| {phase.id} {phase.title} | {names} |" in PAGE


def test_words_in_capitals_and_codes_are_the_tools() -> None:
    codes = contracts.error_codes()
    names = {code.name for code in codes.values()}
    known = DECISIONS | names | {"FROZEN_BEST_EFFORT_BELOW_B", "LOCAL_PRACTICE", "RUN_ID"}
    assert set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", PAGE)) <= known
    for code, name in re.findall(r"\b(2A-[A-Z0-9]+-\d{3})(?: ([A-Z_]{4,}))?", PAGE):
        assert code in codes
        assert name in {"", codes[code].name}
