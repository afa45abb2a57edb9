"""S5: each law of the PASS gate, broken in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.conftest import Small
from tests.states.proofs import proves, require_state_refusal, require_validator
from tests.states.test_s0_gate import flip

from civiltime.errors import Invalid
from civiltime.states.s3_timetable import INDEX_NAME
from civiltime.states.s5_bundle import index_sorted
from civiltime.workspace.digest import sha256_bytes


def legality(small: Small) -> Path:
    return next(small.partition("s4_legality_report").iterdir())


def fail_legality(small: Small) -> None:
    document = json.loads(legality(small).read_bytes()) | {"status": "FAIL"}
    legality(small).write_text(json.dumps(document))


def report(small: Small, state: str) -> Path:
    return next(small.folder.glob(f"reports/layer1/2A/state={state}/**/*.json"))


BETWEEN: list[tuple[str, str, Callable[[Small], object]]] = [
    (
        "2A-S5-001",
        "the receipt is gone",
        lambda s: shutil.rmtree(s.partition("s0_gate_receipt_2A")),
    ),
    ("2A-S5-010", "a report is gone", lambda s: report(s, "S4").unlink()),
    ("2A-S5-010", "a report was edited", lambda s: flip(report(s, "S2"), 40)),
    ("2A-S5-012", "a stranger", lambda s: (s.folder / "data/layer1/2A/more.txt").write_text("x")),
    (
        "2A-S5-020",
        "the index was changed",
        lambda s: flip(s.partition("tz_timetable_cache") / INDEX_NAME, 999),
    ),
    ("2A-S5-030", "no legality", lambda s: legality(s).unlink()),
    ("2A-S5-030", "legality fails", fail_legality),
    ("2A-S5-030", "legality is no JSON", lambda s: legality(s).write_text("{")),
    (
        "2A-S5-047",
        "zones were changed",
        lambda s: flip(next(s.partition("site_timezones").iterdir()), 99),
    ),
    (
        "2A-S5-047",
        "adjustments are gone",
        lambda s: shutil.rmtree(s.partition("tz_offset_adjustments")),
    ),
]


@proves(*{code for code, _, _ in BETWEEN})
@pytest.mark.parametrize(("code", "name"), [(c, n) for c, n, _ in BETWEEN])
def test_what_changes_before_the_gate_is_refused(small: Small, code: str, name: str) -> None:
    small.chain("S0", "S1", "S2", "S3", "S4")
    next(b for _, n, b in BETWEEN if n == name)(small)
    require_state_refusal(small, "S5", code)
    assert not small.partition("validation_bundle_2A").exists()


@proves("2A-S5-060")
def test_a_published_bundle_is_never_replaced(small_run: Small) -> None:
    path = small_run.partition("validation_bundle_2A") / "checks.json"
    flip(path, 30)
    damaged = path.read_bytes()
    require_state_refusal(small_run, "S5", "2A-S5-060")
    assert path.read_bytes() == damaged


def listed(*paths: str, digest: str = "0" * 64) -> dict[str, Any]:
    return {"files": [{"path": p, "sha256_hex": digest} for p in paths]}


@proves(
    "2A-S5-011", "2A-S5-040", "2A-S5-041", "2A-S5-042", "2A-S5-043", "2A-S5-044", "2A-S5-045",
    "2A-S5-046", "2A-S5-050", "2A-S5-051", "2A-S5-052",
)  # fmt: skip
def test_faults_of_the_assembly_itself_are_refused(tmp_path: Path) -> None:
    """The bundle is assembled in memory from verified evidence: only a fault of S5 is left."""
    flag = f"sha256_hex = {sha256_bytes(b'')}\n".encode()
    require_validator("2A-S5-040", index={"files": [{"path": "a"}]})
    require_validator("2A-S5-041", index=listed("b", "a"))
    require_validator("2A-S5-041", index=listed("é"))
    require_validator("2A-S5-042", index=listed("../a"))
    require_validator("2A-S5-042", index=listed("/a"))
    (tmp_path / "a").write_text("")
    (tmp_path / "more").write_text("")
    ctx = SimpleNamespace(stage=lambda _id: tmp_path)
    require_validator("2A-S5-044", ctx=ctx, index=listed("a"))
    require_validator("2A-S5-045", index=listed("_passed.flag"))
    require_validator("2A-S5-046", sources={"a": b"1"}, files={"a": b"2"})
    require_validator("2A-S5-051", index=listed("a", digest="short"), flag=flag)
    require_validator("2A-S5-052", flag=b"sha256_hex=0\n")
    require_validator("2A-S5-050", index=listed("a"), files={"a": b"1"}, flag=flag)
    run = SimpleNamespace(
        path=lambda _id: Path("data/manifest_fingerprint=b"),
        tokens={"manifest_fingerprint": "a"},
    )
    require_validator("2A-S5-011", ctx=SimpleNamespace(run=run))
    with pytest.raises(Invalid) as caught:
        index_sorted(SimpleNamespace(index=listed("a", "a")))  # type: ignore[arg-type]
    assert caught.value.code == "043"
