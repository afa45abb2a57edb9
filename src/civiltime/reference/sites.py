"""Sites from a file: CSV, Parquet or GeoJSON, exactly as it says, or refused.

The law (specification 2.1): the five columns ``merchant_id, legal_country_iso,
site_order, lon_deg, lat_deg`` are all there, under these names or under those that the
caller maps them to; nothing is guessed and nothing is dropped in silence.  Refused are, in
this order: a file that isn't there or can't be read (001, 002), a missing column (004), an
undeclared one unless told (005), no row (003), a value of the wrong type (006), a row that
breaks a rule (2A-S1-056) and a key that stands twice (2A-S1-051).  Messages name at most
five rows, with their place in the file.

Numbers are read exactly: ``merchant_id`` up to 2^64-1, coordinates to the last bit.  The
result is sorted by key; the order in the file doesn't matter.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from operator import methodcaller
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from civiltime.errors import ContextValue, Invalid
from civiltime.reference.site_rows import (
    Mask,
    SiteKey,
    describe_problems,
    iso_codes,
    key_problems,
    row_problems,
)
from civiltime.workspace.shape import arrow_schema, check_columns

SCHEMA_REF = "site_locations"
Place = Callable[[int], str]


def read_sites(
    path: Path, columns: Mapping[str, str] | None = None, *, ignore_extra: bool = False
) -> pa.Table:
    """The sites of a file as a table of the schema ``site_locations``, sorted by key.

    ``columns`` maps our names to the file's (``{"merchant_id": "shop"}``; names that are
    not in it stand for themselves).  The format is the suffix: ``.csv``, ``.parquet``,
    ``.json`` or ``.geojson`` (points; ``lon_deg`` and ``lat_deg`` are their coordinates).
    Raises :class:`Invalid` with the codes of the module's law.
    """
    if not path.is_file():
        raise Invalid(f"there is no file {path.name}", code="001", path=path.name)
    readers = {".csv": _csv, ".parquet": _parquet, ".json": _geojson, ".geojson": _geojson}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Invalid(f"{path.name}: sites are read from {', '.join(readers)} files", code="002")
    names = _names(columns)
    table, place = reader(path, names, ignore_extra)
    if len(table) == 0:
        raise Invalid(f"{path.name} holds no site", code="003")
    _require_good_rows(table, path.name, place)
    order = _key_order(table)
    ordered = table.take(pa.array(order)).combine_chunks()
    _require_good_keys(ordered, path.name, lambda row: place(int(order[row])), None)
    schema = arrow_schema(SCHEMA_REF)
    return pa.Table.from_arrays([ordered[name] for name in schema.names], schema=schema)


def check_rows(table: pa.Table, name: str = "sites", previous: SiteKey | None = None) -> None:
    """Raises :class:`Invalid` unless the rows are good and in key order (rows count from 1).

    With ``previous``, the last key of the batch before, a table can be checked batch by
    batch.
    """
    check_columns(table.schema, SCHEMA_REF, name)
    _require_good_rows(table, name, _row)
    _require_good_keys(table, name, _row, previous)


def last_key(table: pa.Table) -> SiteKey:
    """The key of the last row, for :func:`check_rows` of the batch after it."""
    tail = table.slice(len(table) - 1)
    return SiteKey(
        tail["merchant_id"][0].as_py(),
        int(iso_codes(tail["legal_country_iso"])[0]),
        tail["site_order"][0].as_py(),
    )


def _row(row: int) -> str:
    return f"row {row + 1}"


def _names(columns: Mapping[str, str] | None) -> dict[str, str]:
    """Our name -> the file's name."""
    ours = arrow_schema(SCHEMA_REF).names
    unknown = sorted(set(columns or {}) - set(ours))
    if unknown:
        raise Invalid(
            f"the column mapping names {unknown[0]!r}, which sites don't have; they have "
            f"{', '.join(ours)}",
            code="005",
            column=unknown[0],
        )
    names = {name: (columns or {}).get(name, name) for name in ours}
    if len(set(names.values())) < len(names):
        raise Invalid("the column mapping uses one source column twice", code="005")
    return names


def _require_columns(
    present: list[str], wanted: Mapping[str, str], name: str, *, ignore_extra: bool
) -> None:
    repeated = sorted({c for c in present if present.count(c) > 1})
    if repeated:
        raise Invalid(f"{name} has the column {repeated[0]!r} twice", code="002")
    missing = [source for source in wanted.values() if source not in present]
    if missing:
        raise Invalid(
            f"{name} has no column {', '.join(missing)}; it has {', '.join(present[:20])}",
            code="004",
            missing=list(missing),
        )
    extra = [c for c in present if c not in wanted.values()]
    if extra and not ignore_extra:
        raise Invalid(
            f"{name} has columns that sites don't have: {', '.join(extra[:20])}; drop them, or "
            "say that they may be ignored",
            code="005",
            extra=list(extra[:20]),
        )


def _csv(path: Path, names: Mapping[str, str], ignore_extra: bool) -> tuple[pa.Table, Place]:
    raw = path.read_bytes()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Invalid(f"{path.name}, line {line}: not UTF-8", code="002") from None
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if not raw.strip():
        raise Invalid(f"{path.name} is empty", code="003")
    head = raw.lstrip(b"\r\n").split(b"\n", 1)[0].decode()
    header = next(csv.reader([head.rstrip("\r")]))
    _require_columns(header, names, path.name, ignore_extra=ignore_extra)

    def place(row: int) -> str:
        filled = [number for number, line in enumerate(raw.splitlines(), 1) if line]
        return f"line {filled[row + 1]}"

    schema = arrow_schema(SCHEMA_REF)
    wrong_width: list[str] = []

    def on_width(found: Any) -> str:
        wrong_width.append(f"{found.actual_columns} values, the header has {len(header)}")
        return "error"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(raw),
            read_options=pa.csv.ReadOptions(use_threads=False),
            parse_options=pa.csv.ParseOptions(invalid_row_handler=on_width),
            convert_options=pa.csv.ConvertOptions(
                column_types={names[f.name]: f.type for f in schema},
                include_columns=list(names.values()),
                null_values=[""],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        message = str(error).splitlines()[0]
        if wrong_width:
            raise Invalid(
                f"{path.name}: a line has {wrong_width[0]} ({message})", code="002"
            ) from None
        if "conversion error" not in message:
            raise Invalid(f"{path.name} can't be read: {message}", code="002") from None
        _explain_conversion(raw, names, path.name, place, message)
    return table.rename_columns(list(names)), place


def _explain_conversion(
    raw: bytes, names: Mapping[str, str], name: str, place: Place, message: str
) -> NoReturn:
    """Find the first value that isn't of its column's type, and say where it stands."""
    schema = arrow_schema(SCHEMA_REF)
    text = pa.csv.read_csv(
        io.BytesIO(raw),
        read_options=pa.csv.ReadOptions(use_threads=False),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names.values(), pa.utf8()),
            include_columns=list(names.values()),
            strings_can_be_null=False,
        ),
    )
    found = [
        (row, ours)
        for ours, source in names.items()
        if (row := _first_bad(text[source], schema.field(ours).type)) is not None
    ]
    if not found:
        raise Invalid(f"{name}: {message}", code="006")
    row, ours = min(found)
    value = text[names[ours]][row].as_py()
    raise Invalid(
        f"{name}, {place(row)}: {names[ours]} is {value[:40]!r}, not "
        f"{_said(schema.field(ours).type)}",
        code="006",
        column=ours,
        place=place(row),
    )


def _first_bad(values: pa.ChunkedArray, kind: pa.DataType) -> int | None:
    """The first text that the CSV reader doesn't take as ``kind``, by halving."""
    if _converts(values, kind):
        return None
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        if _converts(values.slice(low, middle - low), kind):
            low = middle
        else:
            high = middle
    return low


def _converts(values: pa.ChunkedArray, kind: pa.DataType) -> bool:
    """Whether the CSV reader would take these texts as ``kind``."""
    if kind == pa.utf8():
        return True
    buffer = io.BytesIO()
    pa.csv.write_csv(pa.table({"value": values}), buffer)
    try:
        pa.csv.read_csv(
            io.BytesIO(buffer.getvalue()),
            parse_options=pa.csv.ParseOptions(ignore_empty_lines=False),
            convert_options=pa.csv.ConvertOptions(column_types={"value": kind}, null_values=[""]),
        )
    except pa.ArrowInvalid:
        return False
    return True


def _said(kind: pa.DataType) -> str:
    if kind == pa.uint64():
        return "a whole number 1..2^64-1"
    if kind == pa.int32():
        return "a whole number 1..2^31-1"
    return "a number" if kind == pa.float64() else "text"


def _parquet(path: Path, names: Mapping[str, str], ignore_extra: bool) -> tuple[pa.Table, Place]:
    try:
        with pq.ParquetFile(path) as file:
            _require_columns(file.schema_arrow.names, names, path.name, ignore_extra=ignore_extra)
            table = file.read(list(names.values()))
    except (pa.ArrowException, OSError) as error:
        raise Invalid(f"{path.name} can't be read as Parquet: {error}", code="002") from None
    return _typed(table.select(list(names.values())), names, path.name, _row), _row


def _geojson(path: Path, names: Mapping[str, str], ignore_extra: bool) -> tuple[pa.Table, Place]:
    def refuse_constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    try:
        document = json.loads(path.read_bytes().decode("utf-8"), parse_constant=refuse_constant)
        if document["type"] != "FeatureCollection":
            raise ValueError("it is not a FeatureCollection")
        features = document["features"]
        if not isinstance(features, list):
            raise ValueError("'features' is not a list")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Invalid(f"{path.name} can't be read as GeoJSON: {error}", code="002") from None
    crs = document.get("crs")
    if crs is not None and "CRS84" not in json.dumps(crs) and "4326" not in json.dumps(crs):
        raise Invalid(f"{path.name}: the coordinates are not in WGS 84", code="002")
    if not features:
        raise Invalid(f"{path.name} holds no site", code="003")
    lon, lat = _points(features, path.name)
    properties = list(map(methodcaller("get", "properties"), features))
    if set(map(type, properties)) != {dict}:
        raise Invalid(f"{path.name}: every feature must have properties", code="002")
    ours = {name: source for name, source in names.items() if name not in {"lon_deg", "lat_deg"}}
    present = sorted(set().union(*properties))
    _require_columns(present, ours, path.name, ignore_extra=ignore_extra)
    columns = {
        name: _property(properties, name, source, path.name) for name, source in ours.items()
    }
    columns |= {"lon_deg": lon, "lat_deg": lat}
    return pa.table({name: columns[name] for name in names}), _feature


def _feature(row: int) -> str:
    return f"feature {row + 1}"


def _points(features: list[Any], name: str) -> tuple[pa.Array, pa.Array]:
    """Longitude and latitude of the features, which must all be points."""
    kind = pa.struct([("type", pa.utf8()), ("coordinates", pa.list_(pa.float64()))])
    try:
        geometries = list(map(methodcaller("get", "geometry"), features))
        points = pa.array(geometries, kind)
    except (pa.ArrowException, AttributeError, TypeError, ValueError):
        raise Invalid(f"{name}: every feature must be a Point", code="002") from None
    is_point = pc.fill_null(pc.equal(points.field("type"), "Point"), False)
    coordinates = points.field("coordinates")
    lengths = pc.fill_null(pc.list_value_length(coordinates), 0)
    bad = ~pc.and_(is_point, pc.greater_equal(lengths, 2)).to_numpy(zero_copy_only=False)
    if bad.any():
        raise Invalid(f"{name}, {_feature(int(np.argmax(bad)))}: it is not a Point", code="002")
    return pc.list_element(coordinates, 0), pc.list_element(coordinates, 1)


def _property(properties: list[dict[str, Any]], ours: str, source: str, name: str) -> pa.Array:
    """One property of all features; a feature without it, or with null, has null."""
    wanted = arrow_schema(SCHEMA_REF).field(ours).type
    values = list(map(methodcaller("get", source), properties))
    kinds = list(map(type, values))
    strange = set(kinds) - {str if wanted == pa.utf8() else int, type(None)}
    try:
        if not strange:
            return pa.array(values, wanted)
        row = min(map(kinds.index, strange))
    except (OverflowError, pa.ArrowInvalid):
        limit = _limit(wanted)
        row = next(i for i, v in enumerate(values) if v is not None and not 0 <= v <= limit)
    raise Invalid(
        f"{name}, {_feature(row)}: {source} is {str(values[row])[:40]!r}, not {_said(wanted)}",
        code="006",
        column=ours,
        place=_feature(row),
    )


def _typed(table: pa.Table, names: Mapping[str, str], name: str, place: Place) -> pa.Table:
    """The columns in our order and types; narrower types of the same kind are widened."""
    columns = [_widened(table[source], ours, source, name, place) for ours, source in names.items()]
    by_name = dict(zip(names, columns, strict=True))
    schema = arrow_schema(SCHEMA_REF)
    loose = pa.schema([f.with_nullable(True) for f in schema])  # nulls are a row's problem
    return pa.Table.from_arrays([by_name[n] for n in schema.names], schema=loose)


def _widened(
    column: pa.ChunkedArray, ours: str, source: str, name: str, place: Place
) -> pa.ChunkedArray:
    kind = column.type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    wanted = arrow_schema(SCHEMA_REF).field(ours).type
    fits = (
        pa.types.is_integer(value)
        if pa.types.is_integer(wanted)
        else value in (pa.float32(), pa.float64())
        if wanted == pa.float64()
        else value in (pa.utf8(), pa.large_utf8(), pa.string_view())
    )
    if pa.types.is_null(value):
        return column.cast(wanted)
    if not fits:
        raise Invalid(
            f"{name}: column {source} is {value}, not {_said(wanted)}", code="006", column=ours
        )
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid:
        numbers = column.to_numpy()
        row = int(np.argmax((numbers < 0) | (numbers > _limit(wanted))))
        raise Invalid(
            f"{name}, {place(row)}: {source} is {column[row].as_py()}, not {_said(wanted)}",
            code="006",
            column=ours,
            place=place(row),
        ) from None


def _limit(kind: pa.DataType) -> int:
    return (1 << 64) - 1 if kind == pa.uint64() else (1 << 31) - 1


def _key_order(table: pa.Table) -> NDArray[np.int64]:
    """The order of the rows by key; equal keys keep the order of the file."""
    keys = (
        table["site_order"].to_numpy(),
        iso_codes(table["legal_country_iso"]),
        table["merchant_id"].to_numpy(),
    )
    return np.lexsort(keys).astype(np.int64)


def _require_good_rows(table: pa.Table, name: str, place: Place) -> None:
    problems = row_problems(table)
    if any(mask.any() for mask in problems.values()):
        raise _rows_invalid(table, name, place, problems, "2A-S1-056")


def _require_good_keys(table: pa.Table, name: str, place: Place, previous: SiteKey | None) -> None:
    found = key_problems(
        table["merchant_id"].to_numpy(),
        iso_codes(table["legal_country_iso"]),
        table["site_order"].to_numpy(),
        previous,
    )
    for rule, mask in found._asdict().items():
        if mask.any():
            code = "2A-S1-051" if rule == "duplicate" else "2A-S1-056"
            raise _rows_invalid(table, name, place, {rule: mask}, code)


def _rows_invalid(
    table: pa.Table, name: str, place: Place, problems: Mapping[str, Mask], code: str
) -> Invalid:
    counts: dict[str, ContextValue] = {
        rule: int(mask.sum()) for rule, mask in problems.items() if mask.any()
    }
    message = f"{name}: {describe_problems(table, problems, place)}"
    return Invalid(message, code=code, rows_by_rule=counts)
