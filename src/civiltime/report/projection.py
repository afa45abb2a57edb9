"""The Equal Earth projection: areas are true, so that a dense place looks as dense as it is.

B. Šavrič, T. Patterson, B. Jenny (2018), "The Equal Earth map projection".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
_A = (1.340264, -0.081106, 0.000893, 0.003796)
_M = np.sqrt(3.0) / 2.0
HALF_WIDTH = 2.70663
"""x of the 180th meridian at the equator, on a sphere of radius 1."""


def equal_earth(lon_deg: Numbers, lat_deg: Numbers) -> tuple[Numbers, Numbers]:
    """Plane coordinates on a sphere of radius 1; north is up."""
    theta = np.arcsin(_M * np.sin(np.radians(lat_deg)))
    t2 = theta * theta
    t6 = t2 * t2 * t2
    slope = 9 * _A[3] * t6 * t2 + 7 * _A[2] * t6 + 3 * _A[1] * t2 + _A[0]
    x = np.radians(lon_deg) * np.cos(theta) / (_M * slope)
    y = theta * (_A[3] * t6 * t2 + _A[2] * t6 + _A[1] * t2 + _A[0])
    return np.asarray(x), np.asarray(y)
