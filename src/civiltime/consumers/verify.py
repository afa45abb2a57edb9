"""Verifying a run from disk: every digest, every path, the bundle and its flag.

The law: what the flag binds is on the disk, byte for byte, and nothing else is.

1. the run's receipt is what was written;
2. the bundle: flag, index, every listed file, none besides;
3. the egress: every file of ``egress_checksums.json``, none besides;
4. the run reports are what was written, and agree with the egress and the bundle;
5. path-embed equality of every published document and table;
6. sealed inputs: what is write-once (upstream, references) is unchanged; a policy that
   was edited since is named as a warning, because a new run may need it.

Readers ask for 1 to 3.  A finding names its file, and one finding hides no other.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from civiltime import contracts
from civiltime.errors import CivilTimeError, Invalid
from civiltime.states.context import read_report
from civiltime.states.laws import EMBEDDED, column_extremes
from civiltime.workspace.bundle import FLAG, INDEX, VerifiedBundle, parse_index, verify_bundle
from civiltime.workspace.digest import digest_folder, partition_hash, sha256_bytes, sha256_file
from civiltime.workspace.publish import people_json
from civiltime.workspace.runs import Run
from civiltime.workspace.shape import check_columns, check_document

STATES = ("S0", "S1", "S2", "S3", "S4", "S5")
OUTPUTS = {
    "s0_gate_receipt_2A",
    "sealed_inputs_2A",
    "s0_determinism_receipt_2A",
    "s1_tz_lookup",
    "site_timezones",
    "tz_timetable_cache",
    "tz_offset_adjustments",
    "s4_legality_report",
}


@dataclass
class Verification:
    """What was found: one line per finding, each naming the file."""

    run_id: str
    flag_sha256_hex: str | None = None
    files_verified: int = 0
    bytes_verified: int = 0
    findings: list[CivilTimeError] = field(default_factory=list)
    warnings: list[CivilTimeError] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether everything is as it was published."""
        return not self.findings

    def add(self, code: str, message: str, **context: str) -> None:
        """Record a finding."""
        self.findings.append(CivilTimeError(code, message, dict(context)))

    def as_dict(self) -> dict[str, Any]:
        """The result as ``--json`` shows it."""
        return {
            "run_id": self.run_id,
            "status": "pass" if self.passed else "fail",
            "flag_sha256_hex": self.flag_sha256_hex,
            "files_verified": self.files_verified,
            "bytes_verified": self.bytes_verified,
            "errors": [f.as_dict() for f in self.findings],
            "warnings": [w.as_dict() for w in self.warnings],
        }


def verify_run(run: Run) -> Verification:
    """Verify everything that the run published and sealed; never raises for a finding."""
    result = Verification(run.id)
    egress = verify_gate(run, result)
    _verify_reports(run, egress, result)
    if egress is not None:
        _verify_contents(run, egress, result)
    _verify_sealed(run, result)
    return result


def verify_gate(run: Run, result: Verification) -> dict[str, dict[str, Any]] | None:
    """Bundle, flag and egress digests: what every reader checks first.

    Returns the egress checksums, or None when the bundle itself doesn't verify.
    """
    folder = run.partition("validation_bundle_2A")
    where = run.workspace.relative(folder)
    try:
        bundle = verify_bundle(folder)
        egress = _bound_egress(run, folder, bundle)
    except (Invalid, OSError, ValueError, RecursionError) as finding:
        message = finding.message if isinstance(finding, Invalid) else str(finding)
        culprits = _altered(folder) if folder.is_dir() else []
        if culprits and not any(name in message for name in culprits):
            message += f" (changed: {', '.join(culprits)})"
        result.add("2A-RD-001", f"{where}: {message}", path=where)
        return None
    result.flag_sha256_hex = bundle.flag_sha256_hex
    result.files_verified += len(bundle.files) + 2
    result.bytes_verified += sum(f.size_bytes for f in bundle.files)
    _verify_egress(run, egress, result)
    return egress


def _bound_egress(run: Run, folder: Path, bundle: VerifiedBundle) -> dict[str, dict[str, Any]]:
    """What the flag binds: the egress checksums, in a bundle that is ours and a PASS.

    The flag's digest leaves out the index, so the index must be, to the byte, the one that
    the listed files make.
    """
    if bundle.index_kind != "2A":
        raise Invalid(f"{INDEX} has the form of an upstream's")
    entries = [{"path": f.path, "sha256_hex": f.sha256_hex} for f in bundle.files]
    if (folder / INDEX).read_bytes() != people_json({"files": entries}):
        raise Invalid(f"{INDEX} isn't written as it was published")
    egress: dict[str, dict[str, Any]] = json.loads((folder / "egress_checksums.json").read_bytes())
    check_document(egress, "egress_checksums", "egress_checksums.json")
    checks = json.loads((folder / "checks.json").read_bytes())
    check_document(checks, "checks", "checks.json")
    if checks["manifest_fingerprint"] != run.receipt.manifest_fingerprint:
        raise Invalid("checks.json is of another manifest_fingerprint")
    if checks["overall_status"] != "PASS":
        raise Invalid(f"checks.json says {checks['overall_status']}")
    return egress


def _altered(folder: Path) -> list[str]:
    """Which listed files of a bundle aren't those that its index names, as far as it can tell."""
    try:
        _, listed = parse_index((folder / INDEX).read_bytes())
        return [p for p, digest in listed.items() if sha256_file(folder / p) != digest]
    except (Invalid, OSError):
        return []


def _verify_egress(run: Run, egress: dict[str, dict[str, Any]], result: Verification) -> None:
    data = run.folder / "data"
    bundle = run.partition("validation_bundle_2A").relative_to(run.folder).as_posix() + "/"
    try:
        actual = {f"data/{f.path}": f for f in digest_folder(data)}
    except Invalid as finding:
        result.add("2A-RD-002", f"data/{finding.message}")
        return
    for path in sorted(actual.keys() | egress.keys()):
        if path.startswith(bundle):
            continue
        expected, found = egress.get(path), actual.get(path)
        if found is None:
            result.add("2A-RD-002", f"{path} is missing", path=path)
        elif expected is None:
            result.add("2A-RD-002", f"{path} was not published by this run", path=path)
        elif found.sha256_hex != expected["sha256_hex"]:
            result.add("2A-RD-002", f"{path} was changed after it was published", path=path)
        else:
            result.files_verified += 1
            result.bytes_verified += found.size_bytes


def _verify_reports(
    run: Run, egress: dict[str, dict[str, Any]] | None, result: Verification
) -> None:
    for state in STATES:
        path = run.report_path(state)
        where = run.workspace.relative(path)
        try:
            report = read_report(path, where, run)
            raw = path.read_bytes()
            if raw != people_json(json.loads(raw)):
                raise Invalid(f"{where} was changed after it was written")
        except Invalid as finding:
            result.add("2A-RD-002", finding.message, path=where)
            continue
        except (OSError, ValueError, RecursionError) as problem:
            result.add("2A-RD-002", f"{where} can't be read: {problem}", path=where)
            continue
        result.files_verified += 1
        _verify_outputs(run, where, report["outputs"].get("datasets", {}), egress, result)


def _verify_outputs(
    run: Run,
    where: str,
    datasets: dict[str, Any],
    egress: dict[str, dict[str, Any]] | None,
    result: Verification,
) -> None:
    """What a report says it published is what the bundle binds, or is the bundle itself."""
    prefix = run.workspace.relative(run.folder) + "/"
    for dataset_id, entry in datasets.items():
        base = entry["path"].removeprefix(prefix)
        for file in entry["files"]:
            path = f"{base}/{file['path']}"
            if dataset_id in OUTPUTS and egress is not None:
                bound = egress.get(path)
                if bound is None or bound["sha256_hex"] != file["sha256_hex"]:
                    message = f"{where} and egress_checksums.json differ on {path}"
                    result.add("2A-RD-002", message, path=where)
            elif dataset_id == "validation_bundle_2A":
                try:
                    same = sha256_bytes((run.folder / path).read_bytes()) == file["sha256_hex"]
                except OSError:
                    same = False
                if not same:
                    message = f"{path} isn't the file that {where} names"
                    result.add("2A-RD-002", message, path=path)


def _verify_contents(run: Run, egress: dict[str, dict[str, Any]], result: Verification) -> None:
    """Path-embed equality and shape, wherever the bytes are as published."""
    broken = {str(f.context.get("path")) for f in result.findings}
    for dataset_id in sorted(OUTPUTS):
        dataset = contracts.datasets()[dataset_id]
        base = run.partition(dataset_id).relative_to(run.folder).as_posix()
        for path in sorted(p for p in egress if p.startswith(f"{base}/") and p not in broken):
            try:
                _check_content(run, run.folder / path, dataset)
            except (Invalid, ValueError) as finding:
                result.add("2A-RD-002", f"{path}: {finding}", path=path)


def _check_content(run: Run, path: Path, dataset: contracts.Dataset) -> None:
    expected = {name: run.tokens[name] for name in EMBEDDED}
    if path.suffix == ".parquet":
        check_columns(pq.read_schema(path), dataset.schema_ref, path.name)
        stated = column_extremes(path, EMBEDDED)
    elif path.suffix == ".json":
        document = json.loads(path.read_bytes())
        check_document(document, dataset.schema_ref, path.name)
        rows = document if isinstance(document, list) else [document]
        stated = [(name, row[name]) for row in rows for name in EMBEDDED if name in row]
    else:
        return
    for name, value in stated:
        if value != expected[name]:
            raise Invalid(f"{name} is {value}, the path says {expected[name]}")


def _verify_sealed(run: Run, result: Verification) -> None:
    try:
        path = run.path("sealed_inputs_2A")
        rows = json.loads(path.read_bytes())
        check_document(rows, "sealed_inputs_2A", path.name)
    except (OSError, ValueError, RecursionError):
        return  # named already, as a missing or changed file
    for row in rows:
        path = run.workspace.root / row["catalog_path"]
        try:
            digest = partition_hash(digest_folder(path)) if path.is_dir() else sha256_file(path)
        except (OSError, Invalid):
            digest = "missing"
        if digest == row["sha256_hex"]:
            result.files_verified += 1
            continue
        what = "is missing" if digest == "missing" else "changed since it was sealed"
        message = f"{row['catalog_path']} {what}{_which(run, row)}"
        if row["asset_kind"] == "config":
            result.warnings.append(
                CivilTimeError("2A-RD-005", message, {"path": row["catalog_path"]})
            )
        else:
            result.add("2A-RD-004", message, path=row["catalog_path"])


def _which(run: Run, row: dict[str, Any]) -> str:
    """Which file of a sealed folder differs, where something else binds it."""
    try:
        names = _WHICH[row["asset_id"]](run, run.workspace.root / row["catalog_path"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return f" ({', '.join(names)})" if names else ""


def _sites(run: Run, folder: Path) -> list[str]:
    """The upstream's bundle binds the files of its egress."""
    bundle = run.path("validation_bundle_1B") / "egress_checksums.json"
    bound = {f["path"]: f["sha256_hex"] for f in json.loads(bundle.read_bytes())["files"]}
    base = folder.relative_to(run.workspace.upstream_root).as_posix()
    actual = {f"{base}/{f.path}": f.sha256_hex for f in digest_folder(folder)}
    names = [p for p in bound.keys() | actual.keys() if p.startswith(f"{base}/")]
    return sorted(p for p in names if bound.get(p) != actual.get(p))


def _upstream_bundle(_run: Run, folder: Path) -> list[str]:
    """What the bundle itself says: a file missing or not listed, or a broken index or flag."""
    try:
        verify_bundle(folder)
    except Invalid as finding:
        return [finding.message]
    return [FLAG]  # it is tolerated without its newline, and still isn't what was sealed


def _tz_release(_run: Run, folder: Path) -> list[str]:
    """``tzdb_release.json`` binds the archive."""
    bound = json.loads((folder / "tzdb_release.json").read_bytes())["archive_sha256"]
    archives = {p.name for p in folder.glob("tzdata*") if sha256_file(p) == bound}
    return sorted({p.name for p in folder.iterdir()} - archives)


_WHICH: dict[str, Callable[[Run, Path], list[str]]] = {
    "site_locations": _sites,
    "validation_bundle_1B": _upstream_bundle,
    "tzdb_release": _tz_release,
}
