"""Every condition of every phase: open until its artefact is there, proved by it, open without."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.conftest import sites
from tests.end_to_end.governed import Lane
from tests.end_to_end.test_programme import CONTROL, close, make_control, pin_authorities, watch


def every(lane: Lane, *, proved_only: bool = False) -> set[str]:
    """Every condition of every phase, or those that are proved now."""
    said = lane.cli("programme", "status")
    assert said.code == 0, said.err
    return {
        f"{phase['phase']}.{condition['id']}"
        for phase in said.json["phases"]
        for condition in phase["conditions"]
        if condition["proved"] or not proved_only
    }


def proved(lane: Lane) -> set[str]:
    """The conditions that are proved now."""
    return every(lane, proved_only=True)


def certify(lane: Lane) -> None:
    assert lane.cli("certify").code == 3


def run(lane: Lane) -> None:
    lane.publish_sites(sites(*[(1, "CH", n, 8.5417, 47.3769) for n in range(1, 13)]))
    assert lane.run().code == 0


def close_two(lane: Lane) -> None:
    close(lane, "P0", "P1")


def close_two_more(lane: Lane) -> None:
    close(lane, "P2")
    watch(lane)


def freeze(lane: Lane) -> None:
    close(lane, "P3")
    lane.freeze()


SCORED = """
    P0.lineage P0.metrics P0.cohorts P0.artefacts P1.rates P1.provenance P1.not_regressed
    P2.verdicts P2.deterministic P2.diagnostics P3.correction P3.no_inflation P3.no_regression
    P4.full_chain P4.published P4.verdict"""
STEPS: tuple[tuple[Callable[[Lane], None], str], ...] = (
    (make_control, "P1.negative_control"),
    (run, ""),
    (certify, SCORED),
    (pin_authorities, "P0.authorities"),
    (close_two, "P4.retained"),
    (close_two_more, "P3.watchlist"),
    (freeze, "P4.freeze"),
)
"""What is done, and the conditions that it proves."""


def lose_authority(lane: Lane) -> None:
    (lane.root / "runs/1A.json").write_text("{}")


def lose_certification(lane: Lane) -> None:
    lane.certification.unlink()


def change_run(lane: Lane) -> None:
    (part,) = (lane.folder / "data").rglob("site_timezones/**/*.parquet")
    part.write_bytes(part.read_bytes() + b"x")


def lose_control(lane: Lane) -> None:
    shutil.rmtree(lane.folder.parent / CONTROL)


def lose_watchlist(lane: Lane) -> None:
    (lane.reports / "segment2a_watchlist.json").unlink()


def edit_freeze(lane: Lane) -> None:
    path = lane.reports / "segment2a_freeze.json"
    path.write_bytes(path.read_bytes().replace(b"blockers", b"Blockers"))


def litter(lane: Lane) -> None:
    shutil.copytree(lane.folder.parent / CONTROL, lane.folder.parent / ("e" * 32))


BREAKS: tuple[tuple[Callable[[Lane], None], str], ...] = (
    (lose_authority, "P0.authorities"),
    (lose_certification, SCORED),
    (change_run, SCORED),
    (lose_control, "P1.negative_control"),
    (lose_watchlist, "P3.watchlist"),
    (edit_freeze, "P4.freeze"),
    (litter, "P4.retained"),
)
"""What is broken, and the conditions that this opens at least."""


def test_each_condition_is_open_before_proved_after_and_open_when_its_artefact_is_gone(
    lane: Lane, tmp_path: Path
) -> None:
    shutil.rmtree(lane.folder)
    for path in lane.reports.glob("segment2a_*"):
        path.unlink()
    before = proved(lane)
    assert before == set()
    for act, proves in STEPS:
        act(lane)
        after = proved(lane)
        assert after - before == set(proves.split()), act.__name__
        assert before <= after, act.__name__
        before = after
    assert before == every(lane)

    opened = set()
    for act, opens in BREAKS:
        broken = lane.copied(tmp_path / act.__name__)
        act(broken)
        lost = before - proved(broken)
        assert set(opens.split()) <= lost, (act.__name__, lost)
        opened |= lost
    assert opened == before
