"""The arrays of the grid, and what their numbers mean.

The law: ``cells`` int32 begins with the top table, ``ROWS x COLUMNS`` cells of 1/8 degree,
row by row from the south, west to east; the last row and column hold the points at latitude
90 and longitude 180 and nothing else.  Behind it lie blocks of 4 x 4 children, row by row,
down to 1/128 degree.  A value ``v`` is

- ``v >= 0``: no edge comes near; ``v`` is the zone-set code of all the cell;
- ``~v`` even: the cell is divided; its children begin at ``cells[~v >> 1]``;
- ``~v`` odd: the cell is a leaf; it begins at ``stream[~v >> 1]``.

A leaf in ``stream`` int32: the counts of its edges of class V, N and L, the count of its
polygons, the mask of the polygons that cover its anchor, the zone of each polygon
(ascending), then five numbers an edge: lower x and y, upper x and y, mask.  Bit ``i`` of a
mask is the leaf's polygon ``i``.  A leaf of more than ``MASK_BITS`` polygons is ``-n``
followed by the places of ``n`` leaves, which share its polygons between them; what covers a
point is what any of them says.

``floor(degrees * scale)`` is exact for a scale that is a power of two;
``floor((degrees + 180) * scale)`` is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from civiltime.zones.codes import ZoneSetCodes
from civiltime.zones.grid.edges import Floats, Ints

SCALES = (8, 32, 128)
"""Cells per degree, by level."""
COLUMNS = 360 * SCALES[0] + 1
ROWS = 180 * SCALES[0] + 1
MASK_BITS = 31
LEAF_EDGES = 8
"""A cell with more edges is divided, above the last level."""
HEADER = 5
"""Numbers of a leaf before its zones."""
EDGE = 5
"""Numbers of an edge."""


@dataclass(frozen=True)
class Grid:
    """One compiled world; what a store keeps and a query needs."""

    tzids: tuple[str, ...]
    countries: tuple[str | None, ...]
    cells: Ints
    stream: Ints
    values: Floats
    """Coordinates by number; empty where ``k`` means ``k * STEP``."""
    larger: list[tuple[int, ...]] = field(default_factory=list)
    """Zone sets of four and more that whole cells have."""

    def codes(self) -> ZoneSetCodes:
        """A fresh registry of codes, which begins with the sets of whole cells."""
        return ZoneSetCodes(len(self.tzids), list(self.larger))
