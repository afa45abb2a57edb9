"""``perf compare`` and ``perf lock`` on a governed lane: one real A/A sitting, and what refuses.

No test asserts a speed: a change that helps or harms is written into a real sitting's timings.
"""

from __future__ import annotations

import json
import shutil
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Said
from tests.end_to_end.governed import LATER, REQUESTER, Lane

from civiltime.performance.artefacts import evidence, write_artefact
from civiltime.performance.budgets import open_budgets
from civiltime.performance.compare import compare
from civiltime.performance.sitting import medians
from civiltime.workspace.config import open_workspace
from civiltime.workspace.digest import sha256_file

BUILD = Path(sys.executable).parent
WIDE = """\
semver: 1.0.0
reference_sites: 31257
budgets:
  - {state: total, measure: wall_ms, target: 1e9, stretch: 1e9, per_million_sites: 0}
"""


@pytest.fixture(scope="module")
def sat_once(lane_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """A lane in which the same build sat against itself, and a baseline."""
    lane = Lane(lane_template / "workspace").copied(tmp_path_factory.mktemp("sitting"))
    _budgets(lane, WIDE)
    said = lane.cli(
        "perf", "compare", "--baseline", BUILD, "--candidate", BUILD / "civiltime",
        "--run", lane.run_id,
    )  # fmt: skip
    assert said.code in {0, 3}, said.err
    assert lane.cli("perf", "baseline", lane.run_id).code == 0
    return lane.root.parent, said


@pytest.fixture
def sat(sat_once: tuple[Path, Said], tmp_path: Path) -> Lane:
    """A fresh copy of it."""
    shutil.copytree(sat_once[0], tmp_path / "lane")
    return Lane(tmp_path / "lane" / "workspace")


def _budgets(lane: Lane, text: str) -> None:
    path = lane.root / "config/layer1/2A/performance/budgets.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def timings(lane: Lane, side: str) -> Path:
    """A side's timings."""
    (path,) = lane.reports.glob(f"segment2a_popt_timings_*_{side}.json")
    return path


def comparison(lane: Lane) -> Path:
    """The sitting's comparison."""
    (path,) = lane.reports.glob("segment2a_popt_comparison_*.json")
    return path


def baseline(lane: Lane) -> Path:
    """The POPT.0 baseline."""
    return lane.reports / f"segment2a_popt0_baseline_{lane.run_id}.json"


def improved(lane: Lane, factor: float = 0.5, **patch: Any) -> Path:
    """The sitting as if the candidate's times were the baseline's by a factor."""
    workspace = open_workspace(lane.root)
    before = json.loads(timings(lane, "baseline").read_bytes())
    after = {**deepcopy(before), "side": "candidate"}
    for row in (r["measures"][s] for r in after["rounds"] for s in r["measures"]):
        row["wall_ms"] *= factor
    after["medians"] = medians(after["rounds"])
    path = timings(lane, "candidate")
    write_artefact(path, after, "segment2a_popt_timings")
    names = {
        side: evidence(workspace.relative(p), sha256_file(p))
        for side in ("baseline", "candidate")
        for p in [timings(lane, side)]
    }
    old = json.loads(comparison(lane).read_bytes())
    document = compare(before, after, "total", open_budgets(workspace))
    document = {**document, **names, "generated_utc": old["generated_utc"], **patch}
    write_artefact(comparison(lane), document, "segment2a_popt_comparison")
    return comparison(lane)


def locked(lane: Lane, *more: str | Path) -> Said:
    """Try to lock the run."""
    return lane.cli(
        "perf", "lock", lane.run_id, "--baseline", baseline(lane),
        "--certification", lane.certification, *more,
    )  # fmt: skip


def held(said: Said) -> set[str]:
    """The conditions of a lock that don't hold."""
    assert said.code == 3, said.err
    assert (said.json["path"], said.json["lock"]["status"]) == (None, "HOLD")
    return {c["id"] for c in said.json["lock"]["conditions"] if not c["holds"]}


# ------------------------------------------------------------------------------ compare


def test_the_same_build_against_itself_is_equivalent_and_no_faster(
    sat_once: tuple[Path, Said],
) -> None:
    found = sat_once[1].json["comparison"]
    conditions = {c["id"]: c["holds"] for c in found["conditions"]}
    assert sat_once[1].code == 3
    assert found["decision"] == "HOLD"
    proved = {name for name, holds in conditions.items() if holds}
    assert {"equivalent", "downstream_green", "decision_parity"} <= proved
    assert "faster" not in proved
    assert found["differing"] == []
    assert found["builds"]["baseline"] == found["builds"]["candidate"]


def test_sides_alternate_and_publish_what_the_witness_run_did(sat: Lane) -> None:
    from civiltime.workspace.digest import digest_folder, partition_hash

    one, two = (json.loads(timings(sat, s).read_bytes()) for s in ("baseline", "candidate"))
    assert [r["turn"] for r in one["rounds"]] == [1, 2, 1, 2, 1, 2, 1]
    assert [r["turn"] for r in two["rounds"]] == [2, 1, 2, 1, 2, 1, 2]
    published = partition_hash(digest_folder(sat.folder / "data"))
    assert {r["outputs_sha256"] for t in (one, two) for r in t["rounds"]} == {published}


def test_judged_again_a_sitting_says_the_same(sat: Lane) -> None:
    before = json.loads(comparison(sat).read_bytes())
    said = sat.cli("perf", "compare", timings(sat, "candidate"), timings(sat, "baseline"))
    after = said.json["comparison"]
    assert said.code == 3
    assert {**after, "generated_utc": ""} == {**before, "generated_utc": ""}


@pytest.mark.parametrize(
    ("key", "value"),
    [("sitting_id", "f" * 32), ("machine", None), ("inputs", None), ("side", "baseline")],
)
def test_what_is_no_pair_is_refused(sat: Lane, key: str, value: str | None) -> None:
    document = json.loads(timings(sat, "candidate").read_bytes())
    if value is None:
        inner = "logical_cpus" if key == "machine" else "sites"
        document[key][inner] += 1
    else:
        document[key] = value
    other = sat.reports / "other.json"
    other.write_text(json.dumps(document))
    assert sat.cli("perf", "compare", timings(sat, "baseline"), other).error == "2A-PF-005"


@pytest.mark.parametrize("both", [False, True])
def test_altered_timings_are_refused(sat: Lane, both: bool) -> None:
    path = timings(sat, "candidate")
    document = json.loads(path.read_bytes())
    for row in document["rounds"]:
        row["measures"]["total"]["wall_ms"] /= 2
    if both:
        document["medians"] = medians(document["rounds"])
    path.write_text(json.dumps(document))
    assert sat.cli("perf", "compare", timings(sat, "baseline"), path).error == "2A-PF-004"


def test_a_build_that_cannot_run_is_refused(lane: Lane) -> None:
    said = lane.cli(
        "perf", "compare", "--baseline", BUILD, "--candidate", lane.root, "--run", lane.run_id
    )
    assert said.error == "2A-PF-007"
    said = lane.cli(
        "perf", "compare", "--baseline", BUILD, "--candidate", BUILD, "--run", lane.run_id,
        "--rounds", "6",
    )  # fmt: skip
    assert said.error == "2A-PF-006"


def test_an_incomplete_run_is_no_baseline(sat: Lane) -> None:
    (path,) = sat.folder.glob("reports/layer1/2A/state=S3/**/*_run_report.json")
    path.unlink()
    assert sat.cli("perf", "baseline", sat.run_id).error == "2A-PF-001"


# --------------------------------------------------------------------------------- lock


def test_green_locked_and_pinned(sat: Lane) -> None:
    said = locked(sat, "--comparison", improved(sat))
    assert said.code == 0, said.out
    assert said.json["lock"]["status"] == "GREEN_LOCKED"
    assert set(said.json["lock"]["checks"].values()) == {True}
    runs = sat.cli("runs", "list").json["runs"]
    assert [r["kept"] for r in runs if r["run_id"] == sat.run_id] == [True]
    again = locked(sat, "--comparison", comparison(sat))
    assert (again.code, again.json["lock"]) == (0, said.json["lock"])
    refused = sat.cli("perf", "compare", timings(sat, "baseline"), timings(sat, "candidate"))
    assert refused.error == "2A-PF-009"


def test_without_a_faster_chain_it_is_held_and_nothing_pinned(sat: Lane) -> None:
    assert held(locked(sat)) == {"runtime_material"}
    assert held(locked(sat, "--comparison", comparison(sat))) == {"runtime_material"}
    assert not list(sat.reports.glob("segment2a_popt4*"))


def test_a_changed_byte_holds_the_lock(sat: Lane) -> None:
    path = improved(sat)
    (table,) = sat.partition("site_timezones").glob("*.parquet")
    table.write_bytes(table.read_bytes()[:-1] + b"!")
    assert "structural_all_pass" in held(locked(sat, "--comparison", path))


def test_a_comparison_of_another_run_is_refused(sat: Lane) -> None:
    assert locked(sat, "--comparison", improved(sat, run_id="f" * 32)).error == "2A-PF-008"


def test_over_budget_stays_open_until_a_waiver_accepts_it(sat: Lane) -> None:
    _budgets(sat, WIDE.replace("1e9", "0.001"))
    path = improved(sat)
    assert "budget" in held(locked(sat, "--comparison", path))
    request = sat.asked(
        "waiver", "request", "--requester", REQUESTER, "--reason", "a test", "--state", "total",
        "--measure", "wall_ms", "--ceiling", "1e9", "--expires", LATER,
    )  # fmt: skip
    assert "budget" in held(locked(sat, "--comparison", path))
    sat.approved(request, "Cleo")
    said = sat.cli("perf", "compare", timings(sat, "baseline"), timings(sat, "candidate"))
    assert said.json["comparison"]["decision"] == "GO", said.json["comparison"]["reason"]
    said = locked(sat, "--comparison", path)
    assert said.code == 0, said.out
    assert [s["band"] for s in said.json["lock"]["standings"]] == ["AMBER"]
    assert [w["approver"] for w in said.json["lock"]["waivers"]] == ["Cleo"]
