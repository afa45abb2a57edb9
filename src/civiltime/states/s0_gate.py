"""S0 gate: prove that 1B passed, seal every input before a row is read.

* Reads: `validation_bundle_1B`, `validation_passed_flag_1B`, `authorities`, and the bytes of
  every input that it seals; no site row.
* Writes: `s0_gate_receipt_2A`, `sealed_inputs_2A`, `s0_determinism_receipt_2A`.
* Law: specification 3.0.  Identity stays the upstream fingerprint; a changed sealed set may not
  overwrite a published receipt.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from civiltime import contracts
from civiltime.errors import Invalid
from civiltime.policy.document import read_policy, version_tag
from civiltime.policy.lookup import parse_lookup_policy
from civiltime.policy.overrides import (
    Override,
    active_overrides,
    parse_overrides,
    require_known,
    require_unique,
)
from civiltime.reference import tz_world
from civiltime.states import laws
from civiltime.states.context import SealedInput
from civiltime.states.state import State, Validator, Work
from civiltime.workspace.bundle import VerifiedBundle, verify_bundle
from civiltime.workspace.clock import date_of
from civiltime.workspace.digest import (
    FileDigest,
    digest_folder,
    document_digest,
    partition_hash,
    sha256_bytes,
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
KINDS = {"validation_bundle_1B": "bundle", "validation_passed_flag_1B": "manifest"}
REPORTED = ("sealed_count", "sealed_bytes")


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
        except (OSError, ValueError) as error:
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


def _egress(work: Gate) -> list[FileDigest] | None:
    """The files that the upstream's ``egress_checksums.json`` binds; None where it doesn't."""
    path = work.ctx.run.path("validation_bundle_1B") / "egress_checksums.json"
    try:
        rows = json.loads(path.read_bytes())["files"]
        return [FileDigest(r["path"], int(r["size_bytes"]), r["sha256_hex"]) for r in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _egress_paths(work: Gate) -> list[str]:
    return [f.path for f in _egress(work) or []]


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
        path = _path(work, dataset_id)
        if not path.is_file() and not (path.is_dir() and any(path.iterdir())):
            missing.append(work.ctx.run.workspace.relative(path))
    if missing:
        raise Invalid(f"missing: {', '.join(missing)}", missing=list(missing))


def _path(work: Gate, dataset_id: str) -> Any:
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
    """The frozen 1A and 1B authorities are the bytes that ``authorities.yaml`` pins."""
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
    work.checks["authorities"] = {
        name: {"posture": a["posture"], "run_id": a["run_id"], "sha256_hex": a["sha256_hex"]}
        for name, a in pinned.items()
    }


def compute(work: Gate) -> None:
    """Seal every input, then stage inventory, determinism receipt and receipt."""
    ctx, receipt = work.ctx, work.ctx.run.receipt
    for dataset_id in work.wanted():
        work.sealed.append(_seal(work, dataset_id))
    _compare_with_upstream(work)
    work.inventory = [
        {
            "manifest_fingerprint": receipt.manifest_fingerprint,
            **vars(row),
            "created_utc": ctx.verified_at_utc,
        }
        for row in sorted(work.sealed, key=lambda r: (r.asset_kind, r.basename))
    ]
    work.receipt = {
        "manifest_fingerprint": receipt.manifest_fingerprint,
        "parameter_hash": receipt.parameter_hash,
        "validation_bundle_path": ctx.run.workspace.relative(ctx.run.path("validation_bundle_1B")),
        "flag_sha256_hex": work.bundle.flag_sha256_hex,
        "verified_at_utc": ctx.verified_at_utc,
        "sealed_inputs": [
            {"id": r.asset_id, "partition": _partition(r.asset_id), "schema_ref": r.schema_ref}
            for r in work.sealed
        ],
    }
    staged = {}
    for dataset_id, document in (
        ("sealed_inputs_2A", work.inventory),
        ("s0_gate_receipt_2A", work.receipt),
    ):
        raw = ctx.stage_document(dataset_id, document)
        name = ctx.run.path(dataset_id).name
        staged[dataset_id] = partition_hash([FileDigest(name, len(raw), sha256_bytes(raw))])
    determinism = {
        "manifest_fingerprint": receipt.manifest_fingerprint,
        "partitions": [
            {
                "id": dataset_id,
                "partition_path": ctx.run.partition(dataset_id)
                .relative_to(ctx.run.folder)
                .as_posix(),
                "sha256_hex": digest,
            }
            for dataset_id, digest in staged.items()
        ],
    }
    ctx.stage_document("s0_determinism_receipt_2A", determinism)
    # The receipt is what later states ask for, so it becomes visible last.
    ctx.staged.sort(
        key=("sealed_inputs_2A", "s0_determinism_receipt_2A", "s0_gate_receipt_2A").index
    )
    work.checks["determinism_receipt"] = determinism["partitions"]
    work.checks["sealed_inputs_sha256"] = document_digest(work.inventory)
    work.counts["sealed_count"] = len(work.sealed)
    work.counts["sealed_bytes"] = sum(r.size_bytes for r in work.sealed)


def _partition(asset_id: str) -> list[str]:
    dataset = contracts.datasets().get(asset_id)
    return list(dataset.partitions) if dataset else []


def _seal(work: Gate, dataset_id: str) -> SealedInput:
    path = _path(work, dataset_id)
    dataset, registered = contracts.datasets()[dataset_id], contracts.registry()[dataset_id]
    if path.is_dir():
        files = digest_folder(path)
        digest, size = partition_hash(files), sum(f.size_bytes for f in files)
    else:
        digest, size = sha256_file(path), path.stat().st_size
    if dataset_id in PINNED:
        version = work.release(dataset_id)
    elif dataset_id in POLICIES:
        version = version_tag(path.read_bytes(), digest)
    else:
        version = work.ctx.run.receipt.manifest_fingerprint
    kind = KINDS.get(dataset_id, "config" if dataset_id in POLICIES else "dataset")
    catalog_path = work.ctx.run.workspace.relative(path)
    work.ctx.inputs_read[dataset_id] = {"path": catalog_path, "sha256_hex": digest}
    basename = dataset_id if dataset_id == "site_locations" else path.name
    return SealedInput(
        asset_id=dataset_id.format(release=version),
        asset_kind=kind,
        basename="validation" if dataset_id == "validation_bundle_1B" else basename,
        version_tag=version,
        schema_ref=dataset.schema_ref,
        catalog_path=catalog_path,
        sha256_hex=digest,
        size_bytes=size,
        license_class=registered.licence,
    )


def _compare_with_upstream(work: Gate) -> None:
    """Remember where the sites differ from what the upstream's bundle binds them to."""
    files = _egress(work)
    partition = work.ctx.run.path("site_locations")
    prefix = partition.relative_to(work.ctx.run.workspace.upstream_root).as_posix() + "/"
    bound = {f.path.removeprefix(prefix): f for f in files or [] if f.path.startswith(prefix)}
    if not bound:
        work.unbound = "the upstream's bundle doesn't bind site_locations by digest"
        return
    actual = {f.path: f for f in digest_folder(partition)}
    for name in sorted(bound.keys() | actual.keys()):
        ours, theirs = actual.get(name), bound.get(name)
        if ours is None or theirs is None or ours.sha256_hex != theirs.sha256_hex:
            work.mismatch = f"{prefix}{name} is not what the upstream's bundle binds"
            return


def digests_valid(work: Gate) -> None:
    """Every sealed input has a digest and a version; the sites are those the upstream binds."""
    if work.mismatch:
        raise Invalid(work.mismatch)
    for row in work.sealed:
        if not HEX64.fullmatch(row.sha256_hex):
            raise Invalid(f"{row.asset_id} has no valid digest", code="015")
        if row.version_tag.lower() in {"", "latest"}:
            raise Invalid(f"{row.catalog_path} has version {row.version_tag!r}", code="014")


def no_alias(work: Gate) -> None:
    """No id, no content and no basename stands twice in the inventory."""
    for code, name, values in (
        ("016", "asset_id", [r.asset_id for r in work.sealed]),
        ("017", "content", [r.sha256_hex for r in work.sealed]),
        ("018", "basename", [r.basename for r in work.sealed]),
    ):
        twice = [v for v, n in Counter(values).items() if n > 1]
        if twice:
            paths = [
                r.catalog_path
                for r in work.sealed
                if {r.asset_id, r.sha256_hex, r.basename} & set(twice)
            ]
            raise Invalid(f"the same {name} is sealed twice: {', '.join(paths)}", code=code)


def upstream_bound(work: Gate) -> None:
    """The upstream binds its egress by digest (a warning where it doesn't)."""
    if work.unbound:
        raise Invalid(work.unbound)


def bundle_path_valid(work: Gate) -> None:
    """The receipt's bundle path embeds the fingerprint and lies in the upstream."""
    path = work.receipt["validation_bundle_path"]
    token = f"manifest_fingerprint={work.receipt['manifest_fingerprint']}"
    if token not in path.split("/") or path.startswith("/"):
        raise Invalid(f"validation_bundle_path {path!r} lacks {token}")


def flag_hex_valid(work: Gate) -> None:
    """The receipt's flag digest is a digest."""
    value = work.receipt["flag_sha256_hex"]
    if not HEX64.fullmatch(value):
        raise Invalid(f"flag_sha256_hex {value!r} is not 64 lowercase hex digits")


def receipt_lists_the_sealed(work: Gate) -> None:
    """The receipt lists exactly what was sealed."""
    listed = sorted(r["id"] for r in work.receipt["sealed_inputs"])
    if listed != sorted(r.asset_id for r in work.sealed):
        raise Invalid("the receipt's sealed_inputs are not what was sealed", listed=list(listed))


def determinism_receipt_there(work: Gate) -> None:
    """The determinism receipt is staged beside the other outputs."""
    if "s0_determinism_receipt_2A" not in work.ctx.staged or not work.checks.get(
        "determinism_receipt"
    ):
        raise Invalid("there is no determinism receipt")


def inventory_in_its_partition(work: Gate) -> None:
    """Every row of the inventory is of the run's fingerprint."""
    expected = work.ctx.run.receipt.manifest_fingerprint
    if any(r["manifest_fingerprint"] != expected for r in work.inventory):
        raise Invalid("a row of the inventory is of another manifest_fingerprint")


def inventory_matches_receipt(work: Gate) -> None:
    """The inventory's ids are the receipt's ids."""
    listed = sorted(r["id"] for r in work.receipt["sealed_inputs"])
    if listed != sorted(r["asset_id"] for r in work.inventory):
        raise Invalid("inventory and receipt name different assets")


def inventory_echoes_authority(work: Gate) -> None:
    """Schema, path and licence in the inventory are those of the contracts."""
    for row in work.inventory:
        dataset_id = TZ_WORLD if row["asset_id"].startswith("tz_world_") else row["asset_id"]
        dataset, registered = contracts.datasets()[dataset_id], contracts.registry()[dataset_id]
        tail = dataset.path.split("{", maxsplit=1)[0].rstrip("/")
        if (
            row["schema_ref"] != dataset.schema_ref
            or row["license_class"] != registered.licence
            or tail not in row["catalog_path"]
        ):
            raise Invalid(f"{row['asset_id']} differs from the contracts")


def one_receipt(work: Gate) -> None:
    """The run holds no second receipt."""
    folder = work.ctx.run.partition("s0_gate_receipt_2A").parent
    own = work.ctx.run.path("s0_gate_receipt_2A")
    others = [p for p in folder.rglob("*.json") if p != own] if folder.is_dir() else []
    if others:
        raise Invalid(
            f"a second receipt is here: {work.ctx.run.workspace.relative(others[0])}",
            others=[work.ctx.run.workspace.relative(p) for p in others],
        )


def partitions_pure(work: Gate) -> None:
    """The output partitions hold nothing but what S0 writes."""
    for dataset_id in STATE.outputs:
        path = work.ctx.run.path(dataset_id)
        strangers = [p for p in path.parent.rglob("*") if p != path]
        if strangers:
            where = work.ctx.run.workspace.relative(strangers[0])
            raise Invalid(f"{where} doesn't belong there", path=where)


def report_complete(work: Gate) -> None:
    """The run report holds the counts and checks that specification 3.0 names."""
    absent = [k for k in REPORTED if k not in work.counts]
    absent += [k for k in ("upstream", "tzdb", "tz_world") if k not in work.checks]
    if absent:
        raise Invalid(f"the run report lacks {', '.join(absent)}")


VALIDATORS: tuple[Validator[Gate], ...] = (
    Validator("V-01", "001", "the upstream's flag is there", flag_present, "before"),
    Validator("V-02", "002", "the flag is the bundle's digest", flag_matches, "before"),
    Validator("V-03", "004", "the upstream is of this fingerprint", upstream_is_this_one, "before"),
    Validator("V-05", "012", "every input is catalogued and pinned", catalogued, "before"),
    Validator("V-04", "010", "the minimum set is there", minimum_set_present, "before"),
    Validator("V-07", "020", "tz_world is WGS 84 and not empty", boundaries_are_wgs84, "before"),
    Validator("V-08", "022", "the tz release is well formed", tzdb_well_formed, "before"),
    Validator("V-09", "030", "the overrides are well formed", overrides_valid, "before"),
    Validator("V-09b", "031", "one active override per target", overrides_unique, "before"),
    Validator("V-09c", "032", "overrides name known zones", overrides_known, "before"),
    Validator("V-22", "033", "the other policies are valid", policies_valid, "before"),
    Validator("V-21", "090", "the frozen authorities are unchanged", authorities_frozen, "before"),
    Validator("V-05b", "015", "every input has a digest and a version", digests_valid),
    Validator("V-06", "016", "no alias, no duplicate", no_alias),
    Validator("V-23", "019", "the upstream binds its egress", upstream_bound),
    Validator("V-10", "040", "path and content agree", laws.paths_embed),
    Validator("V-11", "041", "the receipt's bundle path is valid", bundle_path_valid),
    Validator("V-11b", "042", "the receipt's flag digest is valid", flag_hex_valid),
    Validator("V-12", "043", "the receipt lists what was sealed", receipt_lists_the_sealed),
    Validator("V-13", "044", "the determinism receipt is there", determinism_receipt_there),
    Validator("V-14", "050", "the inventory is in its partition", inventory_in_its_partition),
    Validator("V-15", "051", "inventory and receipt agree", inventory_matches_receipt),
    Validator("V-16", "052", "the inventory echoes the contracts", inventory_echoes_authority),
    Validator("V-17", "060", "there is one receipt", one_receipt),
    Validator("V-19", "061", "the partitions are pure", partitions_pure),
    Validator("V-20", "070", "the run report is complete", report_complete),
    Validator("V-18", "062", "write-once", laws.publish, "publish"),
)

STATE: State[Gate] = State(
    id="S0",
    title="gate",
    inputs=("validation_bundle_1B", "validation_passed_flag_1B", "authorities"),
    outputs=("s0_gate_receipt_2A", "sealed_inputs_2A", "s0_determinism_receipt_2A"),
    begin=Gate,
    compute=compute,
    validators=VALIDATORS,
)
