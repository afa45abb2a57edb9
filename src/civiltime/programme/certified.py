"""What a freeze rests on: a certification that is sound, and the runs that it judged.

The law (specification 5.4 and 5.5): decisions are proved from artefacts.  A certification is what
was written, under the policy that its runs sealed, of exactly the seeds that this policy
requires, with the verdict that its gates add up to; and every run is still what was certified.
Anything else is 2A-GV-042.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from civiltime.certify.certify import read_certification
from civiltime.consumers.verify import Verification, verify_gate
from civiltime.errors import CivilTimeError, Invalid
from civiltime.policy.certification import parse_certification_policy
from civiltime.programme.blockers import STATUS, blockers
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.runs import Run, open_run

NONE = "2A-GV-042"
POLICY = "certification_policy"
RANK = tuple(reversed(STATUS))
"""Verdicts from the worst to the best."""

Certification = Mapping[str, Any]


def read_certified(workspace: Workspace, path: Path) -> Certification:
    """A sound certification of the lane's required seeds."""
    judged = read_certification(path, NONE)
    try:
        raw = workspace.path(POLICY).read_bytes()
        required = parse_certification_policy(raw).required_seeds
    except (OSError, Invalid) as error:
        raise CivilTimeError(NONE, f"{POLICY}: {error}") from None
    if sha256_bytes(raw) != judged["policy"]["sha256_hex"]:
        raise CivilTimeError(NONE, f"{path.name} was judged by another certification.yaml")
    if set(judged["seeds"]) != {str(seed) for seed in required}:
        raise CivilTimeError(NONE, f"{path.name} isn't of the seeds that the policy requires")
    if judged["verdict"] != _verdict(judged):
        raise CivilTimeError(
            NONE, f"{path.name} says {judged['verdict']}, its gates say {_verdict(judged)}"
        )
    return judged


def _verdict(judged: Certification) -> str:
    """What the gates add up to."""
    seeds = judged["seeds"].values()
    bands = {gate["band"] for seed in seeds for gate in seed["gates"]}
    bands |= {gate["band"] for gate in judged["gates"]}
    scored = {i["seed"] for i in judged["inputs"]}
    if "FAIL" in bands or set(judged["seeds"]) - scored:
        return "FAIL_REALISM"
    return "PASS_B" if "B" in bands else "PASS_BPLUS"


def best_certified(workspace: Workspace) -> Path:
    """The lane's certification with the best verdict; of equals the least short, then the last."""
    pattern = workspace.path("segment2a_certification", runset="*")
    found, unsound = [], ""
    for path in sorted(pattern.parent.glob(pattern.name)):
        try:
            judged = read_certified(workspace, path)
        except CivilTimeError as error:
            unsound = f" that is sound: {error.message}"
            continue
        rank = RANK.index(judged["verdict"])
        found.append((rank, -len(blockers(judged)), judged["generated_utc"], path))
    if not found:
        raise CivilTimeError(NONE, f"{workspace.lane} has no certification{unsound}")
    return max(found)[3]


def certified_runs(workspace: Workspace, judged: Certification) -> dict[str, Run | None]:
    """The run of each seed, its gate verified to be what was certified; None where it has none."""
    stated = {i["seed"]: i["flag_sha256_hex"] for i in judged["inputs"]}
    policy = judged["policy"]["sha256_hex"]
    return {
        seed: _certified_run(workspace, seed, entry["run_id"], stated[seed], policy)
        if seed in stated
        else None
        for seed, entry in judged["seeds"].items()
    }


def _certified_run(
    workspace: Workspace, seed: str, run_id: str, flag_sha256_hex: str, policy_sha256_hex: str
) -> Run:
    try:
        run = open_run(workspace, run_id)
    except CivilTimeError as error:
        raise CivilTimeError(NONE, f"seed {seed}: {error.message}", {"seed": seed}) from None
    result = Verification(run.id)
    verify_gate(run, result)
    why = result.findings[0].message if result.findings else ""
    if result.flag_sha256_hex != flag_sha256_hex:
        why = why or "its flag is another one"
    elif run.receipt.policies.get(POLICY) != policy_sha256_hex:
        why = why or "it sealed another certification.yaml"
    if why:
        raise CivilTimeError(
            NONE, f"seed {seed}: run {run.id} isn't what was certified: {why}", {"run_id": run.id}
        )
    return run
