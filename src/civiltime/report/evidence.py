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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from civiltime.consumers.read import open_site_timezones
from civiltime.errors import CivilTimeError, Invalid
from civiltime.report.world import Land, read_land
from civiltime.tzdb.tar import read_members
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_file
from civiltime.workspace.runs import Run, open_run
from civiltime.workspace.tables import table_files

STATES = ("S0", "S1", "S2", "S3", "S4", "S5")
PREFIX = "segment2a_certification_"
_NEEDED = ("verdict", "one_line", "generated_utc", "policy", "inputs", "seeds", "runset")


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


def read_certification(path: Path) -> dict[str, Any]:
    """The certification's document; :class:`Invalid` where it isn't one."""
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{path.name} is no JSON document: {error}") from None
    missing = [k for k in _NEEDED if not isinstance(document, dict) or k not in document]
    if missing:
        raise Invalid(f"{path.name} is no certification: it lacks {', '.join(missing)}")
    return dict(document)


def read_evidence(workspace: Workspace, certification_path: Path) -> Evidence:
    """Read and verify everything that the page shows."""
    document = read_certification(certification_path)
    notes: list[str] = []
    countries = _countries(certification_path, document, notes)
    seeds: list[SeedSites] = []
    reports: dict[str, Mapping[str, Any]] = {}
    runs: list[Run] = []
    flags = {str(i.get("seed")): i.get("flag_sha256_hex") for i in document["inputs"]}
    for seed, entry in document["seeds"].items():
        if not entry.get("run_id"):
            notes.append(f"Seed {seed} has no run, so no picture shows it.")
            continue
        try:
            run = open_run(workspace, entry["run_id"])
        except CivilTimeError as error:
            notes.append(f"Seed {seed} isn't drawn: {error}.")
            continue
        runs.append(run)
        reports[seed] = _run_reports(run)
        try:
            seeds.append(_seed_sites(seed, run, flags.get(seed)))
        except CivilTimeError as error:
            notes.append(f"Seed {seed} isn't drawn: {error}.")
    land = next((x for x in (_land(run, notes) for run in runs) if x is not None), None)
    if land is None:
        notes.append("Boundaries aren't drawn: no run has the boundaries that it sealed.")
    names = next((x for x in map(_names, runs) if x), {})
    return Evidence(
        document, countries, tuple(seeds), land, names, reports, tuple(dict.fromkeys(notes))
    )


def _countries(path: Path, document: Mapping[str, Any], notes: list[str]) -> pl.DataFrame:
    table = path.with_name(f"segment2a_country_diagnostics_{document['runset']}.parquet")
    if not table.is_file():
        notes.append(f"{table.name} is missing; the country table and its plots are empty.")
        return pl.DataFrame(schema=COUNTRY_COLUMNS)
    frame = pl.read_parquet(table)
    lacking = [c for c in COUNTRY_COLUMNS if c not in frame.columns]
    if lacking:
        raise Invalid(f"{table.name} lacks {', '.join(lacking)}")
    return frame.with_columns(pl.col("seed").cast(pl.String))


COUNTRY_COLUMNS = {
    "seed": pl.String(),
    "run_id": pl.String(),
    "country": pl.String(),
    "sites": pl.Int64(),
    "support": pl.Int64(),
    "distinct": pl.Int64(),
    "top1_share": pl.Float64(),
    "top1_tzid": pl.String(),
    "top1_top2_gap": pl.Float64(),
    "entropy_norm": pl.Float64(),
    "c_multi": pl.Boolean(),
    "c_large": pl.Boolean(),
}


def _seed_sites(seed: str, run: Run, flag: str | None) -> SeedSites:
    opened = open_site_timezones(run)
    if flag and flag != opened.flag_sha256_hex:
        raise CivilTimeError(
            "2A-RD-002", f"run {run.id} isn't the one that was certified", {"run_id": run.id}
        )
    zones = pl.scan_parquet(table_files(opened.folder)).select(
        country=pl.col("legal_country_iso").cast(pl.Categorical),
        tzid=pl.col("tzid").cast(pl.Categorical),
    )
    places = pl.scan_parquet(table_files(run.path("s1_tz_lookup"))).select(
        lon=pl.col("lon_deg"), lat=pl.col("lat_deg")
    )
    both = pl.concat([zones, places], how="horizontal").collect()
    return SeedSites(seed, run, both)


def _run_reports(run: Run) -> dict[str, Any]:
    found = {}
    for state in STATES:
        try:
            found[state] = json.loads(run.report_path(state).read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
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
