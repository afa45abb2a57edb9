"""The contract of the command line: options, JSON, exit codes, streams, and what reads gives."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from tests.conftest import SEED, SITES_CSV, Small, civiltime
from typer.main import get_command

from civiltime.cli.app import app
from civiltime.contracts import error_codes

ID = "0" * 31 + "1"


def commands(command: object = None, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    """Every command of the application by its words."""
    command = command or get_command(app)
    below = getattr(command, "commands", None)
    if below is None:
        return {path: command}
    return {k: v for name, c in below.items() for k, v in commands(c, (*path, name)).items()}


COMMANDS = commands()


@pytest.mark.parametrize("words", sorted(COMMANDS), ids=" ".join)
def test_every_command_takes_a_workspace_and_json_and_explains_itself(
    words: tuple[str, ...],
) -> None:
    options = {o for p in COMMANDS[words].params for o in p.opts}  # type: ignore[attr-defined]
    assert {"--workspace", "-w", "--json"} <= options
    said = civiltime(*words, "--help")
    assert said.code == 0
    assert "Usage: civiltime " + " ".join(words) in said.out
    explained = said.out.split("Options:")[0].strip().splitlines()
    assert len(explained) > 1, "a command says what it does"
    assert max(map(len, said.out.splitlines())) <= 100
    for parameter in COMMANDS[words].params:  # type: ignore[attr-defined]
        assert getattr(parameter, "help", "") or parameter.metavar, parameter.name


def test_the_commands_that_the_house_promises_are_there() -> None:
    promised = (
        "demo|init|ingest tz-world|ingest tzdb|ingest sites|run|verify|read|lookup|runs list|"
        "runs show|errors"
    )
    assert {tuple(c.split()) for c in promised.split("|")} <= COMMANDS.keys()


def test_every_command_speaks_json(small_run: Small, tmp_path: Path) -> None:
    """Results on stdout, and nothing but one document."""
    (tmp_path / "sites.csv").write_text(SITES_CSV)
    said = {
        name: small_run.cli(*arguments)
        for name, arguments in {
            "run": ("run", "--seed", "42", "--run-id", ID),
            "verify": ("verify", ID),
            "read": ("read", ID, "--out", tmp_path / "out.csv"),
            "lookup": ("lookup", "47.3769", "8.5417"),
            "list": ("runs", "list"),
            "show": ("runs", "show", ID),
            "errors": ("errors",),
            "error": ("errors", "2a-s1-055"),
            "sites": ("ingest", "sites", tmp_path / "sites.csv", "--seed", "42"),
            "tzdb": ("ingest", "tzdb", "package", "--release", "2026c"),
        }.items()
    }
    assert {name: s.code for name, s in said.items() if s.code} == {}
    assert {name: s.err for name, s in said.items() if s.err} == {}
    run = said["run"].json
    assert run["counts"]["sites"] == 12
    assert run["states"].keys() == {"S0", "S1", "S2", "S3", "S4", "S5"}
    assert (run["run_id"], run["status"], run["warnings"]) == (ID, "pass", [])
    assert said["read"].json == {"run_id": ID, "rows": 12, "out": str(tmp_path / "out.csv")}
    assert [r["status"] for r in said["list"].json["runs"]] == ["pass"]
    assert said["show"].json["receipt"]["seed"] == SEED
    assert {e["code"] for e in said["errors"].json} == error_codes().keys()
    assert said["error"].json["name"] == "BORDER_AMBIGUITY_UNRESOLVED"
    assert said["sites"].json["sites"] == 12
    assert said["tzdb"].json["publish"] == "REUSE"


def test_init_speaks_json(tmp_path: Path) -> None:
    said = civiltime("init", tmp_path / "w", "--json")
    assert said.json == {"workspace": str(tmp_path / "w"), "ingested": []}


def test_without_json_people_read_tables_and_progress_is_on_stderr(small: Small) -> None:
    at = ("-w", small.root)
    said = civiltime("run", "--seed", "42", "--run-id", ID, *at)
    assert said.code == 0
    assert f"run {ID}: PASS" in said.out
    assert "S5 bundle" in said.err
    assert "\x1b" not in said.out + said.err
    assert ": PASS, " in civiltime("verify", ID, *at).out
    assert ID in civiltime("runs", "list", *at).out
    shown = civiltime("runs", "show", ID, *at).out
    assert all(state in shown for state in ("S0", "S1", "S2", "S3", "S4", "S5"))
    assert "Europe/Zurich  CH" in civiltime("lookup", "47.3769", "8.5417", *at).out
    assert "remedi" not in civiltime("errors", "2A-WS-010").out
    assert "RUN_LOCKED (abort)" in civiltime("errors", "2A-WS-010").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("run",),
        ("run", "--seed"),
        ("run", "--seed", "x"),
        ("run", "--seed", "-1"),
        ("run", "--seed", str(2**64)),
        ("run", "--seed", "1", "--batch-rows", "0"),
        ("run", "--seed", "1", "--engine", "spark"),
        ("run", "--seed", "1", "--surprise"),
        ("verify",),
        ("verify", ID, ID),
        ("read", ID, "--format", "xlsx"),
        ("lookup", "1"),
        ("lookup", "x", "y"),
        ("lookup", "1", "2", "--surprise"),
        ("lookup", "1", "2", "3"),
        ("errors", "2A-S9-999"),
        ("ingest",),
        ("ingest", "sites", "x.csv"),
        ("ingest", "sites", "x.csv", "--seed", "1", "--columns", "a=b=c"),
        ("ingest", "tzdb", "package"),
        ("demo", "--posture", "sideways"),
        ("demo", "--seeds", "1,x"),
        ("demo", "--seeds", ""),
        ("demo", "--sites", "0"),
        ("runs", "forget"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_2_and_says_how(arguments: tuple[str, ...]) -> None:
    said = civiltime(*arguments)
    assert said.code == 2
    assert "Usage: civiltime" in said.err + said.out or said.err.startswith("Error: Option")
    assert "Traceback" not in said.err
    assert not list(Path().iterdir())


def test_read_gives_the_published_table_in_every_format(small_run: Small) -> None:
    (part,) = small_run.partition("site_timezones").iterdir()
    published = pl.read_parquet(part)
    assert published.height == 12
    at = ("-w", small_run.root)
    for kind in ("parquet", "csv", "arrow"):
        said = civiltime("read", ID, "--format", kind, "--out", f"out.{kind}", *at)
        assert said.code == 0, said.err
    assert pl.read_parquet("out.parquet").equals(published)
    assert pl.read_ipc("out.arrow").equals(published)
    with pa.OSFile("out.arrow") as stream:
        assert pyarrow.ipc.open_file(stream).read_all().num_rows == 12
    assert pq.read_table("out.parquet").column_names == published.columns
    assert pl.read_csv("out.csv", schema=published.schema).equals(published)
    stdout = civiltime("read", ID, *at).out
    assert stdout == Path("out.csv").read_text()
    rows = list(csv.DictReader(stdout.splitlines()))
    assert rows[-1]["merchant_id"] == "18446744073709551615"
    assert [r["tzid"] for r in rows if r["merchant_id"] == "3"][-2:] == [
        "Asia/Jerusalem",
        "Asia/Hebron",
    ]


def test_read_wants_a_file_for_what_is_not_text(small_run: Small) -> None:
    for arguments in (("--format", "parquet"), ("--format", "arrow"), ("--json",)):
        assert civiltime("read", ID, *arguments, "-w", small_run.root).code == 2
    said = small_run.cli("read", ID, "--out", "no/such/folder/out.csv")
    assert said.code in {0, 1}
    said = small_run.cli("read", ID, "--out", small_run.root)
    assert (said.code, said.error) == (1, "2A-WS-004")


def test_running_twice_makes_two_runs_of_the_same_zones(small: Small) -> None:
    first, second = (small.cli("run", "--seed", "42").json for _ in range(2))
    assert first["run_id"] != second["run_id"]
    listed = small.cli("runs", "list").json["runs"]
    assert [r["run_id"] for r in listed] == [first["run_id"], second["run_id"]]
    tables = []
    for run in (first, second):
        assert small.cli("read", run["run_id"], "--out", "out.csv").code == 0
        tables.append(pl.read_csv("out.csv").drop("created_utc"))
    assert tables[0].equals(tables[1])


def test_runs_shows_what_failed_and_what_is_missing(small: Small) -> None:
    small.chain("S0", "S1")
    assert [r["status"] for r in small.cli("runs", "list").json["runs"]] == ["incomplete"]
    small.edit("lookup.yaml", "sample_limit: 10", "sample_limit: 9")
    assert small.run().code == 1
    (row,) = small.cli("runs", "list").json["runs"]
    assert row["status"].startswith("fail 2A-S0-")
    assert row["status"].split()[1] in civiltime("runs", "show", ID, "-w", small.root).out
    (small.folder / "run_receipt.json").write_text("{}")
    (row,) = small.cli("runs", "list").json["runs"]
    assert row["status"] == "2A-WS-012"
    assert small.cli("runs", "show", ID).error == "2A-WS-012"


def test_an_empty_lane_has_no_runs(small: Small) -> None:
    assert small.cli("runs", "list").json == {"runs": []}
    (small.root / "runs/fix-data-engine/segment_2A/reports").mkdir(parents=True)
    assert civiltime("runs", "list", "-w", small.root).code == 0


def test_a_lookup_takes_negative_numbers_and_names_every_candidate(small: Small) -> None:
    found = small.cli("lookup", "32.1046", "35.1745").json
    assert {c["tzid"]: c["country"] for c in found["candidates"]} == {
        "Asia/Hebron": "PS",
        "Asia/Jerusalem": "IL",
    }
    assert all(len(c["transitions"]) == 2 for c in found["candidates"])
    for arguments in (("-33.87", "-151.21"), ("--", "-33.87", "-151.21"), ("-0", "-.5")):
        said = civiltime("lookup", "-w", small.root, *arguments)
        assert (said.code, said.out) == (0, "no zone covers this point\n"), said.err
    assert small.cli("lookup", "-1e1", "-1e-7").json["candidates"] == []
    for arguments in (("-90.01", "0"), ("0", "180.5"), ("nan", "0"), ("0", "-inf")):
        refusal = small.cli("lookup", *arguments)
        assert refusal.error == "2A-S1-056"
        assert "there is no place at latitude" in refusal.json["error"]["message"]


def test_a_lookup_in_damaged_boundaries_blames_them(small: Small) -> None:
    (path,) = small.root.rglob("tz_world.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    assert small.cli("lookup", "47", "8").error == "2A-S1-020"


def test_a_lookup_without_releases_says_what_to_ingest(tmp_path: Path) -> None:
    assert civiltime("init", tmp_path / "w").code == 0
    said = civiltime("lookup", "47", "8", "-w", tmp_path / "w", "--json")
    assert said.error == "2A-S0-010"
    assert "tz_world" in said.json["error"]["message"]
    toml = tmp_path / "w/civiltime.toml"
    toml.write_text(toml.read_text() + 'tz_world = "2026c"\ntzdb = "2026c"\n')
    said = civiltime("lookup", "47", "8", "-w", tmp_path / "w", "--json")
    assert said.error == "2A-S0-010", said.out
    assert said.json["error"]["message"].startswith("reference/spatial/tz_world/2026c")


def test_columns_of_any_name_and_others_left_out(small: Small, tmp_path: Path) -> None:
    head, rest = SITES_CSV.split("\n", 1)
    theirs = "shop,country,nr,x,y,comment"
    text = theirs + "\n" + rest.replace("\n", ",hello\n")
    (tmp_path / "theirs.csv").write_text(text)
    columns = ",".join(f"{o}={t}" for o, t in zip(head.split(","), theirs.split(","), strict=False))
    ingest = ("ingest", "sites", tmp_path / "theirs.csv", "--seed", "42", "--columns", columns)
    assert small.cli(*ingest).error == "2A-IN-005"
    said = small.cli(*ingest, "--ignore-extra")
    assert said.code == 0, said.out
    mf = said.json["manifest_fingerprint"]
    parts = {p.read_bytes() for p in small.upstream.rglob("part-*.parquet")}
    assert len(parts) == 1, "the same rows are the same bytes"
    assert small.cli("run", "--seed", "42", "--fingerprint", mf).json["counts"]["sites"] == 12


def test_a_bug_is_said_under_a_code(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    import civiltime.workspace.runs as module

    def broken(_workspace: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(module, "list_run_ids", broken)
    said = small.cli("runs", "list")
    assert (said.code, said.error) == (1, "2A-WS-030")
    assert "RuntimeError at test_command_line.py" in said.json["error"]["message"]
    assert "Traceback" not in said.err


def pipe(small: Small, *arguments: str, stderr: int = subprocess.PIPE) -> tuple[int, bytes]:
    """Run a command whose reader leaves after one line; exit status and stderr."""
    command = [sys.executable, "-m", "civiltime", *arguments, "-w", str(small.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read() if process.stderr else b""
        return process.wait(), said


@pytest.mark.slow
def test_a_reader_that_leaves_hears_no_complaint(small: Small, tmp_path: Path) -> None:
    rows = "".join(f"{n},CH,1,7.4474,46.948\n" for n in range(1, 20_001))
    (tmp_path / "many.csv").write_text(SITES_CSV.split("\n")[0] + "\n" + rows)
    assert small.cli("ingest", "sites", tmp_path / "many.csv", "--seed", "7").code == 0
    assert small.cli("run", "--seed", "7", "--run-id", ID).code == 0
    assert pipe(small, "read", ID) == (141, b"")
    assert pipe(small, "errors", "--json")[1] == b""


@pytest.mark.slow
def test_a_run_nobody_listens_to_is_completed(small: Small) -> None:
    """Its progress goes into a closed pipe as well."""
    pipe(small, "run", "--seed", "42", "--run-id", ID, stderr=subprocess.STDOUT)
    assert small.cli("verify", ID).code == 0


@pytest.mark.slow
def test_help_comes_at_once_and_importing_costs_nothing() -> None:
    """The best of five, for machines that are busy."""

    def best(*arguments: str) -> float:
        spans = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            spans.append(time.perf_counter() - start)
        return min(spans)

    nothing = best("-c", "pass")
    assert best("-c", "import civiltime") - nothing < 0.1
    assert best("-m", "civiltime", "--help") - nothing < 0.5
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "civiltime", "--help"],
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    for heavy in ("polars", "pyarrow", "numpy", "shapely", "numba", "jsonschema"):
        assert f" {heavy}\n" not in loaded


def test_json_of_an_error_is_the_whole_story(small: Small) -> None:
    said = small.cli("verify", "f" * 32)
    error = json.loads(said.out)["error"]
    keys = {"code", "name", "state", "effect", "message", "remediation", "context"}
    assert error.keys() == keys
