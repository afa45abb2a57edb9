"""S3: each law of the timetable, broken in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.conftest import Small
from tests.states.proofs import (
    proves,
    require_refusal,
    require_state_refusal,
    require_validator,
)
from tests.states.test_s0_gate import flip, tzdb_json, world

from civiltime.errors import Invalid
from civiltime.reference.tzdb import pack
from civiltime.states.s3_timetable import INDEX_NAME, MANIFEST_NAME, files_there
from civiltime.tzdb.archive import read_members
from civiltime.tzdb.timetable import SENTINEL, Timetable
from civiltime.workspace.digest import sha256_bytes


def archive(small: Small) -> Path:
    return small.root / "artefacts/priors/tzdata/2026c/tzdata2026c.tar"


def replace_archive(small: Small, data: bytes) -> None:
    archive(small).write_bytes(data)
    tzdb_json(small, archive_sha256=sha256_bytes(data))


def lacking_a_zone(small: Small) -> None:
    members = read_members(archive(small).read_bytes(), "tar")
    replace_archive(small, pack({n: b for n, b in members.items() if n != "zoneinfo/Europe/Vaduz"}))


BREAKS: list[tuple[str, str, Callable[[Small], object]]] = [
    (
        "2A-S3-010",
        "two archives",
        lambda s: shutil.copy(archive(s), archive(s).with_suffix(".bak")),
    ),
    ("2A-S3-013", "an archive that the digest doesn't name", lambda s: flip(archive(s), 600)),
    ("2A-S3-020", "not an archive", lambda s: replace_archive(s, b"nothing")),
    ("2A-S3-020", "a cut archive", lambda s: replace_archive(s, archive(s).read_bytes()[:9000])),
    ("2A-S3-053", "a zone too few", lacking_a_zone),
]


@proves(*{code for code, _, _ in BREAKS})
@pytest.mark.parametrize(("code", "name"), [(c, n) for c, n, _ in BREAKS])
def test_the_timetable_refuses(small: Small, code: str, name: str) -> None:
    next(b for _, n, b in BREAKS if n == name)(small)
    require_refusal(small, code)


BETWEEN: list[tuple[str, str, Callable[[Small], object]]] = [
    (
        "2A-S3-001",
        "the receipt is gone",
        lambda s: shutil.rmtree(s.partition("s0_gate_receipt_2A")),
    ),
    ("2A-S3-010", "the archive is gone", lambda s: archive(s).unlink()),
    ("2A-S3-011", "another tag", lambda s: tzdb_json(s, release_tag="newest")),
    ("2A-S3-012", "the boundaries are gone", lambda s: world(s).unlink()),
    ("2A-S3-014", "the boundaries were changed", lambda s: flip(world(s), -1)),
]


@proves(*{code for code, _, _ in BETWEEN})
@pytest.mark.parametrize(("code", "name"), [(c, n) for c, n, _ in BETWEEN])
def test_what_changes_after_the_gate_is_refused(small: Small, code: str, name: str) -> None:
    small.chain("S0")
    next(b for _, n, b in BETWEEN if n == name)(small)
    require_state_refusal(small, "S3", code)
    assert not small.partition("tz_timetable_cache").exists()


@proves("2A-S3-041")
def test_a_published_timetable_is_never_replaced(small_run: Small) -> None:
    flip(small_run.partition("tz_timetable_cache") / INDEX_NAME, 1000)
    require_state_refusal(small_run, "S3", "2A-S3-041")


def test_a_damaged_shared_cache_is_rebuilt_and_says_nothing_false(small_run: Small) -> None:
    before = {p: p.read_bytes() for p in small_run.published()}
    assert small_run.report("S3")["checks"]["shared_cache"] == "miss"
    small_run.chain("S3")
    assert small_run.report("S3")["checks"]["shared_cache"] == "hit"
    flip(next(small_run.root.glob("cache/timetable/*/index.bin")), 1000)
    small_run.chain("S3")
    assert small_run.report("S3")["checks"]["shared_cache"] == "miss"
    small_run.chain("S3")
    assert small_run.report("S3")["checks"]["shared_cache"] == "hit"
    assert {p: p.read_bytes() for p in small_run.published()} == before


def timetable(instants: list[int], offsets: list[float]) -> Timetable:
    return Timetable(
        tzids=("Europe/Oslo",),
        starts=np.array([0, len(instants)]),
        instants=np.array(instants, np.int64),
        offsets_min=np.array(offsets),
    )


@proves(
    "2A-S3-021", "2A-S3-050", "2A-S3-051", "2A-S3-052", "2A-S3-055", "2A-S3-060", "2A-S3-061",
    "2A-S3-062",
)  # fmt: skip
def test_faults_of_the_compiler_itself_are_refused(tmp_path: Path) -> None:
    """The index is S3's own work, encoded and decoded again before these look at it."""
    empty = Timetable((), np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int32))
    require_validator("2A-S3-021", timetable=empty)
    require_validator("2A-S3-051", timetable=timetable([SENTINEL, 5, 5], [0, 60, 0]))
    require_validator("2A-S3-052", timetable=timetable([SENTINEL, 5], [0, 901]))
    require_validator("2A-S3-055", timetable=timetable([SENTINEL, 5], [0.0, float("nan")]))
    ctx = SimpleNamespace(stage=lambda _id: tmp_path)
    (tmp_path / INDEX_NAME).write_bytes(b"index")
    require_validator("2A-S3-050", ctx=ctx, manifest={"tz_index_digest": "0" * 64})
    require_validator("2A-S3-060", ctx=ctx, manifest={"rle_cache_bytes": 0})
    require_validator("2A-S3-061", ctx=ctx, manifest={"rle_cache_bytes": 5})
    (tmp_path / MANIFEST_NAME).write_text(json.dumps({}))
    with pytest.raises(Invalid) as caught:
        files_there(SimpleNamespace(ctx=ctx, manifest={"rle_cache_bytes": 6}))  # type: ignore[arg-type]
    assert caught.value.code == "062"


def test_the_sentinel_is_exempt_from_the_bounds() -> None:
    from civiltime.states.s3_timetable import require_bounds

    require_bounds(timetable([SENTINEL, 5], [-1000, 900]))
