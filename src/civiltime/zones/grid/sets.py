"""Zone-set codes of many things at once."""

from __future__ import annotations

from threading import Lock

import numpy as np

from civiltime.zones.codes import Codes, ZoneSetCodes
from civiltime.zones.grid.edges import Ints, Longs

_REGISTER = Lock()


def codes_of(owner: Longs, zone: Ints | Longs, owners: int, codes: ZoneSetCodes) -> Codes:
    """The code int64[owners] of each owner's set, from its (owner, zone) pairs.

    Pairs may repeat and may stand in any order.
    """
    result = np.zeros(owners, np.int64)
    pairs = owner * codes.zone_count + zone
    if (pairs[1:] <= pairs[:-1]).any():
        owner, zone = np.divmod(np.unique(pairs), codes.zone_count)
    first = np.flatnonzero(np.append(True, owner[1:] != owner[:-1])[: len(owner)])
    size = np.diff(np.append(first, len(owner)))
    digits = zone.astype(np.int64) + 1
    result[owner[first]] = digits[first]
    for place in (1, 2):
        more = first[size > place]
        result[owner[more]] = result[owner[more]] * codes.base + digits[more + place]
    for start, count in zip(first[size > 3], size[size > 3], strict=True):
        with _REGISTER:
            result[owner[start]] = codes.encode(zone[start : start + count].tolist())
    return result
