"""The clock: read here and nowhere else.

One reading per run becomes its ``created_utc`` (specification 1.2).  Reports and logs
may read the clock too: they are not identity-bearing.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

RFC3339_MICROS = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")


def now_utc() -> str:
    """This instant as ``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def date_of(timestamp: str) -> date:
    """The UTC date of such a timestamp."""
    return date.fromisoformat(timestamp[:10])
