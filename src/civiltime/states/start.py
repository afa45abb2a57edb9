"""Starting a run: find its upstream, make or open its receipt.

The law (specification 1.2, 2.4 and 5.1): a new run reads the clock once; a run id that
exists is opened, and must be of the seed (and fingerprint) that was asked for.
"""

from __future__ import annotations

from civiltime.errors import CivilTimeError
from civiltime.states.s0_before import POLICIES
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import digest_folder, document_digest, partition_hash, sha256_file
from civiltime.workspace.runs import RUN_ID, Run, create_run, open_run
from civiltime.workspace.upstream import find_fingerprint, resolved_parameter_hash


def start_run(
    workspace: Workspace,
    seed: int,
    *,
    fingerprint: str | None = None,
    run_id: str | None = None,
    role: str = "candidate",
) -> Run:
    """The run to execute: a new one, or the one that ``run_id`` names.

    Raises :class:`CivilTimeError`: 2A-WS-013 when the run is of another seed or
    fingerprint, 2A-WS-020 and 2A-WS-021 when the upstream can't be found.
    """
    if run_id is not None:
        if not RUN_ID.fullmatch(run_id):
            raise CivilTimeError(
                "2A-WS-011", f"{run_id!r} is not a run id (32 lowercase hex digits)", {}
            )
        if (workspace.lane_root / run_id / "run_receipt.json").exists():
            return _open_same(workspace, run_id, seed, fingerprint)
    found = find_fingerprint(workspace, seed, fingerprint)
    bundle = workspace.path("validation_bundle_1B", manifest_fingerprint=found)
    files = digest_folder(bundle) if bundle.is_dir() else []
    policies = {
        dataset_id: sha256_file(path)
        for dataset_id in POLICIES
        if (path := workspace.path(dataset_id)).is_file()
    }
    return create_run(
        workspace,
        seed=seed,
        manifest_fingerprint=found,
        # An upstream that doesn't state its parameters is known by ours.
        parameter_hash=resolved_parameter_hash(bundle) or document_digest(policies),
        upstream={"path": workspace.upstream, "bundle_sha256": partition_hash(files)},
        policies=policies,
        run_id=run_id,
        role=role,
    )


def _open_same(workspace: Workspace, run_id: str, seed: int, fingerprint: str | None) -> Run:
    run = open_run(workspace, run_id)
    receipt = run.receipt
    if receipt.seed != seed or fingerprint not in {None, receipt.manifest_fingerprint}:
        raise CivilTimeError(
            "2A-WS-013",
            f"run {run_id} is of seed {receipt.seed} and fingerprint "
            f"{receipt.manifest_fingerprint}",
            {"run_id": run_id, "seed": str(receipt.seed)},
        )
    return run
