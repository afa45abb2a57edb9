"""S3 timetable: the tz database, compiled once per fingerprint.

* Reads: `tzdb_release`, `tz_world`, `tz_lookup_policy` (for the horizon); no site.
* Writes: `tz_timetable_cache`, `tz_offset_adjustments`.
* Law: specification 3.3.  Compiled from the sealed archive alone; a cache hit skips compilation,
  never a check.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np

from civiltime.errors import Invalid
from civiltime.policy.lookup import parse_lookup_policy
from civiltime.reference import tz_world
from civiltime.states import laws
from civiltime.states.s0_before import RELEASE_TAG
from civiltime.states.state import State, Validator, Work
from civiltime.states.timetable_cache import Compiled, compile_archive, load_or_compile
from civiltime.tzdb.codec import decode
from civiltime.tzdb.timetable import MAX_OFFSET_MINUTES, Timetable
from civiltime.workspace.digest import sha256_bytes
from civiltime.workspace.publish import people_json

TZ_WORLD = "tz_world_{release}"
INDEX_NAME = "tz_cache_v1.bin"
MANIFEST_NAME = "tz_timetable_cache.json"


@dataclass
class Timetables(Work):
    """S3's work: the archive, what it compiled to, and the manifest."""

    manifest: dict[str, Any] = field(default_factory=dict)
    compiled: Compiled | None = None

    @cached_property
    def release(self) -> dict[str, Any]:
        """`tzdb_release.json` of the sealed release."""
        path = self.ctx.sealed_path("tzdb_release") / "tzdb_release.json"
        try:
            document: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise Invalid(f"tzdb_release.json can't be read: {error}", code="010") from None
        return document

    @cached_property
    def archive(self) -> tuple[str, bytes]:
        """Name and bytes of the sealed archive."""
        folder = self.ctx.sealed_path("tzdb_release")
        found = sorted(p for p in folder.iterdir() if p.name.startswith("tzdata"))
        if len(found) != 1:
            raise Invalid(f"{folder.name} holds {len(found)} archives named tzdata*; expected one")
        return found[0].name, found[0].read_bytes()

    @cached_property
    def horizon_year(self) -> int:
        """The last year of the timetable."""
        return parse_lookup_policy(self.ctx.sealed_bytes("tz_lookup_policy")).timetable_horizon_year

    @cached_property
    def world_tzids(self) -> tuple[str, ...]:
        """The zones of the sealed boundaries."""
        return tuple(tz_world.inspect(self.ctx.sealed_path(TZ_WORLD))[2])

    @cached_property
    def timetable(self) -> Timetable:
        """The index decoded again: what a reader of the published bytes gets."""
        return decode(self.index)

    @property
    def index(self) -> bytes:
        """The encoded timetable."""
        return self.compiled.index if self.compiled else b""


def database_resolves(work: Timetables) -> None:
    """The sealed tz release and its archive are on the disk."""
    laws.inputs_resolve("tzdb_release", "tz_lookup_policy")(work)
    work.archive  # noqa: B018  # reading it is the check


def tag_and_digest(work: Timetables) -> None:
    """The release's tag is a tag, and its archive is the one that it names."""
    tag = work.release.get("release_tag")
    if not isinstance(tag, str) or not RELEASE_TAG.fullmatch(tag):
        raise Invalid(f"tzdb_release.json: {tag!r} is not a tz release tag")
    name, raw = work.archive
    actual = sha256_bytes(raw)
    if actual != work.release.get("archive_sha256"):
        raise Invalid(
            f"{name} is {actual[:12]}…, tzdb_release.json names "
            f"{str(work.release.get('archive_sha256'))[:12]}…",
            code="013",
        )
    laws.sealed_unchanged("tzdb_release")(work)


def compute(work: Timetables) -> None:
    """Compile (or take from the shared cache), and stage index, manifest, adjustments."""
    ctx = work.ctx
    name, raw = work.archive
    cache = ctx.run.workspace.cache / "timetable"
    compile_it = partial(compile_archive, raw, name, work.horizon_year)
    digest = work.release["archive_sha256"]
    work.compiled, hit = load_or_compile(cache, digest, work.horizon_year, compile_it)
    folder = ctx.stage("tz_timetable_cache")
    (folder / INDEX_NAME).write_bytes(work.index)
    work.manifest = {
        "manifest_fingerprint": ctx.run.receipt.manifest_fingerprint,
        "tzdb_release_tag": work.release["release_tag"],
        "tzdb_archive_sha256": digest,
        "tz_index_digest": sha256_bytes(work.index),
        "rle_cache_bytes": len(work.index),
        "created_utc": ctx.verified_at_utc,
    }
    (folder / MANIFEST_NAME).write_bytes(people_json(work.manifest))
    adjustments = work.compiled.adjustments
    ctx.stage_document(
        "tz_offset_adjustments",
        {
            "manifest_fingerprint": ctx.run.receipt.manifest_fingerprint,
            "created_utc": ctx.verified_at_utc,
            "count": len(adjustments),
            "adjustments": adjustments,
        },
    )
    work.checks["shared_cache"] = "hit" if hit else "miss"
    work.counts.update(
        tzids=len(work.timetable.tzids),
        transitions=int(work.timetable.starts[-1]),
        adjustments=len(adjustments),
        horizon_year=work.horizon_year,
        rle_cache_bytes=len(work.index),
    )


def index_not_empty(work: Timetables) -> None:
    """The timetable has zones."""
    if not work.timetable.tzids:
        raise Invalid("the archive compiled to a timetable without a zone")


def manifest_valid(work: Timetables) -> None:
    """Manifest and adjustments fit their schemas."""
    laws.outputs_fit_schema(work)


def digest_recomputes(work: Timetables) -> None:
    """The manifest's digest is that of the staged index."""
    actual = sha256_bytes((work.ctx.stage("tz_timetable_cache") / INDEX_NAME).read_bytes())
    if actual != work.manifest["tz_index_digest"]:
        raise Invalid(
            f"the index is {actual}, the manifest says {work.manifest['tz_index_digest']}"
        )


def bytes_there(work: Timetables) -> None:
    """The manifest names a size."""
    if not work.manifest.get("rle_cache_bytes"):
        raise Invalid("the manifest names no bytes")


def files_there(work: Timetables) -> None:
    """Index and manifest are staged, and the index is as long as the manifest says."""
    folder = work.ctx.stage("tz_timetable_cache")
    for name in (INDEX_NAME, MANIFEST_NAME):
        if not (folder / name).is_file():
            raise Invalid(f"{name} is missing")
    size = (folder / INDEX_NAME).stat().st_size
    if size != work.manifest["rle_cache_bytes"]:
        raise Invalid(
            f"the index is {size:,} bytes, the manifest says {work.manifest['rle_cache_bytes']:,}",
            code="062",
        )


def strictly_increasing(work: Timetables) -> None:
    """Each zone's instants increase strictly, from the sentinel on."""
    require_increasing(work.timetable)


def require_increasing(timetable: Timetable) -> None:
    """Raises :class:`Invalid` naming the first zone whose instants don't increase."""
    # Compared, not subtracted: the step from the sentinel overflows an int64.
    steps = timetable.instants[1:] > timetable.instants[:-1]
    within = np.ones(len(timetable.instants), np.bool_)
    within[timetable.starts[:-1]] = False
    broken = np.flatnonzero(~steps & within[1:])
    if len(broken):
        zone = int(np.searchsorted(timetable.starts, broken[0] + 1, side="right")) - 1
        raise Invalid(f"the transitions of {timetable.tzids[zone]} don't increase")


def within_bounds(work: Timetables) -> None:
    """Offsets are within -900..+900 minutes; the sentinel is exempt."""
    require_bounds(work.timetable)


def require_bounds(timetable: Timetable) -> None:
    """Raises :class:`Invalid` naming the first zone with an offset out of bounds."""
    judged = np.abs(timetable.offsets_min.astype(np.int64)) > MAX_OFFSET_MINUTES
    judged[timetable.starts[:-1]] = False
    broken = np.flatnonzero(judged)
    if len(broken):
        zone = int(np.searchsorted(timetable.starts, broken[0], side="right")) - 1
        raise Invalid(
            f"{timetable.tzids[zone]} has an offset of {timetable.offsets_min[broken[0]]} minutes"
        )


def finite(work: Timetables) -> None:
    """Instants and offsets are integers."""
    require_integers(work.timetable)


def require_integers(timetable: Timetable) -> None:
    """Raises :class:`Invalid` unless instants and offsets are integer arrays."""
    for name in ("instants", "offsets_min"):
        if not np.issubdtype(getattr(timetable, name).dtype, np.integer):
            raise Invalid(f"{name} are not integers")


def covers_world(work: Timetables) -> None:
    """Every zone of the boundaries is in the timetable."""
    missing = sorted(set(work.world_tzids) - set(work.timetable.tzids))
    if missing:
        raise Invalid(
            f"the tz release {work.release['release_tag']} lacks {len(missing)} zones of tz_world: "
            f"{', '.join(missing[:5])}; seal a release as new as the boundaries",
            missing=list(missing),
        )


def world_unchanged(work: Timetables) -> None:
    """The boundaries' bytes are those that S0 sealed."""
    laws.sealed_unchanged(TZ_WORLD, "tz_lookup_policy")(work)


VALIDATORS: tuple[Validator[Timetables], ...] = (
    Validator("V-01", "001", "S0's receipt is valid", laws.receipt_valid, "before"),
    Validator("V-02a", "010", "the tz release resolves", database_resolves, "before"),
    Validator("V-02b", "012", "tz_world resolves", laws.inputs_resolve(TZ_WORLD), "before"),
    Validator("V-03", "011", "tag and digest of the tz release", tag_and_digest, "before"),
    Validator("V-17", "014", "tz_world unchanged since S0", world_unchanged, "before"),
    Validator("V-04", "020", "the archive can be parsed", laws.while_computing),
    Validator("V-05", "021", "the index is not empty", index_not_empty),
    Validator("V-06", "030", "the manifest fits its schema", manifest_valid),
    Validator("V-07", "040", "path and content agree", laws.paths_embed),
    Validator("V-08", "042", "timestamps are the run's", laws.timestamps_are_the_runs),
    Validator("V-09", "050", "the digest recomputes", digest_recomputes),
    Validator("V-10", "060", "the index has bytes", bytes_there),
    Validator("V-11", "061", "index and manifest are there", files_there),
    Validator("V-12", "051", "transitions increase strictly", strictly_increasing),
    Validator("V-13", "052", "offsets are within bounds", within_bounds),
    Validator("V-14", "055", "nothing is non-finite", finite),
    Validator("V-15", "053", "every zone of tz_world is there", covers_world),
    Validator("V-16", "041", "write-once", laws.publish, "publish"),
)

STATE: State[Timetables] = State(
    id="S3",
    title="timetable",
    inputs=("tzdb_release", TZ_WORLD, "tz_lookup_policy"),
    outputs=("tz_timetable_cache", "tz_offset_adjustments"),
    begin=Timetables,
    compute=compute,
    validators=VALIDATORS,
)
