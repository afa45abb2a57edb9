"""One point: its candidate zones, their countries, offsets and next transitions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from civiltime.consumers.zones import open_zones, pinned
from civiltime.errors import CivilTimeError
from civiltime.policy.lookup import DEFAULT_HORIZON_YEAR
from civiltime.states.timetable_cache import compile_archive, load_or_compile
from civiltime.tzdb.civil import next_transitions, offset_at
from civiltime.tzdb.codec import decode
from civiltime.tzdb.timetable import Timetable
from civiltime.workspace.config import Workspace
from civiltime.workspace.digest import sha256_bytes


def look_up(
    workspace: Workspace, lat: float, lon: float, *, transitions: int = 2
) -> dict[str, Any]:
    """What the pinned boundaries and tz release say of a point, now.

    Raises :class:`CivilTimeError`: 2A-S1-056 for a point that isn't on the globe,
    2A-S0-010 where no release is pinned or ingested, 2A-S1-020 where the boundaries are damaged.
    """
    if not (abs(lat) <= 90 and abs(lon) <= 180):
        raise CivilTimeError(
            "2A-S1-056",
            f"there is no place at latitude {lat}, longitude {lon}; expected degrees within "
            "[-90, 90] and [-180, 180]",
        )
    zones, timetable = open_zones(workspace), _timetable(workspace)
    now = int(datetime.now(UTC).timestamp())
    candidates = []
    for tzid in zones.lookup(lat, lon):
        offset = offset_at(timetable, timetable.places([tzid]), np.array([now], np.int64))
        candidates.append(
            {
                "tzid": tzid,
                "country": zones.countries[zones.tzids.index(tzid)],
                "offset_minutes": int(offset[0]),
                "transitions": [
                    {
                        "unix_utc": instant,
                        "from_minutes": before,
                        "to_minutes": after,
                        "kind": "gap" if after > before else "fold",
                    }
                    for instant, before, after in next_transitions(
                        timetable, tzid, now, transitions
                    )
                ],
            }
        )
    return {
        "lat": lat,
        "lon": lon,
        "tz_world": workspace.pins["tz_world"],
        "tzdb": workspace.pins["tzdb"],
        "candidates": candidates,
    }


def _timetable(workspace: Workspace) -> Timetable:
    folder = workspace.path("tzdb_release", release=pinned(workspace, "tzdb"))
    archives = sorted(p for p in folder.glob("tzdata*")) if folder.is_dir() else []
    if not archives:
        raise CivilTimeError("2A-S0-010", f"{workspace.relative(folder)} holds no archive", {})
    raw = archives[0].read_bytes()
    compiled, _ = load_or_compile(
        workspace.cache / "timetable",
        sha256_bytes(raw),
        DEFAULT_HORIZON_YEAR,
        lambda: compile_archive(raw, archives[0].name, DEFAULT_HORIZON_YEAR),
    )
    return decode(compiled.index)
