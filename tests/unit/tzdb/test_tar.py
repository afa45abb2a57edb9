"""A hostile archive is refused, in one line that names it."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from civiltime.errors import Invalid
from civiltime.reference.tzdb import pack
from civiltime.tzdb import tar
from civiltime.tzdb.tar import read_members

FILES = {"a": b"first", "d/b": b"", "d/c": b"x" * 513}


def entry(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **more: object) -> bytes:
    """One entry as the standard library writes it."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for key, value in more.items():
        setattr(info, key, value)
    blocks = -(-len(content) // 512) * 512
    return info.tobuf(tarfile.USTAR_FORMAT) + content.ljust(blocks, b"\0")


END = bytes(1024)
PLAIN = entry("a", content=b"first") + entry("d/b") + entry("d/c", content=b"x" * 513) + END


def refused(data: bytes) -> str:
    with pytest.raises(Invalid) as caught:
        read_members(data, "T.tar")
    message = caught.value.message
    assert "\n" not in message
    assert "T.tar" in message
    return message


def test_files_come_back_plain_and_gzipped() -> None:
    assert read_members(PLAIN, "T.tar") == FILES
    assert read_members(gzip.compress(PLAIN), "T.tar") == FILES
    assert read_members(pack(FILES), "T.tar") == FILES


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_the_standard_library_is_read(kind: int, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        archive.add(tmp_path, ".")  # with folders, and times that are fractions of a second
    assert read_members(buffer.getvalue(), "T.tar") == FILES


def test_a_long_name_may_stand_in_two_fields() -> None:
    name = "d" * 90 + "/" + "e" * 60
    assert read_members(pack({name: b"1"}), "T.tar") == {name: b"1"}


@pytest.mark.parametrize("length", [*range(0, len(PLAIN), 37), *range(0, len(PLAIN), 512)])
def test_a_tar_cut_anywhere_is_refused(length: int) -> None:
    refused(PLAIN[:length])


def test_a_gzip_cut_anywhere_is_refused() -> None:
    data = gzip.compress(PLAIN, mtime=0)
    for length in range(len(data)):
        refused(data[:length])


def test_a_gzip_with_any_byte_changed_is_refused_or_says_the_same() -> None:
    data = gzip.compress(PLAIN, mtime=0)
    for at in range(len(data)):
        broken = data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]
        try:
            found = read_members(broken, "T.tar")
        except Invalid:
            refused(broken)
        else:
            assert found == FILES  # the gzip's time or operating system


def test_bytes_after_a_gzip_are_refused() -> None:
    for more in (b"\0", b"garbage", gzip.compress(b"")):
        assert "after the gzip's end" in refused(gzip.compress(PLAIN) + more)


def test_bytes_after_the_end_are_refused() -> None:
    assert read_members(PLAIN + bytes(9000), "T.tar") == FILES
    assert "after its last entry" in refused(PLAIN + b"x")
    assert "after its last entry" in refused(PLAIN + entry("z"))


def test_one_zero_block_is_no_end() -> None:
    assert "end is missing" in refused(PLAIN[:-512])


def test_a_damaged_header_between_entries_is_not_the_end() -> None:
    at = PLAIN.index(b"d/b")
    assert "damaged" in refused(PLAIN[:at] + b"D" + PLAIN[at + 1 :])


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../a", "d/../../a", "d/..", "./../a", "d//b", "./", "a\\b", "a\nb", "é", "."],
)
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.AREGTYPE])
def test_a_name_that_points_outside_or_is_not_plain_is_refused(name: str, kind: bytes) -> None:
    assert "points outside of it or is no plain name" in refused(entry(name, kind) + END)


def test_a_folder_that_points_outside_is_refused() -> None:
    assert "points outside" in refused(entry("../d/", tarfile.DIRTYPE) + entry("a") + END)
    assert read_members(entry("./", tarfile.DIRTYPE) + entry("./a") + END, "T") == {"a": b""}


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.LNKTYPE,
        tarfile.SYMTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CONTTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.GNUTYPE_SPARSE,
        b"V",
        b"?",
    ],
)
def test_links_devices_and_extensions_are_refused(kind: bytes) -> None:
    assert "neither a file nor a folder" in refused(entry("a", kind, linkname="/etc/passwd") + END)


def test_a_name_stands_once() -> None:
    assert "holds a twice" in refused(entry("a") + entry("a", content=b"2") + END)
    assert "holds a twice" in refused(entry("a") + entry("./a") + END)


@pytest.mark.parametrize(
    ("records", "good"),
    [
        (b"30 mtime=1700000000.123456789\n", True),
        (b"11 path=/a\n", False),
        (b"10 size=9\n", False),
        (b"18 linkpath=/etc/x\n", False),
        (b"22 GNU.sparse.major=1\n", False),
        (b"9 uid=0\n", False),
        (b"8 uid=0\n", True),
        (b"8 uid=00", False),
        (b"0 uid=0\n", False),
        (b"-8 uid=0\n", False),
        (b"99999999999999999999 u=0\n", False),
        (b"8_uid=0\n", False),
        (b"\xff", False),
    ],
)
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_an_extended_header_says_when_and_whose_only(
    records: bytes, good: bool, kind: bytes
) -> None:
    data = entry("pax", kind, records) + entry("a") + END
    if good:
        assert read_members(data, "T.tar") == {"a": b""}
    else:
        assert "extended header" in refused(data)


def sized(field: bytes) -> bytes:
    """An entry whose size field is ``field``, with a checksum that holds."""
    block = bytearray(entry("a"))
    block[124:136] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "field",
    [
        b"\xff" * 12,  # -1 in base 256
        b"\x80" + struct.pack(">3xQ", 5),
        b"-0000000001\0",
        b"0000000000x\0",
        b"0x000000001\0",
        b"1 1        \0",
    ],
)
def test_a_size_that_is_no_octal_number_is_refused(field: bytes) -> None:
    assert "size" in refused(sized(field) + END)


def test_a_size_beyond_the_end_is_refused() -> None:
    assert "truncated" in refused(sized(b"77777777777\0") + END)


def test_a_bomb_is_refused_before_it_unpacks(monkeypatch: pytest.MonkeyPatch) -> None:
    compressor = zlib.compressobj(9, wbits=31)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(tar.MAX_BYTES // 2**20 + 1))
    bomb += compressor.flush()
    assert len(bomb) < 100_000
    assert "unpacks to more" in refused(bomb)
    monkeypatch.setattr(tar, "MAX_BYTES", len(PLAIN) - 1)
    assert "larger" in refused(PLAIN)
    assert "unpacks to more" in refused(gzip.compress(PLAIN))


def test_too_many_entries_are_refused() -> None:
    folders = entry("d", tarfile.DIRTYPE) * (tar.MAX_ENTRIES + 1)
    assert "more entries" in refused(folders + entry("a") + END)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: b"", "not a tar archive"),
        (lambda: b"hello", "not a tar archive"),
        (lambda: b"h" * 5000, "not a tar archive"),
        (lambda: b"\x1f\x8b", "truncated"),
        (lambda: b"\x1f\x8bgarbage that is no gzip", "damaged gzip"),
        (lambda: gzip.compress(b"hello"), "not a tar archive"),
        (lambda: gzip.compress(b""), "not a tar archive"),
        (lambda: END, "empty archive"),
        (lambda: entry("d", tarfile.DIRTYPE) + END, "empty archive"),
        (lambda: b"BZh91AY&SY" + bytes(600), "not a tar archive"),
        (lambda: b"PK\3\4" + bytes(600), "not a tar archive"),
    ],
)
def test_what_is_no_tar_is_refused(make: Callable[[], bytes], said: str) -> None:
    assert said in refused(make())
