"""``tz_overrides.yaml``: zones that people set by hand, with a reason and an owner.

The law (specification 2.2 and 3.1): a target is a site (``42|GB|3``), a merchant
category (``5812``) or a country (``GB``); an override is active when it has no expiry or
expires on or after the date of ``verified_at_utc``; at most one active override stands
for a target; site goes before mcc before country.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Literal

from civiltime.errors import Invalid
from civiltime.policy.document import read_policy

Scope = Literal["site", "mcc", "country"]
PRECEDENCE: tuple[Scope, ...] = ("site", "mcc", "country")
_TARGETS = {
    "site": re.compile(r"[1-9][0-9]{0,19}\|[A-Z]{2}\|[1-9][0-9]*"),
    "mcc": re.compile(r"[0-9]{4}"),
    "country": re.compile(r"[A-Z]{2}"),
}
_EXAMPLES = {"site": "42|GB|3", "mcc": "5812", "country": "GB"}


@dataclass(frozen=True)
class Override:
    """One row of the policy."""

    scope: Scope
    target: str
    tzid: str
    reason_code: str
    owner: str
    evidence_url: str | None
    notes: str | None
    expiry: date | None

    def active_on(self, day: date) -> bool:
        """Whether it holds on that day; the expiry is the last day on which it does."""
        return self.expiry is None or self.expiry >= day

    @property
    def has_provenance(self) -> bool:
        """Whether reason, owner and one of evidence and notes are filled."""
        filled = (self.reason_code, self.owner, self.evidence_url or self.notes or "")
        return all(text.strip() for text in filled)


def parse_overrides(raw: bytes) -> tuple[Override, ...]:
    """Every row of the policy, active or not; raises :class:`Invalid` naming the line."""
    document = read_policy(raw, "tz_overrides", "tz_overrides.yaml")
    rows = []
    for index, row in enumerate(document.data):
        scope = row["scope"]
        if not _TARGETS[scope].fullmatch(row["target"]):
            raise Invalid(
                f"{document.where((index, 'target'))}: {row['target']!r} is not a {scope} target; "
                f"write it like {_EXAMPLES[scope]!r}"
            )
        text = row.get("expiry_yyyy_mm_dd")
        try:
            expiry = None if text is None else date.fromisoformat(text)
        except ValueError:
            raise Invalid(
                f"{document.where((index, 'expiry_yyyy_mm_dd'))}: {text!r} is not a date"
            ) from None
        override = Override(
            scope=scope,
            target=row["target"],
            tzid=row["tzid"],
            reason_code=row["reason_code"],
            owner=row["owner"],
            evidence_url=row.get("evidence_url"),
            notes=row.get("notes"),
            expiry=expiry,
        )
        if not override.has_provenance:
            raise Invalid(
                f"{document.where((index,))}: reason_code, owner and one of evidence_url and "
                "notes must be filled"
            )
        rows.append(override)
    return tuple(rows)


def active_overrides(rows: Collection[Override], day: date) -> tuple[Override, ...]:
    """The rows that hold on that day."""
    return tuple(row for row in rows if row.active_on(day))


def require_unique(active: Collection[Override]) -> None:
    """Raises :class:`Invalid` when two active rows share scope and target."""
    counts = Counter((row.scope, row.target) for row in active)
    twice = sorted(f"{scope} {target}" for (scope, target), n in counts.items() if n > 1)
    if twice:
        raise Invalid(
            f"tz_overrides.yaml has more than one active row for {', '.join(twice[:5])}; "
            "keep one, or let the others expire",
            targets=list(twice),
        )


def require_known(rows: Collection[Override], tzids: Collection[str]) -> None:
    """Raises :class:`Invalid` when a row names a zone that the boundaries don't have."""
    unknown = sorted({row.tzid for row in rows} - set(tzids))
    if unknown:
        raise Invalid(
            f"tz_overrides.yaml names zones that tz_world doesn't have: {', '.join(unknown[:5])}",
            tzids=list(unknown),
        )
