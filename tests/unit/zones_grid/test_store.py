"""The cache gives the right grid or none; whatever happens to it, the answers are right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.unit.zones_grid.worlds import star, star_points, true_sets

from civiltime.errors import Invalid
from civiltime.zones.grid import ZoneIndex, store
from civiltime.zones.grid.layout import Grid
from civiltime.zones.world import World

DIGEST = "ab" * 32
OTHER = "cd" * 32


def fail() -> World:
    raise AssertionError("the index was in the cache")


class Loader:
    """Gives the star's world and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> World:
        """The world."""
        self.calls += 1
        return star()


def right(index: ZoneIndex) -> bool:
    lon, lat = star_points()
    return list(index.zone_sets(index.candidates(lon, lat))) == true_sets(star(), lon, lat)


def same(a: Grid, b: Grid) -> bool:
    arrays = all((getattr(a, n) == getattr(b, n)).all() for n in ("cells", "stream", "values"))
    return arrays and (a.tzids, a.countries, a.larger) == (b.tzids, b.countries, b.larger)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that holds the star."""
    ZoneIndex.open(tmp_path, DIGEST, Loader())
    return tmp_path


def test_a_second_opening_needs_no_world(cache: Path) -> None:
    index = ZoneIndex.open(cache, DIGEST, fail)
    assert index.tzids == star().tzids
    assert index.countries == star().countries
    assert right(index)
    assert same(index.grid, ZoneIndex.of(star()).grid)
    assert not index.grid.cells.flags.writeable


def test_another_world_is_another_file(cache: Path) -> None:
    load = Loader()
    ZoneIndex.open(cache, OTHER, load)
    assert load.calls == 1
    ZoneIndex.open(cache, DIGEST, fail)
    store.path_in(cache, OTHER).replace(store.path_in(cache, DIGEST))
    ZoneIndex.open(cache, DIGEST, load)
    assert load.calls == 2


def test_another_format_is_built_anew(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = store.path_in(cache, DIGEST)
    monkeypatch.setattr(store, "FORMAT", store.FORMAT + 1)
    before.rename(store.path_in(cache, DIGEST))
    load = Loader()
    assert right(ZoneIndex.open(cache, DIGEST, load))
    assert load.calls == 1


def flipped(place: float) -> Callable[[bytes], bytes]:
    """Flip one bit at a part of the file's length."""

    def damage(data: bytes) -> bytes:
        at = min(int(len(data) * place), len(data) - 1)
        return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]

    return damage


def swapped(data: bytes) -> bytes:
    """Two 8-byte words of the top table change places."""
    words = np.frombuffer(data[: len(data) // 8 * 8], np.uint64).copy()
    a = int(np.flatnonzero(words != words[1000])[-1])
    words[1000], words[a] = words[a], words[1000]
    return words.tobytes() + data[len(words) * 8 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda data: data[:1],
    "cut in the header": lambda data: data[:100],
    "half": lambda data: data[: len(data) // 2],
    "last byte missing": lambda data: data[:-1],
    "one byte more": lambda data: data + b"\0",
    "zeros": lambda data: bytes(len(data)),
    "text": lambda _: b"not a grid\n" * 100,
    "magic": flipped(0),
    "header": lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
    "header length": lambda data: data[:8] + b"\xff" * 8 + data[16:],
    "table": flipped(0.3),
    "words swapped": swapped,
    "hole": lambda data: data[:-4096] + bytes(4096),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_built_anew(cache: Path, kind: str) -> None:
    path = store.path_in(cache, DIGEST)
    data = path.read_bytes()
    path.write_bytes(DAMAGE[kind](data))
    load = Loader()
    assert right(ZoneIndex.open(cache, DIGEST, load))
    assert load.calls == 1
    assert path.read_bytes() == data
    ZoneIndex.open(cache, DIGEST, fail)


def test_any_flipped_bit_is_found_or_harmless(cache: Path) -> None:
    path = store.path_in(cache, DIGEST)
    data = bytearray(path.read_bytes())
    good = store.read(path, DIGEST)
    assert good is not None
    rng = np.random.default_rng(5)
    start = len(data) - good.stream.nbytes - 4096
    places = [*rng.integers(0, 2048, 30), *rng.integers(start, len(data), 30)]
    other = path.with_name("flipped")
    found = 0
    for place in places:
        data[place] ^= 1 << (place % 8)
        other.write_bytes(data)
        data[place] ^= 1 << (place % 8)
        grid = store.read(other, DIGEST)
        assert grid is None or same(grid, good)  # padding holds nothing
        found += grid is None
    assert found > 50


def test_a_folder_or_nothing_is_no_grid(tmp_path: Path) -> None:
    assert store.read(tmp_path, DIGEST) is None
    assert store.read(tmp_path / "absent", DIGEST) is None


def test_a_cache_that_cannot_be_written_still_answers(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert right(ZoneIndex.open(tmp_path / "file" / "cache", DIGEST, Loader()))


def test_a_full_disk_still_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert right(ZoneIndex.open(tmp_path, DIGEST, Loader()))
    assert [p.suffix for p in tmp_path.iterdir()] == [".lock"]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    partial = store.path_in(tmp_path, DIGEST).with_suffix(".bin.1-ff.partial")
    partial.write_bytes(b"half")
    ZoneIndex.open(tmp_path, DIGEST, Loader())
    assert not partial.exists()


def test_an_opened_index_outlives_its_file(cache: Path) -> None:
    index = ZoneIndex.open(cache, DIGEST, fail)
    store.path_in(cache, DIGEST).unlink()
    assert right(index)


def test_a_world_that_cannot_be_built_leaves_nothing(tmp_path: Path) -> None:
    def refuse() -> World:
        raise Invalid("no boundaries")

    with pytest.raises(Invalid, match="no boundaries"):
        ZoneIndex.open(tmp_path, DIGEST, refuse)
    assert not store.path_in(tmp_path, DIGEST).exists()
    assert right(ZoneIndex.open(tmp_path, DIGEST, Loader()))


BUILDER = """
import sys, time
from pathlib import Path
from civiltime.zones.grid import ZoneIndex
from tests.unit.zones_grid.test_store import DIGEST, right, star

def load():
    with open(sys.argv[2], "a") as stream:
        stream.write("built\\n")
    time.sleep(0.5)
    return star()

while not Path(sys.argv[3]).exists():
    time.sleep(0.001)
assert right(ZoneIndex.open(Path(sys.argv[1]), DIGEST, load))
"""


def test_two_processes_at_once_build_one_index(tmp_path: Path) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "cache"), str(log), str(go)]
    builders = [subprocess.Popen(command, cwd=Path(__file__).parents[3]) for _ in range(2)]
    go.touch()
    assert [builder.wait(60) for builder in builders] == [0, 0]
    assert log.read_text() == "built\n"
    assert sorted(p.suffix for p in (tmp_path / "cache").iterdir()) == [".bin", ".lock"]
