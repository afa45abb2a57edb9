"""The demo: a workspace with real references and a stand-in upstream, and its runs.

The law: the same call finds the same upstream (the demo is deterministic) and the same
runs (by seed and fingerprint, where their receipts are still in the lane), so that calling
it twice proves write-once instead of piling up runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from civiltime.certify.certify import Certified, certify_runs, required_seeds
from civiltime.errors import CivilTimeError
from civiltime.programme.candidates import require_open_lane
from civiltime.reference.demo import Posture, demo_upstream
from civiltime.reference.demo_authorities import authorities_yaml, authority_reports
from civiltime.reference.ingest import ingest_tz_world, ingest_tzdb, under_codes, writing
from civiltime.reference.tz_world import open_table
from civiltime.states.chain import run_chain
from civiltime.states.context import Options
from civiltime.states.start import start_run
from civiltime.workspace.config import CONFIG_NAME, Workspace, init_workspace, open_workspace
from civiltime.workspace.digest import sha256_file
from civiltime.workspace.publish import replace_file
from civiltime.workspace.runs import Run, list_run_ids, open_run

RELEASE = "2026c"
Progress = Callable[[str, float], None]


def run_demo(
    folder: Path,
    posture: Posture,
    seeds: Sequence[int],
    sites: int,
    progress: Progress = lambda _label, _share: None,
) -> dict[int, tuple[Run, list[dict[str, Any]]]]:
    """Prepare the workspace, publish the upstream, run S0 to S5; runs and reports by seed.

    A frozen lane takes no new run from here either (2A-GV-040).
    """
    workspace = prepare(folder, progress)
    progress(f"{posture}: placing {sites:,} sites for {len(seeds)} seeds", 0.0)
    boundaries = workspace.path("tz_world_{release}", release=RELEASE)
    with under_codes(), writing(workspace):
        fingerprint = demo_upstream(
            workspace.upstream_root,
            posture,
            seeds,
            world=open_table(boundaries),
            sites=sites,
            sources={"tz_world": sha256_file(boundaries)},
        )
    progress(f"{posture}: upstream {fingerprint[:12]} published", 1.0)
    result = {}
    for seed in seeds:
        run_id = _earlier_run(workspace, seed, fingerprint)
        require_open_lane(workspace, run_id)
        run = start_run(workspace, seed, fingerprint=fingerprint, run_id=run_id)
        result[seed] = (
            run,
            run_chain(run, Options(progress=_labelled(progress, f"seed {seed}: "))),
        )
    return result


def certify_demo(
    folder: Path,
    runs: Mapping[int, Run],
    progress: Progress = lambda _label, _share: None,
) -> Certified | None:
    """Certify the demo's runs of the seeds that the policy requires; None without any."""
    workspace = open_workspace(folder)
    required = required_seeds(workspace)
    chosen = {seed: run.id for seed, run in runs.items() if seed in required}
    if not chosen:
        return None
    certified = certify_runs(workspace, chosen, progress=progress)
    progress(f"certified: {certified.verdict}", 1.0)
    return certified


def _labelled(progress: Progress, label: str) -> Progress:
    return lambda text, share: progress(label + text, share)


def prepare(folder: Path, progress: Progress) -> Workspace:
    """The demo's workspace: references of release 2026c, demo authorities pinned."""
    made = not (folder / CONFIG_NAME).is_file()
    workspace = init_workspace(folder) if made else open_workspace(folder)
    for ingest, name in ((ingest_tzdb, "tzdb"), (ingest_tz_world, "tz_world")):
        if workspace.pins.get(name) != RELEASE:
            progress(f"{name} {RELEASE}: reading the package", 0.0)
            workspace = ingest(workspace, "package", RELEASE).workspace
            progress(f"{name} {RELEASE} sealed", 1.0)
    if made:
        for path, data in authority_reports().items():
            replace_file(workspace.root / path, data)
        replace_file(workspace.path("authorities"), authorities_yaml())
    return workspace


def _earlier_run(workspace: Workspace, seed: int, fingerprint: str) -> str | None:
    """The lane's newest run of this seed and fingerprint, if there is one."""
    found: list[tuple[str, str]] = []
    for run_id in list_run_ids(workspace):
        try:
            receipt = open_run(workspace, run_id).receipt
        except CivilTimeError:
            continue
        if (receipt.seed, receipt.manifest_fingerprint) == (seed, fingerprint):
            found.append((receipt.created_utc, run_id))
    return max(found)[1] if found else None
