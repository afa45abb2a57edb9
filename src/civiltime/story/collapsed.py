"""The first cycle: a collapsed upstream, from its baseline to a freeze with blockers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civiltime.reference.cities import load_cities
from civiltime.reference.demo_authorities import authority_reports
from civiltime.story.reading import certified, closed, findings, frozen, pruned, standing
from civiltime.story.told import Story
from civiltime.workspace.config import open_workspace
from civiltime.workspace.digest import sha256_bytes

ASKS, APPROVES = "Dora", "Ben"
CONTROL_SEED = 42
CONTROL = "0" * 31 + "c"
"""The id of the run that must fail; the first of the lane, so that P1 takes it."""


@dataclass(frozen=True)
class Frozen:
    """How the first cycle ended."""

    certification: Path
    fingerprint: str
    blockers: Sequence[dict[str, Any]]


def prepare(story: Story) -> None:
    """A governed workspace: references, pinned authorities, sealed approvers."""
    story.command(
        "A workspace",
        "Everything is decided inside one folder, on sealed boundaries and tz database.",
        "init", story.root, "--reference", "2026c",
        outcome=_ingested,
    )  # fmt: skip
    for report, data in authority_reports().items():
        name = "1A" if "segment_1A" in report else "1B"
        story.write(
            f"{name}'s report arrives",
            "The upstream is frozen by others; their report is the authority (here a stand-in).",
            story.root / report, data, f"sha256 {sha256_bytes(data)[:12]}…",
        )  # fmt: skip
        story.command(
            f"Pin {name}",
            "From now on every run stops if this report changes by a byte.",
            "authorities", "pin", name, story.root / report,
            outcome=lambda said: [f"{said['name']} pinned as {said['posture']}"],
        )  # fmt: skip
    entries = "".join(_key(story, who) for who in (APPROVES, ASKS))
    path = open_workspace(story.root).path("approvers_policy")
    story.write(
        "Who may approve",
        "Both public keys go into approvers.yaml before the first run, which seals it.",
        path, path.read_bytes().replace(b"approvers: []\n", f"approvers:\n{entries}".encode()),
        f"{APPROVES} and {ASKS} may approve a reopen and an authority",
    )  # fmt: skip


def _ingested(said: Any) -> list[str]:
    return [f"{i['dataset']} {i['release']}: {i['summary']}" for i in said["ingested"]]


def _key(story: Story, who: str) -> str:
    said = story.command(
        f"A key for {who}",
        "Approvals are Ed25519 signatures; a demo key, and no workspace may hold it.",
        "keys", "generate", "--out", story.keys, "--name", who,
        "--may", "reopen", "--may", "authority",
        outcome=lambda said: [f"key {said['keyid'][:12]}…"],
    )  # fmt: skip
    return str(said["entry"])


def first_cycle(story: Story, sites: int) -> Frozen:
    """P0 to P4 on the collapsed posture."""
    said = story.command(
        "The published posture",
        "1B has put all sites of a country into one small tile; S0 to S5 run and are certified.",
        "demo", "--posture", "collapsed", "--sites", str(sites),
        outcome=certified,
    )  # fmt: skip
    certification = Path(said["certification"]["path"])
    fingerprint = next(iter(said["runs"].values()))["manifest_fingerprint"]
    negative_control(story)
    story.command(
        "Where the programme stands",
        "Conditions are proved from artefacts, never typed in.",
        "programme", "status",
        outcome=standing,
    )  # fmt: skip
    story.command("Close P0", "The baseline: what everything later is compared with.",
                  "programme", "close", "P0", outcome=closed)  # fmt: skip
    story.command("Close P1", "Governance: guesses are bounded, and the control proves the cap.",
                  "programme", "close", "P1", outcome=closed)  # fmt: skip
    story.command("Close P2", "Scoring: the verdict is what anybody gets again.",
                  "programme", "close", "P2", outcome=closed)  # fmt: skip
    story.command("Triage", "What failed, state first, and what to do next.",
                  "triage", certification, outcome=findings)  # fmt: skip
    story.command("The watchlist", "Which countries hold the failing gates, ranked.",
                  "programme", "watchlist", outcome=_watched)  # fmt: skip
    story.command(
        "Close P3",
        "No policy can act on a row that its polygon alone decided: proof of exhaustion.",
        "programme", "close", "P3", outcome=closed,
    )  # fmt: skip
    story.command("P4 stays open", "There is a run too many, and a lane that fails must be frozen.",
                  "programme", "close", "P4", ends="2A-PH-001")  # fmt: skip
    story.command("Clean storage", "What nothing needs goes, with a line in retention.jsonl.",
                  "runs", "prune", "--yes", outcome=pruned)  # fmt: skip
    said = story.command("Freeze", "The best runs are pinned, with what stands in their way.",
                         "freeze", outcome=frozen)  # fmt: skip
    story.command("Close P4", "The decision, on all seeds.",
                  "programme", "close", "P4", outcome=closed)  # fmt: skip
    return Frozen(certification, fingerprint, said["freeze"]["blockers"])


def negative_control(story: Story) -> None:
    """A run that breaches a cap and must fail closed."""
    sites = story.root / "control.csv"
    data, rows = disputed_sites()
    story.write(
        "Sites for the control",
        "Real cities on land that two Chinese zones claim; only a preference decides them.",
        sites, data, f"{rows} cities",
    )  # fmt: skip
    said = story.command(
        "Ingest them",
        "An upstream of their own, gated like 1B's.",
        "ingest", "sites", sites, "--seed", str(CONTROL_SEED),
        outcome=lambda said: [f"fingerprint {said['manifest_fingerprint'][:12]}…"],
    )  # fmt: skip
    policy = open_workspace(story.root).path("tz_lookup_policy")
    sealed = policy.read_bytes()
    story.write(
        "Take the preference away",
        "Without it the lookup would have to guess; the caps stay as they are.",
        policy, without_preferences(sealed), "overlap_preferences: []",
    )  # fmt: skip
    story.command(
        "The negative control",
        "A run that must fail: a cap that never stopped anything proves nothing.",
        "run", "--seed", str(CONTROL_SEED), "--fingerprint", said["manifest_fingerprint"],
        "--run-id", CONTROL,
        ends="2A-S1-090",
    )  # fmt: skip
    story.command(
        "The control again",
        "Nothing about it is random, so it fails alike; one of the two is enough for the record.",
        "run", "--seed", str(CONTROL_SEED), "--fingerprint", said["manifest_fingerprint"],
        ends="2A-S1-090",
    )  # fmt: skip
    story.write("Put the preference back", "The lane goes on under the sealed policy.",
                policy, sealed, "lookup.yaml as it was")  # fmt: skip
    story.command("Triage of the control", "The report says what stopped it, and what to do.",
                  "triage", CONTROL, outcome=findings)  # fmt: skip


def disputed_sites() -> tuple[bytes, int]:
    """A site file of all cities that GeoNames lists under Asia/Urumqi, and its rows."""
    cities = load_cities()
    columns = (cities[name].to_pylist() for name in ("geonameid", "timezone", "lon_deg", "lat_deg"))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("merchant_id", "legal_country_iso", "site_order", "lon_deg", "lat_deg"))
    rows = [
        (city, "CN", 1, repr(lon), repr(lat))
        for city, zone, lon, lat in zip(*columns, strict=True)
        if zone == "Asia/Urumqi"
    ]
    writer.writerows(rows)
    return out.getvalue().encode(), len(rows)


def without_preferences(policy: bytes) -> bytes:
    """``lookup.yaml`` with an empty list of overlap preferences."""
    return re.sub(rb"overlap_preferences:\n(?: .*\n)+", b"overlap_preferences: []\n", policy)


def _watched(said: Any) -> list[str]:
    top = said["entries"][:3]
    told = ", ".join(f"{e['country'] or 'all'} ({e['mechanism']})" for e in top)
    return [f"{len(said['entries'])} entries; first {told}"] if top else ["every gate meets B"]
