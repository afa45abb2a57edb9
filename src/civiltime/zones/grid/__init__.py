"""The zone grid: a world compiled once, exact for every float64 point, and fast.

``edges`` and ``sides`` are the geometry, ``crossing`` is the law of a cell, ``corners``,
``build`` and ``leaves`` compile a world to ``layout``, ``query`` and ``accelerate`` ask it,
``store`` keeps it; ``index`` is what callers use.
"""

from civiltime.zones.grid.index import ZoneIndex

__all__ = ["ZoneIndex"]
