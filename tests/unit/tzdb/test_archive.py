"""Two kinds of archive: IANA's source, compiled with zic, and a compiled tree."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.tzdb.tzif_bytes import version_1, version_2

from civiltime.errors import CivilTimeError, Invalid
from civiltime.reference import tzdb
from civiltime.reference.ingest import under_codes
from civiltime.tzdb import archive
from civiltime.tzdb.archive import (
    SOURCES,
    compile_source,
    is_source,
    read_archive,
    release_tag_of,
    zone_tab_of,
)
from civiltime.tzdb.timetable import compile_timetable
from civiltime.workspace.digest import sha256_bytes

IANA = Path(__file__).parents[2] / "data/tzdata2026b.tar.gz"
needs_zic = pytest.mark.skipif(
    not (shutil.which("zic") or shutil.which("zic", path="/usr/sbin:/sbin:/usr/local/sbin")),
    reason="zic, the compiler of the tz database, is not installed",
)
ZONE = version_1([], [], [3600])
EMPTY: Mapping[str, bytes] = dict.fromkeys(SOURCES, b"")


def test_the_sealed_copy_is_ianas() -> None:
    assert sha256_bytes(IANA.read_bytes()) == (
        "114543d9f19a6bfeb5bca43686aea173d38755a3db1f2eec112647ae92c6f544"
    )


def test_a_compiled_tree_gives_its_zones_and_nothing_else() -> None:
    tree = {"zoneinfo/A/B": ZONE, "zoneinfo/zone.tab": b"# text", "elsewhere/A/C": ZONE}
    assert read_archive(tzdb.pack(tree), "T") == {"A/B": ZONE}


@pytest.mark.parametrize("tzid", ["A B", "A/~b", "A/.hidden", "x" * 256, "A/" + "y" * 254])
def test_a_name_that_is_no_tzid_is_refused(tzid: str) -> None:
    with pytest.raises(Invalid, match="not a tzid"):
        archive._named_properly({"A/B": ZONE, tzid: ZONE}, "T")


def test_an_archive_of_something_else_is_refused() -> None:
    with pytest.raises(Invalid, match="neither the tz database's source nor compiled zones"):
        read_archive(tzdb.pack({"readme": b"TZif"}), "T")


def test_an_archive_says_its_release_in_a_file_or_in_the_compact_source() -> None:
    assert release_tag_of({"version": b"2026b\n"}) == "2026b"
    assert release_tag_of({"tzdata.zi": b"# version 2026b\n# more"}) == "2026b"
    for silent in (
        {},
        {"version": b"latest"},
        {"tzdata.zi": b""},
        {"tzdata.zi": b"# version"},
        {"tzdata.zi": b"# version \xff\n"},
    ):
        assert release_tag_of(silent) is None


def test_zone_tab_is_text() -> None:
    assert zone_tab_of({"zoneinfo/zone.tab": b"AD"}, "T") == "AD"
    with pytest.raises(Invalid, match=r"no zone\.tab"):
        zone_tab_of({}, "T")
    with pytest.raises(Invalid, match="UTF-8"):
        zone_tab_of({"zone.tab": b"\xff"}, "T")


# ------------------------------------------------------------------ the source, through zic


def test_a_source_has_all_its_files() -> None:
    assert is_source(EMPTY)
    assert not is_source({k: v for k, v in EMPTY.items() if k != "backward"})


@needs_zic
def test_ianas_archive_compiles_to_every_zone_and_link() -> None:
    release = tzdb.read_source(IANA, "2026b")
    zones = read_archive(release.archive, "T")
    assert len(zones) == release.provenance["zones"] == 598
    assert zones["Asia/Calcutta"] == zones["Asia/Kolkata"]
    assert {"Etc/UTC", "Factory", "EST5EDT", "America/Argentina/Ushuaia"} <= zones.keys()
    assert release.archive == IANA.read_bytes()
    assert release.archive_name == "tzdata2026b.tar.gz"
    assert release.provenance["source"] == {"kind": "iana-source", "file": "tzdata2026b.tar.gz"}


@needs_zic
def test_ojinaga_kept_winter_time_in_november_2022() -> None:
    # The slim format of zic 2.36 lacks the record from which on the rule of the US holds here.
    zones = read_archive(IANA.read_bytes(), "T")
    instants, minutes = compile_timetable({"A": zones["America/Ojinaga"]}).pairs("A")
    autumn = [(int(i), int(m)) for i, m in zip(instants, minutes, strict=True)]
    year = [m for i, m in autumn if 1_667_000_000 < i < 1_679_000_000]
    assert year == [-300]  # one step in half a year: the spring of 2023
    assert (1_678_608_000, -300) in autumn


@needs_zic
def test_the_release_is_the_one_that_was_asked_for() -> None:
    with pytest.raises(Invalid, match="release 2026b, not 2026c") as caught:
        tzdb.read_source(IANA, "2026c")
    assert caught.value.code == "021"


@needs_zic
@pytest.mark.parametrize("length", [0, 1, 1000, 400_000, -9, -8, -5, -1])
def test_ianas_archive_cut_anywhere_is_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "tzdata2026b.tar.gz"
    path.write_bytes(IANA.read_bytes()[:length])
    with pytest.raises(Invalid) as caught:
        tzdb.read_source(path, "2026b")
    assert caught.value.code == "020"
    assert "\n" not in caught.value.message


def test_no_file_and_no_version_have_their_codes(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        tzdb.read_source(tmp_path / "none.tar.gz", "2026b")
    assert caught.value.code == "001"
    (tmp_path / "t.tar").write_bytes(tzdb.pack({"zoneinfo/A/B": ZONE}))
    with pytest.raises(Invalid, match="doesn't say of which release") as caught:
        tzdb.read_source(tmp_path / "t.tar", "2026b")
    assert caught.value.code == "020"


def test_without_zic_the_source_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    real = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, path=None: None if path else real(name, path=path)
    )
    with pytest.raises(Invalid, match=r"`zic`, its compiler, is not installed") as caught:
        tzdb.read_source(IANA, "2026b")
    assert caught.value.code == "2A-IN-022"
    with pytest.raises(CivilTimeError) as shown, under_codes():
        tzdb.read_source(IANA, "2026b")
    assert shown.value.code == "2A-IN-022"
    assert "\n" not in shown.value.message


def test_a_compiled_tree_needs_no_zic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    assert read_archive(tzdb.pack({"zoneinfo/A/B": ZONE}), "T") == {"A/B": ZONE}


@needs_zic
def test_a_source_that_does_not_compile_says_where() -> None:
    with pytest.raises(Invalid, match=r"zic can't compile T: .*africa.*line 2") as caught:
        compile_source({**EMPTY, "africa": b"# fine\nnonsense here\n"}, "T")
    assert "\n" not in caught.value.message


@needs_zic
def test_a_source_without_a_zone_is_refused() -> None:
    with pytest.raises(Invalid, match="compiled to no zone"):
        compile_source(EMPTY, "T")


@pytest.mark.parametrize(
    "line",
    [
        b"Link /etc/passwd A/B",
        b"link ../source/africa A/B",
        b"L ../../x A/B",
        b"  LIN\t/etc/passwd\tA/B",
        b'"Link" /etc/passwd A/B',
        b'Link "/etc/passwd" A/B',
        b"Link",
    ],
)
def test_a_source_links_to_its_own_zones_only(line: bytes) -> None:
    with pytest.raises(Invalid, match="etcetera"):
        compile_source({**EMPTY, "etcetera": b"Zone A/C 1 - AC\n" + line + b"\n"}, "T")


@needs_zic
def test_a_zone_may_not_leave_the_folder() -> None:
    with pytest.raises(Invalid):
        compile_source({**EMPTY, "etcetera": b"Zone ../../../escaped 1 - AC\n"}, "T")


@needs_zic
def test_a_compiler_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **options: object) -> None:
        raise subprocess.TimeoutExpired(command, 1.0)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(Invalid, match="didn't compile T within"):
        compile_source(EMPTY, "T")


@needs_zic
def test_a_compiler_that_can_not_be_run_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: "/nowhere/zic")
    with pytest.raises(Invalid, match="zic can't be run") as caught:
        compile_source(EMPTY, "T")
    assert caught.value.code == "2A-IN-022"


# ------------------------------------------------------------------ the package


def test_a_packed_tree_depends_on_its_content_alone() -> None:
    members = {"b": b"2", "a/c": b"1"}
    assert tzdb.pack(members) == tzdb.pack(dict(reversed(members.items())))
    assert archive.read_members(tzdb.pack(members), "T") == members


def test_the_package_gives_the_same_bytes_twice_and_every_zone_compiles() -> None:
    one, two = tzdb.pack_package("2026c"), tzdb.pack_package("2026c")
    assert one.archive == two.archive
    assert one.archive_sha256 == two.archive_sha256
    assert one.provenance["zones"] == 598
    assert one.zone_tab.startswith("#")


def test_another_release_of_the_package_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        tzdb.pack_package("2026b")
    assert caught.value.code == "024"


def test_a_zone_that_does_not_compile_is_refused_when_it_is_brought_in(tmp_path: Path) -> None:
    broken = {
        "version": b"2026b",
        "zoneinfo/zone.tab": b"",
        "zoneinfo/A/B": version_2([0], [1], [0, 3600], "AAA0"),
    }
    (tmp_path / "t.tar").write_bytes(tzdb.pack(broken))
    with pytest.raises(Invalid, match="A/B") as caught:
        tzdb.read_source(tmp_path / "t.tar", "2026b")
    assert caught.value.code == "020"
