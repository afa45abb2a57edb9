"""``zone.tab``: which country a zone belongs to, and where its principal place lies.

The law: the tz database's ``zone.tab`` has one line a zone, ``country TAB coordinates TAB
zone [TAB comments]``, with coordinates as ISO 6709 ``±DDMM±DDDMM`` or ``±DDMMSS±DDDMMSS``.
A line that says anything else is refused with its number (specification 2.1: the country
of a zone comes from here).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from civiltime.errors import Invalid

_COUNTRY = re.compile(r"[A-Z]{2}")
_PLACE = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?([+-])(\d{3})(\d\d)(\d\d)?")


@dataclass(frozen=True)
class ZonePlace:
    """A line of ``zone.tab``: ISO 3166 country and principal place, WGS 84 degrees.

    The place is given to the minute or the second of arc, so up to 2 km off.
    """

    country: str
    lon: float
    lat: float


def parse_zone_tab(text: str) -> dict[str, ZonePlace]:
    """Zone -> country and place, in the order of the file; raises :class:`Invalid` (002)."""
    places: dict[str, ZonePlace] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        country, place, tzid, *_ = [*line.split("\t"), "", ""]
        match = _PLACE.fullmatch(place)
        if match is None or not _COUNTRY.fullmatch(country) or not tzid:
            raise Invalid(f"zone.tab, line {number}: not a zone's line: {line[:80]!r}", code="002")
        if tzid in places:
            raise Invalid(f"zone.tab, line {number}: {tzid} stands twice", code="002")
        south, lat_d, lat_m, lat_s, west, lon_d, lon_m, lon_s = match.groups()
        lon = _degrees(west, lon_d, lon_m, lon_s)
        places[tzid] = ZonePlace(country, lon, _degrees(south, lat_d, lat_m, lat_s))
    if not places:
        raise Invalid("zone.tab names no zone", code="003")
    return places


def _degrees(sign: str, degrees: str, minutes: str, seconds: str | None) -> float:
    value = (int(degrees) * 3600 + int(minutes) * 60 + int(seconds or 0)) / 3600
    return -value if sign == "-" else value
