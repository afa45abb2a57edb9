"""The command line: parsing and printing only, a thin edge over the Python API.

One file per group of commands.  Results go to stdout, progress and errors to stderr;
``--json`` prints one JSON document instead.  Exit status: 0 for passes and warnings, 1
for a refusal under a code, 2 for wrong usage, 3 for ``FAIL_REALISM``.
"""

from __future__ import annotations

from civiltime.cli.app import main

__all__ = ["main"]
