"""docs/certification.md says what the default policy says."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.certify.figures import POLICY

from civiltime.certify.hotspots import COLLAPSED, OVERLAPPED, TERRITORY
from civiltime.certify.movement import TOLERANCE

PAGE = (Path(__file__).parents[3] / "docs/certification.md").read_text("utf-8")


def test_the_table_of_gates_is_the_default_policy() -> None:
    row = re.compile(
        r"^\| `(\w+)`.* \| at (most|least) ([\d.]+) \| at (most|least) ([\d.]+) \|$", re.MULTILINE
    )
    stated = {name: (one, float(b), float(b_plus)) for name, one, b, _, b_plus in row.findall(PAGE)}
    assert stated == {
        name: ("least" if t.b_plus > t.b else "most", t.b, t.b_plus)
        for name, t in POLICY.gates.items()
    }


def test_cohorts_seeds_and_limits_are_those_of_the_code() -> None:
    assert (POLICY.c_multi_min_support, POLICY.c_multi_min_sites) == (2, 100)
    assert "two zones or more, 100 sites or more" in PAGE
    assert (POLICY.c_large_min_sites, POLICY.c_large_top1_share_below) == (500, 0.95)
    assert "500 sites or more, and two zones or more" in PAGE
    assert POLICY.required_seeds == (42, 7, 101, 202)
    assert "seeds 42, 7, 101 and 202" in PAGE
    assert f"less than {COLLAPSED:.0%}" in PAGE
    assert f"{TERRITORY:.0%} of the land" in PAGE
    assert f"ties decide {OVERLAPPED:.0%}" in PAGE
    assert f"less than {TOLERANCE}" in PAGE
