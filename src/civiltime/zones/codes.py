"""Zone-set codes: a set of zones as one int64.

The law: with ``n`` zones numbered 0..n-1 in byte order of their tzids, a set's code is the
number whose digits in base ``n + 1`` are its zone numbers plus one, greatest last.  So 0
is no zone, 1..n is exactly one, and a code tells its set without a table.  Three digits
hold any set of three; a set of four or more (none exists in the boundaries of today, but a
source may have one) gets a code above them from a registry that lives with the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
DIGITS = 3


@dataclass
class ZoneSetCodes:
    """The codes of one world of ``zone_count`` zones."""

    zone_count: int
    larger: list[tuple[int, ...]] = field(default_factory=list)
    """The sets of four and more, in the order of their codes."""

    @property
    def base(self) -> int:
        """One digit's values: a zone's number plus one, or 0 for no digit."""
        return self.zone_count + 1

    @property
    def first_larger(self) -> int:
        """The code of the first set in :attr:`larger`."""
        return int(self.base**DIGITS)

    def encode(self, zones: Iterable[int]) -> int:
        """The code of a set of zone numbers; registers it when it has four or more."""
        ordered = tuple(sorted(set(zones)))
        if len(ordered) <= DIGITS:
            code = 0
            for zone in ordered:
                code = code * self.base + zone + 1
            return code
        if ordered not in self.larger:
            self.larger.append(ordered)
        return self.first_larger + self.larger.index(ordered)

    def decode(self, code: int) -> tuple[int, ...]:
        """The zone numbers of a code, ascending."""
        if code >= self.first_larger:
            return self.larger[code - self.first_larger]
        zones: list[int] = []
        while code:
            code, digit = divmod(code, self.base)
            zones.append(digit - 1)
        return tuple(reversed(zones))

    def decode_all(self, codes: Codes) -> Sequence[tuple[int, ...]]:
        """The zone numbers of each code; each distinct code is decoded once."""
        unique, inverse = np.unique(codes, return_inverse=True)
        sets = [self.decode(int(code)) for code in unique]
        return [sets[i] for i in inverse.ravel()]
