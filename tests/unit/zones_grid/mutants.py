"""Ways to break the grid, as edits of its source, and a way to live with one for a test."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types
from typing import NamedTuple

import pytest

import civiltime.zones.grid as package


class Mutant(NamedTuple):
    """One edit: in a module's source, ``old`` becomes ``new``."""

    name: str
    module: str
    old: str
    new: str


MUTANTS = (
    Mutant("no exact rung", "sides", "    if len(doubt):", "    if False:"),
    Mutant(
        "a tolerance of 1e-15",
        "sides",
        "sign = np.sign(determinant)",
        "sign = np.sign(np.where(np.abs(determinant) < 1e-15, 0, determinant))",
    ),
    Mutant("products taken as exact", "sides", "> SMALLEST_SPLIT) |", "> -1) |"),
    Mutant("differences taken as exact", "sides", "(a - (high + virtual)) +", "0 * a + 0 *"),
    Mutant(
        "(x + 180) * S is rounded",
        "query",
        "np.floor(x, out=x)",
        "np.floor((lon[piece] + 180) * SCALES[0], out=x)\n        x -= 180 * SCALES[0]",
    ),
    Mutant(
        "(x + 180) * S is rounded, below the top",
        "query",
        "np.floor(lon * finest).astype(np.int64)",
        "np.floor((lon + 180) * finest).astype(np.int64)",
    ),
    Mutant("the cell is truncated", "query", "np.floor(x, out=x)", "np.trunc(x, out=x)"),
    Mutant(
        "no touch at ends and horizontal edges",
        "query",
        "np.where(low == high, box, x == end)",
        "False",
    ),
    Mutant("no touch on horizontal edges", "query", "low == high, box, x", "False, box, x"),
    Mutant("no touch at upper ends", "query", "box, x == end)", "box, False)"),
    Mutant("no touch left of the path", "query", "touched = np", "touched = (is_v | is_n) & np"),
    Mutant("no touch at all", "query", "np.bitwise_or.at(result, point[touched]", "#"),
    Mutant("an edge holds both its heights", "query", "band = y < high", "band = y <= high"),
    Mutant("no second class", "query", "(is_v | is_n) & (sign", "is_v & (sign"),
    Mutant("no path up", "query", "np.bitwise_xor.at(result, point[passed]", "#"),
    Mutant("straddling holds both ends", "crossing", "x0 < right", "x0 <= right"),
    Mutant("straddling holds no left end", "crossing", "left <= x0", "left < x0"),
    Mutant("the anchor is below its ties", "crossing", "ux > lx, 1, -1", "ux > lx, -1, 1"),
    Mutant(
        "the scan believes its guess", "corners", "moved_side(x, y, lx, ly, ux, uy) > 0", "near < 1"
    ),
    Mutant(
        "vertices are k / 1e7",
        "edges",
        "np.multiply(k, STEP, dtype=np.float64)",
        "np.divide(k, 1e7, dtype=np.float64)",
    ),
    Mutant("an edge's polygons are lost", "leaves", "run_mask[run]", "0 * run_mask[run]"),
    Mutant("part of a chain is lost", "query", "np.maximum(-head, 1) - 1", "np.zeros_like(head)"),
    Mutant("an edge stays in its first row", "build", "spread(low, high)", "spread(low, low)"),
    Mutant(
        "an edge stays in its first column", "build", "spread(west, east)", "spread(west, west)"
    ),
    Mutant("only the first polygon of an edge", "edges", "[group + 1] - 1", "[group]"),
)


def mutate(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    """Put the mutant's functions in the place of the module's, wherever they are used."""
    home = importlib.import_module(f"{package.__name__}.{mutant.module}")
    source = inspect.getsource(home)
    assert mutant.old in source, f"{mutant.name}: {mutant.module} doesn't say {mutant.old!r}"
    changed: dict[str, object] = {"__name__": home.__name__}
    exec(compile(source.replace(mutant.old, mutant.new), home.__file__ or "", "exec"), changed)
    names = [f"{package.__name__}.{m.name}" for m in pkgutil.iter_modules(package.__path__)]
    modules = [importlib.import_module(name) for name in names if not name.endswith("accelerate")]
    for name, original in list(vars(home).items()):
        if not isinstance(original, types.FunctionType) or original.__module__ != home.__name__:
            continue
        for module in modules:
            for used, value in list(vars(module).items()):
                if value is original:
                    monkeypatch.setattr(module, used, changed[name])
