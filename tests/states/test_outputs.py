"""What every state's output must be: of its schema, of its path, of the run's clock.

No input reaches these: they guard against a fault of the state itself.  So a real context
stages an output that is wrong in one way, and the state's own validator must say so.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import Small
from tests.states.proofs import proves, require_check

from civiltime.states.chain import state_by_id
from civiltime.states.context import Context, Options
from civiltime.states.log import Log
from civiltime.states.state import Work
from civiltime.workspace.config import open_workspace
from civiltime.workspace.runs import open_run

DOCUMENTS = {
    "S0": "s0_gate_receipt_2A",
    "S3": "tz_offset_adjustments",
    "S4": "s4_legality_report",
}
TABLES = {"S1": "s1_tz_lookup", "S2": "site_timezones"}
SCHEMA = {"S1": "030", "S2": "030", "S3": "030", "S4": "030"}
TIME = {"S2": "042", "S3": "042", "S4": "042"}


def staged(small: Small, state: str, **changed: Any) -> Work:
    """The state's published output, staged again with some values changed or removed."""
    run = open_run(open_workspace(small.root), small.run_id)
    log = Log(small.root / "log", state, run.id, 42, run.receipt.manifest_fingerprint)
    ctx = Context(run, state, small.root / "staging", log, Options())
    if state in DOCUMENTS:
        path = run.path(DOCUMENTS[state])
        document = json.loads(path.read_bytes()) | changed
        ctx.stage_document(DOCUMENTS[state], {k: v for k, v in document.items() if v is not None})
        return Work(ctx)
    source = next(run.path(TABLES[state]).iterdir())
    table = pq.read_table(source, partitioning=None)
    for name, value in changed.items():
        place = table.schema.get_field_index(name)
        if value is None:
            table = table.remove_column(place)
        else:
            column = pa.array([value] * len(table), table.schema.field(place).type)
            table = table.set_column(place, table.schema.field(place), column)
    pq.write_table(table, ctx.stage(TABLES[state]) / "part-00000.parquet")
    return Work(ctx)


def require(code: str, work: Work) -> None:
    validators = [
        v
        for v in state_by_id(code[3:5]).validators
        if v.check.__module__ == "civiltime.states.laws" or v.check.__name__ == "manifest_valid"
    ]
    require_check(code, work, *(v for v in validators if v.phase == "after"))


@proves("2A-S0-040", "2A-S1-040", "2A-S2-040", "2A-S3-040", "2A-S4-040")
@pytest.mark.parametrize("state", ["S0", "S1", "S2", "S3", "S4"])
def test_a_fingerprint_that_is_not_the_paths_is_refused(small_run: Small, state: str) -> None:
    require(f"2A-{state}-040", staged(small_run, state, manifest_fingerprint="e" * 64))


@proves("2A-S1-030", "2A-S2-030", "2A-S3-030", "2A-S4-030")
@pytest.mark.parametrize("state", sorted(SCHEMA))
def test_a_field_too_few_is_refused(small_run: Small, state: str) -> None:
    missing = {"S1": "tzid_provisional", "S2": "tzid", "S3": "count", "S4": "counts"}[state]
    require(f"2A-{state}-{SCHEMA[state]}", staged(small_run, state, **{missing: None}))


@proves("2A-S2-042", "2A-S3-042", "2A-S4-042")
@pytest.mark.parametrize("state", sorted(TIME))
def test_a_timestamp_that_is_not_the_runs_is_refused(small_run: Small, state: str) -> None:
    field = "generated_utc" if state == "S4" else "created_utc"
    work = staged(small_run, state, **{field: "2020-01-01T00:00:00.000000Z"})
    require(f"2A-{state}-{TIME[state]}", work)


@pytest.mark.parametrize("state", sorted({**DOCUMENTS, **TABLES}))
def test_the_unchanged_output_passes_all_of_them(small_run: Small, state: str) -> None:
    work = staged(small_run, state)
    for validator in state_by_id(state).validators:
        if validator.check.__module__ == "civiltime.states.laws" and validator.phase == "after":
            validator.check(work)
