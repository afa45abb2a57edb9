"""The Python API: every name is there, documented, and the path of the docstring works."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import SEED, SITES_CSV, Small

import civiltime as ct


def test_every_public_name_resolves_and_is_documented() -> None:
    for name in ct.__all__:
        assert getattr(ct, name).__doc__, name
    with pytest.raises(AttributeError):
        _ = ct.no_such_name


def test_from_a_csv_to_a_gated_table(tmp_path: Path, small_boundaries: Path) -> None:
    (tmp_path / "sites.csv").write_text(SITES_CSV)
    workspace = ct.init_workspace(tmp_path / "mine")
    workspace = ct.ingest_tzdb(workspace, "package", "2026c").workspace
    workspace = ct.ingest_tz_world(workspace, str(small_boundaries), "2026c").workspace
    assert ct.ingest_sites(workspace, tmp_path / "sites.csv", SEED).sites == 12
    run = ct.start_run(workspace, SEED)
    ct.run_chain(run)
    assert ct.verify_run(run).passed
    zones = ct.open_site_timezones(run, SEED)
    assert zones.polars().equals(zones.scan().collect())
    assert zones.arrow().num_rows == 12
    assert zones.polars()["tzid"].to_list()[:3] == [
        "Europe/Zurich",
        "Europe/Zurich",
        "Europe/Vaduz",
    ]


def test_a_table_opens_by_run_id_and_only_for_its_seed(small_run: Small) -> None:
    opened = ct.open_site_timezones(small_run.run_id, SEED, workspace=small_run.root)
    assert opened.polars().height == 12
    with pytest.raises(ct.CivilTimeError, match="2A-RD-003"):
        ct.open_site_timezones(small_run.run_id, 7, workspace=small_run.root)
