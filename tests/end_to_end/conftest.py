"""Fixtures of certified worlds and governed lanes, and of processes that are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.certified_world import World, copied_world
from tests.end_to_end.governed import Lane, make_lane
from tests.end_to_end.killing import Killable


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> World:
    """A fresh copy of the world of certifications."""
    return copied_world(tmp_path_factory, tmp_path / "world")


@pytest.fixture(scope="session")
def lane_template(tmp_path_factory: pytest.TempPathFactory, small_template: Path) -> Path:
    """A certified lane, made once for each worker process."""
    folder = tmp_path_factory.mktemp("lane")
    make_lane(small_template, folder)
    return folder


@pytest.fixture
def lane(lane_template: Path, tmp_path: Path) -> Lane:
    """A fresh copy of the certified lane."""
    return Lane(lane_template / "workspace").copied(tmp_path / "lane")


@pytest.fixture
def frozen(lane: Lane) -> Lane:
    """The same, frozen."""
    lane.freeze()
    return lane


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Killable]:
    """The server of such processes, for everything below the test's folder."""
    with subprocess.Popen(
        [sys.executable, Path(__file__).with_name("killable.py"), tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield Killable(server)
