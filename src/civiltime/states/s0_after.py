"""The laws of what S0 sealed: the inventory, the receipt and their partitions."""

from __future__ import annotations

from collections import Counter

from civiltime import contracts
from civiltime.errors import Invalid
from civiltime.states.s0_before import TZ_WORLD, Gate
from civiltime.workspace.upstream import HEX64

OUTPUTS = ("s0_gate_receipt_2A", "sealed_inputs_2A", "s0_determinism_receipt_2A")
REPORTED = ("sealed_count", "sealed_bytes")


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
    for dataset_id in OUTPUTS:
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
