"""Write the golden vectors again: ``python tests/golden/reference/regenerate.py``.

Review the difference: a changed vector is a changed identity.  ``fingerprint.json`` and the
``bundle_*`` folders follow from the specification alone and must never change.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from civiltime.reference import demo, tz_world
from civiltime.reference.cities import CITIES
from civiltime.reference.upstream import manifest_fingerprint
from civiltime.workspace.bundle import seal_1b, seal_2a
from civiltime.workspace.digest import document_digest
from civiltime.workspace.publish import people_json

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "data"


def main() -> None:
    """Write every vector."""
    for name, sealed in (
        ("bundle_1b", seal_1b({"a-b.json": ("note", b"{}\n"), "a/x.json": ("note", b"[]\n")})),
        ("bundle_2a", seal_2a({"a-b.json": b"{}\n", "a/x.json": b"[]\n"})),
    ):
        for path, data in sealed.items():
            (HERE / name / path).parent.mkdir(parents=True, exist_ok=True)
            (HERE / name / path).write_bytes(data)
    parameters = {"posture": "population", "seeds": ["42", "18446744073709551615"], "sites": 12}
    parts = {
        "kind": "demo",
        "parameter_hash": document_digest(parameters),
        "sources": {"cities": "ab" * 32},
        "egress": {42: "cd" * 32, 2**64 - 1: "ef" * 32},
    }
    fingerprint = manifest_fingerprint(**parts)  # type: ignore[arg-type]
    document = {**parts, "parameters": parameters, "manifest_fingerprint": fingerprint}
    (HERE / "fingerprint.json").write_bytes(people_json(document))
    tab = (DATA / "small_zone.tab").read_text("utf-8")
    world = tz_world.from_file(DATA / "small_world.geojson", "2026c", tab)
    types = dict(zip(CITIES.names, CITIES.types, strict=True))
    options = pa.csv.ConvertOptions(column_types=types)
    cities = pa.csv.read_csv(DATA / "small_cities.csv", convert_options=options)
    atlas = demo.build_atlas(cities, world.table)
    rows = {}
    for posture in demo.POSTURES:
        table = demo.demo_sites(posture, 42, 50, atlas)
        text = json.dumps(table.to_pydict(), sort_keys=True)
        rows[posture] = hashlib.sha256(text.encode()).hexdigest()
    note = "SHA-256 of the rows as sorted JSON: seed 42, 50 sites, the small world of tests/data"
    (HERE / "demo.json").write_bytes(people_json({"note": note, "rows": rows}))


if __name__ == "__main__":
    main()
