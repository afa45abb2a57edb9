"""Errors that explain themselves, to a person and to a machine.

The law (specification 1.7): whatever goes wrong ends in one exception type that
carries a code, its name, the state, the effect, what is wrong and where, what to do
about it, and a context for machines.  Codes are data: ``contracts/errors.yaml`` is
the only place that defines one.

Two classes, because there are two kinds of knowledge:

* :class:`Invalid` is what a *pure* function says: "this is wrong".  It knows what it
  looked at, but not in which state of the chain it was called.
* :class:`CivilTimeError` is what a *person* sees: the same finding under a code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Effect = Literal["abort", "warn"]
Scalar = str | int | float | bool | None
ContextValue = Scalar | list["ContextValue"] | dict[str, "ContextValue"]


class Invalid(ValueError):
    """A pure function refuses its input.

    ``message`` says what is wrong and where, in a sentence a person can act on.
    ``code`` is the three-digit part of a code, for callers that own several;
    ``context`` holds the facts behind the message.
    """

    def __init__(self, message: str, *, code: str | None = None, **context: ContextValue) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.context: dict[str, ContextValue] = context


class CivilTimeError(Exception):
    """A finding under a code of ``contracts/errors.yaml``.

    The code's name, state, effect and remediation come from that table; a code that
    isn't in it can't be raised.
    """

    def __init__(
        self, code: str, message: str, context: Mapping[str, ContextValue] | None = None
    ) -> None:
        from civiltime.contracts import error_codes

        entry = error_codes()[code]
        super().__init__(f"{code} {entry.name}: {message}")
        self.code = code
        self.name = entry.name
        self.state = entry.state
        self.effect: Effect = entry.effect
        self.message = message
        self.remediation = entry.remediation
        self.context: dict[str, ContextValue] = dict(context or {})

    def as_dict(self) -> dict[str, ContextValue]:
        """The error as the run reports and ``--json`` show it."""
        return {
            "code": self.code,
            "name": self.name,
            "state": self.state,
            "effect": self.effect,
            "message": self.message,
            "remediation": self.remediation,
            "context": self.context,
        }
