"""Fixtures: the real world, and a small real workspace that a test can break in one line.

The small workspace is cut from the real boundaries: six zones with their full-resolution
polygons, the real tz database, and twelve sites that take every step of the lookup that
needs no guess.  A test changes one thing and runs the real command.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from filelock import FileLock

SMALL_ZONES = (
    "Asia/Famagusta",  # CY, overlaps nothing
    "Asia/Hebron",  # PS, overlaps Asia/Jerusalem
    "Asia/Jerusalem",  # IL
    "Asia/Nicosia",  # CY
    "Europe/Vaduz",  # LI
    "Europe/Zurich",  # CH
)
SEED = 42
SITES_CSV = """\
merchant_id,legal_country_iso,site_order,lon_deg,lat_deg
1,CH,1,8.5417,47.3769
1,CH,2,6.1432,46.2044
1,LI,1,9.5209,47.141
2,CY,1,33.3823,35.1656
2,CY,2,33.0413,34.6786
2,CY,3,33.9192,35.1249
3,IL,1,34.7818,32.0853
3,IL,2,34.9896,32.794
3,IL,3,35.1745,32.1046
3,PS,1,35.2034,31.9038
4,CH,1,7.4474,46.948
18446744073709551615,LI,1,9.5157,47.2086
"""


@dataclass(frozen=True)
class Said:
    """What a command said: its exit status, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The code of the refusal that ``--json`` shows, or ''."""
        return str(json.loads(self.out)["error"]["code"]) if self.code == 1 else ""


def civiltime(*arguments: str | Path) -> Said:
    """Run a command in this process, through the real entry point."""
    from civiltime.cli import main

    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    before = sys.argv
    sys.argv = ["civiltime", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    finally:
        sys.argv = before
    out.flush()
    return Said(code, out.buffer.getvalue().decode(), err.getvalue())


@dataclass
class Small:
    """A small real workspace on disk."""

    root: Path
    run_id: str = "0" * 31 + "1"

    def cli(self, *arguments: str | Path) -> Said:
        """A command in this workspace, with ``--json``."""
        return civiltime(*arguments, "--workspace", self.root, "--json")

    def run(self, *arguments: str) -> Said:
        """The chain, under a run id that a test can name."""
        return self.cli("run", "--seed", str(SEED), "--run-id", self.run_id, *arguments)

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.root / "runs/fix-data-engine/segment_2A" / self.run_id

    @property
    def upstream(self) -> Path:
        """What 1B published."""
        return self.root / "upstream/data/layer1/1B"

    def chain(self, *states: str) -> None:
        """Some states of the run; raises the error of the one that fails."""
        from civiltime.states.chain import run_chain, state_by_id
        from civiltime.states.start import start_run
        from civiltime.workspace.config import open_workspace

        run = start_run(open_workspace(self.root), SEED, run_id=self.run_id)
        run_chain(run, states=[state_by_id(s) for s in states])

    def partition(self, dataset_id: str) -> Path:
        """Where a dataset of the run lies."""
        from civiltime.workspace.config import open_workspace
        from civiltime.workspace.runs import open_run

        return open_run(open_workspace(self.root), self.run_id).partition(dataset_id)

    def report(self, state: str) -> Any:
        """A state's run report."""
        (path,) = self.folder.glob(f"reports/layer1/2A/state={state}/**/*_run_report.json")
        return json.loads(path.read_bytes())

    def config(self, name: str) -> Path:
        """A policy file, by its name."""
        (path,) = (self.root / "config").rglob(name)
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text in a policy; the test fails when it isn't there."""
        path = self.config(name)
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def published(self) -> list[Path]:
        """Every file of the run's data folder."""
        return sorted(p for p in (self.folder / "data").rglob("*") if p.is_file())

    def publish_sites(self, table: pa.Table) -> None:
        """Replace the upstream by one with these rows, gated like any other, row rules aside."""
        from unittest.mock import patch

        from civiltime.reference.upstream import publish_upstream

        shutil.rmtree(self.root / "upstream")
        with patch("civiltime.reference.upstream.check_rows"):
            publish_upstream(self.root / "upstream", "test", {}, {"test": "0" * 64}, {SEED: table})


def sites(*rows: tuple[int, str, int, float, float]) -> pa.Table:
    """A ``site_locations`` table of (merchant, country, order, lon, lat) rows."""
    from civiltime.workspace.shape import arrow_schema

    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    schema = arrow_schema("site_locations")
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder made once for all worker processes of a test run."""
    base = factory.getbasetemp()
    base = base.parent if base.name.startswith("popen-") else base
    folder = base / name
    with FileLock(base / f"{name}.lock"):
        if not folder.exists():
            staged = base / f"{name}.making"
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir()
            make(staged)
            staged.rename(folder)
    return folder


@pytest.fixture(scope="session")
def small_boundaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GeoJSON file of the six zones, every coordinate as in the real boundaries."""

    def make(folder: Path) -> None:
        from timezonefinder import TimezoneFinder

        finder = TimezoneFinder()
        features = [
            {
                "type": "Feature",
                "properties": {"tzid": tzid},
                "geometry": {
                    "type": "MultiPolygon",
                    "coordinates": [
                        [[list(p) for p in zip(*ring, strict=True)] for ring in _closed(polygon)]
                        for polygon in finder.get_geometry(tz_name=tzid, coords_as_pairs=False)
                    ],
                },
            }
            for tzid in SMALL_ZONES
        ]
        document = {"type": "FeatureCollection", "features": features}
        (folder / "six-zones.geojson").write_text(json.dumps(document))

    return _once(tmp_path_factory, "small-boundaries", make) / "six-zones.geojson"


def _closed(polygon: Any) -> Any:
    """The rings of a polygon as (longitudes, latitudes), each ending where it began."""
    for longitudes, latitudes in polygon:
        ring = list(zip(longitudes, latitudes, strict=True))
        ring += ring[:1] if ring[0] != ring[-1] else []
        yield zip(*ring, strict=True)


@pytest.fixture(scope="session")
def small_template(tmp_path_factory: pytest.TempPathFactory, small_boundaries: Path) -> Path:
    """The small workspace, ready to run, made by the real commands."""

    def make(folder: Path) -> None:
        root, csv = folder / "workspace", folder / "sites.csv"
        csv.write_text(SITES_CSV)
        for arguments in (
            ("init", root),
            ("ingest", "tzdb", "package", "--release", "2026c", "-w", root),
            ("ingest", "tz-world", small_boundaries, "--release", "2026c", "-w", root),
            ("ingest", "sites", csv, "--seed", str(SEED), "-w", root),
        ):
            said = civiltime(*arguments)
            assert said.code == 0, said.err

    return _once(tmp_path_factory, "small-workspace", make) / "workspace"


@pytest.fixture
def small(small_template: Path, tmp_path: Path) -> Small:
    """A fresh copy of the small workspace, not yet run."""
    root = tmp_path / "workspace"
    shutil.copytree(small_template, root)
    return Small(root)


@pytest.fixture
def small_run(small: Small) -> Small:
    """A fresh copy of the small workspace with one run that passed."""
    said = small.run()
    assert said.code == 0, said.err
    return small


@pytest.fixture(scope="session")
def real_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole 2026c boundaries as a sealed file."""

    def make(folder: Path) -> None:
        from civiltime.reference.tz_world import from_package
        from civiltime.reference.tzdb import pack_package

        world = from_package("2026c", pack_package("2026c").zone_tab)
        (folder / "tz_world.parquet").write_bytes(world.parquet)

    return _once(tmp_path_factory, "real-world", make) / "tz_world.parquet"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test runs in the checkout: what a command writes by default lands beside the test."""
    monkeypatch.chdir(tmp_path)
