"""Tampering by someone who knows how a run is verified: the digests leave no gap.

Bytes count, not what they mean; a set-back clock, a recomputed checksum, a bundle sealed
anew and the receipt of another run help nobody; and one finding hides no other.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest
from tests.conftest import Said, Small

from civiltime.workspace.bundle import seal_2a
from civiltime.workspace.digest import sha256_file

Attack = Callable[[Path], object]


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x01
    path.write_bytes(raw)


def reindented(path: Path) -> None:
    """One blank becomes a tab: JSON means the same."""
    raw = path.read_bytes()
    assert b" " in raw
    path.write_bytes(raw.replace(b" ", b"\t", 1))


def without_newline(path: Path) -> None:
    raw = path.read_bytes()
    assert raw.endswith(b"\n")
    path.write_bytes(raw[:-1])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@contextmanager
def attacked(path: Path, attack: Attack) -> Iterator[None]:
    """The attack on one file, undone at the end."""
    before = path.read_bytes()
    attack(path)
    yield
    if path.is_dir():
        path.rmdir()
    path.write_bytes(before)


def verify(small: Small) -> Said:
    return small.cli("verify", small.run_id)


def findings(small: Small) -> str:
    """The messages of a failed verification, as one text."""
    said = verify(small)
    assert said.code == 1, said.out
    return "\n".join(e["message"] for e in said.json["errors"])


def refusal(small: Small) -> str:
    """The code under which `read` refuses, or ''."""
    return small.cli("read", small.run_id, "--out", "read.csv").error


def sealed(small: Small) -> list[dict[str, str]]:
    """The rows of the inventory that S0 sealed."""
    (path,) = small.folder.rglob("sealed_inputs_2A.json")
    rows: list[dict[str, str]] = json.loads(path.read_bytes())
    return rows


def test_every_file_that_a_run_rests_on_is_counted(small_run: Small) -> None:
    said = verify(small_run)
    assert said.json["errors"] == said.json["warnings"] == []
    whole = len(small_run.published()) + len(("S0", "S1", "S2", "S3", "S4", "S5"))
    assert said.json["files_verified"] == whole + len(sealed(small_run))


def test_white_space_in_a_published_document_is_a_change(small_run: Small) -> None:
    """The index above all: the flag's digest leaves it out."""
    for path in (p for p in small_run.published() if p.suffix in {".json", ".flag"}):
        with attacked(path, reindented):
            assert path.name in findings(small_run)
            assert refusal(small_run) in {"2A-RD-001", "2A-RD-002"}, path
        with attacked(path, without_newline):
            assert path.name in findings(small_run)
            # Readers tolerate a flag without its newline; `verify` names it all the same.
            assert (refusal(small_run) == "") == (path.name == "_passed.flag"), path
    assert verify(small_run).code == 0


def test_white_space_in_a_report_or_in_the_receipt_is_a_change(small_run: Small) -> None:
    for path in sorted((small_run.folder / "reports").rglob("*.json")):
        for attack in (reindented, without_newline, flipped, made_a_folder):
            with attacked(path, attack):
                assert path.name in findings(small_run)
    for attack in (reindented, without_newline):
        with attacked(small_run.folder / "run_receipt.json", attack):
            said = verify(small_run)
            assert said.error == refusal(small_run) == "2A-WS-012"
            assert "run_receipt.json" in said.json["error"]["message"]


def test_no_name_makes_an_added_file_invisible(small_run: Small) -> None:
    folders = {small_run.folder / "data", *(p.parent for p in small_run.published())}
    for folder, name in product(sorted(folders), ("_SUCCESS", ".hidden", "part-00001.parquet")):
        (folder / name).write_bytes(b"x")
        assert name in findings(small_run), folder
        assert refusal(small_run) in {"2A-RD-001", "2A-RD-002"}, folder
        (folder / name).unlink()


def test_a_change_behind_the_clock_is_found_by_a_process_that_read_the_file_before(
    small_run: Small,
) -> None:
    path = small_run.partition("tz_timetable_cache") / "tz_cache_v1.bin"
    time.sleep(0.05)
    assert verify(small_run).code == 0
    status = path.stat()
    flipped(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert verify(small_run).code == 1
    assert refusal(small_run) == "2A-RD-002"


def test_a_checksum_rewritten_to_fit_breaks_the_flag(small_run: Small) -> None:
    (part,) = small_run.partition("site_timezones").iterdir()
    old = sha256_file(part)
    flipped(part)
    checksums = small_run.partition("validation_bundle_2A") / "egress_checksums.json"
    text = checksums.read_text()
    assert old in text
    checksums.write_text(text.replace(old, sha256_file(part)))
    assert "egress_checksums.json" in findings(small_run)
    assert refusal(small_run) == "2A-RD-001"


def test_a_bundle_sealed_anew_contradicts_the_run_reports(small_run: Small) -> None:
    """Checksums, index and flag recomputed: the reports still name what was published."""
    bundle = small_run.partition("validation_bundle_2A")
    (part,) = small_run.partition("site_timezones").iterdir()
    old = sha256_file(part).encode()
    flipped(part)
    listed = {
        p.relative_to(bundle).as_posix(): p.read_bytes().replace(old, sha256_file(part).encode())
        for p in bundle.rglob("*")
        if p.is_file() and p.name not in {"index.json", "_passed.flag"}
    }
    for name, data in seal_2a(listed).items():
        (bundle / name).write_bytes(data)
    named = findings(small_run)
    assert "s2_run_report.json" in named
    assert "_passed.flag" in named


def test_the_receipt_and_the_data_of_another_run_are_refused(small_run: Small) -> None:
    other = "f" * 32
    shutil.copytree(small_run.folder, small_run.folder.with_name(other))
    said = small_run.cli("verify", other)
    assert said.error == "2A-WS-012"
    assert small_run.run_id in said.json["error"]["message"]


@pytest.mark.slow
def test_what_the_run_sealed_is_named_and_the_published_zones_stay_readable(
    small_run: Small,
) -> None:
    inputs = [r for r in sealed(small_run) if r["asset_kind"] != "config"]
    places = [small_run.root / r["catalog_path"] for r in inputs]
    files = {f for p in places for f in ([p] if p.is_file() else p.rglob("*")) if f.is_file()}
    assert {f.name for f in files} >= {"tz_world.parquet", "tzdata2026c.tar", "_passed.flag"}
    attacks: tuple[Callable[[Path], object], ...] = (flipped, Path.unlink)
    for path, attack in product(sorted(files), attacks):
        with attacked(path, attack):
            said = verify(small_run)
            assert said.code == 1, path
            assert {e["code"] for e in said.json["errors"]} == {"2A-RD-004"}
            where = path.relative_to(small_run.root)
            named = [e["context"]["path"] for e in said.json["errors"]]
            assert any(where.is_relative_to(n) for n in named), (path, named)
            assert refusal(small_run) == "", path
    assert verify(small_run).code == 0


def test_an_edited_emptied_or_lost_policy_is_a_warning(small_run: Small) -> None:
    policies = sorted(p for p in (small_run.root / "config").rglob("*") if p.is_file())
    assert len(policies) == 5
    attacks: tuple[Callable[[Path], object], ...] = (flipped, emptied, Path.unlink)
    for path, attack in product(policies, attacks):
        with attacked(path, attack):
            said = verify(small_run)
            assert said.code == 0, path
            assert [w["code"] for w in said.json["warnings"]] == ["2A-RD-005"]
            assert path.name in said.json["warnings"][0]["message"]
    assert verify(small_run).json["warnings"] == []


def test_one_finding_hides_no_other(small_run: Small) -> None:
    targets = [
        small_run.partition("validation_bundle_2A") / "checks.json",
        small_run.root / "reference/spatial/tz_world/2026c/tz_world.parquet",
        next(small_run.folder.rglob("s4_run_report.json")),
    ]
    for path in targets:
        flipped(path)
    named = findings(small_run)
    assert all(path.name in named for path in targets), named
