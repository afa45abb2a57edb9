"""A crash at any instant: nothing partial is visible, and the next run completes.

The commands are real processes, killed right before their n-th change of the file system
(:mod:`tests.end_to_end.killable`), for every n until they complete: every flush and every
rename in the long tests, every kind of change here and there in the short ones.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path

import pytest
from tests.conftest import SEED, SITES_CSV, Small
from tests.end_to_end.killing import CHANGES, PUBLISHING, Killable

from civiltime.workspace.config import open_workspace
from civiltime.workspace.digest import self_digest
from civiltime.workspace.runs import open_run

Tree = dict[str, bytes]


def tree(folder: Path) -> Tree:
    """Every file below a folder and its bytes."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def partitions(files: Tree) -> dict[str, Tree]:
    """Files by the partition they are published in, as one rename makes them visible."""
    found: dict[str, Tree] = {}
    for path, data in files.items():
        parts = path.split("/")
        last = max(i for i, part in enumerate(parts) if part.startswith("manifest_fingerprint="))
        found.setdefault("/".join(parts[: last + 1]), {})[path] = data
    return found


def require_whole(small: Small, reference: Tree) -> None:
    """Each partition there is complete, each report is one, and no half of the run is read."""
    whole = partitions(reference)
    for name, files in partitions(tree(small.folder / "data")).items():
        assert files == whole[name], name
    for path in (small.folder / "reports").rglob("*.json"):
        report = json.loads(path.read_bytes())
        assert report.pop("report_sha256") == self_digest(report)
    said = small.cli("read", small.run_id, "--out", "read.parquet", "--format", "parquet")
    bundle = small.partition("validation_bundle_2A").is_dir()
    assert (said.code == 0) == bundle, said.out


def require_clean(small: Small) -> None:
    """What the killed process left is gone; the cache may be deleted at any time as it is."""
    left = [p for p in small.root.rglob(".*") if p.name not in {".lock", ".ingest.lock"}]
    assert [p for p in left if not p.is_relative_to(small.root / "cache")] == []


def started(small: Small) -> Tree:
    """Make the run's receipt, complete the run once, and keep only the receipt."""
    assert small.run().code == 0
    reference = tree(small.folder / "data")
    forget(small)
    return reference


def forget(small: Small) -> None:
    """Leave nothing of the run but its receipt."""
    for path in small.folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "run_receipt.json":
            path.unlink()


def run_arguments(small: Small) -> tuple[str | Path, ...]:
    return ("run", "--seed", str(SEED), "--run-id", small.run_id, "-w", small.root)


def require_recovery(small: Small, killable: Killable, reference: Tree) -> None:
    """The next run completes with the bytes of an uninterrupted one."""
    assert killable(0, *run_arguments(small))["code"] == 0
    assert tree(small.folder / "data") == reference
    require_clean(small)


def kill_at_each(
    small: Small, killable: Killable, numbers: Iterable[int], kinds: Sequence[str]
) -> int:
    """Kill the run at these changes, one after the other, and let the next one recover."""
    reference, kills = started(small), 0
    for number in numbers:
        if not killable.killed(number, *run_arguments(small), kinds=kinds):
            break
        require_whole(small, reference)
        require_recovery(small, killable, reference)
        forget(small)
        kills += 1
    assert small.cli("verify", small.run_id).code == 0
    return kills


def test_a_run_killed_here_and_there_leaves_whole_partitions_and_is_completed(
    small: Small, killable: Killable
) -> None:
    assert kill_at_each(small, killable, count(7, 61), CHANGES) >= 3


@pytest.mark.slow
def test_a_run_killed_at_any_flush_or_rename_leaves_whole_partitions_and_is_completed(
    small: Small, killable: Killable
) -> None:
    assert kill_at_each(small, killable, count(1), PUBLISHING) >= 50


def test_crash_after_crash_the_run_gets_done(small: Small, killable: Killable) -> None:
    """Every attempt goes on from what the killed one before it left."""
    reference = started(small)
    shutil.rmtree(small.root / "cache")
    at = 11
    while killable.killed(at, *run_arguments(small)):
        require_whole(small, reference)
        at += 31
    assert at > 100
    require_recovery(small, killable, reference)


def test_a_run_killed_before_its_receipt_is_made_anew(small: Small, killable: Killable) -> None:
    """A killed process may leave a folder without a receipt, and a lock without a holder."""
    for at in (1, 3, 5, 7):
        assert killable.killed(at, *run_arguments(small))
        assert small.run().code == 0
        assert small.cli("verify", small.run_id).code == 0
        require_clean(small)
        shutil.rmtree(small.folder)


@pytest.mark.slow
def test_sites_killed_anywhere_have_no_flag_without_rows(
    small: Small, killable: Killable, tmp_path: Path
) -> None:
    published = tree(small.root / "upstream")
    shutil.rmtree(small.root / "upstream")
    (tmp_path / "sites.csv").write_text(SITES_CSV)
    ingest = ("ingest", "sites", tmp_path / "sites.csv", "--seed", "42", "-w", small.root)
    kills = 0
    while killable.killed(kills + 1, *ingest, kinds=PUBLISHING):
        files = {k: v for k, v in tree(small.root / "upstream").items() if ".staging" not in k}
        assert files.items() <= published.items()
        if any(path.endswith("_passed.flag") for path in files):
            assert files == published
        assert killable(0, *ingest)["code"] == 0
        assert tree(small.root / "upstream") == published
        require_clean(small)
        shutil.rmtree(small.root / "upstream")
        kills += 1
    assert kills >= 12


def test_a_release_killed_anywhere_is_pinned_only_when_it_is_there(
    small: Small, killable: Killable, small_boundaries: Path
) -> None:
    toml = (small.root / "civiltime.toml").read_text()
    published = tree(small.root / "reference")
    ingest = ("ingest", "tz-world", small_boundaries, "--release", "2026c", "-w", small.root)
    at = 1
    while True:
        shutil.rmtree(small.root / "reference", ignore_errors=True)
        (small.root / "civiltime.toml").write_text(toml.replace('tz_world = "2026c"\n', ""))
        if not killable.killed(at, *ingest):
            break
        pinned = "tz_world" in open_workspace(small.root).pins
        files = {k: v for k, v in tree(small.root / "reference").items() if ".staging" not in k}
        assert files in ({}, published)
        assert not pinned or files == published
        at += 3
    assert at > 12
    assert killable(0, *ingest)["code"] == 0
    assert (tree(small.root / "reference"), open_workspace(small.root).pins["tz_world"]) == (
        published,
        "2026c",
    )
    require_clean(small)


def test_a_lock_without_a_process_does_not_block(small: Small) -> None:
    small.folder.mkdir(parents=True)
    (small.folder / ".lock").write_text(f"{2**22}\n")
    assert small.run().code == 0


def test_a_lock_with_a_process_refuses_at_once(small_run: Small) -> None:
    run = open_run(open_workspace(small_run.root), small_run.run_id)
    before = tree(small_run.folder)
    with run.locked():
        said = small_run.run()
    assert (said.code, said.error) == (1, "2A-WS-010")
    assert small_run.run_id in said.json["error"]["message"]
    assert tree(small_run.folder) == before
    assert small_run.run().code == 0
