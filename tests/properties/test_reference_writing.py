"""Properties of what is written: bytes follow from rows, flags from files, masks from keys."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civiltime.errors import Invalid
from civiltime.reference.site_rows import SiteKey, key_problems
from civiltime.workspace.bundle import FLAG, INDEX, seal_1b, seal_2a, verify_bundle
from civiltime.workspace.shape import arrow_schema
from civiltime.workspace.tables import open_batches, table_files, write_table

TEXTS = ("tzid", "tzid_source", "legal_country_iso", "override_scope")
ZONES = st.sampled_from(["Europe/Oslo", "Asia/Tokyo", "Etc/UTC", "A/B"])
ROW = st.tuples(
    st.integers(1, 2**64 - 1),
    st.sampled_from(["DE", "NO", "NA"]),
    ZONES,
    st.sampled_from([None, "site", "mcc"]),
    st.none() | st.floats(-90, 90),
)


def table_of(rows: list[tuple[int, str, str, str | None, float | None]]) -> pa.Table:
    merchant, iso, zone, scope, nudge = (
        (list(c) for c in zip(*rows, strict=True)) if rows else ([] for _ in range(5))
    )
    n = len(rows)
    columns = {
        "seed": [42] * n,
        "manifest_fingerprint": ["ab" * 32] * n,
        "merchant_id": merchant,
        "legal_country_iso": iso,
        "site_order": [1] * n,
        "tzid": zone,
        "tzid_source": ["polygon"] * n,
        "override_scope": scope,
        "nudge_lat_deg": nudge,
        "nudge_lon_deg": nudge,
        "created_utc": ["2026-01-01T00:00:00.000000Z"] * n,
    }
    schema = arrow_schema("site_timezones")
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def batches(table: pa.Table, cuts: list[int], encode: list[bool]) -> list[pa.RecordBatch]:
    """The table in pieces, some with dictionary columns."""
    edges = sorted({0, len(table), *(c % (len(table) + 1) for c in cuts)})
    pieces = []
    for i, (begin, end) in enumerate(pairwise(edges)):
        piece = table.slice(begin, end - begin).combine_chunks()
        if encode[i % len(encode)]:
            for name in TEXTS:
                index = piece.column_names.index(name)
                piece = piece.set_column(index, name, piece[name].dictionary_encode())
        pieces += piece.to_batches()
    return pieces


@given(
    rows=st.lists(ROW, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    encode=st.lists(st.booleans(), min_size=1, max_size=4),
    per_file=st.integers(1, 40),
    per_group=st.integers(1, 20),
)
@settings(deadline=None, max_examples=150)
def test_bytes_follow_from_the_rows_alone(
    rows: list[tuple[int, str, str, str | None, float | None]],
    cuts: list[int],
    encode: list[bool],
    per_file: int,
    per_group: int,
) -> None:
    table = table_of(rows)
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder, "whole"), Path(folder, "cut")
        size = {"rows_per_file": per_file, "rows_per_group": per_group}
        write_table(table.to_batches(), "site_timezones", whole, **size)
        write_table(batches(table, cuts, encode), "site_timezones", cut, **size)
        written = [[p.read_bytes() for p in table_files(f)] for f in (whole, cut)]
        assert written[0] == written[1]
        back = list(open_batches(cut, "site_timezones"))
        read = pa.Table.from_batches(back, schema=arrow_schema("site_timezones"))
        assert read.equals(table)


SEGMENT = st.text("abAB-_.09", min_size=1, max_size=4).filter(lambda s: s not in {".", ".."})
PATHS = st.lists(SEGMENT, min_size=1, max_size=3).map("/".join)


def no_folder_is_a_file(paths: set[str]) -> bool:
    return not any(a != b and b.startswith(f"{a}/") for a in paths for b in paths)


FILES = st.dictionaries(PATHS, st.binary(max_size=8), min_size=1, max_size=6).filter(
    lambda files: no_folder_is_a_file(set(files)) and not {FLAG, INDEX} & set(files)
)


@given(files=FILES, form=st.sampled_from(["1B", "2A"]), data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_sealed_bundle_verifies_and_any_changed_byte_does_not(
    files: dict[str, bytes], form: str, data: st.DataObject
) -> None:
    named = {path: ("x", content) for path, content in files.items()}
    sealed = seal_1b(named) if form == "1B" else seal_2a(files)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in sealed.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        assert verify_bundle(folder).index_kind == form
        path = data.draw(st.sampled_from(sorted(sealed)))
        content = sealed[path]
        at = data.draw(st.integers(0, len(content)))
        changed = content[:at] + data.draw(st.binary(min_size=1, max_size=2)) + content[at + 1 :]
        if changed in {content, content.removesuffix(b"\n")} or (form == "2A" and path == INDEX):
            return
        (folder / path).write_bytes(changed)
        with pytest.raises(Invalid):
            verify_bundle(folder)


KEYS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=12
)


@given(keys=KEYS, cut=st.integers(0, 12))
def test_masks_do_not_depend_on_where_a_batch_ends(
    keys: list[tuple[int, int, int]], cut: int
) -> None:
    """And they say what a reader of the keys, one by one, would say."""

    def masks(part: list[tuple[int, int, int]], previous: SiteKey | None) -> list[tuple[bool, ...]]:
        merchant = np.array([k[0] for k in part], np.uint64)
        iso = np.array([k[1] for k in part], np.int32)
        order = np.array([k[2] for k in part], np.int32)
        found = key_problems(merchant, iso, order, previous)
        return list(zip(*(mask.tolist() for mask in found), strict=True))

    expected = []
    before: tuple[int, int, int] | None = None
    for key in keys:
        same = before is not None and key[:2] == before[:2]
        last = before[2] if same and before else 0
        unsorted, twice = before is not None and key < before, key == before
        expected.append((unsorted, twice, key[2] != last + 1 and not unsorted and not twice))
        before = key
    whole = masks(keys, None)
    assert whole == expected
    head, tail = keys[:cut], keys[cut:]
    previous = SiteKey(*head[-1]) if head else None
    assert masks(head, None) + masks(tail, previous) == whole
