"""A world small enough to read: five square zones in three countries, and eight cities.

``tests/data/small_cities.csv`` has a city near a border (2), one that GeoNames counts to
another country's zone (6), one where there is no land (7) and one of a country without a
zone (8).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest

from civiltime.reference import tz_world
from civiltime.reference.cities import CITIES

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def boundaries(tmp_path: Path) -> Callable[..., Path]:
    """Write features as a GeoJSON file and return its path."""

    def write(features: list[Any], name: str = "combined-with-oceans.json", **top: object) -> Path:
        path = tmp_path / name
        document = {"type": "FeatureCollection", "features": features, **top}
        path.write_text(json.dumps(document), "utf-8")
        return path

    return write


@pytest.fixture
def small_world() -> tz_world.TzWorld:
    """The small world, as ``from_file`` makes it."""
    tab = (DATA / "small_zone.tab").read_text("utf-8")
    return tz_world.from_file(DATA / "small_world.geojson", "2026c", tab)


@pytest.fixture
def small_cities() -> pa.Table:
    """The eight cities."""
    types = dict(zip(CITIES.names, CITIES.types, strict=True))
    options = pa.csv.ConvertOptions(column_types=types)
    table = pa.csv.read_csv(DATA / "small_cities.csv", convert_options=options)
    return pa.Table.from_arrays(table.columns, schema=CITIES)
