"""S4 legality: the gaps and folds of the zones in use.

* Reads: `site_timezones`, `tz_timetable_cache`.
* Writes: `s4_legality_report`.
* Law: specification 3.4.  A step forward is a gap, a step back a fold; windows count per zone,
  not per site; a zone that the timetable lacks fails.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from civiltime.errors import Invalid
from civiltime.states import laws
from civiltime.states.s3_timetable import INDEX_NAME, MANIFEST_NAME, require_bounds
from civiltime.states.state import State, Validator, Work
from civiltime.tzdb.civil import windows
from civiltime.tzdb.codec import decode
from civiltime.tzdb.timetable import Timetable
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.shape import check_document
from civiltime.workspace.tables import table_files


@dataclass
class Legality(Work):
    """S4's work: the timetable, the zones in use, and their windows."""

    sites: int = 0
    rows_by_zone: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    windows_by_zone: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Gaps and folds of each zone in use."""
    report: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The published manifest of the timetable."""
        path = self.ctx.run.path("tz_timetable_cache") / MANIFEST_NAME
        try:
            document: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise Invalid(f"{MANIFEST_NAME} can't be read: {error}") from None
        check_document(document, "tz_timetable_cache", MANIFEST_NAME)
        return document

    @cached_property
    def timetable(self) -> Timetable:
        """The published timetable, decoded."""
        return decode((self.ctx.run.path("tz_timetable_cache") / INDEX_NAME).read_bytes())


def inputs_there(work: Legality) -> None:
    """The final zones and the timetable are published."""
    for state, dataset_id in (("S2", "site_timezones"), ("S3", "tz_timetable_cache")):
        partition = work.ctx.run.partition(dataset_id)
        if not partition.is_dir():
            where = work.ctx.run.workspace.relative(partition)
            raise Invalid(f"{where} is missing; run {state} first", path=where)


def own_partition(work: Legality) -> None:
    """The zones read are those of this run's seed and fingerprint."""
    laws.partition_is(work, work.ctx.run.path("site_timezones"), "seed", "manifest_fingerprint")


def cache_files_there(work: Legality) -> None:
    """Index and manifest are there, and as long as they should be."""
    folder = work.ctx.run.path("tz_timetable_cache")
    for name in (INDEX_NAME, MANIFEST_NAME):
        if not (folder / name).is_file():
            raise Invalid(f"{name} is missing from the timetable", code="023")
    if (folder / INDEX_NAME).stat().st_size == 0:
        raise Invalid(f"{INDEX_NAME} is empty")


def cache_embeds(work: Legality) -> None:
    """The manifest is of this run's fingerprint."""
    expected = work.ctx.run.receipt.manifest_fingerprint
    if work.manifest["manifest_fingerprint"] != expected:
        raise Invalid(
            f"the timetable is of {work.manifest['manifest_fingerprint']}, not {expected}"
        )


def bytes_unchanged(work: Legality) -> None:
    """Zones and timetable are the bytes that S2 and S3 reported."""
    work.ctx.require_published("S2", "site_timezones")
    folder = work.ctx.require_published("S3", "tz_timetable_cache")
    if sha256_bytes((folder / INDEX_NAME).read_bytes()) != work.manifest["tz_index_digest"]:
        raise Invalid(f"{INDEX_NAME} is not what its manifest says")


def compute(work: Legality) -> None:
    """Count sites and zones, derive the windows of every zone in use, stage the report."""
    for path in table_files(work.ctx.run.path("site_timezones")):
        column = pq.read_table(path, columns=["tzid"], read_dictionary=["tzid"])["tzid"]
        for pair in pc.value_counts(column.combine_chunks()).to_pylist():
            work.rows_by_zone[pair["values"]] += pair["counts"]
        work.sites += len(column)
    used = sorted(work.rows_by_zone, key=str.encode)
    known = set(work.timetable.tzids)
    work.missing = [z for z in used if z not in known]
    present = [z for z in used if z in known]
    gaps, folds = windows(work.timetable, present)
    work.windows_by_zone = {
        z: (int(g), int(f)) for z, g, f in zip(present, gaps, folds, strict=True)
    }
    counts = {
        "sites_total": work.sites,
        "tzids_total": len(used),
        "gap_windows_total": int(np.sum(gaps)),
        "fold_windows_total": int(np.sum(folds)),
    }
    work.counts.update(counts)
    work.checks["windows_by_tzid"] = {
        z: {"gaps": g, "folds": f} for z, (g, f) in work.windows_by_zone.items()
    }
    work.report = {
        "manifest_fingerprint": work.ctx.run.receipt.manifest_fingerprint,
        "seed": work.ctx.run.receipt.seed,
        "generated_utc": work.ctx.verified_at_utc,
        "status": "FAIL" if work.missing else "PASS",
        "counts": counts,
        **({"missing_tzids": work.missing} if work.missing else {}),
    }
    work.ctx.stage_document("s4_legality_report", work.report)


def zones_in_timetable(work: Legality) -> None:
    """Every zone in use is in the timetable."""
    if work.missing:
        raise Invalid(
            f"the timetable lacks {', '.join(work.missing[:5])}", missing_tzids=list(work.missing)
        )


def counts_add_up(work: Legality) -> None:
    """The counts are those of the rows and of the windows."""
    counts = work.report["counts"]
    recount = {
        "sites_total": sum(work.rows_by_zone.values()),
        "tzids_total": len(work.rows_by_zone),
        "gap_windows_total": sum(g for g, _ in work.windows_by_zone.values()),
        "fold_windows_total": sum(f for _, f in work.windows_by_zone.values()),
    }
    if counts != recount:
        raise Invalid(f"the report counts {counts}, the rows say {recount}")


def windows_derive(work: Legality) -> None:
    """Every transition of a zone in use is a gap or a fold: none is lost, none is both."""
    timetable = work.timetable
    place = {z: i for i, z in enumerate(timetable.tzids)}
    for tzid, (gaps, folds) in work.windows_by_zone.items():
        steps = int(timetable.starts[place[tzid] + 1] - timetable.starts[place[tzid]]) - 1
        if gaps + folds != steps:
            raise Invalid(f"{tzid} has {steps} transitions, but {gaps} gaps and {folds} folds")


def offsets_valid(work: Legality) -> None:
    """Offsets are finite and within bounds."""
    require_bounds(work.timetable)


VALIDATORS: tuple[Validator[Legality], ...] = (
    Validator("V-01", "001", "S0's receipt is valid", laws.receipt_valid, "before"),
    Validator("V-02", "010", "the inputs resolve", inputs_there, "before"),
    Validator("V-03", "011", "exactly this partition is read", own_partition, "before"),
    Validator("V-06", "022", "the timetable's files are there", cache_files_there, "before"),
    Validator("V-04", "020", "the manifest is valid", lambda w: w.manifest, "before"),
    Validator("V-05", "021", "the manifest is of this fingerprint", cache_embeds, "before"),
    Validator("V-15", "012", "published bytes unchanged", bytes_unchanged, "before"),
    Validator("V-13", "050", "offsets are finite and within bounds", offsets_valid, "before"),
    Validator("V-10", "024", "every zone is in the timetable", zones_in_timetable),
    Validator("V-11", "060", "the counts add up", counts_add_up),
    Validator("V-12", "061", "every transition is a gap or a fold", windows_derive),
    Validator("V-07", "030", "the report fits its schema", laws.outputs_fit_schema),
    Validator("V-08", "040", "path and content agree", laws.paths_embed),
    Validator("V-09", "042", "timestamps are the run's", laws.timestamps_are_the_runs),
    Validator("V-14", "041", "write-once", laws.publish, "publish"),
)

STATE: State[Legality] = State(
    id="S4",
    title="legality",
    inputs=("site_timezones", "tz_timetable_cache"),
    outputs=("s4_legality_report",),
    begin=Legality,
    compute=compute,
    validators=VALIDATORS,
)
