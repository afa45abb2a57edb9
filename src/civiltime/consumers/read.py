"""Reading what a run published, verified first: its zones, and the timetable beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from civiltime.consumers.verify import Verification, verify_gate
from civiltime.errors import CivilTimeError
from civiltime.tzdb.codec import decode
from civiltime.tzdb.timetable import Timetable
from civiltime.workspace.config import find_workspace
from civiltime.workspace.runs import Run, open_run
from civiltime.workspace.tables import open_batches, table_files


@dataclass(frozen=True)
class SiteTimezones:
    """A gated table: bundle, flag and egress digests were verified when it was opened."""

    run: Run
    folder: Path
    flag_sha256_hex: str

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table, in the order of their key."""
        from civiltime.workspace.shape import arrow_schema

        schema = arrow_schema("site_timezones")
        return pa.Table.from_batches(list(open_batches(self.folder, "site_timezones")), schema)

    def polars(self) -> pl.DataFrame:
        """The rows as a Polars frame."""
        return pl.read_parquet(table_files(self.folder))

    def scan(self) -> pl.LazyFrame:
        """The rows as a lazy Polars scan."""
        return pl.scan_parquet(table_files(self.folder))


def open_site_timezones(
    run: Run | str, seed: int | None = None, *, workspace: Path | str = "."
) -> SiteTimezones:
    """Open the final zones of a run, after verifying that they may be read.

    ``run`` is a run or its id (then ``workspace`` says where); ``seed`` may be given to
    make sure that it is the one meant.  Raises :class:`CivilTimeError`: 2A-RD-001 when
    there is no valid PASS, 2A-RD-002 when a published file isn't what was published,
    2A-RD-003 when the run is of another seed.

    >>> from civiltime import open_site_timezones
    >>> table = open_site_timezones(run_id, 42, workspace="demo").polars()  # doctest: +SKIP
    """
    opened, flag = _verified(run, seed, workspace)
    return SiteTimezones(opened, opened.path("site_timezones"), flag)


def open_timetable(
    run: Run | str, seed: int | None = None, *, workspace: Path | str = "."
) -> Timetable:
    """Open a run's timetable: the offsets of every zone of its tz release, up to its horizon.

    With it :func:`civiltime.offset_at` turns instants into local time, and
    :func:`civiltime.local_status` local time into instants, for whole columns.  Arguments and
    refusals are those of :func:`open_site_timezones`.
    """
    opened, _ = _verified(run, seed, workspace)
    return decode((opened.path("tz_timetable_cache") / "tz_cache_v1.bin").read_bytes())


def _verified(run: Run | str, seed: int | None, workspace: Path | str) -> tuple[Run, str]:
    """The run, and the flag under which it may be read."""
    opened = open_run(find_workspace(Path(workspace)), run) if isinstance(run, str) else run
    if seed is not None and seed != opened.receipt.seed:
        raise CivilTimeError(
            "2A-RD-003",
            f"run {opened.id} has seed {opened.receipt.seed}, not {seed}",
            {"run_id": opened.id, "seed": str(seed)},
        )
    result = Verification(opened.id)
    verify_gate(opened, result)
    if result.findings:
        raise result.findings[0]
    return opened, str(result.flag_sha256_hex)
