"""The sample of sites that the map draws: every zone is there, the same tables give the same."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from civiltime.report.atlas import LEAST, sample

zone_sizes = st.lists(st.integers(1, 400), min_size=1, max_size=8)


def sites(sizes: list[int]) -> pl.DataFrame:
    """Zones with so many sites each, mixed as their keys would mix them."""
    rows = [(f"zone {z}", (7 * i + 3 * z) % 997, i) for z, n in enumerate(sizes) for i in range(n)]
    schema = {"tzid": pl.String, "key": pl.Int64, "of_zone": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("key", "tzid", "of_zone")


@given(sizes=zone_sizes, budget=st.integers(1, 3000))
def test_every_zone_has_its_share(sizes: list[int], budget: int) -> None:
    frame = sites(sizes)
    drawn = sample(frame, budget)
    assert drawn.height <= budget + (LEAST + 1) * len(sizes)
    counts = dict(drawn.group_by("tzid").len().rows())
    for zone, size in enumerate(sizes):
        fair = budget * size / frame.height
        assert min(size, LEAST) <= counts[f"zone {zone}"] <= min(size, max(LEAST, fair + 1))


@given(sizes=zone_sizes, budget=st.integers(1, 3000))
def test_the_same_sites_in_the_order_of_their_key(sizes: list[int], budget: int) -> None:
    frame = sites(sizes).with_row_index("row")
    drawn = sample(frame, budget)
    assert_frame_equal(drawn, sample(frame.clone(), budget))
    assert drawn["row"].is_sorted()
    assert drawn["row"].n_unique() == drawn.height


def test_a_budget_for_all_takes_all() -> None:
    frame = sites([5, 1, 90])
    assert sample(frame, 96).height == 96
    assert sample(frame.clear(), 10).height == 0
