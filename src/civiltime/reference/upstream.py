"""Publishing an upstream: what 1B would have published (specification 2.4).

The law: the egress partitions come first, by seed; the validation bundle with its flag
comes last and in one rename, so that a flag never stands for rows that aren't there.

``parameter_hash`` is the digest of the canonical JSON of the parameters;
``manifest_fingerprint`` is the digest of the canonical JSON of ``{kind, parameter_hash,
sources, egress}``: names and digests of the sources, and the partition hash of each
seed's egress.  Partition hashes are of paths within the partition, so the fingerprint in
its path makes no cycle.  Same rows, parameters and sources: same fingerprint, same bytes,
and publishing again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import rfc8785

from civiltime import contracts
from civiltime.errors import Invalid
from civiltime.reference.sites import check_rows
from civiltime.workspace.bundle import seal_1b
from civiltime.workspace.digest import (
    FileDigest,
    by_path_bytes,
    digest_folder,
    document_digest,
    partition_hash,
)
from civiltime.workspace.publish import people_json, publish_folder, staging
from civiltime.workspace.tables import ROWS_PER_GROUP, write_table

EGRESS = "site_locations"
BUNDLE = "validation_bundle_1B"


def manifest_fingerprint(
    kind: str, parameter_hash: str, sources: Mapping[str, str], egress: Mapping[int, str]
) -> str:
    """The identity of an upstream: ``sources`` by name, ``egress`` partition hashes by seed."""
    return document_digest(
        {
            "kind": kind,
            "parameter_hash": parameter_hash,
            "sources": dict(sources),
            "egress": {str(seed): digest for seed, digest in egress.items()},
        }
    )


def publish_upstream(
    root: Path,
    kind: str,
    parameters: Mapping[str, Any],
    sources: Mapping[str, str],
    tables: Mapping[int, pa.Table],
) -> str:
    """Publish one upstream below ``root``; returns its ``manifest_fingerprint``.

    ``sources`` maps a source's name to its SHA-256; ``tables`` maps a seed to its rows, in
    key order, with the columns of ``site_locations``.  ``kind`` says who made it.  Raises
    :class:`Invalid` for rows that break the rules, for parameters that have no canonical
    form, and for a published partition that holds something else.
    """
    for seed, table in sorted(tables.items()):
        check_rows(table, f"seed {seed}")
    try:
        parameter_hash = document_digest(dict(parameters))
    except (rfc8785.CanonicalizationError, TypeError) as error:
        raise Invalid(f"the parameters have no canonical JSON form: {error}") from None
    with staging(root) as stage:
        egress = {seed: _stage(stage / "egress" / str(seed), tables[seed]) for seed in tables}
        hashes = {seed: partition_hash(files) for seed, files in egress.items()}
        fingerprint = manifest_fingerprint(kind, parameter_hash, sources, hashes)
        published = []
        for seed, files in sorted(egress.items()):
            path = contracts.datasets()[EGRESS].resolve(seed=seed, manifest_fingerprint=fingerprint)
            publish_folder(stage / "egress" / str(seed), root / path)
            published += [FileDigest(path + f.path, f.size_bytes, f.sha256_hex) for f in files]
        summary = {
            "kind": kind,
            "manifest_fingerprint": fingerprint,
            "parameter_hash": parameter_hash,
            "parameters": dict(parameters),
            "sources": dict(sources),
            "egress": {str(seed): digest for seed, digest in hashes.items()},
            "rows": {str(seed): len(table) for seed, table in tables.items()},
        }
        bundle = _bundle(fingerprint, parameter_hash, published, summary)
        for name, data in bundle.items():
            target = stage / "bundle" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        path = contracts.datasets()[BUNDLE].resolve(manifest_fingerprint=fingerprint)
        publish_folder(stage / "bundle", root / path)
    return fingerprint


def _stage(folder: Path, table: pa.Table) -> list[FileDigest]:
    write_table(table.to_batches(ROWS_PER_GROUP), EGRESS, folder)
    return digest_folder(folder)


def _bundle(
    fingerprint: str,
    parameter_hash: str,
    published: list[FileDigest],
    summary: Mapping[str, Any],
) -> dict[str, bytes]:
    checksums = {"files": [file.as_dict() for file in by_path_bytes(published)]}
    documents: dict[str, tuple[str, Any]] = {
        "parameter_hash_resolved.json": ("identity", {"parameter_hash": parameter_hash}),
        "manifest_fingerprint_resolved.json": ("identity", {"manifest_fingerprint": fingerprint}),
        "egress_checksums.json": ("checksums", checksums),
        "summary.json": ("summary", summary),
    }
    return seal_1b({name: (kind, people_json(doc)) for name, (kind, doc) in documents.items()})
