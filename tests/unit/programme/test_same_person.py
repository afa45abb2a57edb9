"""When two names are one person's: whatever a requester could write to look like somebody else."""

from __future__ import annotations

import pytest

from civiltime.policy.approvers import same_person


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ana Lee", "ANA  lee"),
        ("Ana Lee", "ana.lee"),
        ("Ana Lee", "Ana\u200bLee"),
        ("Ana", "\u0410n\u0430"),
        ("ANA", "\u0391\u039d\u0391"),
        ("\u0410\u043d\u043d\u0430", "\u0410\u041d\u041d\u0410"),
        ("Jos\u00e9", "Jose\u0301"),
        ("Stra\u00dfer", "STRASSER"),
    ],
)
def test_names_that_read_the_same(one: str, other: str) -> None:
    assert same_person(one, other)
    assert same_person(other, one)


@pytest.mark.parametrize(("one", "other"), [("Ana", "Anna"), ("Ana Lee", "Ben Lee"), ("A1", "A2")])
def test_names_of_two_people(one: str, other: str) -> None:
    assert not same_person(one, other)
