"""P1, governance: guesses are bounded, explained and stop a run (specification 5.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from civiltime.errors import CivilTimeError, Invalid
from civiltime.programme.phases.condition import Condition, Phase, Proof
from civiltime.programme.phases.dossier import Document, Dossier, OpenError
from civiltime.states.context import read_report
from civiltime.workspace.digest import self_digest
from civiltime.workspace.runs import Run, list_run_ids, open_run
from civiltime.workspace.shape import check_document

CAPS = {
    "2A-S1-090": ("S1", "s1_tz_lookup"),
    "2A-S1-091": ("S1", "s1_tz_lookup"),
    "2A-S1-092": ("S1", "s1_tz_lookup"),
    "2A-S2-090": ("S2", "site_timezones"),
}
"""A cap's code: the state that stops, and what it must not have published."""


def rates_told(dossier: Dossier) -> Proof:
    """Rates by run and by country, the one the sum of the other."""
    path = dossier.tables["segment2a_country_diagnostics"]
    table = pl.read_parquet(path)
    told = []
    for seed, entry in dossier.judged["seeds"].items():
        rows, rates = table.filter(pl.col("seed") == int(seed)), entry["governance"]
        for kind in ("fallback", "override"):
            counted = int(rows[f"{kind}_count"].sum())
            if counted != rates[f"{kind}_count"]:
                raise OpenError(f"seed {seed}: countries have {counted} {kind}s in all")
        told.append(f"{seed} {rates['fallback_rate']:.4%} / {rates['override_rate']:.4%}")
    reports = [run.report_path(state) for run in dossier.runs.values() for state in ("S1", "S2")]
    return Proof(f"fallbacks / overrides: {', '.join(told)}", [path, *reports])


def caps_stop(dossier: Dossier) -> Proof:
    """A run of this lane that breached a cap, and stopped with nothing published."""
    nearly = ""
    ids = list_run_ids(dossier.workspace)
    for run_id in (*(i for i in dossier.kept if i in ids), *ids):
        try:
            run = open_run(dossier.workspace, run_id)
        except CivilTimeError:
            continue
        for state, path, report in _failures(run):
            problem = _unsound(run, state, report)
            if problem is None:
                code = report["errors"][0]["code"]
                files = [run.path("run_receipt"), path, run.report_path("S0")]
                return Proof(f"run {run_id} stopped in {state} with {code}", files)
            nearly = f"; run {run_id[:8]} doesn't prove it: {problem}"
    raise OpenError(
        "no run of the lane failed closed at a cap; make one that must, with a copy of "
        f"lookup.yaml whose caps are too low{nearly}"
    )


def _failures(run: Run) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Reports of S1 and S2 that say that a cap was breached."""
    for state in ("S1", "S2"):
        path = run.report_path(state)
        try:
            report = json.loads(path.read_bytes())
            if report["errors"][0]["code"] in CAPS:
                yield state, path, report
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue


def _unsound(run: Run, state: str, report: Mapping[str, Any]) -> str | None:
    """Why a report of a breach doesn't prove that the cap stopped the run."""
    try:
        check_document(report, "run_report", "its report")
        read_report(run.report_path("S0"), "S0's report", run)
    except Invalid as finding:
        return finding.message
    body = {name: value for name, value in report.items() if name != "report_sha256"}
    receipt, code = run.receipt, report["errors"][0]["code"]
    about = (receipt.run_id, receipt.seed, receipt.manifest_fingerprint, state)
    stops, output = CAPS[code]
    failed = {v.get("code") for v in report["validators"] if v["result"] == "fail"}
    published = [i for i in (output, "validation_bundle_2A") if run.partition(i).exists()]
    demands = (
        (report["report_sha256"] == self_digest(body), "its report was changed"),
        (_about(report) == about, "its report is that of another run"),
        (report["status"] == "fail" and stops == state, "its report says that it went on"),
        (not report["outputs"] and not published, "it published something"),
        (code in failed, "no validator failed with that code"),
        (_breached(code, report), "the figures of its report breach no cap"),
    )
    return next((why for holds, why in demands if not holds), None)


def _about(report: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(report[name] for name in ("run_id", "seed", "manifest_fingerprint", "state"))


def _breached(code: str, report: Mapping[str, Any]) -> bool:
    """Whether the counts of the report are over the cap that it states."""
    counts, governance = report["counts"], report["governance"]
    if code in {"2A-S1-092", "2A-S2-090"}:
        told = [counts.get(f"overrides_{scope}", 0) for scope in ("site", "mcc", "country")]
        overrides = counts.get("overrides", sum(told))
        return bool(overrides > governance["override_rate_cap"] * counts["sites"])
    if code == "2A-S1-090":
        fallbacks = counts["fallbacks_within"] + counts["fallbacks_outside"]
        return bool(fallbacks > governance["fallback_rate_cap"] * counts["sites"])
    cap = governance["fallback_country_cap"]
    return any(
        row["sites"] >= cap["min_sites"]
        and row.get("fallbacks_within", 0) + row.get("fallbacks_outside", 0)
        > cap["rate"] * row["sites"]
        for row in counts["by_country"].values()
    )


def overrides_explained(dossier: Dossier) -> Proof:
    """Every override has its reason and owner, on every seed."""
    _require(dossier.judged, "override_provenance")
    applied = dossier.judged["evidence"]["overrides"]
    policies = [run.report_path("S2") for run in dossier.runs.values()]
    return Proof(f"{len(applied)} overrides applied, all with reason and owner", policies)


def structure_kept(dossier: Dossier) -> Proof:
    """Parity, keys, legality and bundles hold wherever they held in the baseline."""
    regressed = list(regressions(dossier.of_phase("P0"), dossier.judged))
    if regressed:
        raise OpenError(f"regressed against the baseline: {', '.join(regressed)}")
    files = [dossier.subject, dossier.earlier["P0"]]
    return Proof("parity, keys, legality and bundles hold as in the baseline", files)


def regressions(before: Document, after: Document) -> Iterator[str]:
    """Structural gates that fail now and didn't in the baseline."""
    for seed, entry in after["seeds"].items():
        old = before["seeds"].get(seed, {"gates": []})["gates"]
        failed = {g["id"] for g in old if g["band"] == "FAIL"}
        gates = [g for g in entry["gates"] if g["axis"] == "structure"]
        yield from (
            f"{g['id']} of seed {seed}"
            for g in gates
            if g["band"] == "FAIL" and g["id"] not in failed
        )
        if entry["reason"] and not entry["metrics"]:
            yield f"seed {seed} ({entry['reason']})"


def _require(judged: Document, gate: str) -> None:
    for seed, entry in judged["seeds"].items():
        found = [g for g in entry["gates"] if g["id"] == gate]
        if not found or found[0]["band"] == "FAIL":
            why = found[0].get("detail", "") if found else entry["reason"]
            raise OpenError(f"seed {seed}: {gate} doesn't hold: {why}")


PHASE = Phase(
    id="P1",
    title="governance",
    conditions=(
        Condition("rates", "Fallback and override rates by run and country", rates_told),
        Condition("negative_control", "A run that breaches a cap fails closed", caps_stop),
        Condition("provenance", "Every override has reason and owner", overrides_explained),
        Condition("not_regressed", "Parity and legality as good as in P0", structure_kept),
    ),
    subject=Dossier.newest,
    decide=lambda _dossier: "GOVERNED",
)
