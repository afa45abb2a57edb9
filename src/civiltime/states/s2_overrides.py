"""S2 overrides: the final zone of every site.

* Reads: `s1_tz_lookup`, `tz_overrides`, `tz_lookup_policy`, `tz_world`, `merchant_mcc_map`.
* Writes: `site_timezones`.
* Law: specification 3.2.  A row that no override decided keeps its zone; a row that one did is
  resolved again from the sealed policy, by the same precedence and the same active rule; nudge
  fields are carried unchanged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from civiltime.errors import Invalid
from civiltime.policy.lookup import LookupPolicy, parse_lookup_policy
from civiltime.policy.overrides import (
    PRECEDENCE,
    Override,
    active_overrides,
    parse_overrides,
    require_unique,
)
from civiltime.reference import tz_world
from civiltime.states import laws
from civiltime.states.category_map import CategoryMap, read_category_map
from civiltime.states.columns import constant
from civiltime.states.precedence import OverrideTable, Sites, country_iso
from civiltime.states.site_batches import country_numbers, key_breaks
from civiltime.states.state import State, Validator, Work
from civiltime.workspace.clock import date_of
from civiltime.workspace.tables import open_batches, write_table

TZ_WORLD = "tz_world_{release}"
SEALED = ("tz_overrides", "tz_lookup_policy", TZ_WORLD)
CARRIED = ("nudge_lat_deg", "nudge_lon_deg")


@dataclass
class Overrides(Work):
    """S2's work: the policy, and what was seen in the rows."""

    rows_in: int = 0
    rows_out: int = 0
    applied: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows by (scope, country)."""
    sites_by_country: Counter[str] = field(default_factory=Counter)
    used: set[int] = field(default_factory=set)
    """Positions in ``active`` of the overrides that were applied."""
    seen_zones: set[str] = field(default_factory=set)
    nulls: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    incoherent: int = 0
    no_effect: int = 0
    nudge_changes: int = 0
    unmatched: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)

    @cached_property
    def rows(self) -> tuple[Override, ...]:
        """Every row of the sealed policy."""
        return parse_overrides(self.ctx.sealed_bytes("tz_overrides"))

    @cached_property
    def active(self) -> tuple[Override, ...]:
        """The overrides that hold on the day of the run."""
        return active_overrides(self.rows, date_of(self.ctx.verified_at_utc))

    @cached_property
    def policy(self) -> LookupPolicy:
        """The sealed lookup policy."""
        return parse_lookup_policy(self.ctx.sealed_bytes("tz_lookup_policy"))

    @cached_property
    def category_map(self) -> CategoryMap | None:
        """The sealed merchant category map, if one was sealed."""
        return read_category_map(self.ctx)

    @cached_property
    def world_tzids(self) -> frozenset[str]:
        """The zones of the sealed boundaries."""
        return frozenset(tz_world.inspect(self.ctx.sealed_path(TZ_WORLD))[2])

    @property
    def override_rate(self) -> float:
        """Share of sites that an override decided."""
        return self.applied.total() / max(self.rows_out, 1)


def own_partition(work: Overrides) -> None:
    """The lookup read is that of this run's seed and fingerprint."""
    laws.partition_is(work, work.ctx.run.path("s1_tz_lookup"), "seed", "manifest_fingerprint")


def bytes_unchanged(work: Overrides) -> None:
    """Sealed inputs and S1's output are the bytes that S0 and S1 named."""
    laws.sealed_unchanged(*SEALED)(work)
    work.ctx.require_published("S1", "s1_tz_lookup")


def one_active_per_target(work: Overrides) -> None:
    """At most one active override stands for a target."""
    require_unique(work.active)


def category_map_there(work: Overrides) -> None:
    """Active overrides by category have their sealed map."""
    rows = [o.target for o in work.active if o.scope == "mcc"]
    if rows and work.category_map is None:
        raise Invalid(
            f"overrides for the categories {', '.join(rows[:5])} are active, but no "
            "merchant_mcc_map is pinned and sealed"
        )


def compute(work: Overrides) -> None:
    """Stream S1's rows into the staged `site_timezones`."""
    work.rows_out = write_table(_final(work), "site_timezones", work.ctx.stage("site_timezones"))
    by_scope: Counter[str] = Counter()
    by_country: dict[str, Counter[str]] = {}
    for (scope, country), n in sorted(work.applied.items()):
        by_scope[scope] += n
        by_country.setdefault(country, Counter())[scope] += n
    work.counts.update(
        sites=work.rows_out,
        overrides=work.applied.total(),
        overrides_by_scope={scope: by_scope[scope] for scope in PRECEDENCE},
        overrides_by_country={c: dict(n) for c, n in by_country.items()},
        distinct_tzids=len(work.seen_zones),
    )
    work.governance.update(
        override_rate=work.override_rate,
        override_rate_cap=work.policy.override_rate_cap,
        override_rate_by_country={
            c: n.total() / work.sites_by_country[c] for c, n in by_country.items()
        },
        applied=[
            {
                "scope": o.scope,
                "target": o.target,
                "tzid": o.tzid,
                "reason_code": o.reason_code,
                "owner": o.owner,
            }
            for o in (work.active[i] for i in sorted(work.used))
        ],
    )


def _final(work: Overrides) -> Iterator[pa.RecordBatch]:
    folder, previous = work.ctx.run.path("s1_tz_lookup"), None
    for batch in open_batches(folder, "s1_tz_lookup", work.ctx.options.batch_rows, dictionary=True):
        iso = country_numbers(batch.column("legal_country_iso"))
        sites = Sites(
            batch.column("merchant_id").to_numpy(),
            iso,
            batch.column("site_order").to_numpy(),
            batch.column("lon_deg").to_numpy(),
            batch.column("lat_deg").to_numpy(),
        )
        unsorted, duplicate, previous = key_breaks(sites, previous)
        work.out_of_order += unsorted
        work.duplicates += duplicate
        work.rows_in += len(sites)
        for number, n in enumerate(np.bincount(iso, minlength=1)):
            if n:
                work.sites_by_country[country_iso(number)] += int(n)
        yield final_batch(work, batch, sites)
        work.ctx.options.progress(f"S2 overrides {work.rows_in:,} sites", 0.5)


def final_batch(work: Overrides, batch: pa.RecordBatch, sites: Sites) -> pa.RecordBatch:
    """One batch of `site_timezones` from one of `s1_tz_lookup`."""
    tzid, source = batch.column("tzid_provisional"), batch.column("tzid_provisional_source")
    scope = batch.column("override_scope")
    overridden = np.flatnonzero(batch.column("override_applied").to_numpy(zero_copy_only=False))
    if len(overridden):
        tzid, source, scope = _resolve_again(work, sites, overridden, tzid, source, scope)
    work.seen_zones.update(tzid.unique().drop_null().to_pylist())
    work.nulls += tzid.null_count
    by_hand = pc.equal(source, "override")
    with_scope = pc.is_valid(scope)
    work.incoherent += pc.sum(pc.xor(by_hand, with_scope)).as_py() or 0
    applied = batch.column("override_applied")
    work.no_effect += pc.sum(pc.and_(pc.invert(applied), by_hand)).as_py() or 0
    n = batch.num_rows
    result = pa.record_batch(
        {
            "seed": batch.column("seed"),
            "manifest_fingerprint": batch.column("manifest_fingerprint"),
            "merchant_id": batch.column("merchant_id"),
            "legal_country_iso": batch.column("legal_country_iso"),
            "site_order": batch.column("site_order"),
            "tzid": tzid,
            "tzid_source": source,
            "override_scope": scope,
            **{name: batch.column(name) for name in CARRIED},
            "created_utc": constant(work.ctx.verified_at_utc, n),
        }
    )
    work.nudge_changes += sum(not result.column(c).equals(batch.column(c)) for c in CARRIED)
    return result


def _resolve_again(
    work: Overrides, sites: Sites, rows: Any, tzid: Any, source: Any, scope: Any
) -> tuple[Any, Any, Any]:
    """Zone, source and scope of the overridden rows, from the sealed policy."""
    mine = sites.take(rows)
    table = OverrideTable(work.active, work.category_map)
    winner = table.winners(mine)
    work.unmatched += _keys(mine, winner < 0)
    if any(o.scope == "mcc" for o in work.active):
        by_site = table.matches(mine)["site"] >= 0
        work.unmapped += _keys(mine, ~table.knows_merchants(mine) & ~by_site)
    if work.unmatched:
        applied_are_active(work)
    pairs = np.stack([winner, mine.country], axis=1)
    for (position, country), n in zip(*np.unique(pairs, axis=0, return_counts=True), strict=True):
        work.used.add(int(position))
        work.applied[work.active[position].scope, country_iso(int(country))] += int(n)
    mask = np.zeros(len(sites), np.bool_)
    mask[rows] = True

    def put(column: Any, by_override: list[str]) -> Any:
        values = pa.array(by_override, pa.utf8()).take(pa.array(winner))
        return pc.replace_with_mask(column.cast(pa.utf8()), pa.array(mask), values)

    return (
        put(tzid, [o.tzid for o in work.active]),
        put(source, ["override"] * len(work.active)),
        put(scope, [o.scope for o in work.active]),
    )


def _keys(sites: Sites, wanted: Any) -> list[str]:
    """The keys of the wanted rows, for a message: ``42|GB|3``."""
    few = sites.take(np.flatnonzero(wanted))
    columns = (few.merchant_id, few.country, few.site_order)
    return [
        f"{m}|{country_iso(c)}|{o}" for m, c, o in zip(*(x.tolist() for x in columns), strict=True)
    ]


def merchants_mapped(work: Overrides) -> None:
    """The merchants of the rows that ask the map are in it."""
    if work.unmapped:
        raise Invalid(
            f"{len(work.unmapped):,} overridden sites have a merchant that merchant_mcc_map "
            f"doesn't have ({', '.join(work.unmapped[:5])})",
            code="023",
        )


def applied_are_active(work: Overrides) -> None:
    """Every overridden row still has an active override."""
    if work.unmatched:
        raise Invalid(
            f"{len(work.unmatched):,} overridden sites have no active override "
            f"({', '.join(work.unmatched[:5])})"
        )


def coverage(work: Overrides) -> None:
    """One row out per row in."""
    if work.rows_in != work.rows_out:
        raise Invalid(f"{work.rows_in:,} rows in, {work.rows_out:,} out")


def keys_unique(work: Overrides) -> None:
    """No key stands twice."""
    if work.duplicates:
        raise Invalid(f"{work.duplicates:,} keys stand more than once")


def zones_not_null(work: Overrides) -> None:
    """Every row has a zone."""
    if work.nulls:
        raise Invalid(f"{work.nulls:,} rows have no zone")


def zones_in_domain(work: Overrides) -> None:
    """Every zone is a well-formed tzid."""
    bad = sorted(z for z in work.seen_zones if not laws.TZID.fullmatch(z))
    if bad:
        raise Invalid(f"not a tzid: {', '.join(bad[:5])}")


def zones_in_world(work: Overrides) -> None:
    """Every zone is one of tz_world's."""
    unknown = sorted(work.seen_zones - work.world_tzids)
    if unknown:
        raise Invalid(f"tz_world doesn't have {', '.join(unknown[:5])}", tzids=list(unknown))


def provenance_coherent(work: Overrides) -> None:
    """A source `override` has a scope, a source `polygon` has none."""
    if work.incoherent:
        raise Invalid(f"{work.incoherent:,} rows have a source and scope that don't agree")


def no_override_on_polygon(work: Overrides) -> None:
    """No row that geometry decided says that an override did."""
    if work.no_effect:
        raise Invalid(f"{work.no_effect:,} rows name an override that wasn't applied")


def nudge_carried(work: Overrides) -> None:
    """The nudge fields are those of S1."""
    if work.nudge_changes:
        raise Invalid(f"the nudge fields of {work.nudge_changes:,} batches changed")


def writer_order(work: Overrides) -> None:
    """The rows stand in the order of their key."""
    if work.out_of_order:
        raise Invalid(f"{work.out_of_order:,} rows are out of order")


def overrides_capped(work: Overrides) -> None:
    """The share of sites set by hand is within its cap."""
    cap = work.policy.override_rate_cap
    if work.override_rate > cap:
        named = Counter({c: n for (_, c), n in work.applied.items()}).most_common(5)
        raise Invalid(
            f"override_rate is {work.override_rate:.6f}, the cap {cap:.6f}; most in "
            + ", ".join(f"{c} {n:,}" for c, n in named),
            override_rate=work.override_rate,
            cap=cap,
        )


def provenance_complete(work: Overrides) -> None:
    """Applied overrides carry reason, owner, and evidence or notes."""
    bare = [work.active[i].target for i in sorted(work.used) if not work.active[i].has_provenance]
    if bare:
        raise Invalid(f"overrides without full provenance: {', '.join(bare[:5])}")


VALIDATORS: tuple[Validator[Overrides], ...] = (
    Validator("V-01", "001", "S0's receipt is valid", laws.receipt_valid, "before"),
    Validator("V-02", "010", "the inputs resolve", laws.inputs_resolve(*SEALED), "before"),
    Validator("V-03", "011", "exactly this partition is read", own_partition, "before"),
    Validator("V-03b", "012", "sealed and published bytes unchanged", bytes_unchanged, "before"),
    Validator("V-04", "020", "the overrides are valid", lambda w: w.rows, "before"),
    Validator("V-05", "021", "one active row per target", one_active_per_target, "before"),
    Validator("V-06", "022", "category rows have their map", category_map_there, "before"),
    Validator("V-06b", "023", "the map has the merchants", merchants_mapped),
    Validator("V-07", "024", "applied overrides are active", applied_are_active),
    Validator("V-12", "050", "one row out per row in", coverage),
    Validator("V-13", "051", "the key is unique", keys_unique),
    Validator("V-14", "052", "no zone is null", zones_not_null),
    Validator("V-15", "053", "every zone is well formed", zones_in_domain),
    Validator("V-15b", "057", "every zone is in tz_world", zones_in_world),
    Validator("V-16", "054", "source and scope agree", provenance_coherent),
    Validator("V-17", "055", "no override on a polygon row", no_override_on_polygon),
    Validator("V-18", "056", "nudge fields are carried", nudge_carried),
    Validator("V-20", "090", "override rate under its cap", overrides_capped),
    Validator("V-21", "091", "override provenance is complete", provenance_complete),
    Validator("V-08", "030", "the output fits its schema", laws.outputs_fit_schema),
    Validator("V-09", "040", "path and content agree", laws.paths_embed),
    Validator("V-11", "042", "timestamps are the run's", laws.timestamps_are_the_runs),
    Validator("V-19", "070", "writer order", writer_order),
    Validator("V-10", "041", "write-once", laws.publish, "publish"),
)

STATE: State[Overrides] = State(
    id="S2",
    title="overrides",
    inputs=("s1_tz_lookup", *SEALED, "merchant_mcc_map"),
    outputs=("site_timezones",),
    begin=Overrides,
    compute=compute,
    validators=VALIDATORS,
)
