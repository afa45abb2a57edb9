"""POPT.4: the integrated run, locked as the performance authority or held.

The law (specification 5.7): ``GREEN_LOCKED`` needs all of these:

1. *runtime_material*: the paired comparison of this run is a GO, the wall time of its whole chain
   is less by more than the margin, and its candidate published what the run did;
2. *structural_all_pass*: everything on the disk verifies, every structural gate holds, and a
   certification that is given is what scoring its runs again gives;
3. *governance_no_regression*: no governance gate fails, and neither the fallback nor the override
   rate is greater than that of the baseline run;
4. *budget*: no budget is open; one that a waiver accepts is named.

Otherwise ``HOLD`` says what is missing, and nothing is written: a file of this kind pins its runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from civiltime.certify.certify import read_certification, score
from civiltime.consumers.verify import Verification, verify_run
from civiltime.errors import CivilTimeError, Invalid
from civiltime.performance.artefacts import Evidence, evidence
from civiltime.performance.baseline import measure as read_reports
from civiltime.performance.baseline import read_baseline
from civiltime.performance.budgets import Budgets, open_budgets, standing_document, standings
from civiltime.performance.compare import Condition, budget_condition, condition
from civiltime.performance.judge import LOCK, read_comparison
from civiltime.programme.decisions import ApprovedWaiver, approved_waivers
from civiltime.programme.evidence import named
from civiltime.programme.phases.dossier import OpenError, Scores
from civiltime.workspace.clock import now_utc
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import digest_folder, partition_hash
from civiltime.workspace.publish import people_json, publish_file
from civiltime.workspace.runs import Run, open_run
from civiltime.workspace.shape import check_document

UNRELATED = "2A-PF-008"
RATES = ("fallback_rate", "override_rate")
Document = Mapping[str, Any]


def lock(
    workspace: Workspace,
    run_id: str,
    baseline: Path,
    comparison: Path | None = None,
    certification: Path | None = None,
) -> tuple[dict[str, Any], Path | None]:
    """Judge the integrated run; its document, and the file where it is locked.

    2A-PF-001 for an incomplete run, 2A-PF-004 and 2A-PF-010 where evidence was altered or doesn't
    follow any more, 2A-PF-008 where it is about something else, 2A-PF-009 where the run has
    another lock.
    """
    now, run = now_utc(), open_run(workspace, run_id)
    before, baseline_name = read_baseline(workspace, baseline)
    if before["manifest_fingerprint"] != run.receipt.manifest_fingerprint:
        raise _unrelated(f"the baseline is of another upstream than run {run.id}")
    compared, comparison_name = (
        (None, None) if comparison is None else read_comparison(workspace, comparison)
    )
    certified, certification_name = _certification(workspace, run, certification)
    verification = verify_run(run)
    budgets = open_budgets(workspace)
    waivers = approved_waivers(workspace, now)
    judged = _standings(compared, budgets, waivers)
    outputs = partition_hash(digest_folder(run.folder / "data"))
    conditions = [
        runtime_material(compared, run.id, outputs),
        structural_all_pass(verification, certified, _unproved(workspace, certification_name)),
        governance_no_regression(
            certified, rates(run), rates(open_run(workspace, before["run_id"]))
        ),
        budget_condition(judged),
    ]
    used = {row["waiver"] for row in judged}
    document = {
        "segment": "2A",
        "run_id": run.id,
        "seed": str(run.receipt.seed),
        "manifest_fingerprint": run.receipt.manifest_fingerprint,
        "flag_sha256_hex": verification.flag_sha256_hex,
        "status": "GREEN_LOCKED" if all(c["holds"] for c in conditions) else "HOLD",
        "checks": {c["id"]: c["holds"] for c in conditions[:3]},
        "conditions": conditions,
        "runtime": _runtime(compared, before),
        "standings": judged,
        "budgets": budgets.document(),
        "waivers": [_waiver(w) for w in waivers if w.id in used],
        "evidence": {
            "baseline": baseline_name,
            "comparison": comparison_name,
            "certification": certification_name,
        },
        "generated_utc": compared["generated_utc"] if compared else now,
    }
    return document, _pin(workspace, document)


def _pin(workspace: Workspace, document: dict[str, Any]) -> Path | None:
    """Write a lock, once; nothing for a HOLD."""
    if document["status"] != "GREEN_LOCKED":
        return None
    path = workspace.path(LOCK, run_id=document["run_id"])
    check_document(document, LOCK, path.name)
    try:
        publish_file(path, people_json(document))
    except Invalid:
        where = workspace.relative(path)
        raise CivilTimeError(
            "2A-PF-009", f"{where} locks this run already, with other content", {"path": where}
        ) from None
    return path


# ------------------------------------------------------------------------- the three checks


def runtime_material(compared: Document | None, run_id: str, outputs: str) -> Condition:
    """The whole chain is faster, in a paired sitting on what this run published."""
    if compared is None:
        return condition("runtime_material", ["no paired comparison is given"], "")
    if compared["run_id"] != run_id:
        raise _unrelated(f"the comparison is of run {compared['run_id']}, not of {run_id}")
    (total,) = (
        m for m in compared["measures"] if (m["state"], m["measure"]) == ("total", "wall_ms")
    )
    share = "" if total["ratio"] is None else f", {total['ratio'] - 1:+.1%}"
    figures = (
        f"the whole process takes {total['candidate']:,.0f} ms for {total['baseline']:,.0f}{share}"
    )
    problems = []
    if total["verdict"] != "less":
        problems.append(f"{figures}: {total['verdict']}")
    if compared["decision"] != "GO":
        problems.append(f"the comparison is on HOLD ({compared['reason']})")
    if compared["candidate_outputs_sha256"] != outputs:
        problems.append("the candidate build published other bytes than this run")
    return condition("runtime_material", problems, figures)


def structural_all_pass(
    verification: Verification, certified: Document, unproved: Sequence[str] = ()
) -> Condition:
    """Everything on the disk verifies, every structural gate holds, and scoring again says so."""
    problems = [f"{f.code} {f.message}" for f in verification.findings[:3]]
    problems += [*unproved, *_failing(certified, "structure")]
    proof = f"{verification.files_verified} files verify, every structural gate holds"
    return condition("structural_all_pass", problems, proof)


def governance_no_regression(
    certified: Document, now: Mapping[str, float], before: Mapping[str, float]
) -> Condition:
    """No governance gate fails, and no rate rose."""
    problems = _failing(certified, "governance")
    problems += [f"{r} rose from {before[r]:g} to {now[r]:g}" for r in RATES if now[r] > before[r]]
    proof = ", ".join(f"{r} {before[r]:g} to {now[r]:g}" for r in RATES)
    return condition("governance_no_regression", problems, proof)


def _failing(certified: Document, axis: str) -> list[str]:
    found = []
    for seed, entry in certified["seeds"].items():
        gates = [g for g in entry["gates"] if g["axis"] == axis]
        if not gates:
            found.append(f"seed {seed}: {entry['reason'] or f'no gate of {axis} was judged'}")
        found += [f"seed {seed}: {g['id']} fails" for g in gates if g["band"] == "FAIL"]
    return found


def rates(run: Run) -> dict[str, float]:
    """The rates that a complete run reported; 2A-PF-001 where it isn't complete."""
    governance = read_reports(run).reports["S1"]["governance"]
    return {name: float(governance[name]) for name in RATES}


# ----------------------------------------------------------------------------- evidence


def _certification(
    workspace: Workspace, run: Run, path: Path | None
) -> tuple[Document, Evidence | None]:
    """The certification that is given, or the run's own seed scored now."""
    seed = str(run.receipt.seed)
    if path is None:
        document = score(workspace, {run.receipt.seed: run.id}).document
        return {"seeds": {seed: document["seeds"][seed]}}, None
    name, digest = named(workspace, path, "2A-PF-004")
    document = read_certification(workspace.root / name, "2A-PF-004")
    if document["seeds"].get(seed, {}).get("run_id") != run.id:
        raise _unrelated(f"{name} doesn't certify run {run.id}")
    return document, evidence(name, digest)


def _unproved(workspace: Workspace, certification: Evidence | None) -> list[str]:
    """Why a certification isn't what scoring its runs again gives; nothing where it is."""
    if certification is None:
        return []
    try:
        Scores(workspace).proved(workspace.root / certification["path"])
    except OpenError as why:
        return [str(why)]
    return []


def _unrelated(why: str) -> CivilTimeError:
    return CivilTimeError(UNRELATED, why)


def _standings(
    compared: Document | None, budgets: Budgets, waivers: Sequence[ApprovedWaiver]
) -> list[dict[str, Any]]:
    if compared is None:
        return []
    values = {(m["state"], m["measure"]): float(m["candidate"]) for m in compared["measures"]}
    judged = standings(budgets, values, compared["inputs"]["sites"], waivers)
    return [standing_document(s) for s in judged]


def _runtime(compared: Document | None, before: Document) -> dict[str, Any]:
    rows = compared["measures"] if compared else ()
    total = next((m for m in rows if (m["state"], m["measure"]) == ("total", "wall_ms")), None)
    return {
        "baseline_ms": total["baseline"] if total else None,
        "candidate_ms": total["candidate"] if total else None,
        "ratio": total["ratio"] if total else None,
        "authority_ms": before["total"]["wall_ms"],
    }


def _waiver(waiver: ApprovedWaiver) -> dict[str, Any]:
    names = ("id", "state", "measure", "ceiling", "approver", "expires_utc")
    return {name: getattr(waiver, name) for name in names}
