"""The workspace: where things lie, how they are sealed, and how they are published.

Everything that writes goes through :mod:`civiltime.workspace.publish`; every digest
through :mod:`civiltime.workspace.digest`; every YAML document through
:mod:`civiltime.workspace.strict_yaml`; the clock is read in
:mod:`civiltime.workspace.clock`.
"""
