"""The Python API: every name is there, documented, and the path of the docstring works."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
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


def test_the_timetable_of_a_run_gives_its_sites_their_civil_time(small_run: Small) -> None:
    timetable = ct.open_timetable(small_run.run_id, SEED, workspace=small_run.root)
    tzids = ct.open_site_timezones(small_run.run_id, workspace=small_run.root).polars()["tzid"]
    names = tzids.unique()
    place = tzids.replace_strict(names, timetable.places(names.to_list())).to_numpy()
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    instants = np.full(len(place), int(noon.timestamp()))
    minutes = ct.offset_at(timetable, place, instants)
    for tzid, found in zip(tzids, minutes.tolist(), strict=True):
        offset = noon.astimezone(ZoneInfo(tzid)).utcoffset()
        assert offset is not None
        assert found * 60 == offset.total_seconds()
    status, early, late = ct.local_status(timetable, place, instants + minutes * np.int64(60))
    assert not status.any()
    assert (early == instants).all()
    assert (late == instants).all()


def test_an_altered_timetable_does_not_open(small_run: Small) -> None:
    path = small_run.partition("tz_timetable_cache") / "tz_cache_v1.bin"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ct.CivilTimeError, match=r"2A-RD-002.*tz_cache_v1\.bin was changed"):
        ct.open_timetable(small_run.run_id, workspace=small_run.root)


def test_only_the_lookup_for_one_point_and_for_arrays(small: Small, tmp_path: Path) -> None:
    zones = ct.open_zones(small.root)
    assert zones.lookup(lat=47.3769, lon=8.5417) == ("Europe/Zurich",)
    lon, lat = np.array([8.5417, 35.1745, -30.0]), np.array([47.3769, 32.1046, 0.0])
    codes = zones.candidates(lon, lat)
    found = [tuple(zones.tzids[z] for z in members) for members in zones.zone_sets(codes)]
    assert found == [("Europe/Zurich",), ("Asia/Hebron", "Asia/Jerusalem"), ()]
    assert codes[2] == 0
    assert zones.tzids[codes[0] - 1] == "Europe/Zurich"
    with pytest.raises(ct.CivilTimeError, match="2A-S0-010"):
        ct.open_zones(ct.init_workspace(tmp_path / "empty"))
