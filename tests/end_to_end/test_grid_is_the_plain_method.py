"""The compiled grid changes the time and nothing else: same bytes as with GEOS itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from civiltime.demo import run_demo
from civiltime.reference.cities import load_cities
from civiltime.reference.tz_world import open_table
from civiltime.states import boundaries
from civiltime.zones.grid import ZoneIndex
from civiltime.zones.plain import PlainZones
from civiltime.zones.world import World

SEEDS = [42, 7, 101, 202]


class PlainIndex(PlainZones):
    """The plain method with the names of the index."""

    @property
    def countries(self) -> tuple[str | None, ...]:
        """The country of each zone."""
        return self.world.countries


@pytest.mark.slow
def test_every_city_has_the_same_candidates(real_world: Path, tmp_path: Path) -> None:
    world = World.from_table(open_table(real_world))
    index = ZoneIndex.open(tmp_path, "0" * 64, lambda: world)
    cities = load_cities()
    lon, lat = (cities[name].to_numpy() for name in ("lon_deg", "lat_deg"))
    ours, plain = index.candidates(lon, lat), PlainZones(world).candidates(lon, lat)
    assert len(lon) == 234_908
    assert np.array_equal(ours, plain)
    said = cities["timezone"].to_pylist()
    sets = [{index.tzids[z] for z in zones} for zones in index.zone_sets(ours)]
    agree = sum(zone in zones for zone, zones in zip(said, sets, strict=True))
    assert agree / len(lon) >= 0.997  # the rest are errors of GeoNames, or newer zones
    assert sum(len(zones) > 1 for zones in sets) == 857


@pytest.mark.slow
def test_the_demo_publishes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def published(root: Path) -> dict[str, bytes]:
        lane = root / "runs/fix-data-engine/segment_2A"
        files = (p for p in lane.glob("*/data/**/*") if p.is_file())
        return {p.relative_to(lane).as_posix(): p.read_bytes() for p in files}

    run_demo(tmp_path / "demo", "population", SEEDS, 31_257)
    first = published(tmp_path / "demo")
    for folder in (tmp_path / "demo/runs/fix-data-engine/segment_2A").glob("*/data"):
        shutil.rmtree(folder)
    boundaries.open_boundaries.cache_clear()
    plain: dict[str, PlainIndex] = {}

    def open_plain(_cache: Path, sha256_hex: str, load: object) -> PlainIndex:
        assert callable(load)
        return plain.setdefault(sha256_hex, PlainIndex(load()))

    monkeypatch.setattr(ZoneIndex, "open", open_plain)
    runs = run_demo(tmp_path / "demo", "population", SEEDS, 31_257)
    boundaries.open_boundaries.cache_clear()
    assert len(plain) == 1
    assert {len(reports) for _, reports in runs.values()} == {6}
    assert published(tmp_path / "demo") == first
