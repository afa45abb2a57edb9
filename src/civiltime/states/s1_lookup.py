"""S1 lookup: one provisional zone per site.

* Reads: `site_locations`, `tz_world`, `tz_nudge`, `tz_overrides`, `tz_lookup_policy`,
  `merchant_mcc_map`.
* Writes: `s1_tz_lookup`.
* Law: specification 3.1.  The order of answers stands in :mod:`civiltime.states.precedence`; one
  row out per row in; caps fail closed after all rows are resolved and before anything is
  published.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from civiltime.errors import Invalid
from civiltime.policy.lookup import LookupPolicy, parse_lookup_policy
from civiltime.policy.nudge import Nudge, parse_nudge
from civiltime.policy.overrides import Override, active_overrides, parse_overrides
from civiltime.states import laws
from civiltime.states.boundaries import Boundaries, open_boundaries
from civiltime.states.category_map import read_category_map
from civiltime.states.columns import choice, constant, countries
from civiltime.states.precedence import (
    Decision,
    OverrideTable,
    Precedence,
    Resolved,
    Sites,
    Tiebreak,
)
from civiltime.states.site_batches import NotInOrderError, ordered_batches, sorted_batches
from civiltime.states.state import State, Validator, Work
from civiltime.states.tally import Tally
from civiltime.workspace.clock import date_of
from civiltime.workspace.tables import write_table

TZ_WORLD = "tz_world_{release}"
SEALED = ("site_locations", TZ_WORLD, "tz_nudge", "tz_overrides", "tz_lookup_policy")


@dataclass
class Lookup(Work):
    """S1's work: the policies, the zones, and what was counted on the way."""

    rows_in: int = 0
    rows_out: int = 0
    tally: Tally = field(default_factory=Tally)

    @cached_property
    def nudge(self) -> Nudge:
        """The sealed nudge policy."""
        return parse_nudge(self.ctx.sealed_bytes("tz_nudge"))

    @cached_property
    def policy(self) -> LookupPolicy:
        """The sealed lookup policy."""
        return parse_lookup_policy(self.ctx.sealed_bytes("tz_lookup_policy"))

    @cached_property
    def active(self) -> tuple[Override, ...]:
        """The overrides that hold on the day of the run."""
        rows = parse_overrides(self.ctx.sealed_bytes("tz_overrides"))
        return active_overrides(rows, date_of(self.ctx.verified_at_utc))

    @cached_property
    def zones(self) -> Boundaries:
        """The sealed boundaries, ready to be asked."""
        path = self.ctx.sealed_path(TZ_WORLD)
        cache = self.ctx.run.workspace.cache
        self.ctx.options.progress("S1 lookup: opening the boundaries (compiled once)", 0.5)
        return open_boundaries(path, self.ctx.sealed_digest(TZ_WORLD), cache)

    @cached_property
    def precedence(self) -> Precedence:
        """The order of answers under the sealed policies."""
        zones = self.zones
        return Precedence(
            tiebreak=Tiebreak(zones, zones.zone_country, self.policy),
            nudge=self.nudge,
            overrides=OverrideTable(self.active, read_category_map(self.ctx)),
            nearest=zones.nearest,
            singletons=zones.singletons,
        )


def own_partition(work: Lookup) -> None:
    """The sites read are those of this run's seed and fingerprint."""
    laws.partition_is(work, work.ctx.run.path("site_locations"), "seed", "manifest_fingerprint")


def boundaries_valid(work: Lookup) -> None:
    """The boundaries can be read, and cover zones of the domain."""
    if not work.zones.tzids:
        raise Invalid("tz_world has no zone")


def policies_valid(work: Lookup) -> None:
    """The nudge policy is exactly what it says of itself."""
    work.checks["nudge"] = {
        "semver": work.nudge.semver,
        "epsilon_degrees": work.nudge.epsilon_degrees,
    }


def compute(work: Lookup) -> None:
    """Stream the sites through the order of answers into the staged table."""
    folder = work.ctx.sealed_path("site_locations")
    rows = work.ctx.options.batch_rows
    try:
        work.rows_out = _write(work, ordered_batches(folder, rows))
        work.checks["input_in_writer_order"] = True
    except NotInOrderError:
        work.tally = Tally()
        work.rows_in = 0
        work.rows_out = _write(work, sorted_batches(folder, rows, work.ctx.staging / "sort"))
        work.checks["input_in_writer_order"] = False
    tally = work.tally
    work.counts.update(tally.counts())
    work.governance.update(tally.governance(work.policy))
    work.checks["samples"] = tally.samples


def _write(work: Lookup, batches: Iterable[Sites]) -> int:
    return write_table(_resolved(work, batches), "s1_tz_lookup", work.ctx.stage("s1_tz_lookup"))


def _resolved(work: Lookup, batches: Iterable[Sites]) -> Iterator[pa.RecordBatch]:
    total = work.rows_in
    for sites in batches:
        answer = work.precedence.resolve(sites)
        work.rows_in += len(sites)
        work.tally.add(sites, answer, work.precedence, work.policy.sample_limit)
        batch = output_batch(work, sites, answer)
        resolved = answer.zone >= 0
        # A row without a zone has no place in the table; V-14 names it and nothing is published.
        yield batch if resolved.all() else batch.filter(pa.array(resolved))
        total += len(sites)
        work.ctx.options.progress(f"S1 lookup {total:,} sites", 0.5)


def output_batch(work: Lookup, sites: Sites, answer: Resolved) -> pa.RecordBatch:
    """One batch of `s1_tz_lookup`; an unresolved row has a null zone."""
    n = len(sites)
    decision = answer.decision
    overridden = (decision >= Decision.OVERRIDE_SITE) & (decision <= Decision.OVERRIDE_COUNTRY)
    moved = np.isnan(answer.nudge_lon)
    receipt = work.ctx.run.receipt
    return pa.record_batch(
        {
            "seed": pa.array(np.full(n, receipt.seed, np.uint64)),
            "manifest_fingerprint": constant(receipt.manifest_fingerprint, n),
            "merchant_id": pa.array(sites.merchant_id),
            "legal_country_iso": countries(sites.country),
            "site_order": pa.array(sites.site_order),
            "lat_deg": pa.array(sites.lat),
            "lon_deg": pa.array(sites.lon),
            "tzid_provisional": pa.DictionaryArray.from_arrays(
                pa.array(answer.zone, pa.int32(), mask=answer.zone < 0),
                pa.array(list(work.zones.tzids)),
            ),
            "tzid_provisional_source": choice(overridden, ["polygon", "override"]),
            "override_scope": pa.DictionaryArray.from_arrays(
                pa.array(decision.astype(np.int32) - int(Decision.OVERRIDE_SITE), mask=~overridden),
                pa.array(["site", "mcc", "country"]),
            ),
            "override_applied": pa.array(overridden),
            "nudge_lat_deg": pa.array(answer.nudge_lat, mask=moved),
            "nudge_lon_deg": pa.array(answer.nudge_lon, mask=moved),
            "created_utc": constant(work.ctx.verified_at_utc, n),
        }
    )


def coverage(work: Lookup) -> None:
    """One row out per row in."""
    rows_out = work.rows_out + work.tally.total(Decision.UNRESOLVED)
    if work.rows_in != rows_out:
        raise Invalid(f"{work.rows_in:,} sites in, {rows_out:,} rows out")


def zones_not_null(work: Lookup) -> None:
    """Every row has a zone, but those that V-14 names."""
    null = work.tally.null_zones - work.tally.total(Decision.UNRESOLVED)
    if null:
        raise Invalid(f"{null:,} rows have no zone")


def zones_known(work: Lookup) -> None:
    """Every zone is one of tz_world's."""
    if work.tally.unknown_zones:
        raise Invalid(f"{work.tally.unknown_zones:,} rows have a zone that tz_world doesn't have")


def nudge_pairs(work: Lookup) -> None:
    """Both nudge fields are there, or neither."""
    if work.tally.half_nudges:
        raise Invalid(f"{work.tally.half_nudges:,} rows have one nudge field without the other")


def nothing_unresolved(work: Lookup) -> None:
    """Geometry, overrides, singleton and fallback together decided every row."""
    unresolved = work.tally.total(Decision.UNRESOLVED)
    if unresolved:
        samples = [s for s in work.tally.samples if s["reason"] == Decision.UNRESOLVED.name]
        keys = ", ".join(str(s["key"]) for s in samples[:5])
        raise Invalid(
            f"{unresolved:,} sites stay without a zone ({keys}{' …' if unresolved > 5 else ''}): "
            "no zone covers them, and no override, singleton or fallback answers",
            unresolved=unresolved,
            samples=list(samples),
        )


def fallback_capped(work: Lookup) -> None:
    """The share of sites guessed by the nearest zone is within its cap."""
    rate, cap = work.tally.fallback_rate, work.policy.fallback_rate_cap
    if rate > cap:
        worst = work.tally.worst_fallback_countries()
        raise Invalid(
            f"fallback_rate is {rate:.6f}, the cap {cap:.6f}; most in {', '.join(worst)}",
            fallback_rate=rate,
            cap=cap,
            countries=list(worst),
        )


def country_fallback_capped(work: Lookup) -> None:
    """No country with enough sites has more guessed than its cap."""
    over = work.tally.countries_over_cap(work.policy)
    if over:
        cap = work.policy.fallback_country_rate_cap
        named = ", ".join(f"{iso} {rate:.4f} of {sites:,}" for iso, rate, sites in over)
        raise Invalid(
            f"fallback rate over the cap of {cap:.4f} in {named}",
            cap=cap,
            countries=[{"country": i, "rate": r, "sites": n} for i, r, n in over],
        )


def overrides_capped(work: Lookup) -> None:
    """The share of sites set by hand is within its cap."""
    rate, cap = work.tally.override_rate, work.policy.override_rate_cap
    if rate > cap:
        raise Invalid(
            f"override_rate is {rate:.6f}, the cap {cap:.6f}; by country: "
            + ", ".join(work.tally.worst_override_countries()),
            override_rate=rate,
            cap=cap,
            countries=list(work.tally.worst_override_countries()),
        )


def overrides_consulted(work: Lookup) -> None:
    """No active override matched a site that geometry had already decided."""
    idle = {
        f"{o.scope} {o.target}": int(n)
        for o, n in zip(work.active, work.tally.not_consulted(len(work.active)), strict=True)
        if n
    }
    if idle:
        named = ", ".join(f"{target} ({n:,} sites)" for target, n in list(idle.items())[:5])
        raise Invalid(f"geometry had decided before these overrides: {named}", rows=dict(idle))


def fallbacks_near(work: Lookup) -> None:
    """Every nearest zone was within the threshold."""
    outside = work.tally.total(Decision.FALLBACK_OUTSIDE)
    if outside:
        raise Invalid(
            f"{outside:,} sites took a zone further away than "
            f"{work.policy.threshold_m(work.nudge):.3f} m",
            outside=outside,
        )


def writer_order(work: Lookup) -> None:
    """The upstream wrote its rows in the order of their key (else they were sorted here)."""
    if not work.checks["input_in_writer_order"]:
        raise Invalid("site_locations was not in writer order; the output is sorted")


VALIDATORS: tuple[Validator[Lookup], ...] = (
    Validator("V-01", "001", "S0's receipt is valid", laws.receipt_valid, "before"),
    Validator("V-02", "010", "the inputs resolve", laws.inputs_resolve(*SEALED), "before"),
    Validator("V-03", "011", "exactly this partition is read", own_partition, "before"),
    Validator("V-20", "012", "sealed bytes unchanged", laws.sealed_unchanged(*SEALED), "before"),
    Validator("V-04", "020", "tz_world is valid", boundaries_valid, "before"),
    Validator("V-05", "021", "the nudge policy is valid", policies_valid, "before"),
    Validator("V-19", "056", "every site row is usable", laws.while_computing),
    Validator("V-09", "050", "one row out per row in", coverage),
    Validator("V-10", "051", "the key is unique", laws.while_computing),
    Validator("V-11", "052", "no zone is null", zones_not_null),
    Validator("V-12", "053", "every zone is known", zones_known),
    Validator("V-13", "054", "nudge fields are both or neither", nudge_pairs),
    Validator("V-14", "055", "nothing is unresolved", nothing_unresolved),
    Validator("V-16", "090", "fallback rate under its cap", fallback_capped),
    Validator("V-17", "091", "country fallback under its cap", country_fallback_capped),
    Validator("V-18", "092", "override rate under its cap", overrides_capped),
    Validator("V-21", "071", "every matching override was consulted", overrides_consulted),
    Validator("V-22", "072", "every fallback is near", fallbacks_near),
    Validator("V-06", "030", "the output fits its schema", laws.outputs_fit_schema),
    Validator("V-07", "040", "path and content agree", laws.paths_embed),
    Validator("V-15", "070", "writer order", writer_order),
    Validator("V-08", "041", "write-once", laws.publish, "publish"),
)

STATE: State[Lookup] = State(
    id="S1",
    title="lookup",
    inputs=(*SEALED, "merchant_mcc_map"),
    outputs=("s1_tz_lookup",),
    begin=Lookup,
    compute=compute,
    validators=VALIDATORS,
)
