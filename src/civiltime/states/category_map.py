"""The sealed merchant category map, for overrides by category."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from civiltime.errors import Invalid
from civiltime.states.context import Context
from civiltime.workspace.tables import open_batches

CategoryMap = tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]


def read_category_map(ctx: Context) -> CategoryMap | None:
    """Merchant ids, sorted, and the category of each; None where no map is sealed.

    Raises :class:`Invalid` when a merchant stands twice or a category is out of range.
    """
    if ctx.asset_id("merchant_mcc_map") is None:
        return None
    folder = ctx.require_sealed_bytes("merchant_mcc_map")
    batches = list(open_batches(folder, "merchant_mcc_map"))
    if not batches:
        return np.zeros(0, np.uint64), np.zeros(0, np.int32)
    table = pa.Table.from_batches(batches)
    merchants = table["merchant_id"].to_numpy().astype(np.uint64)
    categories = table["mcc"].to_numpy().astype(np.int32)
    order = np.argsort(merchants, kind="stable")
    merchants, categories = merchants[order], categories[order]
    if (merchants[1:] == merchants[:-1]).any():
        raise Invalid("merchant_mcc_map has a merchant twice", code="010")
    if ((categories < 0) | (categories > 9999)).any():
        raise Invalid("merchant_mcc_map has a category outside 0..9999", code="010")
    return merchants, categories
