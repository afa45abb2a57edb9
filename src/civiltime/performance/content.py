"""What published files say, whoever wrote them: how a changed writer is told from changed data.

The law (specification 5.7): two files of a path say the same when

1. *tables*: the columns have the same names, types and nullability, and the rows are the same in
   the same order; encoding, compression and row groups are nothing;
2. *JSON and the flag*: the text is the same, where a digest of something that this very run
   published stands for "the digest of that", and a size beside it for "the size of that";
3. *anything else*: the bytes are the same.

What is named in 2 is itself compared at its own path, so nothing escapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from civiltime.errors import Invalid
from civiltime.workspace.bundle import FLAG, verify_bundle
from civiltime.workspace.digest import (
    FileDigest,
    digest_folder,
    partition_hash,
    self_digest,
    sha256_bytes,
)

_DIGEST = re.compile(r"[a-f0-9]{64}")
SIZE = "size_bytes"
Names = Mapping[str, tuple[str, int | None]]
"""What each digest of the run is the digest of, and the size of that where it is a file."""


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of what each file below a run's ``data`` says, by its path there."""
    files = digest_folder(folder)
    names = _names(folder, files)
    return {f.path: _content(folder / f.path, f, names) for f in files}


def _names(folder: Path, files: list[FileDigest]) -> Names:
    names: dict[str, tuple[str, int | None]] = {}
    for file in files:
        names.setdefault(file.sha256_hex, (f"digest of {file.path}", file.size_bytes))
    for partition in sorted({(folder / f.path).parent for f in files}):
        where = partition.relative_to(folder).as_posix()
        names.setdefault(partition_hash(digest_folder(partition)), (f"digest of {where}", None))
        if (partition / FLAG).is_file():
            try:
                flag = verify_bundle(partition).flag_sha256_hex
            except Invalid:  # its digest then stands for itself
                continue
            names.setdefault(flag, (f"flag of {where}", None))
    return names


def _content(path: Path, file: FileDigest, names: Names) -> str:
    if path.suffix == ".parquet":
        return table_content(path)
    if path.suffix == ".json":
        return self_digest(_renamed(json.loads(path.read_bytes()), names))
    if path.name == FLAG:
        return sha256_bytes(_text(path.read_text("ascii"), names).encode())
    return file.sha256_hex


def _renamed(value: Any, names: Names) -> Any:
    if isinstance(value, str):
        return _text(value, names)
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    own = {names[d][1] for d in value.values() if isinstance(d, str) and d in names}
    said = {_text(key, names): _renamed(item, names) for key, item in value.items()}
    return {**said, SIZE: "its size"} if value.get(SIZE) in own - {None} else said


def _text(text: str, names: Names) -> str:
    return _DIGEST.sub(lambda found: names.get(found[0], (found[0],))[0], text)


def table_content(path: Path) -> str:
    """SHA-256 of a Parquet file's columns and rows, however they are stored."""
    table = pq.read_table(path, partitioning=None)
    fields = [pa.field(f.name, _plain(f.type), f.nullable) for f in table.schema]
    sink = pa.BufferOutputStream()
    plain = table.replace_schema_metadata().cast(pa.schema(fields)).combine_chunks()
    with pa.ipc.new_stream(sink, plain.schema) as stream:
        stream.write_table(plain)
    return sha256_bytes(sink.getvalue())


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
