"""Flip, delete, add or rename anything that was published: verify names it, read refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Small


def named(small: Small, path: Path) -> str:
    """The findings of verify, after making sure that it fails and names the file."""
    said = small.cli("verify", small.run_id)
    assert said.code == 1, path
    assert said.json["status"] == "fail"
    messages = " ".join(e["message"] for e in said.json["errors"])
    assert path.name in messages, (path, messages)
    return messages


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x20
    path.write_bytes(bytes(data))


def test_a_flipped_byte_anywhere_in_what_was_published_is_named(small_run: Small) -> None:
    for path in small_run.published():
        original = path.read_bytes()
        for place in (0, len(original) // 2, -1):
            flip(path, place)
            named(small_run, path)
            read = small_run.cli("read", small_run.run_id, "--out", small_run.root / "out.csv")
            assert read.code == 1
            assert read.error in {"2A-RD-001", "2A-RD-002"}
            assert not (small_run.root / "out.csv").exists()
            path.write_bytes(original)
    assert small_run.cli("verify", small_run.run_id).code == 0


def link(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


CHANGES: dict[str, Callable[[Path], object]] = {
    "delete": lambda path: path.unlink(),
    "rename": lambda path: path.rename(path.with_name("renamed")),
    "empty": lambda path: path.write_bytes(b""),
    "append": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "link": link,
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_a_changed_file_is_named(small_run: Small, change: str) -> None:
    kept = small_run.root.with_name("kept")
    shutil.copytree(small_run.folder, kept)
    for path in small_run.published():
        CHANGES[change](path)
        named(small_run, path)
        assert small_run.cli("read", small_run.run_id).error in {"2A-RD-001", "2A-RD-002"}
        shutil.rmtree(small_run.folder)
        shutil.copytree(kept, small_run.folder)


@pytest.mark.parametrize(
    "place", ["data", "data/layer1/2A/validation", "data/layer1/2A/site_timezones"]
)
def test_an_added_file_is_named(small_run: Small, place: str) -> None:
    folder = small_run.folder / place
    if place != "data":
        folder = next(p for p in folder.rglob("*") if p.is_dir() and not list(p.glob("*/")))
    (folder / "added.bin").write_bytes(b"more")
    named(small_run, folder / "added.bin")


def test_reports_receipt_upstream_and_references_are_verified_too(small_run: Small) -> None:
    receipt = small_run.folder / "run_receipt.json"
    reports = sorted((small_run.folder / "reports").rglob("*.json"))
    upstream = [p for p in (small_run.root / "upstream").rglob("*") if p.is_file()]
    references = [
        p for n in ("reference", "artefacts") for p in (small_run.root / n).rglob("tz*.*")
    ]
    assert len(reports) == 6
    for path in [*reports, *upstream, *(p for p in references if "provenance" not in p.name)]:
        original = path.read_bytes()
        flip(path, len(original) // 2)
        said = small_run.cli("verify", small_run.run_id)
        assert said.code == 1, path
        path.write_bytes(original)
    original = receipt.read_bytes()
    for place in range(0, len(original), 7):
        flip(receipt, place)
        assert small_run.cli("verify", small_run.run_id).error == "2A-WS-012"
        receipt.write_bytes(original)


def test_an_edited_policy_is_a_warning_because_the_next_run_may_need_it(small_run: Small) -> None:
    small_run.edit("lookup.yaml", "sample_limit: 10", "sample_limit: 5")
    said = small_run.cli("verify", small_run.run_id)
    assert said.code == 0
    assert [w["code"] for w in said.json["warnings"]] == ["2A-RD-005"]
    assert "lookup.yaml" in said.json["warnings"][0]["message"]


def test_a_run_without_pass_is_not_read(small: Small) -> None:
    small.chain("S0", "S1", "S2", "S3", "S4")
    assert small.cli("read", small.run_id).error == "2A-RD-001"
    assert small.cli("verify", small.run_id).code == 1
