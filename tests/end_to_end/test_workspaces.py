"""Workspaces where nothing is as it should be: each says what is wrong, under its code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import SEED, SITES_CSV, Small, civiltime
from tests.end_to_end.refusals import files, refused, require_explained

RUN = ("run", "--seed", str(SEED))
NO_RUN = "f" * 32


def test_outside_of_any_workspace(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text(SITES_CSV)
    for arguments in (
        RUN,
        ("verify", NO_RUN),
        ("read", NO_RUN),
        ("runs", "list"),
        ("runs", "show", NO_RUN),
        ("lookup", "47", "8"),
        ("ingest", "sites", tmp_path / "sites.csv", "--seed", "1"),
        ("ingest", "tzdb", "package", "--release", "2026c"),
        ("ingest", "tz-world", "package", "--release", "2026c"),
    ):
        assert "civiltime.toml" in refused(tmp_path, "2A-WS-001", *arguments)
        refused(tmp_path / "sites.csv", "2A-WS-001", *arguments)


def test_below_a_workspace_is_in_it(small_run: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small_run.folder)
    said = civiltime("runs", "list", "--json")
    assert [r["run_id"] for r in said.json["runs"]] == [small_run.run_id]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "format"),
        ("format = 2\n", "format"),
        ('format = "1"\n', "format"),
        ("format = 1\nformat = 1\n", "line 2"),
        ("not TOML", "line 1"),
        ("\x00", "line 1"),
        ('format = 1\nlane = "runs"\nupstream = "upstream"\nsurprise = 1\n', "surprise"),
        ("a = " + "[" * 5_000, "nested too deeply"),
        ('format = 1\nlane = "runs"\n', "such as 'upstream'"),
        ('format = 1\nlane = ""\nupstream = "upstream"\n', "lane"),
        ('format = 1\nlane = "."\nupstream = "upstream"\n', "lane"),
        ('format = 1\nlane = "/tmp"\nupstream = "upstream"\n', "lane"),
        ('format = 1\nlane = "a/../../b"\nupstream = "upstream"\n', "lane"),
        ('format = 1\nlane = 7\nupstream = "upstream"\n', "lane"),
        ('format = 1\nlane = "runs"\nupstream = "../up"\n', "upstream"),
        ('format = 1\nlane = "runs"\nupstream = "up"\npins = 1\n', "pins"),
        ('format = 1\nlane = "runs"\nupstream = "up"\n[pins]\ntzdb = 2026\n', "pins"),
        ('format = 1\nlane = "runs"\nupstream = "up"\n[pins]\ntz = "2026c"\n', "tz"),
        ('format = 1\nlane = "runs"\nupstream = "up"\n[pins]\ntzdb = "../x"\n', "tzdb"),
        ('format = 1\nlane = "runs"\nupstream = "up"\n[pins]\ntzdb = ""\n', "tzdb"),
    ],
)
def test_a_configuration_that_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "civiltime.toml").write_text(text)
    for arguments in (RUN, ("runs", "list"), ("verify", NO_RUN)):
        message = refused(tmp_path, "2A-WS-002", *arguments)
        assert "civiltime.toml" in message
        assert why in message


def test_a_configuration_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "civiltime.toml").write_bytes(b"format = 1 # \xff")
    refused(tmp_path, "2A-WS-002", "runs", "list")


def test_comments_survive_a_pin_and_no_pins_are_none(tmp_path: Path) -> None:
    toml = tmp_path / "civiltime.toml"
    toml.write_text('# ours\nformat = 1\nlane = "runs"\nupstream = "up"\n')
    said = civiltime("ingest", "tzdb", "package", "--release", "2026c", "-w", tmp_path)
    assert said.code == 0, said.err
    assert "# ours\n" in toml.read_text()
    assert 'tzdb = "2026c"' in toml.read_text()


def test_init_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    refused(tmp_path, "2A-WS-003", "init", tmp_path / "file")
    assert civiltime("init", tmp_path / "new").code == 0
    refused(tmp_path, "2A-WS-003", "init", tmp_path / "new")
    mine = tmp_path / "mine/config/layer1/2A/policy/lookup.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert civiltime("init", tmp_path / "mine").code == 0
    assert mine.read_text() == "mine"


def test_init_where_a_file_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    said = civiltime("init", tmp_path / "file/below", "--json")
    assert said.error in {"2A-WS-003", "2A-WS-004"}
    (tmp_path / "new").mkdir()
    (tmp_path / "new/config").write_text("kept")
    said = civiltime("init", tmp_path / "new", "--json")
    assert said.error == "2A-WS-004"
    require_explained(said, "2A-WS-004")
    assert not (tmp_path / "new/civiltime.toml").exists()


@pytest.mark.parametrize(
    "place", ["runs", "runs/fix-data-engine/segment_2A", "runs/fix-data-engine/segment_2A/ID"]
)
def test_a_file_where_the_lane_should_be(small: Small, place: str) -> None:
    path = small.root / place.replace("ID", small.run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    said = small.run()
    assert said.error == "2A-WS-004", said.out
    require_explained(said, "2A-WS-004")
    assert path.read_text() == "in the way"


@pytest.mark.parametrize("place", ["data", "reports", "logs", ".staging"])
def test_a_file_where_a_folder_of_the_run_should_be(small: Small, place: str) -> None:
    small.folder.mkdir(parents=True)
    (small.folder / place).write_text("in the way")
    said = small.run()
    assert said.error == "2A-WS-004", said.out
    require_explained(said, "2A-WS-004")


def test_a_file_where_references_and_upstreams_should_be(small: Small, tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text(SITES_CSV)
    for place, arguments in (
        ("upstream", ("ingest", "sites", tmp_path / "sites.csv", "--seed", "1")),
        ("artefacts", ("ingest", "tzdb", "package", "--release", "2026c")),
    ):
        shutil.rmtree(small.root / place)
        (small.root / place).write_text("in the way")
        refused(small.root, "2A-WS-004", *arguments)


def test_the_cache_is_only_a_convenience(small: Small) -> None:
    """A file in its place, and the run is the same."""
    assert small.run().code == 0
    before = files(small.folder / "data")
    shutil.rmtree(small.root / "cache")
    (small.root / "cache").write_text("in the way")
    shutil.rmtree(small.folder / "data")
    said = small.run()
    assert said.code == 0, said.out
    assert files(small.folder / "data") == before


def test_a_cache_damaged_anywhere_changes_nothing(small_run: Small) -> None:
    before = files(small_run.folder / "data")
    cached = sorted(p for p in (small_run.root / "cache").rglob("*") if p.is_file())
    for path in (p for p in cached if p.stat().st_size):
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 0xFF
        path.write_bytes(raw)
    shutil.rmtree(small_run.folder / "data")
    said = small_run.run()
    assert said.code == 0, said.out
    assert files(small_run.folder / "data") == before


@pytest.mark.parametrize(
    "run_id", ["", "x", "F" * 32, "0" * 31, "0" * 33, "../" * 10, "0" * 31 + "\n"]
)
def test_a_malformed_run_id(small: Small, run_id: str) -> None:
    for arguments in (
        ("verify", run_id),
        ("read", run_id),
        ("runs", "show", run_id),
        (*RUN, "--run-id", run_id),
    ):
        refused(small.root, "2A-WS-011", *arguments)


def test_an_unknown_run_id(small: Small) -> None:
    for arguments in (("verify", NO_RUN), ("read", NO_RUN), ("runs", "show", NO_RUN)):
        assert NO_RUN in refused(small.root, "2A-WS-011", *arguments)


def test_a_run_of_another_seed_or_fingerprint(small_run: Small, tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text(SITES_CSV)
    assert small_run.cli("ingest", "sites", tmp_path / "sites.csv", "--seed", "7").code == 0
    given = ("--run-id", small_run.run_id)
    assert "42" in refused(small_run.root, "2A-WS-013", "run", "--seed", "7", *given)
    other = "e" * 64
    refused(small_run.root, "2A-WS-013", *RUN, *given, "--fingerprint", other)


def test_a_seed_that_nobody_published(small: Small) -> None:
    assert "42" in refused(small.root, "2A-WS-020", "run", "--seed", "7")
    refused(small.root, "2A-WS-020", *RUN, "--fingerprint", "e" * 64)
    refused(small.root, "2A-WS-020", *RUN, "--fingerprint", "../..")
    shutil.rmtree(small.root / "upstream")
    assert "none" in refused(small.root, "2A-WS-020", *RUN)


def test_several_upstreams_with_one_seed_are_listed(small: Small, tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text(SITES_CSV.replace("47.3769", "47.3768"))
    other = small.cli("ingest", "sites", tmp_path / "sites.csv", "--seed", "42").json
    message = refused(small.root, "2A-WS-021", *RUN)
    known = [p.name.split("=")[1] for p in (small.upstream / "site_locations/seed=42").iterdir()]
    assert len(known) == 2
    assert all(fingerprint in message for fingerprint in known)
    said = small.cli(*RUN, "--fingerprint", other["manifest_fingerprint"])
    assert said.code == 0, said.out
    assert said.json["manifest_fingerprint"] == other["manifest_fingerprint"]


@pytest.mark.parametrize(
    "name", ["with spaces", "Zür\u0131ch \u65e5\u672c", "-dash", "quo'te\"s", "a&b;c$d"]
)
def test_a_workspace_of_any_name(
    tmp_path: Path, small_boundaries: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files too: nothing is lost between us, GDAL, Arrow and Polars."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / name
    root.mkdir()
    (root / f"{name}.csv").write_text(SITES_CSV)
    shutil.copy(small_boundaries, root / f"{name}.geojson")
    run_id = "0" * 31 + "7"
    for arguments in (
        ("init", root),
        ("ingest", "tzdb", "package", "--release", "2026c"),
        ("ingest", "tz-world", root / f"{name}.geojson", "--release", "2026c"),
        ("ingest", "sites", root / f"{name}.csv", "--seed", "42"),
        (*RUN, "--run-id", run_id),
        ("verify", run_id),
        ("read", run_id, "--out", root / f"{name}-out.parquet", "--format", "parquet"),
        ("lookup", "47", "8"),
    ):
        said = civiltime(*arguments, "-w", root)
        assert said.code == 0, (arguments, said.err)


@pytest.mark.slow
def test_two_processes_on_one_run_one_wins(small: Small) -> None:
    """Also where there is no receipt yet: it is written once, and the run is its run."""
    command = [sys.executable, "-m", "civiltime", *RUN, "--run-id", small.run_id]
    command += ["--workspace", str(small.root), "--json"]
    for _ in range(2):
        racers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(3)
        ]
        said = [json.loads(r.communicate()[0]) for r in racers]
        codes = sorted(r.returncode for r in racers)
        assert codes[0] == 0, said
        lost = [s["error"]["code"] for s in said if "error" in s]
        assert set(lost) <= {"2A-WS-010"}
        assert len(lost) == sum(codes)
        verified = small.cli("verify", small.run_id)
        assert verified.code == 0, verified.out


@pytest.mark.slow
def test_two_processes_may_ingest_at_once(tmp_path: Path, small_boundaries: Path) -> None:
    """Neither loses the other's pin."""
    root = tmp_path / "w"
    assert civiltime("init", root).code == 0
    start = [sys.executable, "-m", "civiltime", "ingest"]
    rest = ["--release", "2026c", "-w", str(root)]
    ingests = [
        subprocess.Popen([*start, *source, *rest], stdout=subprocess.DEVNULL)
        for source in (["tzdb", "package"], ["tz-world", str(small_boundaries)])
    ]
    assert [p.wait() for p in ingests] == [0, 0]
    toml = (root / "civiltime.toml").read_text()
    assert 'tzdb = "2026c"' in toml
    assert 'tz_world = "2026c"' in toml
