"""Runs ``civiltime`` commands that kill themselves at a chosen change of the file system.

A script, driven line by line over stdin and stdout: ``{"kill_at": n, "kinds": [...], "argv":
[...]}`` runs one command in a fork of this process and answers ``{"signal": s, "code": c,
"changes": k}``.

A change is a file opened for writing, a folder made, a rename, a removal, or a flush to the
disk, below the root that is given and outside its logs; ``kinds`` says which of these count.
The command dies by SIGKILL right before its n-th change; ``kill_at`` 0 lets it finish.
Nothing of civiltime is replaced: the changes are counted by an audit hook, so none that is
added later can be forgotten here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

FLUSH = "fsync"


class Changes:
    """Counts changes below ``root``, and dies at the ``kill_at``-th."""

    def __init__(self, root: str, kill_at: int, kinds: list[str]) -> None:
        self.root, self.kill_at, self.kinds, self.count = root, kill_at, frozenset(kinds), 0

    def listen(self) -> None:
        """Install the audit hook, and the one for flushes, which aren't audited."""
        sys.addaudithook(self.heard)
        fsync = os.fsync

        def counted(descriptor: int) -> None:
            self.happened(FLUSH, str(Path(f"/proc/self/fd/{descriptor}").readlink()))
            fsync(descriptor)

        vars(os)["fsync"] = counted

    def heard(self, event: str, arguments: tuple[object, ...]) -> None:
        """One audit event."""
        if event != "open" or _writes(arguments):
            self.happened(event, str(arguments[0]) if arguments else "")

    def happened(self, kind: str, path: str) -> None:
        """One change of ``path``."""
        if kind in self.kinds and path.startswith(self.root) and "/logs" not in path:
            self.count += 1
            if self.count == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


def _writes(arguments: tuple[object, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return bool(set(mode) & set("wax+"))
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def run(root: str, kill_at: int, kinds: list[str], argv: list[str]) -> dict[str, int]:
    """Run a command in a fork; how it ended, and how many changes it made."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        changes = Changes(root, kill_at, kinds)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.argv = ["civiltime", *argv]
        changes.listen()
        from civiltime.cli import main

        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 0
        os.write(writing, json.dumps({"code": code, "changes": changes.count}).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    status = os.waitpid(child, 0)[1]
    known: dict[str, int] = json.loads(said or b"{}")
    return {"code": -1, "changes": -1, **known, "signal": os.WTERMSIG(status)}


def serve(root: str) -> None:
    """Answer requests until stdin ends."""
    import civiltime.cli.app
    import civiltime.consumers.read
    import civiltime.reference.ingest
    import civiltime.states.chain  # noqa: F401  # imported once, for all the forks

    for line in sys.stdin:
        request = json.loads(line)
        answer = run(root, request["kill_at"], request["kinds"], request["argv"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve(str(Path(sys.argv[1])))
