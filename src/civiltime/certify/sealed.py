"""What the sealed policies say of the figures that a report repeats from them.

The law: S0 sealed the policies by digest, and the flag binds S0's inventory.  A policy that is
still the one that was sealed is the authority for its cap and its overrides, and a report that
says otherwise is caught.  One that was edited since can't be asked: then the report stands, for
older runs must stay certifiable (``docs/decisions/0060-what-a-certification-judges.md``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from civiltime.policy.lookup import parse_lookup_policy
from civiltime.policy.overrides import parse_overrides
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.runs import Run

Sealed = Mapping[str, Mapping[str, Any]]
"""Rows of ``sealed_inputs_2A`` by asset id."""


def other_cap(run: Run, sealed: Sealed, stated: Mapping[str, float]) -> str | None:
    """Where S1's report states another country cap than the sealed ``lookup.yaml``."""
    raw = _still_sealed(run, sealed, "tz_lookup_policy")
    if raw is None:
        return None
    policy = parse_lookup_policy(raw)
    rate, least = policy.fallback_country_rate_cap, policy.fallback_country_min_sites
    if (stated["rate"], stated["min_sites"]) == (rate, least):
        return None
    return (
        f"S1's report states a country cap of {stated['rate']} from {stated['min_sites']} sites "
        f"on, lookup.yaml {rate} from {least}"
    )


def other_overrides(run: Run, sealed: Sealed, applied: list[dict[str, str]]) -> str | None:
    """Where S2's report names overrides that the sealed ``tz_overrides.yaml`` hasn't."""
    raw = _still_sealed(run, sealed, "tz_overrides")
    if raw is None:
        return None
    known = {(o.scope, o.target, o.tzid, o.reason_code, o.owner) for o in parse_overrides(raw)}
    strange = [
        f"{o['scope']} {o['target']}"
        for o in applied
        if (o["scope"], o["target"], o["tzid"], o["reason_code"], o["owner"]) not in known
    ]
    if not strange:
        return None
    return f"S2's report names overrides that tz_overrides.yaml hasn't: {', '.join(strange[:5])}"


def _still_sealed(run: Run, sealed: Sealed, asset: str) -> bytes | None:
    """A policy's bytes, where they are those that the run sealed."""
    path = run.workspace.path(asset)
    if not path.is_file():
        return None
    raw = path.read_bytes()
    return raw if sha256_bytes(raw) == sealed[asset]["sha256_hex"] else None
