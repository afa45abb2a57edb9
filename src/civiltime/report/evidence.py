"""What the page is made of: the certification, its country table, and the runs it scored.

The law: figures come from the certification and its country table; only what a picture
needs besides (where sites are, which zones a country's sites have, how long a state took)
is read from the runs, and only from runs whose bundle, flag and egress verify and are those
that were certified.  A seed that can't be drawn is named with its reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from civiltime.certify.certify import read_certification, read_country_table
from civiltime.consumers.read import open_site_timezones
from civiltime.errors import CivilTimeError, Invalid
from civiltime.report.world import Land, read_land
from civiltime.states.context import read_report
from civiltime.tzdb.tar import read_members
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import digest_folder, partition_hash, sha256_file
from civiltime.workspace.runs import Run, open_run
from civiltime.workspace.tables import table_files

STATES = ("S0", "S1", "S2", "S3", "S4", "S5")


@dataclass(frozen=True)
class SeedSites:
    """The sites of one seed: ``country, tzid, lon, lat``, in the order of their key."""

    seed: str
    run: Run
    sites: pl.DataFrame


@dataclass(frozen=True)
class Evidence:
    """Everything that the page shows."""

    certification: Mapping[str, Any]
    countries: pl.DataFrame
    seeds: tuple[SeedSites, ...]
    land: Land | None
    names: Mapping[str, str]
    run_reports: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...] = field(default=())

    def name(self, country: str) -> str:
        """A country's short English name, or its code where the tz database has none."""
        return self.names.get(country, country)


def read_evidence(workspace: Workspace, certification_path: Path) -> Evidence:
    """Read and verify everything that the page shows.

    Raises :class:`CivilTimeError` 2A-CT-004 when the certification or its country table
    isn't what was written.
    """
    document = read_certification(certification_path)
    notes: list[str] = []
    countries = read_country_table(certification_path, document)
    seeds: list[SeedSites] = []
    reports: dict[str, Mapping[str, Any]] = {}
    runs: list[Run] = []
    inputs = {str(i["seed"]): i for i in document["inputs"]}
    for seed in seed_order(document):
        entry = document["seeds"][seed]
        if not entry["metrics"]:
            notes.append(f"Seed {seed} isn't drawn, for it wasn't scored: {entry['reason']}.")
            continue
        try:
            run = open_run(workspace, str(entry["run_id"]))
            runs.append(run)
            reports[seed] = _run_reports(run)
            seeds.append(_seed_sites(seed, run, inputs.get(seed, {})))
        except CivilTimeError as error:
            notes.append(f"Seed {seed} isn't drawn: {error}.")
    land = next((x for x in (_land(run, notes) for run in runs) if x is not None), None)
    if land is None:
        notes.append("Boundaries aren't drawn: no run has the boundaries that it sealed.")
    names = next((x for x in map(_names, runs) if x), {})
    return Evidence(
        document,
        countries.with_columns(pl.col("seed").cast(pl.String)),
        tuple(seeds),
        land,
        names,
        reports,
        tuple(dict.fromkeys(notes)),
    )


def seed_order(document: Mapping[str, Any]) -> list[str]:
    """The seeds by number."""
    return sorted(document["seeds"], key=int)


def _seed_sites(seed: str, run: Run, certified: Mapping[str, Any]) -> SeedSites:
    opened = open_site_timezones(run)
    placed = run.path("s1_tz_lookup")
    found = {
        "flag_sha256_hex": opened.flag_sha256_hex,
        "s1_tz_lookup": partition_hash(tuple(digest_folder(placed))),
    }
    expected = {**certified, **certified.get("egress", {})}
    for name, digest in found.items():
        if expected.get(name) != digest:
            raise CivilTimeError(
                "2A-RD-002",
                f"{name} of run {run.id} isn't what was certified",
                {"run_id": run.id},
            )
    zones = pl.scan_parquet(table_files(opened.folder)).select(
        country=pl.col("legal_country_iso").cast(pl.Categorical),
        tzid=pl.col("tzid").cast(pl.Categorical),
    )
    places = pl.scan_parquet(table_files(placed)).select(
        lon=pl.col("lon_deg"), lat=pl.col("lat_deg")
    )
    both = pl.concat([zones, places], how="horizontal").collect()
    return SeedSites(seed, run, both)


def _run_reports(run: Run) -> dict[str, Any]:
    """The reports that are what was written; performance shows a dash for the others."""
    found = {}
    for state in STATES:
        path = run.report_path(state)
        with suppress(Invalid):
            found[state] = read_report(path, run.workspace.relative(path), run)
    return found


def _land(run: Run, notes: list[str]) -> Land | None:
    """The boundaries that the run sealed, if they are still those."""
    entry = _sealed(run, "tz_world_")
    if entry is None:
        return None
    path = run.workspace.root / entry["path"]
    if not path.is_file() or sha256_file(path) != entry["sha256_hex"]:
        notes.append(f"{entry['path']} isn't the file that run {run.id} sealed.")
        return None
    return read_land(path)


def _names(run: Run) -> dict[str, str]:
    """Country names of ``iso3166.tab`` in the sealed tz database; {} where it has none."""
    entry = _sealed(run, "tzdb_release")
    if entry is None:
        return {}
    for path in sorted((run.workspace.root / entry["path"]).glob("tzdata*")):
        try:
            members = read_members(path.read_bytes(), path.name)
        except (Invalid, OSError):
            continue
        for member in ("iso3166.tab", "zoneinfo/iso3166.tab"):
            if member in members:
                return country_names(members[member].decode("utf-8", "replace"))
    return {}


def country_names(table: str) -> dict[str, str]:
    """``iso3166.tab``: code, tab, name; brackets are left out where no two names need them."""
    rows = (line.split("\t") for line in table.splitlines() if line and line[0] != "#")
    full = {r[0]: r[1].strip() for r in rows if len(r) >= 2}
    short = {code: name.split(" (")[0] for code, name in full.items()}
    often = Counter(short.values())
    return {code: full[code] if often[name] > 1 else name for code, name in short.items()}


def _sealed(run: Run, prefix: str) -> Mapping[str, str] | None:
    try:
        inputs = json.loads(run.report_path("S0").read_bytes())["inputs"]
    except (OSError, ValueError, KeyError, RecursionError):
        return None
    return next((v for k, v in inputs.items() if k.startswith(prefix)), None)
