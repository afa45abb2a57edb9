"""The frozen upstream authorities, as ``authorities.yaml`` pins them.

The law (specification 5.2): 1A and 1B are pinned by their report's path and SHA-256, with the
run that it is about; S0 verifies the pins on every run, and this shows them.  A pin is written
by :mod:`civiltime.programme.repin` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from civiltime.errors import CivilTimeError, Invalid
from civiltime.policy.document import read_policy
from civiltime.programme.evidence import named
from civiltime.workspace.config import Workspace

POSTURES = {"1A": "FROZEN_CERTIFIED_B", "1B": "FROZEN_BEST_EFFORT_BELOW_B"}


@dataclass(frozen=True)
class Authority:
    """One pin."""

    name: str
    posture: str
    report: str
    sha256_hex: str
    run_id: str


@dataclass(frozen=True)
class Pins:
    """``authorities.yaml``."""

    semver: str
    authorities: Mapping[str, Authority]

    def with_pin(self, authority: Authority) -> Pins:
        """The same pins with one of them set."""
        return Pins(self.semver, {**self.authorities, authority.name: authority})

    def yaml(self) -> bytes:
        """The file."""
        lines = [
            "# The frozen upstream authorities, pinned by digest; S0 verifies them on every run.",
            f"semver: {self.semver}",
            "authorities:" if self.authorities else "authorities: {}",
        ]
        for name in sorted(self.authorities):
            lines.append(f"  {name}:")
            row = asdict(self.authorities[name])
            del row["name"]
            lines += [f"    {k}: {json.dumps(v, ensure_ascii=False)}" for k, v in row.items()]
        return ("\n".join(lines) + "\n").encode()


def read_pins(workspace: Workspace) -> Pins:
    """The pins; 2A-S0-090 where the file is missing or wrong."""
    try:
        raw = workspace.path("authorities").read_bytes()
        data = read_policy(raw, "authorities", "authorities.yaml").data
    except (OSError, Invalid) as error:
        raise CivilTimeError("2A-S0-090", f"authorities.yaml: {error}") from None
    found = {name: Authority(name, **row) for name, row in data["authorities"].items()}
    return Pins(data["semver"], found)


def require_pinned(workspace: Workspace, name: str, sha256_hex: str | None) -> None:
    """2A-GV-027 unless that report, or none, is what is pinned."""
    pinned = read_pins(workspace).authorities.get(name)
    actual = None if pinned is None else pinned.sha256_hex
    if actual != sha256_hex:
        raise CivilTimeError(
            "2A-GV-027",
            f"the request replaces another pin of {name} than the present one",
            {"authority": name, "pinned": actual, "replaces": sha256_hex},
        )


def holds(workspace: Workspace, authority: Authority) -> bool:
    """Whether the report is there and is the one that was pinned."""
    try:
        return named(workspace, workspace.root / authority.report)[1] == authority.sha256_hex
    except CivilTimeError:
        return False
