"""A ledger whose chain holds, and whose lines don't say what they must."""

from __future__ import annotations

import pytest

from civiltime.errors import CivilTimeError
from civiltime.programme.ledger import GENESIS, Record, parse_ledger


def line(act: str, **detail: str) -> bytes:
    """The first line of a ledger: something was used."""
    return Record(
        1, GENESIS, "2026-01-01T00:00:00.000000Z", "used", "a" * 64, act, "Ben", detail
    ).line()


@pytest.mark.parametrize(("act", "wanted"), [("pin 1B", "report_sha256_hex"), ("open", "knobs")])
def test_a_use_that_doesnt_say_what_it_changed_is_refused(act: str, wanted: str) -> None:
    with pytest.raises(CivilTimeError, match=f"line 1: it doesn't say its {wanted}") as refusal:
        parse_ledger(line(act))
    assert refusal.value.code == "2A-GV-030"
    assert len(parse_ledger(line(act, **{wanted: ""}))) == 1


@pytest.mark.parametrize("act", ["exception", "waiver"])
def test_an_exception_or_waiver_has_no_more_to_say(act: str) -> None:
    assert len(parse_ledger(line(act))) == 1
