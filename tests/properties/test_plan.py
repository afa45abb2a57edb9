"""Progressive rerun against doing everything: the same bytes, and exactly the matrix."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import SEED, Small

from civiltime.errors import CivilTimeError
from civiltime.programme.plan import decide, plan_run
from civiltime.states.chain import STATES, run_chain
from civiltime.states.state import State
from civiltime.workspace.config import open_workspace
from civiltime.workspace.digest import self_digest
from civiltime.workspace.publish import people_json
from civiltime.workspace.runs import Run, open_run

IDS = tuple(state.id for state in STATES)
MATRIX = {
    "S0": "S0 S1 S2 S3 S4 S5",
    "S1": "S1 S2 S3 S4 S5",
    "S2": "S2 S3 S4 S5",
    "S3": "S3 S4 S5",
    "S4": "S4 S5",
    "S5": "S5",
}
"""The specification's table, for a change in one state."""

reasons = st.lists(st.text(min_size=1, max_size=5), max_size=2)


def matrix(changed: set[str]) -> set[str]:
    """What the table demands."""
    return {state for one in changed for state in MATRIX[one].split()}


@given(st.tuples(*(reasons for _ in IDS)))
def test_decisions_are_the_matrix(found: tuple[list[str], ...]) -> None:
    changes = dict(zip(IDS, found, strict=True))
    decisions = decide(changes)
    assert tuple(d.state for d in decisions) == IDS
    running = {d.state for d in decisions if d.action == "run"}
    assert running == matrix({state for state, why in changes.items() if why})
    assert all(d.reasons for d in decisions)
    assert all(set(changes[d.state]) <= set(d.reasons) for d in decisions)


@dataclass
class Rerun:
    """One run that is changed and repeated; the versions of its states as they are now."""

    small: Small
    reference: dict[str, bytes]
    states: tuple[State[Any], ...] = STATES

    @property
    def run(self) -> Run:
        """The run, opened anew."""
        return open_run(open_workspace(self.small.root), self.small.run_id)

    def data(self) -> dict[str, bytes]:
        """What is published."""
        root = self.small.root
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in self.small.published()}

    def outputs(self, state: str) -> list[Path]:
        """The partitions of a state, where they lie."""
        declared = next(s for s in self.states if s.id == state).outputs
        found = {self.run.partition(d) for d in declared}
        return sorted(p for p in found if p.is_dir())

    def planned(self) -> set[str]:
        """The states that would run."""
        return {d.state for d in plan_run(self.run, self.states).decisions if d.action == "run"}

    def rerun(self) -> set[str]:
        """Do what the plan says; the states that ran."""
        plan = plan_run(self.run, self.states)
        reports = run_chain(
            self.run, states=self.states, keep=lambda run: plan_run(run, self.states).kept
        )
        assert {r["state"] for r in reports if "kept" in r} == plan.kept.keys()
        return {r["state"] for r in reports if "kept" not in r}

    def from_nothing(self, folder: Path) -> dict[str, bytes]:
        """What the chain publishes from the receipt alone, in a copy without lane and cache."""
        lane, cache = self.run.workspace.lane_root, self.run.workspace.cache
        shutil.copytree(
            self.small.root,
            folder,
            ignore=lambda at, names: [n for n in names if Path(at, n) in {lane, cache}],
        )
        fresh = Rerun(Small(folder), {})
        fresh.small.folder.mkdir(parents=True)
        shutil.copy(self.run.path("run_receipt"), fresh.small.folder)
        run_chain(fresh.run, states=self.states)
        return fresh.data()


def raise_version(it: Rerun, state: str) -> set[str]:
    it.states = tuple(replace(s, version=s.version + 1) if s.id == state else s for s in it.states)
    return {state}


def lose_outputs(it: Rerun, state: str) -> set[str]:
    for path in it.outputs(state):
        shutil.rmtree(path)
    return {state}


def lose_report(it: Rerun, state: str) -> set[str]:
    it.run.report_path(state).unlink(missing_ok=True)
    return {state}


def edit_report(it: Rerun, state: str) -> set[str]:
    path = it.run.report_path(state)
    if path.exists():
        path.write_bytes(path.read_bytes().replace(b'"pass"', b'"past"', 1))
    return {state}


def input_was_another(it: Rerun, state: str) -> set[str]:
    """The report says that the state read other bytes than there are."""
    path = it.run.report_path(state)
    try:
        report = json.loads(path.read_bytes())
        entry = next(iter(report["inputs"].values()), None)
    except (OSError, ValueError):
        return {state}  # it runs anyhow
    if entry is None or state == "S0":
        return set()  # what S0 read is what it sealed
    entry["sha256_hex"] = "0" * 64
    del report["report_sha256"]
    path.write_bytes(people_json({**report, "report_sha256": self_digest(report)}))
    return {state}


def run_alone(it: Rerun, state: str) -> set[str]:
    """The state runs, and what comes after it doesn't."""
    before = it.planned()
    if before:
        return set()  # its gate might not hold
    run_chain(it.run, states=[s for s in it.states if s.id == state])
    return {IDS[IDS.index(state) + 1]} if state != "S5" else set()


READ_BY = {
    "S0": "lookup.yaml", "S1": "tz_nudge.yml", "S2": "tz_overrides.yaml",
    "S5": "certification.yaml",
}  # fmt: skip


def touch_policy(it: Rerun, state: str) -> set[str]:
    """A sealed policy changes: the run can't take it in, whatever else changed before.

    Put back, it leaves the plan as it was.
    """
    path = it.small.config(READ_BY.get(state, "approvers.yaml"))
    sound, before, data = path.read_bytes(), it.planned(), it.data()
    path.write_bytes(sound + b"# touched\n")
    plan = plan_run(it.run, it.states)
    assert plan.new_run
    assert it.planned() == set(IDS)
    with pytest.raises(CivilTimeError):
        it.rerun()
    assert it.data() == data, "a refused run publishes nothing"
    path.write_bytes(sound)
    return {"S0"} if it.planned() - before else set()


CHANGES: tuple[Callable[[Rerun, str], set[str]], ...] = (
    raise_version, lose_outputs, lose_report, edit_report, input_was_another, run_alone,
    touch_policy,
)  # fmt: skip

change = st.tuples(st.sampled_from(CHANGES), st.sampled_from(IDS))


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(change, max_size=2), min_size=1, max_size=2))
def test_a_progressive_rerun_is_a_full_one(
    small_run: Small,
    sequences: list[list[tuple[Callable[[Rerun, str], set[str]], str]]],
) -> None:
    it = Rerun(small_run, {})
    run_chain(it.run)
    it.reference = it.data()
    for sequence in sequences:
        wanted: set[str] = set()
        for act, state in sequence:
            wanted |= act(it, state)
        assert it.planned() == matrix(wanted), [(a.__name__, s) for a, s in sequence]
        assert it.rerun() == matrix(wanted)
        assert it.data() == it.reference
        assert it.planned() == set(), "once done, nothing is left to do"
    with TemporaryDirectory() as folder:
        assert it.from_nothing(Path(folder) / "fresh") == it.data()


@pytest.mark.parametrize("state", IDS)
@pytest.mark.parametrize("act", CHANGES[:-2])
def test_each_change_makes_its_row_of_the_matrix(
    small_run: Small, act: Callable[[Rerun, str], set[str]], state: str
) -> None:
    it = Rerun(small_run, {})
    assert it.planned() == set()
    wanted = act(it, state)
    assert it.planned() == matrix(wanted)


@pytest.mark.parametrize("state", IDS)
def test_an_altered_output_runs_its_state_which_overwrites_nothing(
    small_run: Small, state: str
) -> None:
    it = Rerun(small_run, {})
    victim = max((p for o in it.outputs(state) for p in o.rglob("*") if p.is_file()), key=str)
    victim.write_bytes(victim.read_bytes() + b" ")
    assert it.planned() == matrix({state})
    with pytest.raises(CivilTimeError, match="published with other content"):
        it.rerun()
    assert victim.read_bytes().endswith(b" ")


def test_a_policy_that_changed_needs_a_new_run_and_one_restored_doesnt(small_run: Small) -> None:
    it = Rerun(small_run, {})
    for name in ("tz_nudge.yml", "lookup.yaml", "certification.yaml", "approvers.yaml"):
        path = small_run.config(name)
        sound = path.read_bytes()
        path.write_bytes(sound + b"# another\n")
        plan = plan_run(it.run)
        assert {d.action for d in plan.decisions} == {"run"}
        assert [why.split()[1:] for why in plan.new_run] == [["changed"]]
        path.write_bytes(sound)
        assert it.planned() == set()
    assert small_run.report("S1")["seed"] == SEED
