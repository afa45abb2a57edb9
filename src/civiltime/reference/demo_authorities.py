"""The demo's stand-ins for the frozen 1A and 1B authorities, and the file that pins them."""

from __future__ import annotations

import json

from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.publish import people_json

_POSTURE_OF = {"1A": "FROZEN_CERTIFIED_B", "1B": "FROZEN_BEST_EFFORT_BELOW_B"}


def authority_reports() -> dict[str, bytes]:
    """The 1A and 1B reports that stand in for the real ones: path below the workspace, bytes."""
    return {
        _report_path(segment): people_json(
            {
                "authority": posture,
                "note": "Demo stand-in. No segment was certified to make this file.",
                "run_id": _run_id(segment),
                "segment": segment,
                "stand_in": True,
            }
        )
        for segment, posture in _POSTURE_OF.items()
    }


def authorities_yaml() -> bytes:
    """The ``authorities.yaml`` that pins :func:`authority_reports`."""
    lines = [
        "# The frozen upstream authorities, pinned by digest.  These are demo stand-ins.",
        "semver: 1.0.0",
        "authorities:",
    ]
    reports = authority_reports()
    for segment, posture in _POSTURE_OF.items():
        path = _report_path(segment)
        lines += [
            f"  {segment}:",
            f"    posture: {posture}",
            f"    report: {path}",
            f"    sha256_hex: {json.dumps(sha256_bytes(reports[path]))}",
            f"    run_id: {json.dumps(_run_id(segment))}",
        ]
    return ("\n".join(lines) + "\n").encode()


def _run_id(segment: str) -> str:
    return sha256_bytes(f"civiltime demo authority {segment}".encode())[:32]


def _report_path(segment: str) -> str:
    reports = f"runs/fix-data-engine/segment_{segment}/reports"
    if segment == "1A":
        return f"{reports}/segment1a_p5_certification.json"
    return f"{reports}/segment1b_p4_integrated_{_run_id(segment)}.json"
