"""Sites from a CSV file: UTF-8, commas, a header; every value exactly as it is written."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from civiltime.errors import Invalid
from civiltime.reference.site_columns import SCHEMA_REF, Place, require_columns, said
from civiltime.workspace.shape import arrow_schema

QUOTE = b'"'
HEXADECIMAL = (b"0x", b"0X")
HEXADECIMAL_NUMBER = r"^\s*0[xX]"


def read_csv(path: Path, names: Mapping[str, str], ignore_extra: bool) -> tuple[pa.Table, Place]:
    """The sites of a CSV file under our names, and where its rows stand."""
    raw = _text(path)
    header = _header(raw, path.name)
    require_columns(header, names, path.name, ignore_extra=ignore_extra)
    place = _places(raw)
    schema = arrow_schema(SCHEMA_REF)
    wrong_width: list[str] = []

    def on_width(found: Any) -> str:
        wrong_width.append(f"{found.actual_columns} values, the header has {len(header)}")
        return "error"

    try:
        table = pa.csv.read_csv(
            io.BytesIO(raw),
            read_options=pa.csv.ReadOptions(use_threads=False),
            parse_options=pa.csv.ParseOptions(
                invalid_row_handler=on_width, newlines_in_values=QUOTE in raw
            ),
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
        if "straddling" in message:
            raise Invalid(f"{path.name}: a line is longer than a megabyte", code="002") from None
        if "conversion error" not in message:
            raise Invalid(f"{path.name} can't be read: {message}", code="002") from None
        _explain_conversion(raw, names, path.name, place, message)
    if any(mark in raw for mark in HEXADECIMAL):
        _explain_conversion(raw, names, path.name, place)
    return table.rename_columns(list(names)), place


def _text(path: Path) -> bytes:
    """The file's bytes, which must be UTF-8 text; a byte order mark is taken off."""
    raw = path.read_bytes()
    try:
        raw.decode("utf-8")
        wrong = raw.find(b"\0")
    except UnicodeDecodeError as error:
        wrong = error.start
    if wrong >= 0:
        line = raw.count(b"\n", 0, wrong) + 1
        raise Invalid(f"{path.name}, line {line}: not UTF-8 text", code="002")
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if not raw.strip():
        raise Invalid(f"{path.name} is empty", code="003")
    return raw


def _header(raw: bytes, name: str) -> list[str]:
    """The names in the first line that isn't empty."""
    line = re.split(rb"[\r\n]", raw.lstrip(b"\r\n"), maxsplit=1)[0]
    try:
        return next(csv.reader([line.decode()]))
    except csv.Error as error:
        raise Invalid(f"{name}: the header can't be read: {error}", code="002") from None


def _places(raw: bytes) -> Place:
    """The line on which a row starts: empty lines count, and those inside of quotes."""

    def place(row: int) -> str:
        lines = io.StringIO(raw.decode(), newline="")
        reader = csv.reader(lines)
        start, rows = 1, -1  # the header is the row before the first
        with suppress(csv.Error):  # a field too long to count lines in
            for values in reader:
                rows += bool(values)
                if values and rows == row + 1:
                    return f"line {start}"
                start = reader.line_num + 1
        return f"row {row + 1}"

    def quick(row: int) -> str:
        filled = [number for number, line in enumerate(raw.splitlines(), 1) if line]
        return f"line {filled[row + 1]}"

    return place if QUOTE in raw else quick


def _explain_conversion(
    raw: bytes, names: Mapping[str, str], name: str, place: Place, message: str = ""
) -> None:
    """Raise for the first value that isn't of its column's type, and say where it stands.

    Arrow takes ``0x10`` for a whole number; nobody who exports sites means that.  Without a
    ``message`` of Arrow's, a file with no such value is fine.
    """
    schema = arrow_schema(SCHEMA_REF)
    text = pa.csv.read_csv(
        io.BytesIO(raw),
        read_options=pa.csv.ReadOptions(use_threads=False),
        parse_options=pa.csv.ParseOptions(newlines_in_values=QUOTE in raw),
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
        if not message:
            return
        raise Invalid(f"{name}: {message}", code="006")
    row, ours = min(found)
    value = text[names[ours]][row].as_py()
    raise Invalid(
        f"{name}, {place(row)}: {names[ours]} is {value[:40]!r}, not "
        f"{said(schema.field(ours).type)}",
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
    if pc.any(pc.match_substring_regex(values, HEXADECIMAL_NUMBER)).as_py():
        return False
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
