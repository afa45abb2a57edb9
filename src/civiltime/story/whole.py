"""Telling the story from an empty folder, or saying that it is told already."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from civiltime.errors import CivilTimeError
from civiltime.story.collapsed import first_cycle, prepare
from civiltime.story.reading import standing
from civiltime.story.reopened import reopen, second_cycle
from civiltime.story.told import Step, Story
from civiltime.workspace.config import CONFIG_NAME, open_workspace

LOCKED = "LOCKED_PASS_BPLUS"


def tell_story(
    folder: Path,
    sites: int,
    heard: Callable[[Step], None] = lambda _step: None,
    begun: Callable[[str], None] = lambda _title: None,
) -> dict[str, Any]:
    """Walk both cycles in a new workspace; steps, verdict, lock and every artefact.

    ``heard`` gets each step when it is done, ``begun`` its title before.

    In a workspace where the story was told to its end nothing is done again: the standing is
    asked anew and the artefacts are listed.  2A-WS-003 for any other workspace or earlier keys.
    """
    story = Story(folder.absolute(), heard, begun)
    told = (story.root / CONFIG_NAME).exists()
    if told:
        lock = _told_before(story)
    else:
        if story.keys.exists():
            raise CivilTimeError(
                "2A-WS-003", f"{story.keys} is there from another demo", {"path": str(story.keys)}
            )
        prepare(story)
        frozen = first_cycle(story, sites)
        reopen(story, frozen)
        lock = second_cycle(story, frozen, sites)
    return {
        "workspace": str(folder),
        "told_before": told,
        "steps": [step.document() for step in story.steps],
        "verdict": lock["status"].partition("_")[2],
        "lock": lock,
        "artefacts": artefacts(story.root),
    }


def artefacts(root: Path) -> list[str]:
    """Every artefact of the lane's reports, below the workspace."""
    workspace = open_workspace(root)
    folder = workspace.path("segment2a_freeze").parent
    files = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return sorted(workspace.relative(p) for p in files)


def _told_before(story: Story) -> dict[str, Any]:
    """The lock of a story that was told to its end, asked anew."""
    said = story.command(
        "The story is told already",
        "Nothing is done again; every phase is asked anew from its artefacts.",
        "programme", "status",
        outcome=standing,
    )  # fmt: skip
    last = said["phases"][-1]
    if (last["closure"], last["decision"]) != ("closed", LOCKED):
        raise CivilTimeError(
            "2A-WS-003",
            f"{story.root} isn't a workspace in which the whole demo came to its end; it begins "
            "in a folder of its own",
            {"path": str(story.root)},
        )
    lock: dict[str, Any] = json.loads(
        open_workspace(story.root).path("segment2a_freeze").read_bytes()
    )
    return lock
