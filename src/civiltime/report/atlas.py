"""The map of the sites, and the small maps of the largest countries (plot 3).

The law: sites are drawn from a sample that takes every zone's sites at even distances in the
order of their key, at least :data:`LEAST` of each zone and otherwise in proportion; so the
same tables give the same picture.  A site's colour and shape say its zone: on the world map
neighbouring zones differ, on a small map they say the zone's rank within the country.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import numpy as np
import polars as pl
import shapely
from numpy.typing import NDArray

from civiltime.report.glyphs import Labels, glyph, text_width
from civiltime.report.palette import INK, LAND, PAPER, SHORE, SOFT, ZONE_MARKS, Mark
from civiltime.report.projection import HALF_WIDTH, equal_earth
from civiltime.report.svg import Drawing, number, text
from civiltime.report.world import Land, Rings, outline

LEAST = 3
NORTH, SOUTH = 84.0, -57.0
REACH = 0.15
"""Land this near to a country's mainland is in its small map; a share of the map's size."""
Numbers = NDArray[np.float64]
Place = Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]
"""Degrees to pixels."""


@dataclass(frozen=True)
class Hotspot:
    """A place that the map points at."""

    rank: int
    name: str
    lon: float
    lat: float
    tip: str


def sample(sites: pl.DataFrame, budget: int) -> pl.DataFrame:
    """At most about ``budget`` sites, zone by zone at even distances in the order of the key."""
    if sites.height == 0:
        return sites
    share = budget / sites.height
    of_zone = pl.len().over("tzid")
    take = pl.max_horizontal((of_zone * share).ceil(), LEAST).clip(upper_bound=of_zone)
    rank = pl.int_range(pl.len()).over("tzid")
    kept = ((rank + 1) * take / of_zone).floor() > (rank * take / of_zone).floor()
    return sites.filter(kept)


def world_map(
    width: int,
    land: Land | None,
    sites: pl.DataFrame,
    marks: Mapping[str, int],
    hotspots: Sequence[Hotspot],
) -> Drawing:
    """The zones, a sample of the sites in the marks of their zones, the hotspots on top."""
    scale = (width - 2) / (2 * HALF_WIDTH)
    top = float(equal_earth(np.zeros(1), np.array([NORTH]))[1][0])
    bottom = float(equal_earth(np.zeros(1), np.array([SOUTH]))[1][0])
    height = round((top - bottom) * scale)

    def place(lon: Numbers, lat: Numbers) -> tuple[Numbers, Numbers]:
        x, y = equal_earth(lon, lat)
        return width / 2 + x * scale, (top - y) * scale

    wide = width > 600
    parts = [_sea(place), _zones(land, place, 0.1 if wide else 0.25, 0.5 if wide else 0.35)]
    parts.append(_sites(sites, place, marks, 1.75 if wide else 1.1))
    parts.append(_hotspots(hotspots, place, width, height, wide=wide))
    return Drawing(width, height, "".join(parts))


def _sea(place: Place) -> str:
    lat = np.linspace(SOUTH, NORTH, 80)
    edges = [(np.full(80, -180.0), lat), (np.full(80, 180.0), lat[::-1])]
    d = "L".join(_points(*place(lon, la)) for lon, la in edges)
    ends = np.array([-180.0, 180.0])
    meridians = [(np.full(80, float(lon)), lat) for lon in range(-150, 180, 30)]
    parallels = [(ends, np.full(2, la)) for la in (-30.0, 0.0, 30.0, 60.0)]
    lines = ["M" + _points(*place(x, y)) for x, y in (*meridians, *parallels)]
    return (
        f'<path d="M{d}Z" fill="#fafbfc"/>'
        f'<path d="{"".join(lines)}" fill="none" stroke="#e9edf1" stroke-width=".6"/>'
    )


def _points(x: Numbers, y: Numbers) -> str:
    return "L".join(f"{number(a)},{number(b)}" for a, b in zip(x, y, strict=True))


def _relative(x: Numbers, y: Numbers) -> str:
    """A closed ring as path data in tenths of a pixel, each point told from the last."""
    px, py = np.round(x * 10).astype(np.int64), np.round(y * 10).astype(np.int64)
    keep = np.r_[True, (np.diff(px) != 0) | (np.diff(py) != 0)]
    px, py = px[keep], py[keep]
    if len(px) < 3:
        return ""
    steps = "".join(
        f"{_tenth(a, first=True)}{_tenth(b)}" for a, b in zip(np.diff(px), np.diff(py), strict=True)
    )
    return f"M{px[0] / 10:g},{py[0] / 10:g}l{steps.lstrip()}z"


def _tenth(value: int, *, first: bool = False) -> str:
    whole = f"{abs(value) / 10:.1f}".lstrip("0").removesuffix(".0") or "0"
    return f"-{whole}" if value < 0 else f" {whole}" if first or whole else whole


def _zones(land: Land | None, place: Place, step: float, stroke: float) -> str:
    if land is None:
        return ""
    by_zone: dict[str, list[str]] = {}
    for tzid, rings in zip(land.tzid, outline(land.polygons, step), strict=True):
        for ring in rings:
            if ring[:, 1].max() > SOUTH:
                path = _relative(*place(ring[:, 0], ring[:, 1]))
                by_zone.setdefault(tzid, []).append(path)
    paths = "".join(
        f'<path data-t={quoteattr(zone)} d="{"".join(by_zone[zone])}"/>'
        for zone in sorted(by_zone, key=str.encode)
        if "".join(by_zone[zone])
    )
    return (
        f'<g fill="{LAND}" stroke="{SHORE}" stroke-width="{stroke}" '
        f'stroke-linejoin="round">{paths}</g>'
    )


def _sites(sites: pl.DataFrame, place: Place, marks: Mapping[str, int], radius: float) -> str:
    paths = []
    for (zone,), group in sites.sort("tzid", maintain_order=True).group_by(
        "tzid", maintain_order=True
    ):
        mark = ZONE_MARKS[marks[str(zone)]]
        x, y = place(group["lon"].to_numpy(), group["lat"].to_numpy())
        spots = dict.fromkeys(
            (round(float(a), 1), round(float(b), 1)) for a, b in zip(x, y, strict=True)
        )
        d = "".join(glyph(mark.shape, a, b, radius) for a, b in spots)
        paths.append(f'<path data-t={quoteattr(str(zone))} {_paint(mark)} d="{d}"/>')
    return f'<g fill-opacity=".85" stroke-width=".5">{"".join(paths)}</g>'


def _paint(mark: Mark) -> str:
    return f'fill="{mark.colour}"' + (f' stroke="{mark.rim}"' if mark.rim else "")


def _hotspots(
    hotspots: Sequence[Hotspot], place: Place, width: int, height: int, *, wide: bool
) -> str:
    radius, size = (8.5, 11.5) if wide else (7.0, 9.5)
    labels = Labels((0, 0, width, height))
    spots = []
    for spot in hotspots:
        x, y = (float(v[0]) for v in place(np.array([spot.lon]), np.array([spot.lat])))
        box = labels.place(
            (cx - radius, cy - radius, cx + radius, cy + radius)
            for distance in (0.0, 2.2, 3.6, 5.2)
            for dx, dy in ((1, 0), (-1, 0), (0, -1), (0, 1), (0.7, -0.7), (-0.7, 0.7))
            for cx, cy in ((x + dx * distance * radius, y + dy * distance * radius),)
        )
        if box is not None:
            spots.append((spot, x, y, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2))
    parts = []
    for spot, x, y, cx, cy in spots:
        leader = ""
        if (cx, cy) != (x, y):
            leader = (
                f'<path d="M{number(x)},{number(y)}L{number(cx)},{number(cy)}" '
                f'stroke="{INK}" stroke-width="1"/>'
            )
        parts.append(
            f"<g data-t={quoteattr(spot.tip)}>{leader}"
            f'<circle cx="{number(cx)}" cy="{number(cy)}" r="{radius}" fill="{INK}" '
            f'stroke="{PAPER}" stroke-width="1.5"/>'
            + text(
                cx,
                cy + size * 0.36,
                str(spot.rank),
                size=size,
                fill=PAPER,
                anchor="middle",
                weight="bold",
            )
            + "</g>"
        )
        if not wide:
            continue
        w = text_width(spot.name, size) + 4
        box = labels.place(
            (
                (cx + radius + 3, cy - 8, cx + radius + 3 + w, cy + 8),
                (cx - radius - 3 - w, cy - 8, cx - radius - 3, cy + 8),
                (cx - w / 2, cy + radius + 1, cx + w / 2, cy + radius + 16),
                (cx - w / 2, cy - radius - 16, cx + w / 2, cy - radius - 1),
            )
        )
        if box is not None:
            parts.append(
                text(
                    (box[0] + box[2]) / 2,
                    (box[1] + box[3]) / 2 + size * 0.36,
                    spot.name,
                    size=size,
                    fill=INK,
                    anchor="middle",
                    weight="bold",
                    halo=3,
                )
            )
    return "".join(parts)


@dataclass(frozen=True)
class LocalCountry:
    """One of the largest countries: its sites in one seed, and what its caption says."""

    name: str
    line: str
    sites: pl.DataFrame
    land: Land | None
    hull: Numbers


def local_maps(width: int, columns: int, countries: Sequence[LocalCountry]) -> Drawing:
    """Plot 3: a small map for each country, each with its own scale."""
    gap, head = 26.0, 36.0
    cell = (width - gap * (columns - 1)) / columns
    tall = cell * 0.78
    body = []
    for i, country in enumerate(countries):
        left = (i % columns) * (cell + gap)
        top = (i // columns) * (tall + head + gap)
        body.append(_local(country, left, top, cell, tall, head))
    rows = -(-len(countries) // columns)
    return Drawing(width, round(max(rows, 1) * (tall + head + gap) - gap + 14), "".join(body))


def _local(
    country: LocalCountry, left: float, top: float, wide: float, tall: float, head: float
) -> str:
    lon, lat = country.sites["lon"].to_numpy(), country.sites["lat"].to_numpy()
    middle = circular_mean(lon)
    lon = _near(lon, middle)
    rings: list[Rings] = []
    if country.land is not None and len(country.land.polygons):
        box = shapely.bounds(country.land.polygons)
        span = max(float((box[:, 2:] - box[:, :2]).max()), float(np.ptp(lon)))
        rings = outline(country.land.polygons, min(max(span / 220, 0.01), 0.25), middle)
    west, east, south, north = _extent(lon, lat, rings)
    squeeze = float(np.cos(np.radians((south + north) / 2)))
    degree = min((wide - 12) / ((east - west) * squeeze), (tall - 12) / (north - south))
    cx, cy = left + wide / 2, top + head + tall / 2

    def place(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
        return (
            cx + (x - (west + east) / 2) * squeeze * degree,
            cy - (y - (south + north) / 2) * degree,
        )

    # a path for each polygon: where zones overlap, two in one path would cut each other out
    shapes = "".join(
        f'<path d="{d}"/>'
        for some in rings
        if (d := "".join(_relative(*place(r[:, 0], r[:, 1])) for r in some))
    )
    parts = [
        text(left, top + 12, country.name, size=12.5, weight="bold", fill=INK),
        text(left, top + 27, country.line, size=10.5, fill=SOFT),
        f'<svg x="{number(left)}" y="{number(top + head)}" width="{number(wide)}" '
        f'height="{number(tall)}" viewBox="{number(left)} {number(top + head)} {number(wide)} '
        f'{number(tall)}"><g fill="{LAND}" stroke="{SHORE}" stroke-width=".5">{shapes}</g>',
    ]
    if len(country.hull) >= 3:
        hull = _near(country.hull[:, 0], middle)
        parts.append(
            f'<path d="M{_points(*place(hull, country.hull[:, 1]))}Z" fill="none" '
            f'stroke="{SOFT}" stroke-width=".8" stroke-dasharray="3 2.5"/>'
        )
    order = country.sites["rank"].to_numpy()
    x, y = place(lon, lat)
    for rank in sorted({int(r) for r in order}, reverse=True):
        mark = ZONE_MARKS[rank]
        here = order == rank
        d = "".join(
            glyph(mark.shape, float(a), float(b), 1.9)
            for a, b in zip(x[here], y[here], strict=True)
        )
        parts.append(f'<path {_paint(mark)} fill-opacity=".85" stroke-width=".5" d="{d}"/>')
    parts.append("</svg>" + _scale_bar(left, top + head + tall + 10, degree, wide))
    return "".join(parts)


def circular_mean(lon: Numbers) -> float:
    """The mean direction of longitudes, in degrees."""
    angle = np.radians(lon)
    return float(np.degrees(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean())))


def _near(lon: Numbers, middle: float) -> Numbers:
    return lon + 360.0 * np.round((middle - lon) / 360.0)


def _extent(
    lon: Numbers, lat: Numbers, rings: Sequence[Rings]
) -> tuple[float, float, float, float]:
    """West, east, south, north of the sites, the largest land, and what lies near to it."""
    box = np.array([lon.min(), lat.min(), lon.max(), lat.max()])
    solid = [r for some in rings for r in some[:1]]
    if solid:
        ends = np.array([(*r.min(axis=0), *r.max(axis=0)) for r in solid])
        mainland = ends[int(np.argmax([_area(r) for r in solid]))]
        land, grown = np.zeros(4), mainland
        while (grown != land).any():
            land = grown
            reach = REACH * (land[2:] - land[:2]).max()
            touches = (ends[:, :2] < land[2:] + reach) & (ends[:, 2:] > land[:2] - reach)
            grown = _around(land, ends[touches.all(axis=1)])
        box = _around(box, land[None])
    west, south, east, north = (float(v) for v in box)
    return west - 0.05, east + 0.05, south - 0.05, north + 0.05


def _around(box: Numbers, boxes: Numbers) -> Numbers:
    """The least box around boxes of (west, south, east, north)."""
    every = np.concatenate([box[None], boxes])
    return np.concatenate([every[:, :2].min(axis=0), every[:, 2:].max(axis=0)])


def _area(ring: Numbers) -> float:
    """The ring's true area up to a factor: land near a pole isn't taken for a mainland."""
    x, y = ring[:, 0], np.sin(np.radians(ring[:, 1]))
    return abs(float(np.sum(x[1:] * y[:-1] - x[:-1] * y[1:]))) / 2


def _scale_bar(left: float, bottom: float, degree: float, wide: float) -> str:
    km = degree / 111.2
    length = max(
        (v * 10**p for p in range(5) for v in (1, 2, 5) if v * 10**p * km <= wide * 0.3), default=1
    )
    right = left + length * km
    return (
        f'<path d="M{number(left)},{number(bottom - 4)}v4H{number(right)}v-4" fill="none" '
        f'stroke="{SOFT}"/>' + text(right + 4, bottom, f"{length:,} km", size=9.5, fill=SOFT)
    )
