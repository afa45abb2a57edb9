"""S0 gate: prove that 1B passed, seal every input before a row is read.

* Reads: `validation_bundle_1B`, `validation_passed_flag_1B`, `authorities`, and the bytes of
  every input that it seals; no site row.
* Writes: `s0_gate_receipt_2A`, `sealed_inputs_2A`, `s0_determinism_receipt_2A`.
* Law: specification 3.0.  Identity stays the upstream fingerprint; a changed sealed set may not
  overwrite a published receipt.  The laws before it are in :mod:`~civiltime.states.s0_before`,
  those of what it sealed in :mod:`~civiltime.states.s0_after`.
"""

from __future__ import annotations

from civiltime import contracts
from civiltime.policy.document import version_tag
from civiltime.states import laws
from civiltime.states.context import SealedInput
from civiltime.states.s0_after import (
    OUTPUTS,
    bundle_path_valid,
    determinism_receipt_there,
    digests_valid,
    flag_hex_valid,
    inventory_echoes_authority,
    inventory_in_its_partition,
    inventory_matches_receipt,
    no_alias,
    one_receipt,
    partitions_pure,
    receipt_lists_the_sealed,
    report_complete,
    upstream_bound,
)
from civiltime.states.s0_before import (
    PINNED,
    POLICIES,
    Gate,
    authorities_frozen,
    bound_egress,
    boundaries_are_wgs84,
    catalogued,
    flag_matches,
    flag_present,
    input_path,
    minimum_set_present,
    overrides_known,
    overrides_unique,
    overrides_valid,
    policies_valid,
    tzdb_well_formed,
    upstream_is_this_one,
)
from civiltime.states.state import State, Validator
from civiltime.workspace.digest import (
    FileDigest,
    digest_folder,
    document_digest,
    partition_hash,
    sha256_bytes,
    sha256_file,
)

KINDS = {"validation_bundle_1B": "bundle", "validation_passed_flag_1B": "manifest"}


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
    path = input_path(work, dataset_id)
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
    files = bound_egress(work)
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
    outputs=OUTPUTS,
    begin=Gate,
    compute=compute,
    validators=VALIDATORS,
)
