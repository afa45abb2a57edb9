"""``civiltime certify``: choose the runs, gather, judge, write.

The law (specification 4): everything comes from run artefacts, the sealed policy and the lane's
approved exceptions; the same artefacts give the same bytes; a run that can't be scored fails its
seed and stops nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from civiltime.certify.certification import (
    Document,
    JudgedSeed,
    SealedPolicy,
    certification,
    seed_metrics,
)
from civiltime.certify.evidence import POLICY, SeedEvidence, World, gather, open_world
from civiltime.certify.movement import movement
from civiltime.certify.reality import open_reality
from civiltime.certify.tables import SCHEMA, country_table, parse_country_table
from civiltime.certify.writing import write_certification
from civiltime.errors import CivilTimeError, Invalid
from civiltime.policy.certification import parse_certification_policy
from civiltime.programme.decisions import approved_exceptions
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import self_digest, sha256_bytes
from civiltime.workspace.publish import people_json, staging
from civiltime.workspace.runs import RUN_ID, Run, list_run_ids, open_run
from civiltime.workspace.shape import check_document
from civiltime.workspace.tables import part_name, write_table

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Scored:
    """A certification and the bytes of its artefacts, by dataset id, in order of writing."""

    document: Document
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Certified:
    """A certification that was written, and where."""

    document: Document
    path: Path

    @property
    def verdict(self) -> str:
        """``PASS_BPLUS``, ``PASS_B`` or ``FAIL_REALISM``."""
        return str(self.document["verdict"])


def certify_runs(
    workspace: Workspace,
    runs: Mapping[int, str] | None = None,
    baseline: Path | None = None,
    *,
    progress: Progress = lambda _label, _share: None,
) -> Certified:
    """Score the required seeds and write the artefacts of specification 4.5.

    Arguments and codes as for :func:`score`; 2A-CT-006 where the lane is frozen on another
    certification of these runs.
    """
    scored = score(workspace, runs, baseline, progress=progress)
    path = write_certification(workspace, scored.document["runset"], scored.files)
    return Certified(scored.document, path)


def score(
    workspace: Workspace,
    runs: Mapping[int, str] | None = None,
    baseline: Path | None = None,
    *,
    exceptions: Collection[str] | None = None,
    progress: Progress = lambda _label, _share: None,
) -> Scored:
    """Score the required seeds; the artefacts in memory, nothing is written beside the cache.

    ``runs`` names a run for each seed; without it the newest run of each required seed is
    taken, of the universe (manifest_fingerprint) that ran last.  ``exceptions`` names the
    approved exceptions that may be used, by id; without it all that hold.  One holds for runs
    that were made before it expired, so that no clock but theirs is asked.  Raises
    :class:`CivilTimeError`: 2A-CT-001 where no run can be opened, 2A-CT-002 where the policy
    isn't the sealed one, 2A-CT-003 for a baseline that is none, 2A-CT-005 for other seeds
    than the policy requires and for what is no run id; 2A-GV-002, 003, 030 and 041 where the
    lane has approved exceptions and nobody can tell whether they hold.
    """
    policy = _policy(workspace)
    seeds = policy.rules.required_seeds
    chosen = newest_runs(workspace, seeds) if runs is None else dict(runs)
    strange = sorted(chosen.keys() - set(seeds))
    if strange:
        raise CivilTimeError(
            "2A-CT-005", f"the policy doesn't require seed {strange[0]}", {"seeds": list(strange)}
        )
    for run_id in chosen.values():  # it becomes part of a file's name
        if not RUN_ID.fullmatch(run_id):
            message = f"{run_id[:100]!r} is not a run id (32 lowercase hex digits)"
            raise CivilTimeError("2A-CT-005", message, {"run_id": run_id[:100]})
    opened, evidence = _open(workspace, chosen)
    if not opened:
        reasons = "; ".join(f"seed {s}: {e.reason}" for s, e in evidence.items())
        wanted = ", ".join(map(str, seeds))
        none = f"{workspace.lane} has no run of a seed that the policy requires: {wanted}"
        raise CivilTimeError("2A-CT-001", reasons or none)
    _require_sealed(opened.values(), policy)
    fingerprint = _common_fingerprint([opened[s] for s in seeds if s in opened])
    for seed, run in opened.items():
        progress(f"certify: verifying and scoring seed {seed}", 0.5)
        evidence[seed] = gather(seed, run, fingerprint, policy.sha256_hex)
    absent = "no run of this seed"
    generated_utc = max(run.receipt.created_utc for run in opened.values())
    granted = [] if exceptions == frozenset() else approved_exceptions(workspace, generated_utc)
    ordered = [evidence.get(s) or SeedEvidence(s, reason=absent) for s in seeds]
    world = _world(opened, ordered)
    document, judged = certification(
        ordered,
        policy,
        world.topology if world else {},
        open_reality(world.zones, world.sha256_hex, workspace.cache) if world else None,
        runset="_".join(f"{s}-{chosen[s][:8]}" for s in seeds if s in chosen),
        generated_utc=generated_utc,
        exemptions=[e for e in granted if exceptions is None or e.id in exceptions],
    )
    if baseline is not None:
        progress("certify: comparing with the baseline", 0.5)
        document["movement"] = _movement(baseline, document["runset"], judged, policy)
    return _artefacts(workspace, document, judged, policy)


def newest_runs(workspace: Workspace, seeds: Sequence[int]) -> dict[int, str]:
    """The newest run of each seed, of the fingerprint whose run is the newest of all."""
    receipts = []
    for run_id in list_run_ids(workspace):
        try:
            receipt = open_run(workspace, run_id).receipt
        except CivilTimeError:
            continue
        if receipt.seed in seeds:
            receipts.append(receipt)
    if not receipts:
        return {}
    receipts.sort(key=lambda r: (r.created_utc, r.run_id))
    fingerprint = receipts[-1].manifest_fingerprint
    found = {r.seed: r.run_id for r in receipts if r.manifest_fingerprint == fingerprint}
    return {seed: found[seed] for seed in seeds if seed in found}


def required_seeds(workspace: Workspace) -> tuple[int, ...]:
    """The seeds that a certification needs; 2A-CT-002 where the policy can't be read."""
    return _policy(workspace).rules.required_seeds


def _policy(workspace: Workspace) -> SealedPolicy:
    path = workspace.path(POLICY)
    try:
        raw = path.read_bytes()
        return SealedPolicy(parse_certification_policy(raw), sha256_bytes(raw))
    except OSError as error:
        why = f"{workspace.relative(path)}: {error.strerror}"
    except Invalid as finding:
        why = finding.message
    raise CivilTimeError("2A-CT-002", why, {"path": workspace.relative(path)})


def _open(
    workspace: Workspace, chosen: Mapping[int, str]
) -> tuple[dict[int, Run], dict[int, SeedEvidence]]:
    opened: dict[int, Run] = {}
    refused: dict[int, SeedEvidence] = {}
    for seed, run_id in chosen.items():
        try:
            opened[seed] = open_run(workspace, run_id)
        except CivilTimeError as error:
            refused[seed] = SeedEvidence(seed, run_id, f"{error.code}: {error.message}")
    return opened, refused


def _require_sealed(runs: Any, policy: SealedPolicy) -> None:
    sealed = {run.receipt.policies.get(POLICY) for run in runs}
    if policy.sha256_hex not in sealed:
        raise CivilTimeError(
            "2A-CT-002",
            "certification.yaml isn't the one that these runs sealed "
            f"({', '.join(sorted(str(s)[:12] for s in sealed))}… then, "
            f"{policy.sha256_hex[:12]}… now)",
        )


def _common_fingerprint(runs: Sequence[Run]) -> str:
    """That of most runs; of equals, that of the seed that the policy names first."""
    return Counter(run.receipt.manifest_fingerprint for run in runs).most_common(1)[0][0]


def _world(opened: Mapping[int, Run], seeds: Sequence[SeedEvidence]) -> World | None:
    """The boundaries of the first seed that could be scored."""
    for evidence in seeds:
        if evidence.scored:
            run = opened[evidence.seed]
            rows = json.loads(run.path("sealed_inputs_2A").read_bytes())
            return open_world(run, {row["asset_id"]: row for row in rows})
    return None


# ---------------------------------------------------------------------------- baseline


def _movement(
    path: Path, runset: str, judged: Sequence[JudgedSeed], policy: SealedPolicy
) -> Document:
    before = read_certification(path, "2A-CT-003")
    if before["runset"] == runset:  # it is about to be replaced by what is compared with it
        raise CivilTimeError(
            "2A-CT-003", f"{path.name} is of the same runs; compare with one of other runs"
        )
    rows = read_country_table(path, before, "2A-CT-003").filter("c_multi").to_dicts()
    now = country_table([j.evidence for j in judged], policy.rules).to_pylist()
    metrics = [seed["metrics"] for seed in before["seeds"].values() if seed["metrics"]]
    return {
        "baseline": {
            "runset": before["runset"],
            "verdict": before["verdict"],
            "certification_sha256": before["certification_sha256"],
        },
        **movement(
            [row for row in now if row["c_multi"]],
            rows,
            [j.metrics for j in judged if j.metrics],
            metrics,
        ),
    }


def read_certification(path: Path, code: str = "2A-CT-004") -> Document:
    """A certification as it was written; :class:`CivilTimeError` (``code``) where it isn't."""
    try:
        document: Document = json.loads(path.read_bytes())
        check_document(document, "segment2a_certification", path.name)
        claimed = document.pop("certification_sha256")
        if claimed != self_digest(document):
            raise Invalid(f"{path.name} was changed after it was written")
    except OSError as error:
        raise CivilTimeError(code, f"{path}: {error.strerror}") from None
    except Invalid as finding:
        raise CivilTimeError(code, finding.message) from None
    except (ValueError, RecursionError) as error:
        raise CivilTimeError(code, f"{path.name} is not JSON: {error}") from None
    return {**document, "certification_sha256": claimed}


def read_country_table(path: Path, document: Document, code: str = "2A-CT-004") -> pl.DataFrame:
    """The country table beside a certification; :class:`CivilTimeError` (``code``) where it isn't.

    The digest says that it is the certification's own table, not that it is a country table.
    """
    name = path.name.replace("_certification_", "_country_diagnostics_")
    table = path.with_name(name).with_suffix(".parquet")
    try:
        raw = table.read_bytes()
    except OSError as error:
        raise CivilTimeError(code, f"{table.name}: {error.strerror}") from None
    if sha256_bytes(raw) != document["diagnostics"]["parquet_sha256"]:
        raise CivilTimeError(code, f"{table.name} was changed after it was written")
    try:
        return parse_country_table(raw, table.name)
    except Invalid as finding:
        raise CivilTimeError(code, finding.message) from None


# ----------------------------------------------------------------------------- writing


def _artefacts(
    workspace: Workspace,
    document: Document,
    judged: Sequence[JudgedSeed],
    policy: SealedPolicy,
) -> Scored:
    """The tables first and the certification last, so that what it binds is there."""
    table = country_table([j.evidence for j in judged], policy.rules)
    with staging(workspace.cache) as folder:
        write_table(table.to_batches(), SCHEMA, folder / "table")
        parquet = (folder / "table" / part_name(0)).read_bytes()
    csv = pl.DataFrame(table).write_csv().encode()
    document["diagnostics"] = {"parquet_sha256": sha256_bytes(parquet)}
    document = {**document, "certification_sha256": self_digest(document)}
    check_document(document, "segment2a_certification", "the certification")
    files = {
        "segment2a_country_diagnostics": parquet,
        "segment2a_country_diagnostics_csv": csv,
        "segment2a_seed_metrics": people_json(seed_metrics(document)),
        "segment2a_certification": people_json(document),
    }
    return Scored(document, files)
