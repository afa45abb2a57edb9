"""P2, scoring: verdicts that anybody gets again (specification 5.4)."""

from __future__ import annotations

from civiltime.programme.phases.condition import Condition, Phase, Proof
from civiltime.programme.phases.dossier import Dossier, OpenError
from civiltime.workspace.digest import sha256_file

EXPLAINED = ("attainability", "coupling", "stability", "share_matrix", "one_line")


def seeds_judged(dossier: Dossier) -> Proof:
    """Each required seed has figures, gates and a verdict."""
    seeds = dossier.judged["seeds"]
    for seed, entry in seeds.items():
        if not (entry["metrics"] and entry["gates"]):
            raise OpenError(f"seed {seed} wasn't scored: {entry['reason']}")
    told = ", ".join(f"{seed} {entry['verdict']}" for seed, entry in seeds.items())
    return Proof(told, [dossier.tables["segment2a_seed_metrics"]])


def scored_twice(dossier: Dossier) -> Proof:
    """Scoring the same runs again gives the same bytes."""
    document, files = dossier.judged, dossier.tables
    return Proof(
        f"{document['verdict']} twice, {document['certification_sha256'][:16]}…",
        [files["segment2a_certification"], files["segment2a_seed_metrics"]],
    )


def diagnostics_written(dossier: Dossier) -> Proof:
    """The country tables are those that the certification binds; nothing is left unexplained."""
    document, files = dossier.judged, dossier.tables
    table = files["segment2a_country_diagnostics"]
    if sha256_file(table) != document["diagnostics"]["parquet_sha256"]:
        raise OpenError(f"{table.name} isn't the one that the certification binds")
    missing = [name for name in EXPLAINED if not document[name]]
    if missing:
        raise OpenError(f"the certification doesn't explain {', '.join(missing)}")
    csv = files["segment2a_country_diagnostics_csv"]
    return Proof(f"{len(document['hotspots'])} hotspots and every country's figures", [table, csv])


PHASE = Phase(
    id="P2",
    title="scoring",
    conditions=(
        Condition("verdicts", "Metrics and a verdict for each seed", seeds_judged),
        Condition("deterministic", "Scored twice, the same bytes", scored_twice),
        Condition("diagnostics", "Diagnostics are written and bound", diagnostics_written),
    ),
    subject=Dossier.newest,
    decide=lambda dossier: str(dossier.judged["verdict"]),
)
