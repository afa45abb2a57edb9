"""What a run is for the lane, over made-up lanes and over any."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from civiltime.programme.roles import Pins, Seen, derive_roles

NONE = Pins({}, {}, {}, frozenset())
KEPT = {"baseline", "witness", "candidate", "last_good"}


def run(number: int, seed: int = 42, end: str = "complete", made_as: str = "candidate") -> Seen:
    """The ``number``-th run of a lane."""
    why = "" if end == "complete" else f"it is {end}"
    created = f"2026-01-01T00:00:{number:02}.000000Z"
    return Seen(f"{number:032x}", seed, created, end, why, made_as)  # type: ignore[arg-type]


def roles(*runs: Seen, pins: Pins = NONE) -> list[tuple[str, bool]]:
    """Role and whether it is kept, in the order given."""
    found = derive_roles(runs, pins)
    return [(found[r.run_id].role, found[r.run_id].kept) for r in runs]


def test_the_newest_complete_run_of_each_seed_is_its_candidate() -> None:
    assert roles(run(3), run(1), run(2, seed=7)) == [
        ("candidate", True),
        ("superseded", False),
        ("candidate", True),
    ]


def test_a_candidate_that_failed_certification_leaves_the_last_good_in_place() -> None:
    pins = replace(NONE, not_good=frozenset({run(3).run_id}))
    assert roles(run(1), run(2), run(3), pins=pins) == [
        ("superseded", False),
        ("last_good", True),
        ("candidate", True),
    ]


def test_a_run_that_is_not_finished_is_kept_until_a_newer_one_is_complete() -> None:
    waiting = run(2, end="unfinished")
    assert roles(run(1), waiting) == [("candidate", True), ("candidate", True)]
    assert roles(run(1), waiting, run(3)) == [
        ("superseded", False),
        ("failed", False),
        ("candidate", True),
    ]


def test_failed_and_unreadable_runs_may_go_however_new() -> None:
    unreadable = Seen("f" * 32, None, "", "unreadable", "2A-WS-012")
    assert roles(run(1), run(2, end="failed"), unreadable) == [
        ("candidate", True),
        ("failed", False),
        ("failed", False),
    ]


def test_what_an_artefact_names_is_kept_whatever_became_of_it() -> None:
    failed, old, new = run(1, end="failed"), run(2), run(3)
    named = {failed.run_id: "a.json", old.run_id: "b.json"}
    assert roles(failed, old, new, pins=replace(NONE, named=named)) == [
        ("failed", True),
        ("superseded", True),
        ("candidate", True),
    ]
    pins = Pins({failed.run_id: "a.json"}, {old.run_id: "b.json"}, named, frozenset())
    assert roles(failed, old, new, pins=pins)[:2] == [("baseline", True), ("witness", True)]


def test_a_run_made_for_the_baseline_is_kept() -> None:
    assert roles(run(1, made_as="baseline"), run(2))[0] == ("baseline", True)


@st.composite
def lanes(draw: st.DrawFn) -> tuple[list[Seen], Pins]:
    """Any lane and what its artefacts name."""
    ends = st.sampled_from(["complete", "failed", "unfinished"])
    seeds = st.sampled_from([7, 42])
    runs = [run(n, draw(seeds), draw(ends)) for n in range(draw(st.integers(0, 8)))]
    ids = [r.run_id for r in runs]
    some = st.lists(st.sampled_from(ids), unique=True) if ids else st.just([])
    baseline, witness, other, bad = (draw(some) for _ in range(4))
    named = dict.fromkeys([*baseline, *witness, *other], "x.json")
    return runs, Pins(
        dict.fromkeys(baseline, "x.json"), dict.fromkeys(witness, "x.json"), named, frozenset(bad)
    )


@given(lanes())
def test_nothing_that_is_needed_may_ever_go(lane: tuple[list[Seen], Pins]) -> None:
    runs, pins = lane
    found = derive_roles(runs, pins)
    assert found.keys() == {r.run_id for r in runs}
    gone = {r for r, standing in found.items() if not standing.kept}
    assert not gone & pins.named.keys()
    assert all(standing.reason for standing in found.values())
    assert all(standing.kept for standing in found.values() if standing.role in KEPT)
    for seed in {r.seed for r in runs}:
        complete = [r for r in runs if r.seed == seed and r.end == "complete"]
        good = [r for r in complete if r.run_id not in pins.not_good]
        for last in (complete[-1:], good[-1:]):
            assert not gone & {r.run_id for r in last}
    # Pruning changes nothing for what stays.
    left = [r for r in runs if r.run_id not in gone]
    assert derive_roles(left, pins) == {r.run_id: found[r.run_id] for r in left}
