"""A machine that gets in the way: full disks, special files, names that are no text, Ctrl-C."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import Small, civiltime
from tests.end_to_end.refusals import require_explained


def with_files_of_at_most(size: int) -> None:
    """What a full disk does to every write, for this process alone."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [0, 2_000])
def test_a_full_disk_is_named_and_leaves_nothing_partial(small: Small, size: int) -> None:
    command = ["run", "--seed", "42", "--run-id", small.run_id, "-w", str(small.root), "--json"]
    said = subprocess.run(
        [sys.executable, "-m", "civiltime", *command],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: with_files_of_at_most(size),
    )
    assert said.returncode == 1, said.stderr
    error = json.loads(said.stdout)["error"]
    assert error["code"] == "2A-WS-004"
    assert str(small.root) in error["message"]  # where, not only what
    assert not list(small.root.rglob(".staging*"))
    assert not list(small.root.rglob("*.tmp"))
    assert small.run().code == 0
    assert small.cli("verify", small.run_id).code == 0


def test_a_pipe_in_the_place_of_a_policy_is_not_waited_for(small: Small) -> None:
    path = small.config("lookup.yaml")
    path.unlink()
    os.mkfifo(path)
    said = small.run()
    assert (said.code, said.error) == (1, "2A-S0-010"), said.out
    assert "lookup.yaml" in said.json["error"]["message"]


def test_a_workspace_whose_path_is_not_utf_8(small: Small, tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"work\xffspace")
    shutil.move(small.root, root)
    said = civiltime("run", "--seed", "42", "-w", root, "--json")
    assert (said.code, said.error) == (1, "2A-WS-002"), said.out
    require_explained(said, "2A-WS-002")
    assert "not UTF-8" in said.err
    assert not (root / "runs").exists()


@pytest.mark.parametrize("name", ["pipe", "folder"])
def test_read_takes_the_place_of_no_device(small_run: Small, tmp_path: Path, name: str) -> None:
    """A rename would put a file where ``/dev/null`` was."""
    out = tmp_path / name
    os.mkfifo(out) if name == "pipe" else out.mkdir()
    said = small_run.cli("read", small_run.run_id, "--out", out)
    assert (said.code, said.error) == (1, "2A-WS-004"), said.out
    assert not out.is_file()


def test_a_link_in_the_place_of_the_sites(small: Small, tmp_path: Path) -> None:
    (part,) = small.upstream.rglob("part-00000.parquet")
    part.rename(tmp_path / "elsewhere.parquet")
    part.symlink_to(tmp_path / "elsewhere.parquet")
    said = small.run()
    assert (said.code, said.error) == (1, "2A-S0-010"), said.out
    assert "is a link" in said.json["error"]["message"]


@pytest.mark.parametrize("text", ["[" * 100_000, "null", "[]", "{}", '{"a": "\\ud800"}'])
def test_json_that_is_anything_at_all(small_run: Small, text: str) -> None:
    """No reader of a run's documents trips over one: each says that it isn't what it was."""
    for name in ("s0_run_report.json", "sealed_inputs_2A.json", "s2_run_report.json"):
        (path,) = small_run.folder.rglob(name)
        good = path.read_bytes()
        path.write_text(text)
        verified = small_run.cli("verify", small_run.run_id)
        assert verified.code == 1, name
        assert "2A-WS-030" not in verified.out, (name, verified.out)
        for arguments in (("runs", "list"), ("runs", "show", small_run.run_id)):
            said = small_run.cli(*arguments)
            assert said.code == 0, (name, arguments, said.err)
        path.write_bytes(good)


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("index.json", '[{"artifact_id": "a", "kind": "b", "path": "\\ud800"}]', "2A-S0-002"),
        ("tzdb_release.json", "[" * 100_000, "2A-S0-023"),
    ],
)
def test_json_of_an_input_that_is_anything(small: Small, name: str, text: str, code: str) -> None:
    (path,) = small.root.rglob(name)
    path.write_text(text)
    said = small.run()
    assert (said.code, said.error) == (1, code), said.out


def test_an_interrupted_command_says_so(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("civiltime.states.chain.run_chain", interrupted)
        patched.setattr("civiltime.workspace.config.find_workspace", interrupted)
        said = small.run()
    assert said.code == 130
    assert "interrupted; nothing partial was published" in said.err
    assert small.run().code == 0
