"""The one shape of all six states.

A state declares its inputs and outputs by dataset id, a pure-minded ``compute`` over its
work, and its validators as data.  :mod:`civiltime.states.chain` does everything else
once, for all of them: gate, digests, staging, publishing, logging and reporting.

A validator is ``(id, code, law, check)``.  ``check`` gets the state's work and returns
nothing, or raises :class:`~civiltime.errors.Invalid`; the validator's code (or the one
that the finding names) turns that into an error or a warning.  The phases:

* ``before``: gate, resolution, bytes, policies.  The first failure ends the state.
* ``after``: what ``compute`` produced.  All of them run, so that one report names all.
* ``publish``: write-once.  The check itself publishes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from civiltime.states.context import Context

Phase = Literal["before", "after", "publish"]


@dataclass
class Work:
    """What a state has in its hands: the context, and what its report will show."""

    ctx: Context
    counts: dict[str, Any] = field(default_factory=dict, kw_only=True)
    checks: dict[str, Any] = field(default_factory=dict, kw_only=True)
    governance: dict[str, Any] = field(default_factory=dict, kw_only=True)


W = TypeVar("W", bound=Work)


@dataclass(frozen=True)
class Validator(Generic[W]):
    """One law of a state: ``code`` is its three digits, ``law`` one line for the report."""

    id: str
    code: str
    law: str
    check: Callable[[W], object]
    phase: Phase = "after"


@dataclass(frozen=True)
class State(Generic[W]):
    """A state of the chain; ``begin`` makes its work from a context."""

    id: str
    title: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    begin: Callable[[Context], W]
    compute: Callable[[W], None]
    validators: tuple[Validator[W], ...]
    version: int = 1
    """Raised whenever the state's output may differ for the same input."""
