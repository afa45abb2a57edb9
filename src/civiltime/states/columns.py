"""Columns of repeated text, as Arrow dictionaries: cheap to make, cheap to write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from civiltime.states.precedence import country_iso

_COUNTRIES = pa.array([country_iso(n) for n in range(26 * 26)])


def constant(value: str, n: int) -> pa.DictionaryArray:
    """A column of one text, ``n`` rows long."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value]))


def choice(second: npt.NDArray[np.bool_], names: Sequence[str]) -> pa.DictionaryArray:
    """A column that holds the first name, or the second where the mask is set."""
    return pa.DictionaryArray.from_arrays(pa.array(second.astype(np.int32)), pa.array(list(names)))


def countries(numbers: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    """A column of country codes from their numbers (0 for AA)."""
    return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), _COUNTRIES)
