"""What a state may touch: its run, sealed inputs, earlier outputs, a staging folder.

The law (specification 3, first paragraph): inputs are resolved by id; the bytes that a
state reads are the bytes that S0 sealed; the outputs of an earlier state are the bytes
that its run report names.  There is no other way for a state to reach a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from civiltime import contracts
from civiltime.errors import Invalid
from civiltime.states.log import Log
from civiltime.workspace.digest import (
    FileDigest,
    digest_folder,
    partition_hash,
    self_digest,
    sha256_bytes,
    sha256_file,
)
from civiltime.workspace.publish import Published, people_json, publish_folder
from civiltime.workspace.runs import Run
from civiltime.workspace.shape import check_document
from civiltime.workspace.tables import ROWS_PER_GROUP


@dataclass(frozen=True)
class Options:
    """How to work, never what comes out: the same bytes for every value."""

    batch_rows: int = ROWS_PER_GROUP
    progress: Callable[[str, float], None] = lambda _label, _share: None


@dataclass(frozen=True)
class SealedInput:
    """One row of ``sealed_inputs_2A``."""

    asset_id: str
    asset_kind: str
    basename: str
    version_tag: str
    schema_ref: str
    catalog_path: str
    sha256_hex: str
    size_bytes: int
    license_class: str


@dataclass
class Context:
    """A state's surroundings for one attempt."""

    run: Run
    state_id: str
    staging: Path
    log: Log
    options: Options
    inputs_read: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Published] = field(default_factory=dict)
    staged: list[str] = field(default_factory=list)

    # -- what S0 sealed ---------------------------------------------------------------

    @cached_property
    def gate(self) -> dict[str, Any]:
        """The published S0 receipt, verified against S0's run report and this run."""
        document: dict[str, Any] = self._gate_document("s0_gate_receipt_2A")
        return document

    @cached_property
    def sealed(self) -> Mapping[str, SealedInput]:
        """The published inventory by asset id, verified like the receipt."""
        rows = self._gate_document("sealed_inputs_2A")
        fields = SealedInput.__dataclass_fields__
        return {r["asset_id"]: SealedInput(**{k: r[k] for k in fields}) for r in rows}

    def _gate_document(self, dataset_id: str) -> Any:
        path = self.run.path(dataset_id)
        where = self.run.workspace.relative(path)
        if not path.is_file():
            raise Invalid(f"{where} is missing; run S0 first", path=where)
        raw = path.read_bytes()
        self._require_reported(
            "S0", dataset_id, [FileDigest(path.name, len(raw), sha256_bytes(raw))]
        )
        document = json.loads(raw)
        check_document(document, contracts.datasets()[dataset_id].schema_ref, where)
        head = document if isinstance(document, dict) else (document or [{}])[0]
        if head.get("manifest_fingerprint") != self.run.receipt.manifest_fingerprint:
            raise Invalid(f"{where} is of another manifest_fingerprint than its path", path=where)
        return document

    @property
    def verified_at_utc(self) -> str:
        """The one timestamp of everything that the run publishes."""
        return self.run.receipt.created_utc

    def asset_id(self, dataset_id: str) -> str | None:
        """The sealed asset of a dataset: ``tz_world_{release}`` stands for its release."""
        prefix = dataset_id.split("{", maxsplit=1)[0]
        if "{" not in dataset_id:
            return dataset_id if dataset_id in self.sealed else None
        return next((a for a in self.sealed if a.startswith(prefix)), None)

    def sealed_path(self, dataset_id: str) -> Path:
        """Where a sealed input lies; :class:`Invalid` when it isn't sealed or is gone."""
        asset = self.asset_id(dataset_id)
        if asset is None:
            raise Invalid(f"{dataset_id} is not among the sealed inputs of this run")
        path = self.run.workspace.root / self.sealed[asset].catalog_path
        if not path.exists():
            where = self.sealed[asset].catalog_path
            raise Invalid(f"{where} was sealed as {asset} and is gone; restore it", path=where)
        return path

    def sealed_digest(self, dataset_id: str) -> str:
        """The sealed digest of an input."""
        asset = self.asset_id(dataset_id)
        if asset is None:
            raise Invalid(f"{dataset_id} is not among the sealed inputs of this run")
        return self.sealed[asset].sha256_hex

    def require_sealed_bytes(self, dataset_id: str) -> Path:
        """The path of a sealed input whose bytes were just compared with the seal.

        Raises :class:`Invalid` naming the file when they differ.
        """
        path = self.sealed_path(dataset_id)
        sealed = self.sealed_digest(dataset_id)
        actual = partition_hash(digest_folder(path)) if path.is_dir() else sha256_file(path)
        where = self.run.workspace.relative(path)
        if actual != sealed:
            raise Invalid(
                f"{where} changed since S0 sealed it ({sealed[:12]}… then, {actual[:12]}… now); "
                "restore it, or start a new run with it",
                path=where,
                sealed_sha256=sealed,
                actual_sha256=actual,
            )
        self.inputs_read[dataset_id] = {"path": where, "sha256_hex": actual}
        return path

    def sealed_bytes(self, dataset_id: str) -> bytes:
        """The bytes of a sealed file, compared with the seal as they were read."""
        path = self.sealed_path(dataset_id)
        raw = path.read_bytes()
        where = self.run.workspace.relative(path)
        if sha256_bytes(raw) != self.sealed_digest(dataset_id):
            raise Invalid(
                f"{where} changed since S0 sealed it; restore it, or start a new run with it",
                path=where,
            )
        self.inputs_read[dataset_id] = {"path": where, "sha256_hex": sha256_bytes(raw)}
        return raw

    # -- what earlier states published ------------------------------------------------

    def report_of(self, state: str) -> dict[str, Any]:
        """An earlier state's run report: present, untouched, of this run, and a pass."""
        path = self.run.report_path(state)
        return read_report(path, self.run.workspace.relative(path), self.run)

    def _require_reported(self, state: str, dataset_id: str, files: list[FileDigest]) -> None:
        report = self.report_of(state)
        entry = report["outputs"].get("datasets", {}).get(dataset_id)
        named = {} if entry is None else {f["path"]: f["sha256_hex"] for f in entry["files"]}
        actual = {f.path: f.sha256_hex for f in files}
        if named != actual:
            names = sorted(n for n in named.keys() | actual.keys() if named.get(n) != actual.get(n))
            partition = self.run.workspace.relative(self.run.partition(dataset_id))
            raise Invalid(
                f"{partition}: {', '.join(names[:5])} differs from what {state} reported; "
                f"restore it, or delete the partition and run {state} again",
                path=partition,
                differing=list(names),
            )

    def require_published(self, state: str, dataset_id: str) -> Path:
        """The partition of an earlier state, its bytes just compared with its run report."""
        partition = self.run.partition(dataset_id)
        where = self.run.workspace.relative(partition)
        if not partition.is_dir():
            raise Invalid(f"{where} is missing; run {state} first", path=where)
        files = digest_folder(partition)
        self._require_reported(state, dataset_id, files)
        self.inputs_read[dataset_id] = {"path": where, "sha256_hex": partition_hash(files)}
        return self.run.path(dataset_id)

    # -- what this state makes --------------------------------------------------------

    def stage(self, dataset_id: str) -> Path:
        """The staging folder that will become the dataset's partition."""
        folder = self.staging / dataset_id
        if dataset_id not in self.staged:
            folder.mkdir(parents=True)
            self.staged.append(dataset_id)
        return folder

    def stage_document(self, dataset_id: str, document: Any) -> bytes:
        """Stage a JSON document under the name that the dictionary gives it."""
        raw = people_json(document)
        (self.stage(dataset_id) / self.run.path(dataset_id).name).write_bytes(raw)
        return raw

    def publish_all(self) -> None:
        """Publish what was staged, in that order; :class:`Invalid` if a partition differs."""
        for dataset_id in self.staged:
            target = self.run.partition(dataset_id)
            published = publish_folder(self.staging / dataset_id, target)
            self.published[dataset_id] = published
            self.log.info(
                "PUBLISH",
                dataset=dataset_id,
                path=self.run.workspace.relative(target),
                publish=published.publish,
                sha256_hex=published.sha256_hex,
            )


def read_report(path: Path, where: str, run: Run) -> dict[str, Any]:
    """A run report that is present, untouched, of this run, and a pass."""
    if not path.is_file():
        raise Invalid(f"{where} is missing; run the chain from that state on", path=where)
    try:
        report = json.loads(path.read_bytes())
        check_document(report, "run_report", where)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{where} is not valid JSON: {error}", path=where) from None
    claimed = report.pop("report_sha256")
    if claimed != self_digest(report):
        raise Invalid(f"{where} was changed after it was written", path=where)
    receipt = run.receipt
    if (report["run_id"], report["manifest_fingerprint"], report["seed"]) != (
        receipt.run_id,
        receipt.manifest_fingerprint,
        receipt.seed,
    ):
        raise Invalid(f"{where} is the report of another run", path=where)
    if report["status"] != "pass":
        raise Invalid(f"{where} says {report['status']}; run that state again", path=where)
    result: dict[str, Any] = report
    return result
