"""One seed's evidence, verified from disk: what it shows, or why it can't be scored.

The law (specification 4.3): every structural gate is proved again from the run's files.  A
report's figures count only where the rows agree with them.  Whatever is wrong with a run
fails its seed with a reason; it never stops the certification of the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from civiltime.certify.gates import BY_ID, Judged, judge_required
from civiltime.certify.governance import (
    Guesses,
    guesses_of,
    misreported,
    over_country_cap,
    require_figures,
    unexplained,
)
from civiltime.certify.metrics import Country, countries_of
from civiltime.certify.observed import COUNTRIES, Observed, observe
from civiltime.certify.sealed import Sealed, other_cap, other_overrides
from civiltime.certify.topology import Topology, open_topology, support
from civiltime.consumers.verify import STATES, verify_run
from civiltime.errors import CivilTimeError, Invalid
from civiltime.states.boundaries import Boundaries, open_boundaries
from civiltime.states.context import read_report
from civiltime.states.precedence import country_iso, country_number
from civiltime.tzdb.codec import decode
from civiltime.workspace.digest import digest_folder, partition_hash
from civiltime.workspace.publish import staging
from civiltime.workspace.runs import Run

TABLES = ("site_locations", "s1_tz_lookup", "site_timezones")
POLICY = "certification_policy"


@dataclass
class SeedEvidence:
    """What one seed has to show; ``reason`` says why it can't be scored."""

    seed: int
    run_id: str | None = None
    reason: str | None = None
    gates: list[Judged] = field(default_factory=list)
    inputs: dict[str, Any] | None = None
    countries: tuple[Country, ...] = ()
    guesses: Mapping[str, Guesses] = field(default_factory=dict)
    hull_km2: Mapping[str, float] = field(default_factory=dict)
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    created_utc: str | None = None

    @property
    def scored(self) -> bool:
        """Whether the rows could be read, so that there are metrics."""
        return bool(self.countries)

    def rate(self, *kinds: str) -> float:
        """Share of the sites that any of these kinds of guesses decided."""
        guessed = sum(int(getattr(g, kind)) for g in self.guesses.values() for kind in kinds)
        return guessed / max(sum(c.sites for c in self.countries), 1)

    def require(self, gate: str, problem: str | None) -> bool:
        """Judge a gate that must hold; the first that doesn't is the reason."""
        self.gates.append(judge_required(BY_ID[gate], problem))
        if problem is not None and self.reason is None:
            self.reason = problem
        return problem is None


@dataclass(frozen=True)
class World:
    """The sealed boundaries of the runs: what covers a point, and what a country has."""

    zones: Boundaries
    topology: Topology
    path: Path
    sha256_hex: str

    @cached_property
    def support(self) -> dict[str, int]:
        """Number of zones of each country."""
        return support(self.topology)

    @cached_property
    def middles(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The middle longitude of each country by its number; 0 where it has no land."""
        found = np.zeros(COUNTRIES)
        for iso, land in self.topology.items():
            found[country_number(iso)] = land.middle
        return found


def gather(seed: int, run: Run, fingerprint: str, policy_sha256: str) -> SeedEvidence:
    """Verify one run and count its rows; never raises for what is wrong with the run."""
    evidence = SeedEvidence(seed, run.id, created_utc=run.receipt.created_utc)
    try:
        _gather(evidence, run, fingerprint, policy_sha256)
    except CivilTimeError as error:
        evidence.reason = evidence.reason or f"{error.code}: {error.message}"
    except (Invalid, OSError, ValueError, LookupError, RecursionError) as error:
        evidence.reason = evidence.reason or str(error)
    return evidence


def _gather(evidence: SeedEvidence, run: Run, fingerprint: str, policy_sha256: str) -> None:
    receipt = run.receipt
    if receipt.seed != evidence.seed:
        evidence.reason = f"run {run.id} has seed {receipt.seed}"
        return
    if receipt.manifest_fingerprint != fingerprint:
        evidence.reason = (
            f"its manifest_fingerprint is {receipt.manifest_fingerprint[:12]}…, that of the "
            f"other runs is {fingerprint[:12]}…"
        )
        return
    if not evidence.require("states_pass", _first_failure(run)):
        return
    evidence.reports = {s: _report(run, s) for s in STATES}
    verification = verify_run(run)
    found = verification.findings
    problem = f"{found[0].code}: {found[0].message}" if found else None
    if problem and len(found) > 1:
        problem += f" (and {len(found) - 1} more)"
    if not evidence.require("bundle_and_flag", problem):
        return
    require_figures(evidence.reports["S1"], evidence.reports["S2"])
    sealed = {row["asset_id"]: row for row in json.loads(run.path("sealed_inputs_2A").read_bytes())}
    if sealed[POLICY]["sha256_hex"] != policy_sha256:
        evidence.reason = "it sealed another certification policy"
        return
    world = open_world(run, sealed)
    tables = {name: run.path(name) for name in TABLES}
    sites, s1, s2 = tables.values()
    with staging(run.workspace.cache) as scratch:
        seen = observe(sites, s1, s2, world.zones, world.middles, scratch)
    parity = "; ".join(seen.problems) or None
    if seen.unknown_zones and parity is None:
        parity = f"{seen.unknown_zones:,} rows have a zone that the boundaries don't have"
    duplicates = f"{seen.duplicates:,} keys stand more than once" if seen.duplicates else None
    same_rows = evidence.require("row_parity", parity)
    evidence.require("unique_keys", duplicates)
    evidence.require("legality", _illegal(run, seen, world.zones.tzids))
    if not same_rows:
        return
    evidence.inputs = {
        "seed": str(evidence.seed),
        "run_id": run.id,
        "manifest_fingerprint": fingerprint,
        "verified_at_utc": receipt.created_utc,
        "flag_sha256_hex": str(verification.flag_sha256_hex),
        "egress": {name: partition_hash(digest_folder(path)) for name, path in tables.items()},
    }
    evidence.countries = countries_of(seen.counts(world.zones.tzids), world.support)
    evidence.hull_km2 = {country_iso(n): area for n, area in seen.hulls.items()}
    _govern(evidence, seen, run, sealed)


def _govern(evidence: SeedEvidence, seen: Observed, run: Run, sealed: Sealed) -> None:
    s1, s2 = evidence.reports["S1"], evidence.reports["S2"]
    counts = s1["counts"]["by_country"]
    evidence.guesses = {iso: guesses_of(row) for iso, row in sorted(counts.items())}
    sites = {c.iso: c.sites for c in evidence.countries}
    cap, applied = s1["governance"]["fallback_country_cap"], s2["governance"]["applied"]
    evidence.require("reported_counts", misreported(counts, seen))
    over = other_cap(run, sealed, cap) or over_country_cap(evidence.guesses, sites, cap)
    evidence.require("country_fallback_cap", over)
    bare = unexplained(applied, seen) or other_overrides(run, sealed, applied)
    evidence.require("override_provenance", bare)


def open_world(run: Run, sealed: Sealed) -> World:
    """The boundaries that a verified run sealed."""
    row = next(row for asset, row in sealed.items() if asset.startswith("tz_world_"))
    path = run.workspace.root / row["catalog_path"]
    digest, cache = row["sha256_hex"], run.workspace.cache
    return World(
        open_boundaries(path, digest, cache), open_topology(path, digest, cache), path, digest
    )


def _report(run: Run, state: str) -> dict[str, Any]:
    path = run.report_path(state)
    return read_report(path, run.workspace.relative(path), run)


def _first_failure(run: Run) -> str | None:
    """Why a state didn't pass, with the code that stopped it."""
    for state in STATES:
        try:
            _report(run, state)
        except Invalid as finding:
            try:
                error = json.loads(run.report_path(state).read_bytes())["errors"][0]
                return f"{state} failed with {error['code']} {error['name']}: {error['message']}"
            except (OSError, ValueError, LookupError, TypeError, RecursionError):
                return f"{state}: {finding.message}"
    return None


def _illegal(run: Run, seen: Observed, tzids: tuple[str, ...]) -> str | None:
    """Why legality isn't proved: the published report, and the timetable itself."""
    report = json.loads(run.path("s4_legality_report").read_bytes())
    if report["status"] != "PASS":
        return f"the legality report says {report['status']}"
    timetable = decode((run.path("tz_timetable_cache") / "tz_cache_v1.bin").read_bytes())
    in_use = {tzids[z] for z in np.flatnonzero(seen.zones.sum(axis=0))}
    missing = sorted(in_use - set(timetable.tzids))
    if missing:
        return f"the timetable lacks {', '.join(missing[:5])}"
    if report["counts"]["sites_total"] != seen.rows["site_timezones"]:
        return f"the legality report counts {report['counts']['sites_total']:,} sites"
    if report["counts"]["tzids_total"] != len(in_use):
        return f"the legality report counts {report['counts']['tzids_total']} zones"
    return None
