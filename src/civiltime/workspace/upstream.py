"""Finding what 1B published, before anything in it is trusted.

The law (specification 2.4): a run takes one seed; the upstream that has it is found by
its partition, and where several have it the fingerprint must be given.  Nothing here
reads a site row.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from civiltime import contracts
from civiltime.errors import CivilTimeError
from civiltime.workspace.config import Workspace

HEX64 = re.compile(r"[a-f0-9]{64}")


def fingerprints_with_seed(workspace: Workspace, seed: int) -> list[str]:
    """The manifest fingerprints that have a ``site_locations`` partition for the seed."""
    template = contracts.datasets()["site_locations"].path
    pattern = template.format(seed=seed, manifest_fingerprint="*").rstrip("/")
    found = workspace.upstream_root.glob(pattern)
    names = (p.name.removeprefix("manifest_fingerprint=") for p in found if p.is_dir())
    return sorted(n for n in names if HEX64.fullmatch(n))


def seeds_present(workspace: Workspace) -> list[int]:
    """The seeds that any upstream of the workspace has."""
    template = contracts.datasets()["site_locations"].path
    pattern = template.format(seed="*", manifest_fingerprint="*").rstrip("/")
    names = {p.parent.name.removeprefix("seed=") for p in workspace.upstream_root.glob(pattern)}
    return sorted(int(n) for n in names if n.isdigit())


def find_fingerprint(workspace: Workspace, seed: int, fingerprint: str | None) -> str:
    """The fingerprint to run: the one given, or the only one that has the seed.

    2A-WS-020 where none has it, 2A-WS-021 where several have and none was given.
    """
    found = fingerprints_with_seed(workspace, seed)
    if fingerprint is not None:
        if fingerprint not in found:
            raise CivilTimeError(
                "2A-WS-020",
                f"no upstream has seed {seed} for fingerprint {fingerprint}",
                {"seed": str(seed), "fingerprint": fingerprint, "found": list(found)},
            )
        return fingerprint
    if not found:
        seeds = ", ".join(map(str, seeds_present(workspace))) or "none"
        raise CivilTimeError(
            "2A-WS-020",
            f"no upstream has seed {seed}; seeds present: {seeds}",
            {"seed": str(seed), "seeds": seeds},
        )
    if len(found) > 1:
        raise CivilTimeError(
            "2A-WS-021",
            f"{len(found)} upstreams have seed {seed}; give --fingerprint with one of: "
            + ", ".join(found),
            {"seed": str(seed), "found": list(found)},
        )
    return found[0]


def resolved_parameter_hash(bundle: Path) -> str | None:
    """The ``parameter_hash`` that the upstream's bundle states, or None where it doesn't."""
    return _resolved(bundle / "parameter_hash_resolved.json", "parameter_hash")


def resolved_fingerprint(bundle: Path) -> str | None:
    """The ``manifest_fingerprint`` that the upstream's bundle states, or None."""
    return _resolved(bundle / "manifest_fingerprint_resolved.json", "manifest_fingerprint")


def _resolved(path: Path, key: str) -> str | None:
    try:
        value = json.loads(path.read_bytes())[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) and HEX64.fullmatch(value) else None
