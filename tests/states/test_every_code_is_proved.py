"""No code of a state is without a test that makes it appear."""

from __future__ import annotations

import importlib
from pathlib import Path

from civiltime.contracts import error_codes


def test_every_code_of_every_state_has_a_proof() -> None:
    proved: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        module = importlib.import_module(f"tests.states.{path.stem}")
        for thing in vars(module).values():
            proved.update(getattr(thing, "proves", ()))
    states = {c for c, entry in error_codes().items() if entry.state in {f"S{n}" for n in range(6)}}
    assert proved == states
