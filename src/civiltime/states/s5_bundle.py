"""S5 bundle: the PASS gate.

* Reads: `tz_timetable_cache`, `s4_legality_report` of every seed, the bytes of everything that S0
  to S4 published; no site row.
* Writes: `validation_bundle_2A` with `validation_passed_flag_2A`.
* Law: specification 3.5 and 1.4.  The flag binds the egress itself, not only the reports about
  it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from civiltime import contracts
from civiltime.errors import Invalid
from civiltime.states import laws
from civiltime.states.s3_timetable import INDEX_NAME, MANIFEST_NAME
from civiltime.states.state import State, Validator, Work
from civiltime.workspace.bundle import FLAG, INDEX, flag_bytes
from civiltime.workspace.digest import FileDigest, digest_folder, sha256_bytes
from civiltime.workspace.publish import people_json
from civiltime.workspace.shape import check_document
from civiltime.workspace.upstream import HEX64

EARLIER = ("S0", "S1", "S2", "S3", "S4")
TIMETABLE_EVIDENCE = "evidence/s3/tz_timetable_cache.manifest.json"
FLAG_LINE = re.compile(rb"sha256_hex = ([a-f0-9]{64})\n")


@dataclass
class Bundle(Work):
    """S5's work: the evidence, and the bundle's files as they are assembled in memory."""

    sources: dict[str, bytes] = field(default_factory=dict)
    """The evidence as its state published it, by its path in the bundle."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Every file of the bundle but index and flag, by path."""
    index: dict[str, Any] = field(default_factory=dict)
    flag: bytes = b""

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds that have `site_timezones` in this run."""
        partition = self.ctx.run.partition("site_timezones")
        found = partition.parent.parent.glob(f"seed=*/{partition.name}")
        names = (p.parent.name.removeprefix("seed=") for p in found)
        return sorted(int(n) for n in names if n.isdigit())

    @cached_property
    def reported(self) -> dict[str, FileDigest]:
        """Every file that S0 to S4 reported, by its path below the run's folder."""
        prefix = self.ctx.run.workspace.relative(self.ctx.run.folder) + "/"
        files: dict[str, FileDigest] = {}
        for state in EARLIER:
            for entry in self.ctx.report_of(state)["outputs"].get("datasets", {}).values():
                base = entry["path"].removeprefix(prefix)
                for f in entry["files"]:
                    path = f"{base}/{f['path']}"
                    files[path] = FileDigest(path, f["size_bytes"], f["sha256_hex"])
        return files

    @cached_property
    def on_disk(self) -> dict[str, FileDigest]:
        """Every file below the run's data folder but the bundle, digested."""
        data = self.ctx.run.folder / "data"
        bundle = self.ctx.run.partition("validation_bundle_2A").relative_to(data).as_posix()
        return {
            f"data/{f.path}": FileDigest(f"data/{f.path}", f.size_bytes, f.sha256_hex)
            for f in digest_folder(data)
            if not f.path.startswith(f"{bundle}/")
        }

    def legality_path(self, seed: int) -> Path:
        """Where the legality report of a seed lies."""
        dataset = contracts.datasets()["s4_legality_report"]
        fingerprint = self.ctx.run.receipt.manifest_fingerprint
        return self.ctx.run.folder / dataset.resolve(seed=seed, manifest_fingerprint=fingerprint)


def inputs_there(work: Bundle) -> None:
    """Every state before has a run report that passed."""
    work.reported  # noqa: B018  # reading it is the check


def own_partition(work: Bundle) -> None:
    """The bundle is of this run's fingerprint."""
    path = work.ctx.run.path("validation_bundle_2A")
    laws.partition_is(work, path, "manifest_fingerprint")


def cache_valid(work: Bundle) -> None:
    """The timetable is what its manifest says, for this fingerprint."""
    folder = work.ctx.run.path("tz_timetable_cache")
    try:
        raw = (folder / MANIFEST_NAME).read_bytes()
        manifest = json.loads(raw)
        index = (folder / INDEX_NAME).read_bytes()
    except (OSError, ValueError) as error:
        raise Invalid(f"the timetable can't be read: {error}") from None
    check_document(manifest, "tz_timetable_cache", MANIFEST_NAME)
    if (
        manifest["tz_index_digest"] != sha256_bytes(index)
        or manifest["rle_cache_bytes"] != len(index)
        or manifest["manifest_fingerprint"] != work.ctx.run.receipt.manifest_fingerprint
    ):
        raise Invalid("the timetable is not what its manifest says")
    work.sources[TIMETABLE_EVIDENCE] = raw


def legality_passes(work: Bundle) -> None:
    """Every seed with final zones has a valid PASS legality report."""
    for seed in work.seeds:
        path = work.legality_path(seed)
        where = work.ctx.run.workspace.relative(path)
        if not path.is_file():
            raise Invalid(f"{where} is missing", seed=str(seed))
        raw = path.read_bytes()
        try:
            report = json.loads(raw)
        except ValueError as error:
            raise Invalid(f"{where} is not valid JSON: {error}", seed=str(seed)) from None
        check_document(report, "s4_legality_report", where)
        fingerprint = work.ctx.run.receipt.manifest_fingerprint
        if (report["seed"], report["manifest_fingerprint"]) != (seed, fingerprint):
            raise Invalid(f"{where} is of another seed or fingerprint", seed=str(seed))
        if report["status"] != "PASS":
            raise Invalid(f"{where} says {report['status']}", seed=str(seed))
        work.sources[f"evidence/s4/seed={seed}/{path.name}"] = raw


def egress_unchanged(work: Bundle) -> None:
    """Every file that a state reported is on the disk, byte for byte."""
    for path, expected in work.reported.items():
        actual = work.on_disk.get(path)
        if actual is None:
            raise Invalid(f"{path} was published and is gone", path=path)
        if actual.sha256_hex != expected.sha256_hex:
            raise Invalid(f"{path} differs from the digest in its state's run report", path=path)


def partitions_pure(work: Bundle) -> None:
    """The run's data folder holds nothing that no state reported."""
    strangers = sorted(work.on_disk.keys() - work.reported.keys())
    if strangers:
        raise Invalid(f"{strangers[0]} was published by no state", paths=list(strangers[:10]))


def compute(work: Bundle) -> None:
    """Assemble the bundle in memory, then stage it."""
    ctx = work.ctx
    datasets = [
        {"id": dataset_id, "status": "PASS", "notes": f"published by {state}"}
        for state in EARLIER
        for dataset_id in ctx.report_of(state)["outputs"].get("datasets", {})
    ]
    checks = {
        "manifest_fingerprint": ctx.run.receipt.manifest_fingerprint,
        "generated_at_utc": ctx.verified_at_utc,
        "overall_status": "PASS",
        "datasets": sorted(datasets, key=lambda d: d["id"]),
    }
    egress = {
        path: {"size_bytes": f.size_bytes, "sha256_hex": f.sha256_hex}
        for path, f in sorted(work.reported.items())
    }
    work.files = {
        **work.sources,
        "checks.json": people_json(checks),
        "egress_checksums.json": people_json(egress),
    }
    ordered = sorted(work.files, key=str.encode)
    work.index = {
        "files": [{"path": p, "sha256_hex": sha256_bytes(work.files[p])} for p in ordered]
    }
    work.flag = flag_bytes(work.files)
    folder = ctx.stage("validation_bundle_2A")
    for name, raw in {
        **work.files,
        INDEX: people_json(work.index),
        FLAG: work.flag,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    work.counts.update(
        seeds=len(work.seeds), evidence_files=len(work.sources), egress_files=len(egress)
    )
    work.checks["seeds"] = work.seeds
    work.checks["flag_sha256_hex"] = work.flag.decode().removeprefix("sha256_hex = ").strip()


def _paths(work: Bundle) -> list[str]:
    return [entry["path"] for entry in work.index["files"]]


def index_fits_schema(work: Bundle) -> None:
    """The index, the checks and the checksums fit their schemas."""
    check_document(work.index, "bundle_index_2A", INDEX)
    check_document(json.loads(work.files["checks.json"]), "checks", "checks.json")
    check_document(
        json.loads(work.files["egress_checksums.json"]), "egress_checksums", "egress_checksums.json"
    )


def index_sorted(work: Bundle) -> None:
    """The index is in byte order of ASCII paths, without duplicates."""
    paths = _paths(work)
    twice = [p for p, n in Counter(paths).items() if n > 1]
    if twice:
        raise Invalid(f"the index lists {twice[0]} twice", code="043")
    if not all(p.isascii() for p in paths) or paths != sorted(paths, key=str.encode):
        raise Invalid("the index is not in byte order of ASCII paths")


def index_in_root(work: Bundle) -> None:
    """Every path of the index stays inside the bundle."""
    for path in _paths(work):
        parts = PurePosixPath(path).parts
        if path.startswith("/") or "\\" in path or {".", ".."} & {*parts, *path.split("/")}:
            raise Invalid(f"the index lists {path!r}, which is not a path inside the bundle")


def index_complete(work: Bundle) -> None:
    """The index lists every file of the bundle but itself and the flag."""
    staged = {
        p.relative_to(work.ctx.stage("validation_bundle_2A")).as_posix() for p in _staged(work)
    }
    unlisted = sorted(staged - {INDEX, FLAG} - set(_paths(work)))
    absent = sorted(set(_paths(work)) - staged)
    if unlisted or absent:
        raise Invalid(f"index and bundle differ in {', '.join((unlisted + absent)[:5])}")


def _staged(work: Bundle) -> list[Path]:
    return laws.staged_files(work.ctx, "validation_bundle_2A")


def flag_not_listed(work: Bundle) -> None:
    """The flag isn't in the index that it binds."""
    if FLAG in _paths(work):
        raise Invalid(f"the index lists {FLAG}")


def evidence_verbatim(work: Bundle) -> None:
    """The evidence is byte for byte what its state published."""
    for path, raw in work.sources.items():
        if work.files.get(path) != raw:
            raise Invalid(f"{path} differs from what its state published", path=path)


def digests_are_hex(work: Bundle) -> None:
    """Every digest of index and flag is 64 lowercase hex digits."""
    digests = [entry["sha256_hex"] for entry in work.index["files"]]
    found = FLAG_LINE.fullmatch(work.flag)
    if found:
        digests.append(found[1].decode())
    bad = [d for d in digests if not HEX64.fullmatch(d)]
    if bad:
        raise Invalid(f"{bad[0]!r} is not a digest")


def flag_well_formed(work: Bundle) -> None:
    """The flag is one line, exactly ``sha256_hex = <hex64>``."""
    if not FLAG_LINE.fullmatch(work.flag):
        raise Invalid(f"the flag reads {work.flag[:80]!r}")


def flag_recomputes(work: Bundle) -> None:
    """The flag is the digest of the listed files, in byte order of their paths."""
    listed = b"".join(work.files[p] for p in sorted(_paths(work), key=str.encode))
    if work.flag != f"sha256_hex = {sha256_bytes(listed)}\n".encode():
        raise Invalid("the flag is not the digest of the listed files")


VALIDATORS: tuple[Validator[Bundle], ...] = (
    Validator("V-01", "001", "S0's receipt is valid", laws.receipt_valid, "before"),
    Validator("V-02", "010", "every state before has passed", inputs_there, "before"),
    Validator("V-03", "011", "exactly this partition is read", own_partition, "before"),
    Validator("V-04", "020", "the timetable is valid", cache_valid, "before"),
    Validator("V-05", "030", "legality passes for every seed", legality_passes, "before"),
    Validator("V-17", "047", "the egress is what was reported", egress_unchanged, "before"),
    Validator("V-15", "012", "the partitions are pure", partitions_pure, "before"),
    Validator("V-06", "040", "the index fits its schema", index_fits_schema),
    Validator("V-07", "041", "the index is in byte order", index_sorted),
    Validator("V-08", "042", "the index stays inside the bundle", index_in_root),
    Validator("V-09", "044", "the index lists every file", index_complete),
    Validator("V-10", "045", "the flag is not listed", flag_not_listed),
    Validator("V-11", "046", "the evidence is verbatim", evidence_verbatim),
    Validator("V-12", "051", "digests are digests", digests_are_hex),
    Validator("V-13", "052", "the flag is one exact line", flag_well_formed),
    Validator("V-14", "050", "the flag recomputes", flag_recomputes),
    Validator("V-16", "060", "write-once", laws.publish, "publish"),
)

STATE: State[Bundle] = State(
    id="S5",
    title="bundle",
    inputs=("tz_timetable_cache", "s4_legality_report"),
    outputs=("validation_bundle_2A",),
    begin=Bundle,
    compute=compute,
    validators=VALIDATORS,
)
