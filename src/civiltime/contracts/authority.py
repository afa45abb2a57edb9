"""Whether the contracts agree on a dataset (specification 1.3).

The law: schema over dictionary over registry.  That order settles most differences; what it
can't settle is refused with the state's code 080: a dictionary that orders or partitions a
table by columns that its schema doesn't have, a format that doesn't fit the schema's kind,
an entry that the registry lacks or gives no licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from civiltime import contracts
from civiltime.errors import Invalid

TABLES = {"parquet", "geoparquet"}


def require_agreement(dataset_ids: tuple[str, ...]) -> None:
    """Raises :class:`Invalid` (080) naming the first dataset on which the contracts differ."""
    for dataset_id in dataset_ids:
        conflict = _conflict(dataset_id)
        if conflict:
            raise Invalid(f"{dataset_id}: {conflict}", code="080", dataset=dataset_id)


@cache
def _conflict(dataset_id: str) -> str | None:
    dataset = contracts.datasets().get(dataset_id)
    registered = contracts.registry().get(dataset_id)
    if dataset is None:
        return "the dictionary doesn't have it"
    if registered is None or not registered.licence:
        return "the registry doesn't have it, or gives it no licence"
    schema = contracts.schema(dataset.schema_ref)
    if schema.get("$id") != f"schemas/{dataset.schema_ref}.json":
        return f"the schema {dataset.schema_ref} calls itself {schema.get('$id')}"
    if any(f"{{{token}}}" not in dataset.path for token in dataset.partitions):
        return f"its path {dataset.path} lacks one of its partitions"
    return _table_conflict(dataset, schema) if dataset.format in TABLES else None


def _table_conflict(dataset: contracts.Dataset, schema: Mapping[str, Any]) -> str | None:
    columns = schema.get("properties")
    if schema.get("type") != "object" or columns is None:
        return f"it is {dataset.format}, but its schema is not of a row"
    strange = [name for name in dataset.ordering if name not in columns]
    return f"it is ordered by {strange[0]}, which its schema doesn't have" if strange else None
