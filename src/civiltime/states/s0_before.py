"""S0's work, and the laws that hold before anything is sealed: upstream, inputs, policies."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from civiltime import contracts
from civiltime.errors import Invalid
from civiltime.policy.document import read_policy
from civiltime.policy.lookup import parse_lookup_policy
from civiltime.policy.overrides import (
    Override,
    active_overrides,
    parse_overrides,
    require_known,
    require_unique,
)
from civiltime.programme.agreed import require_agreed
from civiltime.reference import tz_world
from civiltime.states.context import SealedInput
from civiltime.states.state import Work
from civiltime.workspace.bundle import VerifiedBundle, verify_bundle
from civiltime.workspace.clock import date_of
from civiltime.workspace.digest import (
    FileDigest,
    list_files,
    sha256_file,
)
from civiltime.workspace.upstream import HEX64, resolved_fingerprint, resolved_parameter_hash

RELEASE_TAG = re.compile(r"20[0-9]{2}[a-z]?")
TZ_WORLD = "tz_world_{release}"
POLICIES = (
    "tz_overrides",
    "tz_nudge",
    "tz_lookup_policy",
    "certification_policy",
    "approvers_policy",
)
PINNED = {TZ_WORLD: "tz_world", "tzdb_release": "tzdb", "merchant_mcc_map": "merchant_mcc_map"}


@dataclass
class Gate(Work):
    """S0's work: the upstream's proof, and the inventory as it grows."""

    sealed: list[SealedInput] = field(default_factory=list)
    receipt: dict[str, Any] = field(default_factory=dict)
    inventory: list[dict[str, Any]] = field(default_factory=list)
    unbound: str | None = None
    mismatch: str | None = None

    @cached_property
    def bundle(self) -> VerifiedBundle:
        """The upstream's bundle: index, flag and listed files verified."""
        return verify_bundle(self.ctx.run.path("validation_bundle_1B"))

    @cached_property
    def boundaries(self) -> tuple[str, int, tuple[str, ...]]:
        """CRS, feature count and tzids of the boundaries, without their geometry."""
        inspected = tz_world.inspect(self.ctx.run.path(TZ_WORLD, release=self.release(TZ_WORLD)))
        return inspected[0], inspected[1], tuple(inspected[2])

    @cached_property
    def tzdb_release(self) -> dict[str, Any]:
        """``tzdb_release.json``, as far as it can be read."""
        folder = self.ctx.run.path("tzdb_release", release=self.release("tzdb_release"))
        try:
            document = json.loads((folder / "tzdb_release.json").read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise Invalid(f"tzdb_release.json can't be read: {error}", code="023") from None
        if not isinstance(document, dict):
            raise Invalid("tzdb_release.json is not an object", code="023")
        return document

    @cached_property
    def overrides(self) -> tuple[Override, ...]:
        """The rows of ``tz_overrides.yaml``; 030 whoever asks first."""
        try:
            return parse_overrides(self.ctx.run.path("tz_overrides").read_bytes())
        except Invalid as finding:
            finding.code = "030"
            raise

    @property
    def active(self) -> tuple[Override, ...]:
        """The overrides that hold on the day of the run."""
        return active_overrides(self.overrides, date_of(self.ctx.verified_at_utc))

    def release(self, dataset_id: str) -> str:
        """The pinned release of a reference dataset; 010 where none is pinned."""
        name = PINNED[dataset_id]
        release = self.ctx.run.workspace.pins.get(name, "")
        if not release:
            raise Invalid(
                f"no release of {name} is pinned in civiltime.toml; ingest one",
                code="010",
                missing=[dataset_id],
            )
        return release

    def wanted(self) -> list[str]:
        """The ids of the inputs to seal, in the order of specification 3.0."""
        ids = ["validation_bundle_1B", "validation_passed_flag_1B", "site_locations", TZ_WORLD]
        ids += ["tzdb_release", *POLICIES]
        pinned = self.ctx.run.workspace.pins.get("merchant_mcc_map")
        if pinned and any(o.scope == "mcc" for o in self.active):
            ids.append("merchant_mcc_map")
        return ids


def flag_present(work: Gate) -> None:
    """The upstream published a bundle, and a flag in it."""
    folder = work.ctx.run.path("validation_bundle_1B")
    where = work.ctx.run.workspace.relative(folder)
    if not folder.is_dir():
        raise Invalid(f"{where} is missing: the upstream has no bundle", code="003", path=where)
    if not work.ctx.run.path("validation_passed_flag_1B").is_file():
        raise Invalid(f"{where}/_passed.flag is missing: the upstream has no PASS", path=where)
    if not (folder / "index.json").is_file():
        raise Invalid(f"{where}/index.json is missing", code="003", path=where)


def flag_matches(work: Gate) -> None:
    """The flag is the digest of what the index lists; nothing else is in the folder."""
    work.checks["upstream"] = {"flag_sha256_hex": work.bundle.flag_sha256_hex, "result": "pass"}


def upstream_is_this_one(work: Gate) -> None:
    """Every fingerprint that the bundle states, in a path or a field, is this run's."""
    expected = work.ctx.run.receipt.manifest_fingerprint
    folder = work.ctx.run.path("validation_bundle_1B")
    stated = {resolved_fingerprint(folder) or expected: "manifest_fingerprint_resolved.json"}
    for file in work.bundle.files:
        for found in re.findall(r"manifest_fingerprint=([^/]+)", file.path):
            stated[found] = file.path
    for path in _egress_paths(work):
        for found in re.findall(r"manifest_fingerprint=([^/]+)", path):
            stated[found] = f"egress_checksums.json ({path})"
    for found, where in stated.items():
        if found != expected:
            raise Invalid(f"{where} is of fingerprint {found}, not {expected}", found=found)
    parameter_hash = resolved_parameter_hash(folder)
    receipt = work.ctx.run.receipt
    if parameter_hash is not None and parameter_hash != receipt.parameter_hash:
        raise Invalid(
            f"the upstream's parameter_hash is {parameter_hash}, the run's {receipt.parameter_hash}"
        )


def bound_egress(work: Gate) -> list[FileDigest] | None:
    """The files that the upstream's ``egress_checksums.json`` binds; None where it doesn't."""
    path = work.ctx.run.path("validation_bundle_1B") / "egress_checksums.json"
    try:
        rows = json.loads(path.read_bytes())["files"]
        return [FileDigest(r["path"], int(r["size_bytes"]), r["sha256_hex"]) for r in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _egress_paths(work: Gate) -> list[str]:
    return [f.path for f in bound_egress(work) or []]


def catalogued(work: Gate) -> None:
    """Every input has a schema, a path, a registry entry and a release that is a name."""
    for name, release in sorted(work.ctx.run.workspace.pins.items()):
        if release.lower() in {"latest", "current", "newest", "stable", "*"}:
            raise Invalid(
                f"civiltime.toml pins {name} to {release!r}, which is not one release", code="014"
            )
    for dataset_id in work.wanted():
        require_catalogued(dataset_id)


def require_catalogued(dataset_id: str) -> None:
    """Raises :class:`Invalid` (011, 012, 013) unless the contracts know the dataset."""
    dataset = contracts.datasets().get(dataset_id)
    if dataset is None:
        raise Invalid(f"the dictionary has no {dataset_id}", code="012")
    if dataset_id not in contracts.registry():
        raise Invalid(f"the registry has no {dataset_id}", code="013")
    try:
        contracts.schema(dataset.schema_ref)
    except FileNotFoundError:
        raise Invalid(
            f"{dataset_id}: no schema {dataset.schema_ref} in the contracts", code="011"
        ) from None


def minimum_set_present(work: Gate) -> None:
    """Every input that a run needs is on the disk."""
    missing = []
    for dataset_id in work.wanted():
        path = input_path(work, dataset_id)
        if not path.is_file() and not (path.is_dir() and any(path.iterdir())):
            missing.append(work.ctx.run.workspace.relative(path))
        elif path.is_dir():
            list_files(path)  # refuses links and special files
    if missing:
        raise Invalid(f"missing: {', '.join(missing)}", missing=list(missing))


def input_path(work: Gate, dataset_id: str) -> Path:
    """Where an input lies, in its pinned release."""
    tokens = {}
    if dataset_id in PINNED:
        tokens = {"release": work.release(dataset_id), "version": work.release(dataset_id)}
    return work.ctx.run.path(dataset_id, **tokens)


def boundaries_are_wgs84(work: Gate) -> None:
    """The boundaries are in WGS 84 and not empty."""
    crs, count, _ = work.boundaries
    work.checks["tz_world"] = {
        "id": f"tz_world_{work.release(TZ_WORLD)}",
        "crs": crs,
        "feature_count": count,
    }


def tzdb_well_formed(work: Gate) -> None:
    """The tz release's tag is a tag, it is the pinned one, and its archive's digest is there."""
    pinned, document = work.release("tzdb_release"), work.tzdb_release
    tag, digest = document.get("release_tag"), document.get("archive_sha256")
    for name, value in (("tzdb_release.json", tag), ("civiltime.toml", pinned)):
        if not isinstance(value, str) or not RELEASE_TAG.fullmatch(value):
            raise Invalid(
                f"{name}: {value!r} is not a tz release tag such as 2026c", tag=str(value)
            )
    if tag != pinned:
        raise Invalid(f"tzdb_release.json is of {tag}, civiltime.toml pins {pinned}", tag=str(tag))
    if not isinstance(digest, str) or not HEX64.fullmatch(digest):
        raise Invalid("tzdb_release.json has no valid archive_sha256", code="023")
    work.checks["tzdb"] = {"release_tag": tag, "archive_sha256": digest}


def overrides_valid(work: Gate) -> None:
    """The overrides are well formed."""
    work.counts["overrides_total"] = len(work.overrides)
    work.counts["overrides_active"] = len(work.active)


def overrides_unique(work: Gate) -> None:
    """At most one active override stands for a target."""
    require_unique(work.active)


def overrides_known(work: Gate) -> None:
    """Every override names a zone of the boundaries."""
    require_known(work.overrides, work.boundaries[2])


def policies_valid(work: Gate) -> None:
    """The lookup, certification and approvers policies are well formed."""
    run = work.ctx.run
    parse_lookup_policy(run.path("tz_lookup_policy").read_bytes())
    for dataset_id in ("certification_policy", "approvers_policy"):
        path = run.path(dataset_id)
        read_policy(path.read_bytes(), dataset_id, path.name)


def authorities_frozen(work: Gate) -> None:
    """The frozen 1A and 1B authorities are the bytes that are pinned, and those agreed on."""
    root, path = work.ctx.run.workspace.root, work.ctx.run.path("authorities")
    if not path.is_file():
        raise Invalid("authorities.yaml is missing; restore it", path="authorities.yaml")
    document = read_policy(path.read_bytes(), "authorities", "authorities.yaml")
    pinned: dict[str, Any] = document.data["authorities"]
    for name, authority in pinned.items():
        report = root / authority["report"]
        if not report.resolve().is_relative_to(root.resolve()) or not report.is_file():
            raise Invalid(f"{name}: {authority['report']} is missing", authority=name)
        actual = sha256_file(report)
        if actual != authority["sha256_hex"]:
            raise Invalid(
                f"{name}: {authority['report']} is {actual[:12]}…, pinned is "
                f"{authority['sha256_hex'][:12]}…",
                authority=name,
                actual=actual,
            )
    require_agreed(work.ctx.run.workspace, {n: a["sha256_hex"] for n, a in pinned.items()})
    work.checks["authorities"] = {
        name: {"posture": a["posture"], "run_id": a["run_id"], "sha256_hex": a["sha256_hex"]}
        for name, a in pinned.items()
    }
