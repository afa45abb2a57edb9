"""P0, the baseline: what everything later is compared with (specification 5.4)."""

from __future__ import annotations

import polars as pl

from civiltime.policy.certification import CertificationPolicy, parse_certification_policy
from civiltime.programme.agreed import require_agreed
from civiltime.programme.authorities import POSTURES, holds, read_pins
from civiltime.programme.phases.condition import Condition, Phase, Proof
from civiltime.programme.phases.dossier import Dossier, OpenError

AXES = ("structure", "governance", "realism")


def authorities_hold(dossier: Dossier) -> Proof:
    """Both upstream authorities are pinned as agreed, and are what was pinned."""
    workspace, pins = dossier.workspace, read_pins(dossier.workspace).authorities
    for name, posture in POSTURES.items():
        if name not in pins:
            raise OpenError(f"{name} isn't pinned; civiltime authorities pin {name} REPORT")
        if pins[name].posture != posture or not holds(workspace, pins[name]):
            raise OpenError(f"{name}'s report isn't the one that was pinned as {posture}")
    require_agreed(workspace, {name: pin.sha256_hex for name, pin in pins.items()})
    files = [workspace.root / pin.report for pin in pins.values()]
    said = ", ".join(f"{name} {pins[name].posture}" for name in POSTURES)
    return Proof(said, [workspace.path("authorities"), *files])


def lineage_pinned(dossier: Dossier) -> Proof:
    """Run, fingerprint and flag of every required seed stand in the baseline and verify."""
    runs, stated = dossier.runs, {i["seed"]: i for i in dossier.judged["inputs"]}
    for seed, run in runs.items():
        if run.receipt.manifest_fingerprint != stated[seed]["manifest_fingerprint"]:
            raise OpenError(f"seed {seed}: its run has another fingerprint")
    files = [run.path("run_receipt") for run in runs.values()]
    files += [run.path("validation_passed_flag_2A") for run in runs.values()]
    named = ", ".join(f"{seed} {run.id[:8]}" for seed, run in runs.items())
    return Proof(f"runs {named}, verified from disk", files)


def axes_measured(dossier: Dossier) -> Proof:
    """Every axis has its figures on every required seed, and across seeds."""
    judged = dossier.judged
    for seed, entry in judged["seeds"].items():
        missing = [axis for axis in AXES if axis not in {g["axis"] for g in entry["gates"]}]
        if missing or not entry["metrics"]:
            raise OpenError(f"seed {seed} has no figures of {', '.join(missing) or 'its rows'}")
    if not judged["gates"]:
        raise OpenError("nothing is measured across seeds")
    gates = sum(len(entry["gates"]) for entry in judged["seeds"].values()) + len(judged["gates"])
    files = dossier.tables
    return Proof(
        f"{gates} gates on {len(judged['seeds'])} seeds, {judged['verdict']}",
        [files["segment2a_certification"], files["segment2a_seed_metrics"]],
    )


def cohorts_valid(dossier: Dossier) -> Proof:
    """The cohorts, counted again from the country table, are those of the metrics."""
    path = dossier.tables["segment2a_country_diagnostics"]
    rules = parse_certification_policy(dossier.workspace.path("certification_policy").read_bytes())
    table = pl.read_parquet(path).with_columns(*_cohorts(rules))
    for name in ("c_multi", "c_large"):
        wrong = table.filter(pl.col(name) != pl.col(f"_{name}"))
        if len(wrong):
            raise OpenError(f"{name} is wrong for {wrong['country'][0]}")
    told = []
    for seed, entry in dossier.judged["seeds"].items():
        rows, metrics = table.filter(pl.col("seed") == int(seed)), entry["metrics"]
        multi, large = (int(rows[f"_{name}"].sum()) for name in ("c_multi", "c_large"))
        if (multi, large) != (metrics["c_multi"], metrics["c_large"]):
            raise OpenError(f"seed {seed}: its cohorts have other sizes than its metrics say")
        told.append(f"{seed}: {multi} and {large}")
    return Proof(f"countries in C_multi and C_large: {'; '.join(told)}", [path])


def _cohorts(rules: CertificationPolicy) -> tuple[pl.Expr, pl.Expr]:
    support, sites = pl.col("support"), pl.col("sites")
    multi = (support >= rules.c_multi_min_support) & (sites >= rules.c_multi_min_sites)
    large = sites >= rules.c_large_min_sites
    if rules.c_large_eligibility == "multi_tz":
        large &= support >= 2
    return multi.alias("_c_multi"), large.alias("_c_large")


def artefacts_written(dossier: Dossier) -> Proof:
    """Certification, metrics and both country tables are what scoring again gives."""
    files = list(dossier.tables.values())
    return Proof(f"{len(files)} artefacts, byte for byte what scoring again gives", files)


PHASE = Phase(
    id="P0",
    title="baseline",
    conditions=(
        Condition("authorities", "The frozen upstream is pinned and unchanged", authorities_hold),
        Condition("lineage", "Runs, fingerprints and flags are pinned and verify", lineage_pinned),
        Condition("metrics", "Every gate axis is measured on every seed", axes_measured),
        Condition("cohorts", "The cohorts are what the policy makes of the rows", cohorts_valid),
        Condition("artefacts", "The baseline's artefacts are written", artefacts_written),
    ),
    subject=Dossier.oldest,
    decide=lambda _dossier: "BASELINE_LOCKED",
)
