"""``lookup.yaml``: what the lookup may guess, how ties are broken, where it must stop.

The law (specification 2.2): caps fail closed; an overlap preference holds for exactly
its zone set and country, and its answer is one of the set, so that it can't move a site
to a zone that doesn't cover it.
"""

from __future__ import annotations

from dataclasses import dataclass

from civiltime.errors import Invalid
from civiltime.policy.document import read_policy
from civiltime.policy.nudge import Nudge

DEFAULT_HORIZON_YEAR = 2099


@dataclass(frozen=True)
class OverlapPreference:
    """Which of the zones that claim a land daily life follows."""

    country: str
    zones: frozenset[str]
    prefer: str
    reason_code: str
    owner: str


@dataclass(frozen=True)
class LookupPolicy:
    """The policy.  Rates are shares of 1; ``threshold_m`` None derives from the nudge."""

    semver: str
    fallback_rate_cap: float
    fallback_country_rate_cap: float
    fallback_country_min_sites: int
    override_rate_cap: float
    country_consistent_tiebreak: bool
    overlap_preferences: tuple[OverlapPreference, ...]
    nearest_fallback_enabled: bool
    nearest_fallback_threshold_m: float | None
    sample_limit: int
    timetable_horizon_year: int

    def threshold_m(self, nudge: Nudge) -> float:
        """Metres within which a nearest-zone answer is no surprise."""
        given = self.nearest_fallback_threshold_m
        return nudge.epsilon_m if given is None else given


def parse_lookup_policy(raw: bytes) -> LookupPolicy:
    """The policy; raises :class:`Invalid` naming the line."""
    document = read_policy(raw, "tz_lookup_policy", "lookup.yaml")
    data = document.data
    preferences: list[OverlapPreference] = []
    for index, row in enumerate(data["overlap_preferences"]):
        zones = frozenset(row["zones"])
        where = document.where(("overlap_preferences", index))
        if row["prefer"] not in zones:
            raise Invalid(f"{where}: prefers {row['prefer']}, which isn't one of its zones")
        if not (row.get("evidence_url") or row.get("notes") or "").strip():
            raise Invalid(f"{where}: one of evidence_url and notes must be filled")
        if any(p.country == row["country"] and p.zones == zones for p in preferences):
            raise Invalid(f"{where}: the same country and zones stand in an earlier entry")
        preferences.append(
            OverlapPreference(
                row["country"], zones, row["prefer"], row["reason_code"], row["owner"]
            )
        )
    threshold = data["nearest_fallback"].get("threshold_m")
    return LookupPolicy(
        semver=data["semver"],
        fallback_rate_cap=float(data["fallback_rate_cap"]),
        fallback_country_rate_cap=float(data["fallback_country_cap"]["rate"]),
        fallback_country_min_sites=data["fallback_country_cap"]["min_sites"],
        override_rate_cap=float(data["override_rate_cap"]),
        country_consistent_tiebreak=data["country_consistent_tiebreak"],
        overlap_preferences=tuple(preferences),
        nearest_fallback_enabled=data["nearest_fallback"]["enabled"],
        nearest_fallback_threshold_m=None if threshold is None else float(threshold),
        sample_limit=data["sample_limit"],
        timetable_horizon_year=data.get("timetable_horizon_year", DEFAULT_HORIZON_YEAR),
    )
