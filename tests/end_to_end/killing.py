"""Driving :mod:`tests.end_to_end.killable`: commands that die where a test tells them to."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PUBLISHING = ("os.rename", "fsync")
CHANGES = (*PUBLISHING, "open", "os.mkdir", "os.link", "os.remove", "os.rmdir", "shutil.rmtree")


@dataclass
class Killable:
    """Real processes of ``civiltime`` that die where they are told to."""

    server: subprocess.Popen[str]

    def __call__(
        self, kill_at: int, *argv: str | Path, kinds: Sequence[str] = CHANGES
    ) -> dict[str, int]:
        """Run a command; its signal, exit code and number of changes."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        request = {"kill_at": kill_at, "kinds": list(kinds), "argv": list(map(str, argv))}
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        answer: dict[str, int] = json.loads(self.server.stdout.readline())
        return answer

    def killed(self, kill_at: int, *argv: str | Path, kinds: Sequence[str] = CHANGES) -> bool:
        """Whether the command died there; else it must have completed."""
        answer = self(kill_at, *argv, kinds=kinds)
        assert answer["signal"] in {0, signal.SIGKILL}, answer
        assert answer["signal"] or answer["code"] == 0, answer
        return answer["signal"] == signal.SIGKILL
