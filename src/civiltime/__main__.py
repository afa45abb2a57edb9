"""``python -m civiltime``: the command line."""

from civiltime.cli import main

main()
