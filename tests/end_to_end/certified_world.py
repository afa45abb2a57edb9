"""A workspace of the whole world for certifications: four seeds of 12,000 sites, twice.

``stratified`` passes every gate at B+; ``collapsed`` fails all of realism.  Made once; a test works
on a copy in which big files that no test writes to are hard links.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Said, Small, _once

from civiltime.workspace.digest import self_digest
from civiltime.workspace.publish import people_json

SEEDS = (42, 7, 101, 202)
SITES = 12_000
LANE = "runs/fix-data-engine/segment_2A"
SHARED = ("cache", "reference", "upstream", "artefacts")


@dataclass
class World(Small):
    """The workspace, and the ids of its runs by posture and seed."""

    ids: dict[str, dict[int, str]] = field(default_factory=dict)

    def run_folder(self, run_id: str) -> Path:
        """A run's folder."""
        return self.root / LANE / run_id

    def named(self, posture: str = "stratified", **other: str) -> str:
        """``--runs`` for a posture; ``s7=...`` names another run for seed 7, '' none."""
        chosen = {f"s{seed}": run_id for seed, run_id in self.ids[posture].items()} | other
        return ",".join(f"{s[1:]}:{run_id}" for s, run_id in chosen.items() if run_id)

    def certify(self, *arguments: str | Path) -> Said:
        """``civiltime certify`` of the stratified runs, or of those that are named."""
        if "--runs" not in arguments:
            arguments = ("--runs", self.named(), *arguments)
        return self.cli("certify", *arguments)

    def again(self, seed: int, posture: str = "stratified") -> str:
        """A new run of a posture under the policies as they are now; its id."""
        fingerprint = self.receipt(self.ids[posture][seed])["manifest_fingerprint"]
        said = self.cli("run", "--seed", str(seed), "--fingerprint", fingerprint)
        found = max(
            self.root.glob(f"{LANE}/*/run_receipt.json"), key=lambda p: self._made(p.parent)
        )
        assert said.code == 0 or said.error.startswith("2A-S"), said.err
        return found.parent.name

    def _made(self, folder: Path) -> str:
        return str(self.receipt(folder.name)["created_utc"])

    def receipt(self, run_id: str) -> dict[str, Any]:
        """A run's receipt."""
        document: dict[str, Any] = json.loads(
            (self.run_folder(run_id) / "run_receipt.json").read_bytes()
        )
        return document

    def forge(self, run_id: str, state: str, change: Callable[[Any], object]) -> None:
        """Change a state's report and give it the digest that fits."""
        (path,) = self.run_folder(run_id).glob(f"reports/layer1/2A/state={state}/**/*.json")
        report = json.loads(path.read_bytes())
        del report["report_sha256"]
        change(report)
        path.write_bytes(people_json({**report, "report_sha256": self_digest(report)}))


def failing(document: Any) -> dict[str, set[str]]:
    """Ids of failing gates by seed."""
    found = {
        number: {g["id"] for g in entry["gates"] if g["band"] == "FAIL"}
        for number, entry in document["seeds"].items()
    }
    return {number: gates for number, gates in found.items() if gates}


def reason(said: Said, seed: int = 7) -> str:
    """Why the set fails, when that seed alone does."""
    assert said.code == 3, said.err
    document = said.json
    assert document["verdict"] == "FAIL_REALISM"
    verdicts = {s: e["verdict"] for s, e in document["seeds"].items()}
    assert verdicts.pop(str(seed)) == "FAIL_REALISM"
    assert set(verdicts.values()) == {"PASS_BPLUS"}
    why = str(document["seeds"][str(seed)]["reason"])
    assert why
    assert why in document["one_line"]
    return why


def make_world(folder: Path) -> None:
    """Both postures through the real chain, and one certification that fills the caches."""
    from civiltime.demo import certify_demo, run_demo

    root = folder / "workspace"
    runs = {p: run_demo(root, p, SEEDS, SITES) for p in ("collapsed", "stratified")}
    ids = {p: {s: run.id for s, (run, _) in found.items()} for p, found in runs.items()}
    certified = certify_demo(root, {s: run for s, (run, _) in runs["stratified"].items()})
    assert certified is not None
    shutil.rmtree(root / LANE / "reports")
    (folder / "ids.json").write_text(json.dumps(ids))


def copied_world(factory: pytest.TempPathFactory, to: Path) -> World:
    """A copy of the world, made at the first call."""
    template = _once(factory, "certified-world", make_world)
    root = template / "workspace"

    def copy(source: str, target: str) -> None:
        shared = Path(source).relative_to(root).parts[0] in SHARED
        (os.link if shared else shutil.copy2)(source, target)

    shutil.copytree(root, to, copy_function=copy)
    ids = json.loads((template / "ids.json").read_text())
    return World(to, ids={p: {int(s): r for s, r in found.items()} for p, found in ids.items()})


PREFERENCE = """overlap_preferences:
  - country: CN
    zones: [Asia/Shanghai, Asia/Urumqi]
    prefer: Asia/Urumqi            # for official Beijing time write Asia/Shanghai
    reason_code: LOCAL_PRACTICE
    owner: civiltime-defaults
    notes: Daily life in Xinjiang follows UTC+06:00; GeoNames lists its cities under Asia/Urumqi.
"""


def undecided_xinjiang(world: World) -> None:
    """One seed, and no preference: the sites that two Chinese zones claim stay undecided."""
    world.edit("certification.yaml", "[42, 7, 101, 202]", "[42]")
    world.edit("lookup.yaml", PREFERENCE, "overlap_preferences: []\n")


def uncapped(world: World) -> None:
    """Caps of the lookup that stop nothing; those of the certification still judge."""
    world.edit("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 0.5")
    world.edit("lookup.yaml", "rate: 0.02 ", "rate: 0.5 ")
    world.edit("lookup.yaml", "override_rate_cap: 0.0020", "override_rate_cap: 0.5")
