"""A picture of the index: ``python -m benchmarks.picture``, written to docs/images/index.png.

Above: the cells of the real index around Büsingen (a German village that Swiss land encloses, the
smallest second zone of a large country), by level, with the zones' borders.  Below:
how many cells each level has, how many edges a leaf holds, and how far a query has to go.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl
import shapely

from benchmarks.kernel_world import city_sites, real_world, say
from civiltime.zones.grid import ZoneIndex
from civiltime.zones.grid.layout import COLUMNS, ROWS, SCALES, Grid
from civiltime.zones.world import World

OUT = Path("docs/images/index.png")
WEST, SOUTH, EAST, NORTH = 8.375, 47.5, 9.125, 47.875
INK, SOFT, RULE = "#17202b", "#4d5866", "#dfe4ea"
LEVELS = ("1/8 degree", "1/32 degree", "1/128 degree")
UNIFORM, LEAF = "one answer", "leaf with edges"
COLOURS = {
    ("1/8 degree", UNIFORM): "#f4f6f8",
    ("1/32 degree", UNIFORM): "#cfe3f2",
    ("1/128 degree", UNIFORM): "#8ebfe0",
    ("1/8 degree", LEAF): "#fbe3c0",
    ("1/32 degree", LEAF): "#f2b766",
    ("1/128 degree", LEAF): "#d55e00",
}
KINDS = [f"{level}, {kind}" for level, kind in COLOURS]


def cells(grid: Grid) -> pl.DataFrame:
    """Every cell that ends the descent: ``level, lon, lat, value``, south-west corners."""
    values = grid.cells[: ROWS * COLUMNS].astype(np.int64)
    row, column = np.divmod(np.arange(len(values)), COLUMNS)
    lon, lat = column / SCALES[0] - 180.0, row / SCALES[0] - 90.0
    found = []
    for level, scale in enumerate(SCALES):
        divided = (values < 0) & (~values & 1 == 0)
        ends = ~divided
        found.append(
            pl.DataFrame(
                {"level": level, "lon": lon[ends], "lat": lat[ends], "value": values[ends]},
                schema_overrides={"level": pl.Int8},
            )
        )
        if not divided.any():
            break
        finer = scale * 4
        child = np.arange(16)
        lon = (lon[divided][:, None] + child % 4 / finer).ravel()
        lat = (lat[divided][:, None] + child // 4 / finer).ravel()
        values = grid.cells[((~values[divided] >> 1)[:, None] + child)].ravel().astype(np.int64)
    return pl.concat(found)


def closely(ends: pl.DataFrame, world: World) -> Any:
    """The cells of a small part of Europe, with the borders on top."""
    here = ends.filter(
        pl.col("lon").is_between(WEST, EAST, closed="left")
        & pl.col("lat").is_between(SOUTH, NORTH, closed="left")
    ).with_columns(
        size=pl.col("level").replace_strict(
            dict(enumerate(1 / s for s in SCALES)), return_dtype=pl.Float64
        ),
        kind=pl.concat_str(
            pl.col("level").replace_strict(dict(enumerate(LEVELS)), return_dtype=pl.String),
            pl.when(pl.col("value") < 0).then(pl.lit(LEAF)).otherwise(pl.lit(UNIFORM)),
            separator=", ",
        ),
    )
    rects = here.select(
        "kind",
        "lon",
        "lat",
        east=pl.col("lon") + pl.col("size"),
        north=pl.col("lat") + pl.col("size"),
    )
    x = alt.X("lon:Q", title=None, scale=alt.Scale(domain=[WEST, EAST], nice=False))
    y = alt.Y("lat:Q", title=None, scale=alt.Scale(domain=[SOUTH, NORTH], nice=False))
    squares = (
        alt.Chart(data(rects))
        .mark_rect(stroke="#ffffff", strokeWidth=0.6)
        .encode(
            x=x,
            x2="east:Q",
            y=y,
            y2="north:Q",
            color=alt.Color(
                "kind:N",
                title=None,
                sort=KINDS,
                scale=alt.Scale(domain=KINDS, range=list(COLOURS.values())),
                legend=alt.Legend(orient="top", columns=3, labelFontSize=12, symbolStrokeWidth=0),
            ),
        )
    )
    lines = alt.Chart(data(borders(world))).mark_line(color=INK, strokeWidth=1.3, clip=True)
    return alt.layer(
        squares,
        lines.encode(x="lon:Q", y="lat:Q", detail="ring:N", order="at:Q"),
    ).properties(
        width=940,
        height=700,
        title=alt.TitleParams(
            "The index around Büsingen",
            subtitle="cells by level, borders of Europe/Berlin, Europe/Busingen and Europe/Zurich",
        ),
    )


def borders(world: World) -> pl.DataFrame:
    """The vertices of the borders in view, ring by ring."""
    box = shapely.box(WEST, SOUTH, EAST, NORTH)
    near = world.polygons[shapely.intersects(world.polygons, box)]
    shapely.prepare(box)
    parts = shapely.get_parts(shapely.intersection(shapely.boundary(near), box))
    rows = []
    for ring, part in enumerate(parts):
        for at, (lon, lat) in enumerate(shapely.get_coordinates(part)):
            rows.append({"ring": ring, "at": at, "lon": float(lon), "lat": float(lat)})
    return pl.DataFrame(rows)


def data(frame: pl.DataFrame) -> Any:
    """A frame's rows inside the chart."""
    return alt.Data(values=frame.to_dicts())  # type: ignore[no-untyped-call]


def bars(frame: pl.DataFrame, title: str, unit: str) -> Any:
    """Bars of ``what, share`` with the numbers written on them."""
    base = alt.Chart(data(frame)).encode(
        y=alt.Y("what:N", sort=None, title=None),
        x=alt.X("n:Q", title=None, axis=None),
    )
    return alt.layer(
        base.mark_bar(color="#0072b2", height=16),
        base.mark_text(align="left", dx=5, fontSize=12, color=INK).encode(text="said:N"),
    ).properties(width=225, height=150, title=alt.TitleParams(title, subtitle=unit))


def by_level(ends: pl.DataFrame) -> pl.DataFrame:
    """Cells by level and kind."""
    rows = []
    for level, name in enumerate(LEVELS):
        here = ends.filter(pl.col("level") == level)
        leaves = int((here["value"] < 0).sum())
        rows += [(f"{name}, one answer", here.height - leaves), (f"{name}, leaf", leaves)]
    return _said(rows)


def by_edges(grid: Grid, ends: pl.DataFrame) -> pl.DataFrame:
    """Leaves by the number of their edges."""
    at = ~ends.filter(pl.col("value") < 0)["value"].to_numpy() >> 1
    plain = at[grid.stream[at] >= 0]
    edges = grid.stream[plain[:, None] + np.arange(3)].sum(axis=1)
    bounds = ((1, 4), (5, 8), (9, 16), (17, 32), (33, 64), (65, 1 << 30))
    names = [f"{a} to {b}" if b < 1 << 30 else f"{a} and more" for a, b in bounds]
    rows = [
        (name, int(((edges >= a) & (edges <= b)).sum()))
        for name, (a, b) in zip(names, bounds, strict=True)
    ]
    return _said(rows)


def by_end(ends: pl.DataFrame, sites: int = 1_000_000) -> pl.DataFrame:
    """Where sites around cities end: the share of each kind of cell."""
    lon, lat = city_sites(sites)
    finest = SCALES[-1]
    keys = pl.DataFrame({"x": np.floor(lon * finest), "y": np.floor(lat * finest)}).cast(pl.Int64)
    rows = []
    for level, name in enumerate(LEVELS):
        here = ends.filter(pl.col("level") == level)
        scale, shift = SCALES[level], finest // SCALES[level]
        places = here.select(
            x=(pl.col("lon") * scale).round().cast(pl.Int64),
            y=(pl.col("lat") * scale).round().cast(pl.Int64),
            leaf=pl.col("value") < 0,
        )
        hit = keys.select(x=pl.col("x") // shift, y=pl.col("y") // shift).join(
            places, on=["x", "y"]
        )
        leaves = int(hit["leaf"].sum())
        rows += [
            (f"{name}, one answer", (hit.height - leaves) / sites),
            (f"{name}, leaf", leaves / sites),
        ]
    return _said(rows)


def _said(rows: Sequence[tuple[str, float]]) -> pl.DataFrame:
    def said(n: float) -> str:
        return f"{n:,}" if isinstance(n, int) else f"{n:.2%}"

    return pl.DataFrame(
        [{"what": what, "n": float(n), "said": said(n)} for what, n in rows],
    )


def main() -> int:
    """Draw and write the picture."""
    world = real_world()
    grid = ZoneIndex.of(world).grid
    ends = cells(grid)
    below = alt.hconcat(
        bars(by_level(ends), "Cells", "by level, whole world"),
        bars(by_edges(grid, ends), "Leaves", "by number of edges"),
        bars(by_end(ends), "Queries", "where a million city sites end"),
        spacing=44,
    )
    chart = (
        alt.vconcat(closely(ends, world), below, spacing=24)
        .configure(font="Liberation Sans", background="#ffffff", padding=16)
        .configure_view(stroke=None)
        .configure_axis(labelColor=SOFT, domain=False, ticks=False, gridColor=RULE, grid=False)
        .configure_title(anchor="start", fontSize=15, color=INK, subtitleColor=SOFT)
    )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    chart.save(str(OUT), scale_factor=1.5)
    say(f"{OUT}: {OUT.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
