"""Guesses by country: what the reports count, and whether the rows agree (specification 4.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from civiltime.certify.observed import COUNTRIES, SCOPES, Counts, Observed
from civiltime.errors import Invalid
from civiltime.states.precedence import country_iso, country_number

ISO = re.compile("[A-Z]{2}")
MOST_SITES = 1 << 53
"""More than any table has; counts below it are whole numbers in JSON."""
APPLIED = ("scope", "target", "tzid", "reason_code", "owner")


@dataclass(frozen=True)
class Guesses:
    """How many of a country's sites geometry alone didn't decide."""

    nudge: int = 0
    tie_break: int = 0
    singleton: int = 0
    fallback: int = 0
    override: int = 0


def require_figures(s1: Mapping[str, Any], s2: Mapping[str, Any]) -> None:
    """:class:`Invalid` where a report lacks a figure read here, or has it in another form."""
    cap = s1["governance"].get("fallback_country_cap")
    applied = s2["governance"].get("applied")
    told = (
        ("S1", "counts.by_country", _is_table(s1["counts"].get("by_country"), "sites")),
        ("S1", "governance.fallback_country_cap", _is_cap(cap)),
        ("S2", "counts.overrides_by_country", _is_table(s2["counts"].get("overrides_by_country"))),
        ("S2", "governance.applied", isinstance(applied, list) and all(map(_is_applied, applied))),
    )
    for state, name, fits in told:
        if not fits:
            raise Invalid(f"{state}'s report has no {name}, or not as {state} writes it")


def _is_table(value: Any, *needed: str) -> bool:
    """Countries with counts by name."""
    return isinstance(value, dict) and all(
        ISO.fullmatch(iso)
        and isinstance(row, dict)
        and all(name in row for name in needed)
        and all(type(n) is int and 0 <= n < MOST_SITES for n in row.values())
        for iso, row in value.items()
    )


def _is_cap(value: Any) -> bool:
    numbers = value if isinstance(value, dict) else {}
    return all(type(numbers.get(name)) in {int, float} for name in ("rate", "min_sites"))


def _is_applied(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == set(APPLIED)
        and all(isinstance(text, str) for text in value.values())
        and value["scope"] in SCOPES
    )


def guesses_of(row: Mapping[str, int]) -> Guesses:
    """One country's guesses, from the counts of S1's report."""

    def total(*names: str) -> int:
        return sum(row.get(name, 0) for name in names)

    return Guesses(
        nudge=total("nudged"),
        tie_break=total("tie_breaks_country", "tie_breaks_preference"),
        singleton=total("singletons"),
        fallback=total("fallbacks_within", "fallbacks_outside"),
        override=total(*(f"overrides_{scope}" for scope in SCOPES)),
    )


def misreported(counts: Mapping[str, Mapping[str, int]], seen: Observed) -> str | None:
    """Where S1's report and the rows differ.

    Where boundaries and row tell what decided it, the counts must be those; where a row may be
    a tie or a fallback (:class:`Decided`), the two together must be.
    """
    decided = seen.decided

    def reported(*names: str) -> Counts:
        column = np.zeros(COUNTRIES, np.int64)
        for iso, row in counts.items():
            column[country_number(iso)] = sum(row.get(name, 0) for name in names)
        return column

    fallbacks = reported("fallbacks_within", "fallbacks_outside")
    ties = reported("tie_breaks_country", "tie_breaks_preference")
    both = decided.ties + decided.fallbacks + decided.either
    compared = [
        ("sites", reported("sites") != decided.sites),
        ("nudged", reported("nudged") != decided.nudged),
        ("singletons", reported("singletons") != decided.singletons),
        ("fallbacks", fallbacks < decided.fallbacks),
        ("ties", ties < decided.ties),
        ("ties and fallbacks", ties + fallbacks != both),
    ]
    for number, scope in enumerate(SCOPES):
        differs = reported(f"overrides_{scope}") != decided.overrides[number]
        compared.append((f"overrides by {scope}", differs))
    for what, differs in compared:
        if differs.any():
            where = ", ".join(country_iso(int(c)) for c in np.flatnonzero(differs)[:5])
            return f"S1's report counts other {what} than the rows show ({where})"
    return None


def over_country_cap(
    guesses: Mapping[str, Guesses], sites: Mapping[str, int], cap: Mapping[str, float]
) -> str | None:
    """Countries with enough sites whose share of fallbacks is over the cap."""
    over = [
        f"{iso} {g.fallback / sites[iso]:.4f}"
        for iso, g in guesses.items()
        if sites[iso] >= max(cap["min_sites"], 1) and g.fallback / sites[iso] > cap["rate"]
    ]
    if not over:
        return None
    return f"fallbacks over the country cap of {cap['rate']}: {', '.join(over[:5])}"


def unexplained(applied: Sequence[Mapping[str, Any]], seen: Observed) -> str | None:
    """Overrides without reason or owner, or rows whose override no report names."""
    bare = [
        f"{o['scope']} {o['target']}"
        for o in applied
        if not (o["reason_code"].strip() and o["owner"].strip())
    ]
    if bare:
        return f"overrides without reason or owner: {', '.join(bare[:5])}"
    named = {o["scope"] for o in applied}
    by_rows = {scope for n, scope in enumerate(SCOPES) if seen.decided.overrides[n].any()}
    if named != by_rows:
        differing = ", ".join(sorted(named ^ by_rows))
        return f"S2's report and the rows differ on overrides by {differing}"
    return None
