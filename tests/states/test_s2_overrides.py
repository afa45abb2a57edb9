"""S2: each law of the final zone, broken in one line."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.conftest import Small
from tests.states.proofs import (
    proves,
    require_refusal,
    require_state_refusal,
    require_validator,
)
from tests.states.test_s0_gate import MCC_OVERRIDE, flip, override, world
from tests.states.test_s1_lookup import AT_SEA, allow, category_map, upstream

from civiltime.policy.overrides import Override
from civiltime.states import s2_overrides

COUNTRY = (
    '- {scope: country, target: "CY", tzid: Asia/Nicosia, reason_code: R, owner: o, notes: n}\n'
)


def without_a_map(small: Small) -> None:
    override(small, MCC_OVERRIDE)


def merchant_unknown(small: Small) -> None:
    """A country override decides, but the category rows ask for a merchant nobody mapped."""
    allow(small)
    upstream((1, "CY", 1, *AT_SEA))(small)
    override(small, MCC_OVERRIDE + COUNTRY)
    category_map(small, m7=1)


@proves("2A-S2-022", "2A-S2-023")
@pytest.mark.parametrize(
    ("code", "break_it"), [("2A-S2-022", without_a_map), ("2A-S2-023", merchant_unknown)]
)
def test_category_overrides_need_their_map(
    small: Small, code: str, break_it: Callable[[Small], None]
) -> None:
    break_it(small)
    require_refusal(small, code)


BETWEEN: list[tuple[str, str, Callable[[Small], object]]] = [
    (
        "2A-S2-001",
        "the receipt is gone",
        lambda s: shutil.rmtree(s.partition("s0_gate_receipt_2A")),
    ),
    ("2A-S2-010", "a policy is gone", lambda s: s.config("tz_overrides.yaml").unlink()),
    ("2A-S2-012", "a policy was edited", lambda s: override(s, COUNTRY)),
    ("2A-S2-012", "the boundaries were changed", lambda s: flip(world(s), -1)),
    (
        "2A-S2-012",
        "the lookup was changed",
        lambda s: flip(next(s.partition("s1_tz_lookup").iterdir()), 99),
    ),
    ("2A-S2-012", "the lookup is gone", lambda s: shutil.rmtree(s.partition("s1_tz_lookup"))),
]


@proves(*{code for code, _, _ in BETWEEN})
@pytest.mark.parametrize(("code", "name"), [(c, n) for c, n, _ in BETWEEN])
def test_what_changes_after_the_lookup_is_refused(small: Small, code: str, name: str) -> None:
    small.chain("S0", "S1")
    next(b for _, n, b in BETWEEN if n == name)(small)
    require_state_refusal(small, "S2", code)
    assert not small.partition("site_timezones").exists()


@proves("2A-S2-041")
def test_published_zones_are_never_replaced(small_run: Small) -> None:
    path = next(small_run.partition("site_timezones").iterdir())
    flip(path, 100)
    damaged = path.read_bytes()
    require_state_refusal(small_run, "S2", "2A-S2-041")
    assert path.read_bytes() == damaged


def facts(**changed: Any) -> dict[str, Any]:
    known = {
        "rows_in": 1,
        "rows_out": 1,
        "duplicates": 0,
        "nulls": 0,
        "seen_zones": {"Europe/Oslo"},
    }
    return known | {"world_tzids": {"Europe/Oslo"}} | changed


def row(**changed: Any) -> Override:
    known = {"scope": "country", "target": "CY", "tzid": "Asia/Nicosia", "reason_code": "R"}
    rest = {"owner": "o", "evidence_url": None, "notes": "n", "expiry": None}
    return Override(**(known | rest | changed))


@proves(
    "2A-S2-011", "2A-S2-020", "2A-S2-021", "2A-S2-024", "2A-S2-050", "2A-S2-051", "2A-S2-052",
    "2A-S2-053", "2A-S2-054", "2A-S2-055", "2A-S2-056", "2A-S2-057", "2A-S2-070", "2A-S2-090",
    "2A-S2-091",
)  # fmt: skip
def test_faults_that_no_input_reaches_are_refused() -> None:
    """S0 judged the same policy, S1 the same rows and the same caps: only a fault of S2 is left."""
    ctx = SimpleNamespace(sealed_bytes=lambda _id: b"a: 1\n", verified_at_utc="2026-01-01")
    broken = s2_overrides.Overrides(ctx=ctx)  # type: ignore[arg-type]
    for validator in s2_overrides.VALIDATORS:
        if validator.code == "020":
            with pytest.raises(ValueError, match="a list is wanted"):
                validator.check(broken)
    require_validator("2A-S2-021", active=(row(), row()))
    require_validator("2A-S2-024", unmatched=["1|CY|1"])
    require_validator("2A-S2-050", **facts(rows_out=0))
    require_validator("2A-S2-051", **facts(duplicates=1))
    require_validator("2A-S2-052", **facts(nulls=1))
    require_validator("2A-S2-053", **facts(seen_zones={"Not a zone"}))
    require_validator("2A-S2-054", incoherent=1)
    require_validator("2A-S2-055", no_effect=1)
    require_validator("2A-S2-056", nudge_changes=1)
    require_validator("2A-S2-057", **facts(world_tzids=set()))
    require_validator("2A-S2-070", out_of_order=1)
    policy = SimpleNamespace(override_rate_cap=0.5)
    applied = Counter({("country", "CY"): 3})
    require_validator("2A-S2-090", policy=policy, override_rate=0.75, applied=applied)
    require_validator("2A-S2-091", used={0}, active=(row(notes=" "),))
    run = SimpleNamespace(
        path=lambda _id: Path("data/seed=7/manifest_fingerprint=a"),
        tokens={"seed": 42, "manifest_fingerprint": "a"},
    )
    require_validator("2A-S2-011", ctx=SimpleNamespace(run=run))
