"""Worlds to test the grid on: a real cut, one off the lattice, and small ones by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import shapely

from civiltime.zones.grid import ZoneIndex
from civiltime.zones.grid.edges import Floats
from civiltime.zones.grid.sides import rational_side
from civiltime.zones.grid.traps import traps
from civiltime.zones.plain import PlainZones
from civiltime.zones.world import World


def world_of(*zones: Sequence[shapely.Polygon]) -> World:
    """A world whose zones ``Zone/000``, … have these polygons."""
    return World(
        tzids=tuple(f"Zone/{number:03}" for number in range(len(zones))),
        countries=tuple(None for _ in zones),
        zone=np.array([n for n, polygons in enumerate(zones) for _ in polygons], np.int32),
        polygons=np.array([polygon for polygons in zones for polygon in polygons], np.object_),
    )


def off_lattice(seed: int = 7) -> World:
    """Three dozen zones with vertices of all fifteen digits.

    Triangles that share their edges bit for bit, a fan of 50 triangles around one point (more
    polygons than a mask holds, and as many zones at one point), polygons with holes that lie
    over others, zones whose border is a line of the grid, and a border with a vertex on every
    meridian of the grid.
    """
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 1, (150, 2)) * (30, 12) + (-3, 5)
    triangles = list(shapely.delaunay_triangles(shapely.MultiPoint(points)).geoms)
    owner = rng.integers(0, 25, len(triangles))
    zones = [[t for t, o in zip(triangles, owner, strict=True) if o == n] for n in range(25)]
    hub = np.array([100.123456789012345, 45.987654321098765])
    angles = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    rim = hub + 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    zones += [[shapely.Polygon([hub, rim[i], rim[(i + 1) % 50]])] for i in range(50)]
    outer = shapely.Point(-100.1, 40.2).buffer(9.7, 40)
    inner = shapely.Point(-100.3, 40.4).buffer(3.3, 40)
    ring = shapely.Polygon(outer.exterior, [inner.exterior])
    zones += [[ring], [shapely.Point(-99.9, 41.3).buffer(4.4, 30)], [inner]]
    zones += [[shapely.box(-180, -90, -172.5, 90)], [shapely.box(172.5, -90, 180, 90)]]
    zones += [[shapely.box(-0.125, -60, 0.1, 0)], [shapely.box(-20, -60, -0.125, -50)]]
    comb = [(60 + i / 8, float(y)) for i, y in enumerate(rng.uniform(-3, 3, 80))]
    zones += [[shapely.Polygon([*comb, (70.03, 9.1), (59.97, 9.2)])]]
    return world_of(*zones)


def star() -> World:
    """Triangles around latitude 0, longitude 0: close to it, products of differences underflow."""
    rim = [(0.3, 0.7), (-0.6, 0.35), (-0.11, -0.77), (0.9, -0.13)]
    return world_of(*([shapely.Polygon([(0, 0), rim[i], rim[(i + 1) % 4]])] for i in range(4)))


def star_points() -> tuple[Floats, Floats]:
    """All points within three denormals of the star's middle, and along its axes."""
    steps = np.append(np.arange(-3, 4) * 5e-324, [-1e-300, 1e-308, 3e-200, -1e-30, 0.1])
    lon, lat = np.meshgrid(steps, steps)
    return lon.ravel(), lat.ravel()


def true_sets(world: World, lon: Floats, lat: Floats) -> list[tuple[int, ...]]:
    """The zones that cover each point, in rational numbers: slow, and never wrong.

    GEOS itself is wrong within some 1e-300 degrees of a vertex at latitude 0, longitude 0.
    """
    rings = [
        [shapely.get_coordinates(ring).tolist() for ring in (polygon.exterior, *polygon.interiors)]
        for polygon in world.polygons
    ]
    return [
        tuple(sorted({int(z) for z, r in zip(world.zone, rings, strict=True) if _covers(r, x, y)}))
        for x, y in zip(lon.tolist(), lat.tolist(), strict=True)
    ]


def _covers(rings: list[list[list[float]]], x: float, y: float) -> bool:
    odd = False
    for ring in rings:
        for (ax, ay), (bx, by) in pairwise(ring):
            side = rational_side(x, y, ax, ay, bx, by)
            if side == 0 and min(ax, bx) <= x <= max(ax, bx) and min(ay, by) <= y <= max(ay, by):
                return True
            odd ^= (ay <= y) != (by <= y) and (side > 0) == (by > ay)
    return odd


def on_lattice(world: World) -> World:
    """A world with every vertex moved to the lattice, for polygons that stay valid."""
    moved = shapely.transform(world.polygons, lambda xy: np.rint(xy * 1e7) * 1e-7)
    good = shapely.is_valid(moved)
    zone = world.zone[good]
    return World(world.tzids, world.countries, zone, moved[good])


def trap_points(world: World, each: int, seed: int = 1) -> tuple[Floats, Floats]:
    """``each`` points of every kind of trap, in one pair of arrays."""
    kinds = traps(world, each, seed).values()
    return np.concatenate([x for x, _ in kinds]), np.concatenate([y for _, y in kinds])


def differences(plain: PlainZones, index: ZoneIndex, lon: Floats, lat: Floats) -> int:
    """How many points the two answer differently.

    Sets of four and more are numbered in the order of asking, so they are compared as sets.
    """
    a, b = plain.candidates(lon, lat), index.candidates(lon, lat)
    large = (a >= plain.codes.first_larger) & (b >= plain.codes.first_larger)
    sets = zip(plain.zone_sets(a[large]), index.zone_sets(b[large]), strict=True)
    return int(((a != b) & ~large).sum()) + sum(x != y for x, y in sets)
