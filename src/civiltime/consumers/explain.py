"""One site of a published run: which step of the lookup decided its zone, and on what evidence.

The law (specification 3.1, 3.2 and 1.4): the run's gate is verified before a row is read.  S1's
order of answers is walked again for this site, with the policies and boundaries that the run
sealed, and must end at the zone that was published; an explanation of anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from civiltime.consumers.read import open_site_timezones
from civiltime.errors import CivilTimeError, Invalid
from civiltime.policy.overrides import Override
from civiltime.states.boundaries import Boundaries
from civiltime.states.context import Context, Options
from civiltime.states.log import Log
from civiltime.states.precedence import (
    FALLEN_BACK,
    OVERRIDDEN,
    Decision,
    Resolved,
    Sites,
    country_number,
)
from civiltime.states.s1_lookup import TZ_WORLD, Lookup
from civiltime.tzdb.civil import next_transitions
from civiltime.tzdb.codec import decode
from civiltime.workspace.clock import now_utc
from civiltime.workspace.runs import Run
from civiltime.workspace.tables import table_files

KEY = re.compile(r"([1-9][0-9]{0,19})\|([A-Z]{2})\|([1-9][0-9]{0,9})")
STEPS = {
    Decision.POLYGON: "polygon: one zone covers the point",
    Decision.TIE_COUNTRY: "tie-break: of the covering zones, the only one of the site's country",
    Decision.TIE_PREFERENCE: "tie-break: the preference for these zones and this country",
    Decision.NUDGE: "nudge: one zone covers the point moved once",
    Decision.NUDGE_TIE_COUNTRY: "nudge, then tie-break: the only zone of the site's country",
    Decision.NUDGE_TIE_PREFERENCE: "nudge, then tie-break: the preference for these zones",
    Decision.OVERRIDE_SITE: "override of this site",
    Decision.OVERRIDE_MCC: "override of its merchant's category",
    Decision.OVERRIDE_COUNTRY: "override of its country",
    Decision.SINGLETON: "singleton: its country has one zone only",
    Decision.FALLBACK_WITHIN: "fallback: the nearest zone of its country, within the threshold",
    Decision.FALLBACK_OUTSIDE: "fallback: the nearest zone of its country, beyond the threshold",
}
Row = Mapping[str, Any]


def explain(run: Run, key: str, *, transitions: int = 2) -> dict[str, Any]:
    """Why a site has its zone.

    2A-EX-001 where the run has no such site, 2A-EX-002 for a key that is none, 2A-EX-003 where
    what the run sealed is gone or doesn't lead to the published zone; 2A-RD-001 and 002 where
    the run may not be read.
    """
    merchant, country, order = _parse(key)
    table = open_site_timezones(run)
    final = _row(table.scan(), merchant, country, order)
    first = _row(pl.scan_parquet(table_files(run.path("s1_tz_lookup"))), merchant, country, order)
    if final is None or first is None:
        raise CivilTimeError("2A-EX-001", f"run {run.id} has no site {key}", {"key": key})
    try:
        lookup, site, answer = _decided_again(run, first)
    except (Invalid, OSError) as why:
        raise CivilTimeError("2A-EX-003", str(why), {"key": key}) from None
    zones = lookup.zones
    again = zones.tzids[answer.zone[0]] if answer.zone[0] >= 0 else "no zone"
    if again != first["tzid_provisional"]:
        message = f"{key}: decided again it is {again}, published is {first['tzid_provisional']}"
        raise CivilTimeError("2A-EX-003", message, {"key": key})
    decision = Decision(int(answer.decision[0]))
    return {
        "run_id": run.id,
        "key": key,
        "lat_deg": first["lat_deg"],
        "lon_deg": first["lon_deg"],
        "candidates": _candidates(zones, answer.codes[0]),
        "s1": {
            "decision": decision.name.lower(),
            "says": STEPS[decision],
            "tzid_provisional": first["tzid_provisional"],
            "evidence": _evidence(lookup, site, answer, decision),
        },
        "s2": {
            "tzid": final["tzid"],
            "tzid_source": final["tzid_source"],
            "override_scope": final["override_scope"],
            "nudge_lat_deg": final["nudge_lat_deg"],
            "nudge_lon_deg": final["nudge_lon_deg"],
            "changed": final["tzid"] != first["tzid_provisional"],
        },
        "transitions": _transitions(run, final["tzid"], transitions),
        "created_utc": final["created_utc"],
    }


def _parse(key: str) -> tuple[int, str, int]:
    found = KEY.fullmatch(key)
    if found is None or int(found[1]) >= 2**64 or int(found[3]) >= 2**31:
        raise CivilTimeError("2A-EX-002", f"{key[:100]!r} is not MERCHANT|ISO2|ORDER", {})
    return int(found[1]), found[2], int(found[3])


def _row(table: pl.LazyFrame, merchant: int, country: str, order: int) -> Row | None:
    rows = table.filter(
        (pl.col("merchant_id") == pl.lit(merchant, pl.UInt64))
        & (pl.col("legal_country_iso").cast(pl.String) == country)
        & (pl.col("site_order") == order)
    )
    found = rows.collect().to_dicts()
    return found[0] if found else None


def _decided_again(run: Run, row: Row) -> tuple[Lookup, Sites, Resolved]:
    """S1's answer for the site, by the policies and boundaries that the run sealed."""
    receipt = run.receipt
    log = Log(run.path("run_log_2A"), "S1", run.id, receipt.seed, receipt.manifest_fingerprint)
    context = Context(run, "S1", run.workspace.cache, log, Options())
    context.require_sealed_bytes(TZ_WORLD)
    lookup = Lookup(context)
    site = Sites(
        np.array([row["merchant_id"]], np.uint64),
        np.array([country_number(row["legal_country_iso"])], np.int32),
        np.array([row["site_order"]], np.int32),
        np.array([row["lon_deg"]], np.float64),
        np.array([row["lat_deg"]], np.float64),
    )
    return lookup, site, lookup.precedence.resolve(site)


def _candidates(zones: Boundaries, code: np.int64) -> list[dict[str, Any]]:
    (members,) = zones.zone_sets(np.array([code], np.int64))
    return [{"tzid": zones.tzids[z], "country": zones.countries[z]} for z in members]


def _evidence(lookup: Lookup, site: Sites, answer: Resolved, decision: Decision) -> dict[str, Any]:
    """What the deciding step had before it."""
    found: dict[str, Any] = {}
    if not np.isnan(answer.nudge_lon[0]):
        moved = lookup.zones.candidates(answer.nudge_lon, answer.nudge_lat)
        found["nudge"] = {
            "epsilon_degrees": lookup.nudge.epsilon_degrees,
            "lat_deg": float(answer.nudge_lat[0]),
            "lon_deg": float(answer.nudge_lon[0]),
            "candidates": _candidates(lookup.zones, moved[0]),
        }
    if decision in {Decision.TIE_PREFERENCE, Decision.NUDGE_TIE_PREFERENCE}:
        found["preference"] = _preference(lookup, site, int(answer.zone[0]))
    if decision in OVERRIDDEN:
        winner = int(lookup.precedence.overrides.winners(site)[0])
        found["override"] = _override(lookup.active[winner])
    if decision in FALLEN_BACK:
        found["distance_m"] = answer.distance_m[0]
        found["threshold_m"] = lookup.policy.threshold_m(lookup.nudge)
    return found


def _preference(lookup: Lookup, site: Sites, zone: int) -> dict[str, Any]:
    """The preference of the site's country that names this zone."""
    tzid = lookup.zones.tzids[zone]
    for preference in lookup.policy.overlap_preferences:
        same_country = country_number(preference.country) == int(site.country[0])
        if same_country and preference.prefer == tzid:
            return {
                "zones": sorted(preference.zones),
                "prefer": preference.prefer,
                "reason_code": preference.reason_code,
                "owner": preference.owner,
            }
    return {}


def _override(row: Override) -> dict[str, Any]:
    return {
        "scope": row.scope,
        "target": row.target,
        "reason_code": row.reason_code,
        "owner": row.owner,
        "evidence_url": row.evidence_url,
        "notes": row.notes,
        "expiry": None if row.expiry is None else row.expiry.isoformat(),
    }


def _transitions(run: Run, tzid: str, count: int) -> Sequence[dict[str, Any]]:
    """The zone's next steps, by the timetable that the run published."""
    timetable = decode((run.path("tz_timetable_cache") / "tz_cache_v1.bin").read_bytes())
    now = datetime.strptime(now_utc(), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return [
        {
            "unix_utc": instant,
            "from_minutes": before,
            "to_minutes": after,
            "kind": "gap" if after > before else "fold",
        }
        for instant, before, after in next_transitions(timetable, tzid, int(now.timestamp()), count)
    ]
