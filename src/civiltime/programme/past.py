"""What a later cycle replaced: closures and freezes, kept by digest.

The law: a closure that is closed anew, and a freeze that a reopen lifted, stay readable in
``reports/past`` under the start of their SHA-256; the runs that they name stay too.  They are
history: nothing is proved by them, and a past freeze is sound where the ledger has its digest.
"""

from __future__ import annotations

from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.publish import replace_file


def keep_past(workspace: Workspace, dataset_id: str, raw: bytes, **tokens: str) -> None:
    """Keep these bytes before something else takes their place."""
    digest = sha256_bytes(raw)[:16]
    replace_file(workspace.path(dataset_id, digest=digest, **tokens), raw)
