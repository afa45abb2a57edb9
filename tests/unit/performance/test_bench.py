"""What a build's commands cost and decided, with builds that are one script."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Small

from civiltime.errors import CivilTimeError
from civiltime.performance.bench import (
    Bench,
    Ended,
    build_digest,
    copy_inputs,
    decisions,
    execute,
    find_executable,
    require_ended,
)
from civiltime.workspace.config import open_workspace


def build(folder: Path, script: str) -> Path:
    """An environment whose civiltime is a script."""
    path = folder / "bin" / "civiltime"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
    path.chmod(0o755)
    return folder


def ended(small: Small, folder: Path, script: str, *arguments: str) -> Ended:
    executable = find_executable(build(folder, script))
    return execute(Bench("candidate", executable, open_workspace(small.root)), *arguments)


def test_a_command_runs_in_its_own_process_with_json(small: Small, tmp_path: Path) -> None:
    script = "import json; print(json.dumps({'argv': sys.argv[1:]})); sys.exit(3)"
    found = ended(small, tmp_path / "build", script, "certify", "--runs", "1:a")
    argv = ["certify", "--runs", "1:a", "--workspace", str(small.root), "--json"]
    assert (found.status, found.said) == (3, {"argv": argv})
    assert 0 < found.cost["wall_ms"] < 60_000
    assert found.cost["peak_rss_bytes"] > 1 << 20


def test_the_memory_of_a_command_is_its_own(small: Small, tmp_path: Path) -> None:
    one = ended(small, tmp_path / "one", "")
    two = ended(small, tmp_path / "two", "x = bytearray(200 << 20)")
    assert two.cost["peak_rss_bytes"] - one.cost["peak_rss_bytes"] > 150 << 20


@pytest.mark.parametrize("script", ["print('not JSON')", "print('[1]')", "", "sys.exit(1)"])
def test_what_says_nothing_has_decided_nothing(small: Small, tmp_path: Path, script: str) -> None:
    found = ended(small, tmp_path / "build", script)
    assert (found.said, found.codes) == ({}, "")


def test_a_refusal_is_named_with_its_code(small: Small, tmp_path: Path) -> None:
    script = 'print(\'{"error": {"code": "2A-S1-055"}}\'); sys.exit(1)'
    found = ended(small, tmp_path / "build", script)
    bench = Bench("candidate", Path(), open_workspace(small.root))
    with pytest.raises(CivilTimeError, match=r"candidate: civiltime run .* 1 \(2A-S1-055\)") as e:
        require_ended(bench, found, "run", 0)
    assert e.value.code == "2A-PF-007"


def test_a_script_that_cannot_start_is_refused(small: Small, tmp_path: Path) -> None:
    path = build(tmp_path / "build", "") / "bin" / "civiltime"
    path.write_text("#!/no/such/interpreter\n")
    with pytest.raises(CivilTimeError, match="can't be started") as caught:
        execute(Bench("baseline", path, open_workspace(small.root)), "run")
    assert caught.value.code == "2A-PF-007"


def test_a_folder_without_a_civiltime_is_no_build(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(CivilTimeError, match="is no civiltime") as caught:
            find_executable(path)
        assert caught.value.code == "2A-PF-007"


def test_a_build_without_its_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CivilTimeError, match="can't tell") as caught:
        build_digest("baseline", find_executable(build(tmp_path / "build", "")))
    assert caught.value.code == "2A-PF-007"


def test_a_copy_has_the_inputs_and_nothing_of_the_lane(small_run: Small, tmp_path: Path) -> None:
    workspace = open_workspace(small_run.root)
    copy = copy_inputs(workspace, tmp_path / "copy")
    assert workspace.cache.is_dir()
    assert not copy.cache.exists()
    assert not copy.lane_root.exists()
    theirs, ours = (
        {p.relative_to(w.root) for p in w.root.rglob("*") if p.is_file()} for w in (workspace, copy)
    )
    assert {p.parts[0] for p in theirs - ours} <= {"cache", "runs"}
    assert ours <= theirs


def test_decisions_of_a_chain_that_is_refused() -> None:
    """A witness may be a run that must fail: both builds must then refuse it alike."""
    refused: dict[str, Any] = {"error": {"code": "2A-S1-055"}}
    scored: dict[str, Any] = {"seeds": {"7": {"verdict": "FAIL_REALISM", "gates": []}}}
    reports = {"S0": {"validators": [{"id": "V-01", "result": "pass"}]}}
    chain, scorer = Ended(1, {}, refused), Ended(3, {}, scored)
    assert decisions(reports, chain, scorer, "7") == {
        "run": {"exit": "1", "codes": "2A-S1-055"},
        "S0": {"V-01": "pass"},
        "certify": {"exit": "3", "verdict": "FAIL_REALISM"},
    }
    nothing = decisions({}, chain, Ended(1, {}, {"error": {"code": "2A-CT-001"}}), "7")
    assert nothing["certify"] == {"exit": "1", "verdict": "2A-CT-001"}
