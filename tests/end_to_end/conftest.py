"""Fixtures of governed lanes."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.end_to_end.governed import Lane, make_lane


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
