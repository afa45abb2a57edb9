"""P4, the decision: certified, or frozen with what stands in the way (specification 5.4)."""

from __future__ import annotations

from pathlib import Path

from civiltime.consumers.verify import verify_run
from civiltime.programme.blockers import STATUS, blockers
from civiltime.programme.evidence import named
from civiltime.programme.freeze import REOPEN_CONTRACT
from civiltime.programme.lane import posture
from civiltime.programme.ledger import read_ledger
from civiltime.programme.phases.condition import Condition, Phase, Proof
from civiltime.programme.phases.dossier import Dossier, OpenError
from civiltime.programme.retention import prunable
from civiltime.workspace.publish import people_json


def decided_on(dossier: Dossier) -> Path:
    """The certification that the lane is frozen on, or else the newest."""
    stands = posture(dossier.workspace, read_ledger(dossier.workspace))
    if stands.freeze is not None and stands.frozen:
        return dossier.workspace.root / str(stands.freeze["certification"]["path"])
    return dossier.newest()


def chain_verified(dossier: Dossier) -> Proof:
    """S0 to S5 of every required seed, every byte verified."""
    files: list[Path] = []
    for seed, run in dossier.runs.items():
        found = verify_run(run).findings
        if found:
            raise OpenError(f"seed {seed}: {found[0].code}: {found[0].message}")
        files += [run.path("run_receipt"), run.path("validation_passed_flag_2A")]
    return Proof(f"S0 to S5 verify on {len(dossier.runs)} seeds", files)


def results_published(dossier: Dossier) -> Proof:
    """Certification, metrics and tables are on the disk, as scoring again gives them."""
    files = list(dossier.tables.values())
    return Proof(f"{len(files)} artefacts", files)


def verdict_explicit(dossier: Dossier) -> Proof:
    """The aggregate verdict is one of three, and follows from the gates."""
    judged = dossier.judged
    if judged["verdict"] not in STATUS:
        raise OpenError(f"{judged['verdict']} is no verdict")
    return Proof(judged["one_line"], [dossier.subject])


def frozen_on_failure(dossier: Dossier) -> Proof:
    """A lane that fails is frozen on this certification; one that passes needn't be."""
    workspace, judged = dossier.workspace, dossier.judged
    if judged["verdict"] != "FAIL_REALISM":
        return Proof(f"not needed: {judged['verdict']}", [dossier.subject])
    stands = posture(workspace, read_ledger(workspace))
    if stands.freeze is None or not stands.frozen:
        raise OpenError("the lane fails and isn't frozen; run civiltime freeze")
    name, digest = named(workspace, dossier.subject)
    if dict(stands.freeze["certification"]) != {"path": name, "sha256_hex": digest}:
        raise OpenError("the lane is frozen on another certification")
    if people_json(stands.freeze["blockers"]) != people_json(blockers(judged)):
        raise OpenError("the freeze names other blockers than the certification has")
    if stands.freeze["reopen_contract"] != list(REOPEN_CONTRACT):
        raise OpenError("the freeze doesn't hold the contract of a reopen")
    told = f"{stands.freeze['status']}, {len(stands.freeze['blockers'])} blockers"
    return Proof(told, [workspace.path("segment2a_freeze")])


def storage_clean(dossier: Dossier) -> Proof:
    """Every run of the lane is kept for a reason."""
    rest = prunable(dossier.workspace)
    if rest:
        told = ", ".join(run.run_id[:8] for run in rest[:5])
        raise OpenError(f"{len(rest)} runs that nothing needs ({told}); run civiltime runs prune")
    files = [run.path("run_receipt") for run in dossier.runs.values()]
    return Proof("every run of the lane is kept for a reason", files)


PHASE = Phase(
    id="P4",
    title="decision",
    conditions=(
        Condition("full_chain", "S0 to S5 verified on every required seed", chain_verified),
        Condition("published", "Results are published", results_published),
        Condition("verdict", "The verdict is explicit", verdict_explicit),
        Condition("freeze", "On failure frozen, with blockers and contract", frozen_on_failure),
        Condition("retained", "Retained runs are explicit, storage is clean", storage_clean),
    ),
    subject=decided_on,
    decide=lambda dossier: STATUS[dossier.judged["verdict"]],
)
