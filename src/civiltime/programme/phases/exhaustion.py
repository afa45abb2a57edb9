"""Proof of exhaustion: that nothing in 2A can move a failing axis (specification 5.4).

The law: of every country of the watchlist, on every required seed, each row was decided by its
polygon alone: counted again from the published rows and the sealed boundaries, in no report's word.
A policy acts only on rows that geometry leaves undecided, so where there are none, none acts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np

from civiltime.certify.evidence import TABLES, open_world
from civiltime.certify.observed import Decided, observe
from civiltime.programme.phases.dossier import OpenError
from civiltime.states.precedence import country_iso, country_number
from civiltime.workspace.publish import staging
from civiltime.workspace.runs import Run

KINDS = ("nudged", "ties", "either", "overrides", "singletons", "fallbacks")


def rows_decided(run: Run) -> Decided:
    """What decided the rows of a verified run."""
    rows = json.loads(run.path("sealed_inputs_2A").read_bytes())
    world = open_world(run, {row["asset_id"]: row for row in rows})
    sites, s1, s2 = (run.path(name) for name in TABLES)
    with staging(run.workspace.cache) as scratch:
        seen = observe(sites, s1, s2, world.zones, world.middles, scratch)
    if seen.problems or seen.unknown_zones:
        raise OpenError(f"run {run.id}: {'; '.join(seen.problems) or 'unknown zones'}")
    return seen.decided


def require_exhausted(seed: str, decided: Decided, countries: Iterable[str] | None) -> int:
    """How many rows the polygons alone decided; :class:`OpenError` where a row wasn't.

    ``countries`` None means every country.
    """
    wanted = decided.sites > 0
    if countries is not None:
        named = np.zeros_like(wanted)
        named[[country_number(iso) for iso in countries]] = True
        wanted &= named
    for kind in KINDS:
        counts = getattr(decided, kind)
        by_country = counts.sum(axis=0) if counts.ndim > 1 else counts
        moved = np.flatnonzero(wanted & (by_country > 0))
        if len(moved):
            where = ", ".join(f"{country_iso(int(c))} {by_country[c]}" for c in moved[:5])
            raise OpenError(f"seed {seed}: a policy can still act on rows ({kind}: {where})")
    return int(decided.sites[wanted].sum())
