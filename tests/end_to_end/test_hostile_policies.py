"""Hostile policies: S0 refuses them by name and line, and publishes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.conftest import Small
from tests.end_to_end.refusals import require_explained

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{after}: &{after} [*{before}, *{before}, *{before}, *{before}, *{before}]"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
POLICIES = {
    "tz_nudge.yml": "2A-S1-021",
    "tz_overrides.yaml": "2A-S0-030",
    "lookup.yaml": "2A-S0-033",
    "certification.yaml": "2A-S0-033",
    "approvers.yaml": "2A-S0-033",
    "authorities.yaml": "2A-S0-090",
}
HOSTILE = {
    "an alias bomb": BOMB.encode(),
    "a self-reference": b"a: &a [*a]\n",
    "two megabytes": b"# " + b"x" * (2 << 20) + b"\n",
    "deep nesting": b"[" * 100 + b"]" * 100,
    "a tag that runs code": b"!!python/object/apply:os.system ['true']\n",
    "a tag of its own": b"!evil {a: 1}\n",
    "two documents": b"---\na: 1\n---\nb: 2\n",
    "not UTF-8": b"semver: '\xff\xfe'\n",
    "UTF-16": "semver: 1.0.0\n".encode("utf-16"),
    "a NUL": b"semver: 1.0.0\x00\n",
    "not YAML": b"semver: [1.0.0\n",
    "a tab": b"a:\n\t- b\n",
    "nothing": b"",
    "a number": b"42\n",
    "a text": b"text\n",
    "an unknown key": b"semver: 1.0.0\nsurprise: 1\n",
    "a wrong type": b"semver: [1, 0, 0]\n",
    "a key that is no text": b"1: a\n",
    "a merge": b"<<: {semver: 1.0.0}\n",
}


def place(small: Small, name: str) -> Path:
    return small.root / name if name == "authorities.yaml" else small.config(name)


def require_gate_refuses(small: Small, name: str, what: str) -> str:
    """S0 refuses, naming the file; a code of the gate; nothing is published."""
    said = small.run()
    assert said.code == 1, (name, what, said.out)
    require_explained(said, said.error)
    assert said.error == POLICIES[name], (name, what, said.out)
    assert name in said.json["error"]["message"], (what, said.json["error"]["message"])
    state = said.error[3:5]
    assert small.report(state)["status"] == "fail"
    assert not list((small.folder / "data").glob(f"**/{'*receipt*' if state == 'S0' else 's1_*'}"))
    shutil.rmtree(small.folder)
    return str(said.json["error"]["message"])


def require_refused(small: Small, name: str, hostile: dict[str, bytes]) -> None:
    path = place(small, name)
    good = path.read_bytes()
    for what, raw in hostile.items():
        path.write_bytes(raw)
        message = require_gate_refuses(small, name, what)
        assert len(message) < 600, (name, what)
    path.write_bytes(good)


def test_a_hostile_policy_does_not_get_past_the_gate(small: Small) -> None:
    require_refused(small, "lookup.yaml", HOSTILE)
    assert small.run().code == 0


@pytest.mark.slow
def test_no_hostile_policy_at_all_gets_past_the_gate(small: Small) -> None:
    for name in POLICIES.keys() - {"lookup.yaml"}:
        # An empty list of overrides may be an empty file.
        but = {"nothing"} if name == "tz_overrides.yaml" else set()
        require_refused(small, name, {k: v for k, v in HOSTILE.items() if k not in but})
    assert small.run().code == 0


def test_a_file_nested_until_the_parser_gives_up(small: Small) -> None:
    require_refused(small, "lookup.yaml", {"deeper": b"[" * 5_000})


def test_a_folder_in_the_place_of_a_policy(small: Small) -> None:
    for name in POLICIES:
        path = place(small, name)
        good = path.read_bytes()
        path.unlink()
        path.mkdir()
        said = small.run()
        assert said.code == 1, name
        require_explained(said, said.error)
        path.rmdir()
        path.write_bytes(good)


@pytest.mark.parametrize(
    ("name", "old", "new", "line"),
    [
        ("lookup.yaml", "sample_limit: 10", "sample_limit: 10\nsample_limit: 11", "sample_limit"),
        ("lookup.yaml", "sample_limit: 10", "sample_limit: ten", "sample_limit"),
        ("lookup.yaml", "sample_limit: 10", "sample_limit: -1", "sample_limit"),
        ("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: .nan", "fallback_rate"),
        ("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 2", "fallback_rate_cap"),
    ],
)
def test_the_line_and_the_field_are_named(
    small: Small, name: str, old: str, new: str, line: str
) -> None:
    small.edit(name, old, new)
    message = require_gate_refuses(small, name, new)
    assert "line" in message
    assert line in message or ".nan" in message


def test_a_policy_mended_lets_the_same_run_go_on(small: Small) -> None:
    small.edit("lookup.yaml", "sample_limit: 10", "sample_limit: ten")
    assert small.run().code == 1
    small.edit("lookup.yaml", "sample_limit: ten", "sample_limit: 10")
    assert small.run().code == 0
    assert small.cli("verify", small.run_id).code == 0
