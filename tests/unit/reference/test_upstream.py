"""The upstream that we publish: complete, gated, and the same whenever it is published."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from civiltime.contracts import datasets
from civiltime.errors import Invalid
from civiltime.reference.upstream import manifest_fingerprint, publish_upstream
from civiltime.workspace.bundle import verify_bundle
from civiltime.workspace.digest import (
    canonical_json,
    digest_folder,
    document_digest,
    list_files,
    partition_hash,
)
from civiltime.workspace.publish import publish_folder
from civiltime.workspace.shape import arrow_schema, check_document
from civiltime.workspace.tables import open_batches

GOLDEN = Path(__file__).parents[2] / "golden" / "reference" / "fingerprint.json"
SOURCES = {"sites.csv": "ab" * 32}


def sites(n: int) -> pa.Table:
    schema = arrow_schema("site_locations")
    columns = [[7] * n, ["DE"] * n, range(1, n + 1), [10.5] * n, [50.5] * n]
    arrays = [pa.array(c, t) for c, t in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def publish(root: Path, **changes: Any) -> str:
    given: dict[str, Any] = {
        "kind": "ingest",
        "parameters": {"format": "csv"},
        "sources": SOURCES,
        "tables": {42: sites(3), 2**64 - 1: sites(1)},
    }
    return publish_upstream(root, **(given | changes))


def bundle_of(root: Path, fingerprint: str) -> Path:
    return root / datasets()["validation_bundle_1B"].resolve(manifest_fingerprint=fingerprint)


def partition_of(root: Path, fingerprint: str, seed: int) -> Path:
    return root / datasets()["site_locations"].resolve(seed=seed, manifest_fingerprint=fingerprint)


def test_it_publishes_a_partition_a_seed_and_a_bundle_that_verifies(tmp_path: Path) -> None:
    fingerprint = publish(tmp_path)
    verified = verify_bundle(bundle_of(tmp_path, fingerprint))
    assert verified.index_kind == "1B"
    assert [file.path for file in verified.files] == [
        "egress_checksums.json",
        "index.json",
        "manifest_fingerprint_resolved.json",
        "parameter_hash_resolved.json",
        "summary.json",
    ]
    for seed, rows in ((42, 3), (2**64 - 1, 1)):
        (batch,) = open_batches(partition_of(tmp_path, fingerprint, seed), "site_locations")
        assert batch.num_rows == rows
    assert not (tmp_path / ".staging").exists()


def test_the_bundles_documents_say_what_was_published(tmp_path: Path) -> None:
    fingerprint = publish(tmp_path)
    bundle = bundle_of(tmp_path, fingerprint)

    def read(name: str) -> Any:
        return json.loads((bundle / name).read_bytes())

    assert read("manifest_fingerprint_resolved.json") == {"manifest_fingerprint": fingerprint}
    parameter_hash = document_digest({"format": "csv"})
    assert read("parameter_hash_resolved.json") == {"parameter_hash": parameter_hash}
    checksums = read("egress_checksums.json")
    check_document(checksums, "egress_checksums_1B", "egress_checksums.json")
    data = tmp_path / "data/layer1/1B/site_locations"
    prefix = "data/layer1/1B/site_locations/"
    assert checksums["files"] == [
        {**file.as_dict(), "path": prefix + file.path} for file in digest_folder(data)
    ]
    assert read("summary.json")["rows"] == {"42": 3, str(2**64 - 1): 1}


def test_the_fingerprint_is_the_digest_that_the_specification_says(tmp_path: Path) -> None:
    fingerprint = publish(tmp_path)
    egress = {
        str(seed): partition_hash(digest_folder(partition_of(tmp_path, fingerprint, seed)))
        for seed in (42, 2**64 - 1)
    }
    document = {
        "kind": "ingest",
        "parameter_hash": document_digest({"format": "csv"}),
        "sources": SOURCES,
        "egress": egress,
    }
    assert fingerprint == hashlib.sha256(canonical_json(document)).hexdigest()


def test_the_golden_fingerprint() -> None:
    golden = json.loads(GOLDEN.read_bytes())
    egress = {int(seed): digest for seed, digest in golden["egress"].items()}
    assert document_digest(golden["parameters"]) == golden["parameter_hash"]
    assert golden["manifest_fingerprint"] == manifest_fingerprint(
        golden["kind"], golden["parameter_hash"], golden["sources"], egress
    )


def test_publishing_again_changes_nothing(tmp_path: Path) -> None:
    fingerprint = publish(tmp_path)
    before = digest_folder(tmp_path)
    assert publish(tmp_path) == fingerprint
    assert digest_folder(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "demo"},
        {"parameters": {"format": "parquet"}},
        {"sources": {"sites.csv": "cd" * 32}},
        {"tables": {42: sites(3)}},
        {"tables": {42: sites(4), 2**64 - 1: sites(1)}},
        {"tables": {43: sites(3), 2**64 - 1: sites(1)}},
    ],
)
def test_anything_else_is_another_upstream(tmp_path: Path, change: dict[str, Any]) -> None:
    assert publish(tmp_path / "a") != publish(tmp_path / "b", **change)


def test_a_published_partition_is_never_overwritten(tmp_path: Path) -> None:
    fingerprint = publish(tmp_path)
    path = partition_of(tmp_path, fingerprint, 42) / "part-00000.parquet"
    path.write_bytes(b"changed")
    with pytest.raises(Invalid, match="other content"):
        publish(tmp_path)
    assert path.read_bytes() == b"changed"


def test_without_every_partition_there_is_no_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the egress and the bundle leaves no flag, and can be repeated."""

    def crash(staged: Path, target: Path) -> Any:
        if "validation" in target.parts:
            raise KeyboardInterrupt
        return publish_folder(staged, target)

    monkeypatch.setattr("civiltime.reference.upstream.publish_folder", crash)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path)
    assert not [name for name in list_files(tmp_path) if name.endswith("_passed.flag")]
    monkeypatch.undo()
    verify_bundle(bundle_of(tmp_path, publish(tmp_path)))


def test_bad_rows_are_not_published(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="seed 42: 1 row") as caught:
        publish(tmp_path, tables={42: sites(3).slice(1)})
    assert caught.value.code == "2A-S1-056"
    assert list(tmp_path.iterdir()) == []


def test_parameters_without_a_canonical_form_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="canonical"):
        publish(tmp_path, parameters={"seed": 2**64 - 1})
