"""Same inputs, same bytes: for every batch size, process, locale, time zone and folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import SEED, Small

from civiltime.demo import run_demo
from civiltime.states.chain import run_chain
from civiltime.states.context import Options


def published(folder: Path) -> dict[str, bytes]:
    files = (p for p in (folder / "data").rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def again(small: Small) -> None:
    """Forget everything that the run published and derived, but not its receipt."""
    shutil.rmtree(small.folder / "data")
    shutil.rmtree(small.root / "cache")


@pytest.mark.parametrize("rows", ["1", "5", "1000", "200000"])
def test_the_batch_size_changes_nothing(small_run: Small, rows: str) -> None:
    before = published(small_run.folder)
    again(small_run)
    assert small_run.run("--batch-rows", rows).code == 0
    assert published(small_run.folder) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "1", "TZ": "Pacific/Apia", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "2", "TZ": "Asia/Kolkata", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE"},
    ],
)
def test_a_fresh_process_elsewhere_changes_nothing(
    small_run: Small, tmp_path: Path, environment: dict[str, str]
) -> None:
    before = published(small_run.folder)
    again(small_run)
    moved = Small(tmp_path / "Überall anders" / "workspace")
    moved.root.parent.mkdir()
    shutil.move(small_run.root, moved.root)
    arguments = ["run", "--seed", str(SEED), "--run-id", moved.run_id, "-w", str(moved.root)]
    done = subprocess.run(
        [sys.executable, "-m", "civiltime", *arguments],
        env={**os.environ, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert published(moved.folder) == before


@pytest.mark.slow
def test_the_demo_is_the_same_for_small_and_large_batches(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    ((run, _),) = run_demo(folder, "population", [SEED], 31_257).values()
    before = published(run.folder)
    shutil.rmtree(run.folder / "data")
    run_chain(run, Options(batch_rows=1_000))
    assert published(run.folder) == before
    reports = run_chain(run, Options(batch_rows=200_000))
    assert {r["outputs"]["publish"] for r in reports} == {"REUSE"}
    assert published(run.folder) == before
