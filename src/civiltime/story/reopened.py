"""The second cycle: an approved reopen, a new upstream, and a lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from civiltime.reference.demo_authorities import authority_reports
from civiltime.story.collapsed import APPROVES, ASKS, Frozen
from civiltime.story.reading import certified, closed, frozen, moved, pruned, standing
from civiltime.story.told import Story
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.publish import people_json

NEW_UPSTREAM = sha256_bytes(b"civiltime demo --full: the reopened 1B")[:32]
"""The run id that 1B's new stand-in report names."""


def reopen(story: Story, before: Frozen) -> None:
    """The freeze holds until somebody else than the requester approves a reopen."""
    story.command(
        "The lane is frozen",
        "A new candidate is refused, whoever asks.",
        "run", "--seed", "42", "--fingerprint", before.fingerprint,
        ends="2A-GV-040",
    )  # fmt: skip
    report = _new_report(story)
    expected = [part for m in _expected(before) for part in ("--expect", m)]
    request = story.command(
        "Ask for a reopen",
        "The evidence: the certification, in which real cities score far better. The scope: the "
        "sealed upstream, and no policy.",
        "reopen", "request", "--requester", ASKS,
        "--reason", "1B has placed the sites anew; the blockers were its own",
        "--evidence", before.certification, *expected,
        "--state", "S0", "--authority", f"1B={report}",
        outcome=lambda said: [f"request {said['id']}, until {said['request']['expires_utc'][:10]}"],
    )["path"]  # fmt: skip
    story.command(
        "Nobody approves their own request",
        f"{ASKS} may approve reopens, but not this one.",
        "approve", request, "--key", story.keys / f"{ASKS.casefold()}.key",
        ends="2A-GV-023",
    )  # fmt: skip
    approval = story.command(
        "Somebody else approves",
        "A signature over the canonical request; the ledger keeps a line.",
        "approve", request, "--key", story.keys / f"{APPROVES.casefold()}.key",
        outcome=lambda said: [f"{said['approver']} approved {said['kind']} request {said['id']}"],
    )["path"]  # fmt: skip
    story.command(
        "Is it in force?",
        "Every check, from the envelope and the ledger.",
        "verify", approval,
        outcome=lambda said: [said["status"], *(c["check"] for c in said["checks"])],
    )  # fmt: skip
    story.command(
        "Pin the new 1B",
        "Exactly the report that the request names, once.",
        "authorities", "pin", "1B", report, "--approval", approval,
        outcome=lambda said: [f"{said['name']} pinned to run {said['run_id'][:8]}…"],
    )  # fmt: skip
    story.command(
        "The old closures don't stand any more",
        "They rest on another pin, so every phase is asked anew.",
        "programme", "status",
        outcome=standing,
    )  # fmt: skip


def _new_report(story: Story) -> Path:
    """1B's report about its new placement: a stand-in like the first."""
    (old,) = (story.root / p for p in authority_reports() if "segment_1B" in p)
    path = old.with_name(f"segment1b_p4_integrated_{NEW_UPSTREAM}.json")
    data = people_json(
        {
            "authority": "FROZEN_BEST_EFFORT_BELOW_B",
            "note": "Demo stand-in. No segment was certified to make this file.",
            "run_id": NEW_UPSTREAM,
            "segment": "1B",
            "stand_in": True,
        }
    )
    story.write(
        "1B reports anew",
        "Its owners have placed the sites by people and by zone, and frozen that (a stand-in).",
        path, data, f"sha256 {sha256_bytes(data)[:12]}…",
    )  # fmt: skip
    return path


def _expected(before: Frozen) -> list[str]:
    """The movement to expect: each blocker's worst value to its threshold."""
    worst: dict[str, dict[str, Any]] = {}
    for blocker in before.blockers:
        if blocker["gap"] is None:
            continue
        known = worst.get(blocker["metric"])
        if known is None or blocker["gap"] > known["gap"]:
            worst[blocker["metric"]] = blocker
    return [f"{m}={float(b['value'])}..{float(b['threshold'])}" for m, b in worst.items()]


def second_cycle(story: Story, before: Frozen, sites: int) -> dict[str, Any]:
    """P0 to P4 on the stratified posture; the lock."""
    said = story.command(
        "The new cycle",
        "The first new candidate uses up the approval; S0 to S5 run on the new placement.",
        "demo", "--posture", "stratified", "--sites", str(sites),
        outcome=certified,
    )  # fmt: skip
    runs = {seed: run["run_id"] for seed, run in said["runs"].items()}
    certification = said["certification"]["path"]
    story.command(
        "Certify against the first cycle",
        "The same verdict, and how far every axis moved.",
        "certify", "--runs", ",".join(f"{s}:{r}" for s, r in runs.items()),
        "--baseline", before.certification,
        outcome=moved,
    )  # fmt: skip
    story.command("Draw it", "The verdict as a page that opens offline, movement included.",
                  "report", certification, outcome=lambda said: [said["verdict"]])  # fmt: skip
    story.command("Close P0", "The new upstream needs a baseline of its own.",
                  "programme", "close", "P0", "--baseline", certification,
                  outcome=closed)  # fmt: skip
    story.command("Close P1", "The control still proves the cap; nothing is guessed.",
                  "programme", "close", "P1", outcome=closed)  # fmt: skip
    story.command("Close P2", "Scored twice, the same bytes.",
                  "programme", "close", "P2", outcome=closed)  # fmt: skip
    story.command("The watchlist", "Derived anew from P2.", "programme", "watchlist",
                  outcome=lambda said: [f"{len(said['entries'])} entries"])  # fmt: skip
    story.command("Close P3", "No gate misses B.", "programme", "close", "P3",
                  outcome=closed)  # fmt: skip
    performance(story, next(iter(runs.values())))
    story.command("Clean storage", "What the certifications name stays.",
                  "runs", "prune", "--yes", outcome=pruned)  # fmt: skip
    lock = story.command("Lock", "The lane is frozen on what passed, with no blocker left.",
                         "freeze", outcome=frozen)["freeze"]  # fmt: skip
    story.command("Close P4", "The decision of the new cycle.",
                  "programme", "close", "P4", outcome=closed)  # fmt: skip
    story.command(
        "One run, from disk",
        "Every digest, path and flag, as a consumer would check them.",
        "verify", next(iter(runs.values())),
        outcome=lambda said: [f"{said['status']}, {said['files_verified']} files"],
    )  # fmt: skip
    return dict(lock)


def performance(story: Story, run_id: str) -> None:
    """What the run took, and that no lock is given without a paired sitting."""
    said = story.command(
        "A performance baseline",
        "What the run took, state by state, from its own reports.",
        "perf", "baseline", run_id,
        outcome=lambda said: [f"chain {said['baseline']['total']['wall_ms']:,.0f} ms"],
    )  # fmt: skip
    story.command(
        "Hotspots",
        "Ranked and judged by budgets: which state to make faster next, if any.",
        "perf", "hotspots", said["path"],
        outcome=lambda said: [f"{said['hotspots']['decision']}: {said['hotspots']['reason']}"],
    )  # fmt: skip
    story.command(
        "No performance lock without proof",
        "A lock needs two builds in one paired sitting (perf compare), which this demo hasn't.",
        "perf", "lock", run_id, "--baseline", said["path"],
        outcome=lambda said: [
            said["lock"]["status"],
            *(f"{c['id']}: {c['detail']}" for c in said["lock"]["conditions"] if not c["holds"]),
        ],
        ends=3,
    )  # fmt: skip
