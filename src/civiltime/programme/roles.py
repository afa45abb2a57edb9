"""What each run is for the lane: its role, derived from artefacts (specification 5.1).

The law, first that holds:

1. ``baseline``: a timing baseline names the run, or a certification that others are compared with,
   or its receipt was made for it;
2. ``witness``: an integrated performance lock names it;
3. ``candidate``: the newest complete run of its seed, or a newer one that isn't finished;
4. ``last_good``: the newest complete run of its seed that no certification failed;
5. ``failed``: a state refused, it stopped before the end, or its receipt can't be read;
6. ``superseded``: a newer complete run of its seed stands.

The first four are kept, and so is whatever any artefact of the lane names; an artefact that
can't be read pins nobody knows what, so then there are no roles at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["baseline", "candidate", "last_good", "witness", "failed", "superseded"]
End = Literal["complete", "failed", "unfinished", "unreadable"]


@dataclass(frozen=True)
class Seen:
    """A run as it lies on the disk; ``seed`` is None where its receipt can't be read."""

    run_id: str
    seed: int | None
    created_utc: str
    end: End
    why: str = ""
    """What kept it from being complete."""
    made_as: str = "candidate"
    """The role in its receipt."""


@dataclass(frozen=True)
class Pins:
    """What the lane's artefacts say: the runs that they name, and by which file."""

    baseline: Mapping[str, str]
    witness: Mapping[str, str]
    named: Mapping[str, str]
    """Every run that any artefact names, those above among them."""
    not_good: frozenset[str]
    """Runs whose seed failed in a certification."""


@dataclass(frozen=True)
class Standing:
    """A run's role, whether it must stay, and why."""

    role: Role
    kept: bool
    reason: str


def derive_roles(runs: Iterable[Seen], pins: Pins) -> dict[str, Standing]:
    """Where every run stands."""
    ordered = sorted(runs, key=lambda r: (r.created_utc, r.run_id))
    complete = [r for r in ordered if r.end == "complete"]
    newest = {r.seed: r for r in complete}
    last_good = {r.seed: r for r in complete if r.run_id not in pins.not_good}
    return {r.run_id: _standing(r, pins, newest, last_good) for r in ordered}


def _standing(
    run: Seen, pins: Pins, newest: Mapping[int | None, Seen], last_good: Mapping[int | None, Seen]
) -> Standing:
    if run.run_id in pins.baseline:
        return Standing("baseline", True, f"pinned by {pins.baseline[run.run_id]}")
    if run.made_as == "baseline":
        return Standing("baseline", True, "its receipt was made for the baseline")
    if run.run_id in pins.witness:
        return Standing("witness", True, f"pinned by {pins.witness[run.run_id]}")
    role, kept, reason = _by_age(run, newest.get(run.seed), last_good.get(run.seed))
    if run.run_id in pins.named:
        return Standing(role, True, f"pinned by {pins.named[run.run_id]}")
    return Standing(role, kept, reason)


def _by_age(run: Seen, newest: Seen | None, last_good: Seen | None) -> tuple[Role, bool, str]:
    """The role that a run has by itself and its place among the runs of its seed."""
    if run is newest:
        return "candidate", True, f"the newest complete run of seed {run.seed}"
    if run.end == "unfinished" and (newest is None or run.created_utc > newest.created_utc):
        return "candidate", True, f"not finished, and the newest of seed {run.seed}"
    if run is last_good:
        return "last_good", True, f"the newest of seed {run.seed} that didn't fail certification"
    if run.end == "complete" and newest is not None:
        return "superseded", False, f"run {newest.run_id[:8]} of its seed is newer"
    return "failed", False, run.why
