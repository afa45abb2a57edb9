"""A governed lane for tests: keys outside of it, approvers sealed, one run certified.

Dora asks.  Ben approves reopens and authorities, Cleo exceptions and waivers; Ana has a key
that isn't listed.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Said, Small, civiltime

PEOPLE = {"Ana": (), "Ben": ("reopen", "authority"), "Cleo": ("exception", "waiver")}
REQUESTER = "Dora"
LATER = "2099-12-31"


@dataclass
class Lane(Small):
    """A small workspace with approvers, and the commands of governance."""

    @property
    def keys(self) -> Path:
        """Where the private keys lie, beside the workspace."""
        return self.root.parent / "keys"

    def key(self, who: str) -> Path:
        """Somebody's private key."""
        return self.keys / f"{who.casefold()}.key"

    @property
    def reports(self) -> Path:
        """The lane's reports."""
        return self.folder.parent / "reports"

    @property
    def certification(self) -> Path:
        """The lane's certification."""
        return self.reports / f"segment2a_certification_42-{self.run_id[:8]}.json"

    @property
    def ledger(self) -> Path:
        """The lane's ledger."""
        return self.reports / "governance.jsonl"

    def ask_reopen(self, *more: str | Path, requester: str = REQUESTER) -> Path:
        """A reopen request about the frozen lane, or about what ``more`` names."""
        return self.asked(
            "reopen", "request", "--requester", requester, "--reason", "a test",
            "--evidence", self.certification, "--expect", "c_multi_median_top1=0.97..0.9",
            *(more or ("--state", "S1", "--knob", "tz_nudge")),
        )  # fmt: skip

    def ask_exception(
        self, seeds: Sequence[int] = (42,), expires: str = LATER, requester: str = REQUESTER
    ) -> Path:
        """An exception request."""
        return self.asked(
            "exception", "request", "--requester", requester, "--reason", "a test",
            "--gate", "override_rate", "--ceiling", "0.01", "--expires", expires,
            *(part for seed in seeds for part in ("--seed", str(seed))),
        )  # fmt: skip

    def asked(self, *arguments: str | Path) -> Path:
        """The file of a request that is written."""
        said = self.cli(*arguments)
        assert said.code == 0, said.err
        return Path(said.json["path"])

    def approve(self, request: Path, who: str = "Ben") -> Said:
        """Somebody approves."""
        return self.cli("approve", request, "--key", self.key(who))

    def approved(self, request: Path, who: str = "Ben") -> Path:
        """The envelope of a request that somebody approved."""
        said = self.approve(request, who)
        assert said.code == 0, said.err
        return Path(said.json["path"])

    def verify(self, approval: Path) -> str:
        """The code under which ``verify`` refuses, or '' where the approval is in force."""
        said = self.cli("verify", approval)
        document = said.json
        if said.code == 0:
            assert document["status"] == "in_force"
            return ""
        return str((document.get("errors") or [document.get("error")])[0]["code"])

    def candidate(self) -> Said:
        """A new run."""
        return self.cli("run", "--seed", "42")

    def freeze(self, *arguments: str | Path) -> Any:
        """Freeze the lane."""
        said = self.cli("freeze", *arguments)
        assert said.code == 0, said.err
        return said.json

    def copied(self, to: Path) -> Lane:
        """A copy, with the keys."""
        shutil.copytree(self.root.parent, to, dirs_exist_ok=True)
        return Lane(to / self.root.name)


def make_lane(template: Path, folder: Path) -> None:
    """A lane below ``folder``: keys, approvers, one run under them, a certification."""
    shutil.copytree(template, folder / "workspace")
    lane = Lane(folder / "workspace")
    entries = ""
    for who, may in PEOPLE.items():
        options = [part for scope in may for part in ("--may", scope)]
        said = civiltime("keys", "generate", "--out", lane.keys, "--name", who, *options)
        assert said.code == 0, said.err
        entries += said.out if may else ""
    lane.edit("approvers.yaml", "approvers: []\n", f"approvers:\n{entries}")
    lane.edit("certification.yaml", "[42, 7, 101, 202]", "[42]")
    for said in (lane.run(), lane.cli("certify")):
        assert said.code in {0, 3}, said.err
