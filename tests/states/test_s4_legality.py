"""S4: each law of gaps and folds, broken in one line."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tests.conftest import Small
from tests.states.proofs import proves, require_state_refusal, require_validator
from tests.states.test_s0_gate import flip
from tests.states.test_s3_timetable import timetable

from civiltime.states.s3_timetable import INDEX_NAME, MANIFEST_NAME
from civiltime.tzdb.codec import decode


def cache(small: Small, name: str) -> Path:
    return small.partition("tz_timetable_cache") / name


def manifest(small: Small, **fields: Any) -> None:
    path = cache(small, MANIFEST_NAME)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | fields))


BETWEEN: list[tuple[str, str, Callable[[Small], object]]] = [
    (
        "2A-S4-001",
        "the receipt is gone",
        lambda s: shutil.rmtree(s.partition("s0_gate_receipt_2A")),
    ),
    ("2A-S4-010", "no zones", lambda s: shutil.rmtree(s.partition("site_timezones"))),
    (
        "2A-S4-012",
        "zones were changed",
        lambda s: flip(next(s.partition("site_timezones").iterdir()), 99),
    ),
    ("2A-S4-012", "the index was changed", lambda s: flip(cache(s, INDEX_NAME), 999)),
    ("2A-S4-020", "the manifest is no JSON", lambda s: cache(s, MANIFEST_NAME).write_text("{")),
    ("2A-S4-020", "the manifest lacks a field", lambda s: cache(s, MANIFEST_NAME).write_text("{}")),
    (
        "2A-S4-021",
        "the manifest is another's",
        lambda s: manifest(s, manifest_fingerprint="e" * 64),
    ),
    ("2A-S4-022", "the index is empty", lambda s: cache(s, INDEX_NAME).write_bytes(b"")),
    ("2A-S4-023", "the index is gone", lambda s: cache(s, INDEX_NAME).unlink()),
]


@proves(*{code for code, _, _ in BETWEEN})
@pytest.mark.parametrize(("code", "name"), [(c, n) for c, n, _ in BETWEEN])
def test_what_changes_before_legality_is_refused(small: Small, code: str, name: str) -> None:
    small.chain("S0", "S1", "S2", "S3")
    next(b for _, n, b in BETWEEN if n == name)(small)
    require_state_refusal(small, "S4", code)
    assert not small.partition("s4_legality_report").exists()


@proves("2A-S4-041")
def test_a_published_report_is_never_replaced(small_run: Small) -> None:
    flip(next(small_run.partition("s4_legality_report").iterdir()), 30)
    require_state_refusal(small_run, "S4", "2A-S4-041")


@proves("2A-S4-011", "2A-S4-024", "2A-S4-050", "2A-S4-060", "2A-S4-061")
def test_faults_that_no_input_reaches_are_refused() -> None:
    """S3 covered every zone of the boundaries; the counts are S4's own work."""
    require_validator("2A-S4-024", missing=["Europe/Oslo"])
    require_validator("2A-S4-050", timetable=timetable([-(2**63), 5], [0, 901]))
    counts = {"sites_total": 2, "tzids_total": 1, "gap_windows_total": 0, "fold_windows_total": 0}
    rows, windows = Counter({"Europe/Oslo": 1}), {"Europe/Oslo": (0, 0)}
    facts = {"rows_by_zone": rows, "windows_by_zone": windows, "report": {"counts": counts}}
    require_validator("2A-S4-060", **facts)
    table = timetable([-(2**63), 5, 9], [0, 60, 0])
    require_validator("2A-S4-061", timetable=table, windows_by_zone={"Europe/Oslo": (2, 1)})
    run = SimpleNamespace(
        path=lambda _id: Path("data/seed=7/manifest_fingerprint=a"),
        tokens={"seed": 42, "manifest_fingerprint": "a"},
    )
    require_validator("2A-S4-011", ctx=SimpleNamespace(run=run))


def test_the_windows_of_a_year_are_those_that_zoneinfo_shows(small_run: Small) -> None:
    """Zurich in 2026: the clock jumps once and repeats once, on the days that zoneinfo knows."""
    from datetime import UTC, datetime, timedelta

    table = decode((small_run.partition("tz_timetable_cache") / INDEX_NAME).read_bytes())
    instants, offsets = table.pairs("Europe/Zurich")
    begin, end = (int(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (2026, 2027))
    inside = np.flatnonzero((instants >= begin) & (instants < end))
    zone = ZoneInfo("Europe/Zurich")
    for i in inside:
        at = datetime.fromtimestamp(int(instants[i]), UTC)
        before = (at - timedelta(seconds=1)).astimezone(zone).utcoffset()
        after = at.astimezone(zone).utcoffset()
        assert (before, after) == tuple(timedelta(minutes=int(offsets[j])) for j in (i - 1, i))
    steps = [int(offsets[i] - offsets[i - 1]) for i in inside]
    assert steps == [60, -60]
