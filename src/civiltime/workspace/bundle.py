"""Bundles: a folder, its index, and the flag that binds its bytes (specification 1.4).

The law, in the order in which it is checked:

1. the folder is there and holds only regular files, no link; ``_passed.flag`` is there;
2. the flag is one ASCII line, exactly ``sha256_hex = <hex64>``; one trailing newline is
   tolerated when reading and always written;
3. ``index.json`` has one of two forms.  2A's: an object with ``files``, a list of
   ``{path, sha256_hex}`` of every file but the index and the flag, sorted by raw bytes of
   the path.  1B's: a list of ``{artifact_id, kind, path, mime?, notes?}`` of every file but
   the flag, itself included; its extra fields are not interpreted;
4. paths are ASCII, relative, without backslash, ``.`` or ``..`` segment, no duplicate;
5. what is listed is there, what is there is listed;
6. the flag's digest is the SHA-256 over the raw bytes of the listed files, concatenated
   in byte order of their paths; each ``sha256_hex`` of 2A's index is its file's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from civiltime.errors import Invalid
from civiltime.workspace.digest import FileDigest, list_files, sha256_bytes
from civiltime.workspace.publish import people_json
from civiltime.workspace.shape import check_document

INDEX = "index.json"
FLAG = "_passed.flag"
IndexKind = Literal["1B", "2A"]
_FLAG_LINE = re.compile(rb"sha256_hex = ([a-f0-9]{64})\n?")


@dataclass(frozen=True)
class VerifiedBundle:
    """A bundle whose flag, index and files agree.

    ``files`` are the listed files in byte order of their paths.
    """

    flag_sha256_hex: str
    files: tuple[FileDigest, ...]
    index_kind: IndexKind


def flag_bytes(files: Mapping[str, bytes]) -> bytes:
    """The flag for these listed files (path -> bytes): the line and one newline."""
    digest = hashlib.sha256()
    for path in sorted(files, key=str.encode):
        digest.update(files[path])
    return f"sha256_hex = {digest.hexdigest()}\n".encode()


def parse_flag(raw: bytes) -> str:
    """The digest in a flag's bytes; :class:`Invalid` with kind ``flag_format``."""
    match = _FLAG_LINE.fullmatch(raw)
    if match is None:
        raise Invalid(
            f"{FLAG} must be one line, 'sha256_hex = ' and 64 lowercase hex digits; "
            f"it is {raw[:90]!r}",
            kind="flag_format",
        )
    return match[1].decode()


def seal_2a(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The whole bundle in 2A's form: ``files`` (path -> bytes), the index and the flag."""
    for path in files:
        check_path(path)
    listed = sorted(files, key=str.encode)
    entries = [{"path": path, "sha256_hex": sha256_bytes(files[path])} for path in listed]
    return {**files, INDEX: people_json({"files": entries}), FLAG: flag_bytes(files)}


def seal_1b(files: Mapping[str, tuple[str, bytes]]) -> dict[str, bytes]:
    """The whole bundle in 1B's form: ``files`` (path -> kind and bytes), index and flag."""
    kinds = {path: kind for path, (kind, _) in files.items()} | {INDEX: "index"}
    index = [
        {"artifact_id": Path(path).stem, "kind": kinds[path], "path": path}
        for path in sorted(kinds, key=str.encode)
    ]
    listed = {path: data for path, (_, data) in files.items()} | {INDEX: people_json(index)}
    for path in listed:
        check_path(path)
    return {**listed, FLAG: flag_bytes(listed)}


def check_path(path: str) -> None:
    """Raises :class:`Invalid`, kind ``path``, unless ``path`` may stand in an index."""
    segments = path.split("/")
    why = (
        "is not ASCII"
        if not path.isascii()
        else "is not printable"
        if not path.isprintable()
        else "has a backslash"
        if "\\" in path
        else "is absolute"
        if path.startswith("/")
        else "has an empty, '.' or '..' segment"
        if {"", ".", ".."} & set(segments)
        else None
    )
    if why:
        raise Invalid(f"the path {path!r} in {INDEX} {why}", kind="path", path=path)


def parse_index(raw: bytes) -> tuple[IndexKind, dict[str, str | None]]:
    """An index's form and its paths, each with its digest where the form has one.

    Raises :class:`Invalid`: kind ``path`` for a forbidden path, else kind ``index`` with
    ``reason`` ``schema``, ``order``, ``duplicate``, ``flag_listed`` or ``index_listed``.
    """
    document = _json(raw)
    kind: IndexKind = "1B" if isinstance(document, list) else "2A"
    try:
        check_document(document, f"bundle_index_{kind}", INDEX)
    except Invalid as error:
        raise _index("schema", error.message) from None
    entries = document if kind == "1B" else document["files"]
    paths = [entry["path"] for entry in entries]
    for path in paths:
        check_path(path)
    if repeated := sorted({p for p in paths if paths.count(p) > 1}) if _repeats(paths) else []:
        raise _index("duplicate", f"{INDEX} lists {repeated[0]} twice", path=repeated[0])
    if FLAG in paths:
        raise _index("flag_listed", f"{INDEX} lists {FLAG}, which can't bind itself")
    if kind == "2A":
        if INDEX in paths:
            raise _index("index_listed", f"{INDEX} lists itself")
        if paths != sorted(paths, key=str.encode):
            raise _index("order", f"{INDEX} is not sorted by the bytes of the paths")
        return kind, {entry["path"]: entry["sha256_hex"] for entry in entries}
    return kind, dict.fromkeys(paths)


def verify_bundle(folder: Path) -> VerifiedBundle:
    """Check a bundle from disk, in constant memory.

    Raises :class:`Invalid` whose context has ``kind``: ``missing_bundle``, ``link``,
    ``missing_flag``, ``flag_format``, ``index`` (with ``reason``), ``path``,
    ``missing_file``, ``unlisted`` or ``flag_digest``.
    """
    if not folder.is_dir():
        raise Invalid(f"there is no bundle at {folder.name}", kind="missing_bundle")
    try:
        present = set(list_files(folder))
    except Invalid as error:
        raise Invalid(error.message, kind="link") from None
    if FLAG not in present:
        raise Invalid(f"the bundle has no {FLAG}; nothing may be read", kind="missing_flag")
    flag = parse_flag((folder / FLAG).read_bytes())
    if INDEX not in present:
        raise Invalid(f"the bundle has no {INDEX}", kind="index", reason="missing")
    kind, listed = parse_index((folder / INDEX).read_bytes())
    if missing := sorted(listed.keys() - present):
        raise Invalid(f"{missing[0]} is listed but not there", kind="missing_file", path=missing[0])
    exempt = {FLAG} if kind == "1B" else {FLAG, INDEX}
    if extra := sorted(present - listed.keys() - exempt):
        raise Invalid(f"{extra[0]} is there but not listed", kind="unlisted", path=extra[0])
    whole = hashlib.sha256()
    files = tuple(_digest(folder, path, whole) for path in sorted(listed, key=str.encode))
    if whole.hexdigest() != flag:
        raise Invalid(
            f"{FLAG} says {flag}, the listed files give {whole.hexdigest()}; "
            "a file or the flag was changed after the bundle was sealed",
            kind="flag_digest",
            expected=flag,
            actual=whole.hexdigest(),
        )
    for file in files:
        if listed[file.path] not in {None, file.sha256_hex}:
            raise _index("digest", f"{INDEX} has another digest for {file.path}", path=file.path)
    return VerifiedBundle(flag, files, kind)


def _digest(folder: Path, path: str, whole: Any) -> FileDigest:
    own = hashlib.sha256()
    size = 0
    with (folder / path).open("rb") as stream:
        while block := stream.read(1 << 20):
            own.update(block)
            whole.update(block)
            size += len(block)
    return FileDigest(path, size, own.hexdigest())


def _repeats(paths: list[str]) -> bool:
    return len(set(paths)) < len(paths)


def _index(reason: str, message: str, **context: str) -> Invalid:
    return Invalid(message, kind="index", reason=reason, **context)


def _json(raw: bytes) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if _repeats([key for key, _ in items]):
            raise ValueError("a key stands twice")
        return dict(items)

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise _index("schema", f"{INDEX} is not valid JSON: {error}") from None
