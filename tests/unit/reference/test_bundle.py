"""Bundles: what the flag binds, and every way in which a bundle can lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from civiltime.errors import Invalid
from civiltime.workspace.bundle import (
    FLAG,
    INDEX,
    flag_bytes,
    parse_flag,
    seal_1b,
    seal_2a,
    verify_bundle,
)

# In byte order "B" < "a" < "a-b" < "a/x": '-' is 0x2d, '/' is 0x2f.
FILES = {"a/x.json": b"4", "a-b.json": b"3", "B.json": b"1", "a": b"2"}


def lay(folder: Path, bundle: dict[str, bytes]) -> Path:
    for name, data in bundle.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


FILES_1B = {"summary.json": ("summary", b"{}"), "e/x.json": ("evidence", b"[]")}
FILES_2A = {"e/b.json": b"[2]", "e/a.json": b"[1]"}


@pytest.fixture(params=["1B", "2A"])
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A good bundle, in each form."""
    sealed = seal_1b(FILES_1B) if request.param == "1B" else seal_2a(FILES_2A)
    return lay(tmp_path / "bundle", sealed)


def kind_of(folder: Path) -> Any:
    with pytest.raises(Invalid) as caught:
        verify_bundle(folder)
    return caught.value.context["kind"]


def test_the_flag_is_the_digest_of_the_bytes_in_byte_order_of_the_paths() -> None:
    expected = hashlib.sha256(b"1234").hexdigest()
    assert flag_bytes(FILES) == f"sha256_hex = {expected}\n".encode()


def test_a_sealed_bundle_verifies(bundle: Path) -> None:
    found = verify_bundle(bundle)
    assert found.flag_sha256_hex == parse_flag((bundle / FLAG).read_bytes())
    paths = [file.path for file in found.files]
    assert paths == sorted(paths, key=str.encode)
    assert (INDEX in paths) == (found.index_kind == "1B")


def test_1bs_flag_binds_the_index_too(tmp_path: Path) -> None:
    sealed = seal_1b(FILES_1B)
    listed = {path: data for path, data in sealed.items() if path != FLAG}
    assert sealed[FLAG] == flag_bytes(listed)
    folder = lay(tmp_path, sealed)
    entries = json.loads(sealed[INDEX])
    entries[0]["notes"] = "changed"
    (folder / INDEX).write_text(json.dumps(entries))
    assert kind_of(folder) == "flag_digest"


def test_extra_fields_of_an_upstreams_entry_are_not_interpreted(tmp_path: Path) -> None:
    index = [
        {"artifact_id": "i", "kind": "index", "path": INDEX, "owner": {"team": 1}},
        {"artifact_id": "s", "kind": "x", "path": "s.json", "mime": "application/json"},
    ]
    listed = {INDEX: json.dumps(index).encode(), "s.json": b"{}"}
    folder = lay(tmp_path, {**listed, FLAG: flag_bytes(listed)})
    assert verify_bundle(folder).index_kind == "1B"


@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_a_flag_may_end_with_one_newline(bundle: Path, newline: bytes) -> None:
    raw = (bundle / FLAG).read_bytes().rstrip(b"\n")
    (bundle / FLAG).write_bytes(raw + newline)
    verify_bundle(bundle)


@pytest.mark.parametrize(
    "change",
    [
        lambda flag: flag + b"\n",
        lambda flag: flag.replace(b"\n", b"\r\n"),
        lambda flag: flag.replace(b" = ", b"="),
        lambda flag: flag.upper(),
        lambda flag: flag[:-2] + b"\n",
        lambda flag: b"\xef\xbb\xbf" + flag,
        lambda flag: b" " + flag,
        lambda _: b"",
    ],
)
def test_any_other_flag_is_refused(bundle: Path, change: Callable[[bytes], bytes]) -> None:
    (bundle / FLAG).write_bytes(change((bundle / FLAG).read_bytes()))
    assert kind_of(bundle) == "flag_format"


def test_no_bundle(tmp_path: Path) -> None:
    assert kind_of(tmp_path / "none") == "missing_bundle"


def test_no_flag_no_read(bundle: Path) -> None:
    (bundle / FLAG).unlink()
    assert kind_of(bundle) == "missing_flag"


def test_no_index(bundle: Path) -> None:
    (bundle / INDEX).unlink()
    assert kind_of(bundle) == "index"


def test_one_flipped_byte(bundle: Path) -> None:
    path = next(p for p in (bundle / "e").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert kind_of(bundle) == "flag_digest"


def test_bytes_moved_over_a_file_boundary_are_seen_by_2as_index(tmp_path: Path) -> None:
    """The flag alone can't see it: the concatenation stays the same."""
    folder = lay(tmp_path, seal_2a({"a": b"12", "b": b"3"}))
    (folder / "a").write_bytes(b"1")
    (folder / "b").write_bytes(b"23")
    with pytest.raises(Invalid, match="another digest for a") as caught:
        verify_bundle(folder)
    assert caught.value.context["reason"] == "digest"


def test_a_listed_file_that_is_missing(bundle: Path) -> None:
    next(p for p in (bundle / "e").iterdir()).unlink()
    assert kind_of(bundle) == "missing_file"


@pytest.mark.parametrize("name", ["extra.json", "e/.hidden", "deep/er/x"])
def test_a_file_that_is_not_listed(bundle: Path, name: str) -> None:
    lay(bundle, {name: b""})
    assert kind_of(bundle) == "unlisted"


@pytest.mark.parametrize("target", ["summary.json", "/etc/hostname", "nowhere"])
def test_a_link(bundle: Path, target: str) -> None:
    (bundle / "link.json").symlink_to(target)
    assert kind_of(bundle) == "link"


def test_a_linked_folder(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (bundle / "f").symlink_to(tmp_path / "elsewhere")
    assert kind_of(bundle) == "link"


def reindexed(folder: Path, index: Any) -> Path:
    """A bundle with this index, and a flag that fits the files that are there."""
    raw = index if isinstance(index, bytes) else json.dumps(index).encode()
    files = {"a.json": b"{}", "b.json": b"[]"}
    listed = {**files, INDEX: raw} if isinstance(index, list) else files
    return lay(folder, {**files, INDEX: raw, FLAG: flag_bytes(listed)})


def entry(path: str) -> dict[str, str]:
    data = {"a.json": b"{}", "b.json": b"[]"}.get(path, b"")
    return {"path": path, "sha256_hex": hashlib.sha256(data).hexdigest()}


A, B = entry("a.json"), entry("b.json")


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (b"{", "schema"),
        (b"\xff", "schema"),
        (b'{"files": [], "files": []}', "schema"),
        ("text", "schema"),
        ({"files": [A, B], "note": ""}, "schema"),
        ({"files": [{**A, "size": 2}, B]}, "schema"),
        ({"files": [{**A, "sha256_hex": "AB"}, B]}, "schema"),
        ([{"path": "a.json"}], "schema"),
        ({"files": [B, A]}, "order"),
        ({"files": [A, A, B]}, "duplicate"),
        ({"files": [entry(FLAG), A, B]}, "flag_listed"),
        ({"files": [A, B, entry(INDEX)]}, "index_listed"),
        ({"files": [{**A, "sha256_hex": "0" * 64}, B]}, "digest"),
    ],
)
def test_an_index_that_lies(tmp_path: Path, index: Any, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        verify_bundle(reindexed(tmp_path, index))
    assert (caught.value.context["kind"], caught.value.context["reason"]) == ("index", reason)


def entry_1b(path: str) -> dict[str, str]:
    return {"artifact_id": "x", "kind": "x", "path": path}


def test_1bs_index_lists_itself(tmp_path: Path) -> None:
    assert kind_of(reindexed(tmp_path, [entry_1b("a.json"), entry_1b("b.json")])) == "unlisted"


def test_1bs_index_needs_no_order(tmp_path: Path) -> None:
    listed = [entry_1b(path) for path in ("b.json", INDEX, "a.json")]
    assert len(verify_bundle(reindexed(tmp_path, listed)).files) == 3


PATHS = ["/a", "../a", "a/../b", "./a", "a//b", "a/", "a\\b", "ä", "a\nb", "."]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("make", [lambda p: [entry_1b(p)], lambda p: {"files": [entry(p)]}])
def test_a_path_that_may_not_be(tmp_path: Path, path: str, make: Callable[[str], Any]) -> None:
    assert kind_of(reindexed(tmp_path, make(path))) == "path"


@pytest.mark.parametrize("path", PATHS)
def test_we_do_not_seal_such_a_path(path: str) -> None:
    with pytest.raises(Invalid):
        seal_2a({path: b""})
    with pytest.raises(Invalid):
        seal_1b({path: ("x", b"")})


GOLDEN = Path(__file__).parents[2] / "golden" / "reference"


@pytest.mark.parametrize(("name", "kind"), [("bundle_1b", "1B"), ("bundle_2a", "2A")])
def test_the_golden_bundles(name: str, kind: str) -> None:
    """``a-b.json`` stands before ``a/x.json``: '-' is 0x2d, '/' is 0x2f."""
    found = verify_bundle(GOLDEN / name)
    assert found.index_kind == kind
    assert [file.path for file in found.files][:2] == ["a-b.json", "a/x.json"]
    files = {"a-b.json": b"{}\n", "a/x.json": b"[]\n"}
    named = {path: ("note", data) for path, data in files.items()}
    sealed = seal_1b(named) if kind == "1B" else seal_2a(files)
    assert sealed == {path: (GOLDEN / name / path).read_bytes() for path in sealed}
