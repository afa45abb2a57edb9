"""S1: each law of the lookup, broken in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import SITES_CSV, Small, sites
from tests.states.proofs import (
    proves,
    require_refusal,
    require_state_refusal,
    require_validator,
)
from tests.states.test_s0_gate import flip, override, rewrite_world

from civiltime.policy.lookup import parse_lookup_policy
from civiltime.states import s1_lookup
from civiltime.states.precedence import Decision
from civiltime.states.tally import Tally

AT_SEA = (33.0, 33.9)  # south of Cyprus: no zone of the small world covers it
NEAR_LI = (9.6, 47.3)  # in Austria, which the small world lacks


def upstream(*rows: tuple[int, str, int, float, float]) -> Callable[[Small], None]:
    return lambda small: small.publish_sites(sites(*rows))


def many(country: str, n: int, *strays: tuple[float, float]) -> Callable[[Small], None]:
    """``n`` good sites of a country, and some strays of it."""
    good = {"CY": (33.3823, 35.1656), "CH": (8.5417, 47.3769)}[country]
    points = [good] * n + list(strays)
    return upstream(*((1, country, i + 1, *p) for i, p in enumerate(points)))


def allow(small: Small) -> None:
    """Caps that let a small world's guesses through."""
    small.edit("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 1.0")
    small.edit("lookup.yaml", "override_rate_cap: 0.0020", "override_rate_cap: 1.0")


def no_fallback(small: Small) -> None:
    upstream((1, "CY", 1, *AT_SEA))(small)
    small.edit("lookup.yaml", "enabled: true", "enabled: false")


def bad_nudge(small: Small) -> None:
    small.edit("tz_nudge.yml", "epsilon_degrees: 0.000001", "epsilon_degrees: 0.000002")


def over_country_cap(small: Small) -> None:
    many("CY", 97, *[AT_SEA] * 3)(small)
    small.edit("lookup.yaml", "fallback_rate_cap: 0.0005", "fallback_rate_cap: 1.0")


def over_override_cap(small: Small) -> None:
    many("CY", 9, AT_SEA)(small)
    override(
        small,
        '- {scope: site, target: "1|CY|10", tzid: Asia/Nicosia, reason_code: R, '
        "owner: o, notes: n}\n",
    )


def invalid_key(table: pa.Table) -> pa.Table:
    ids = np.zeros(len(table), np.int32)
    return table.set_column(1, table.schema.field("polygon_id"), pa.array(ids))


BREAKS: list[tuple[str, str, Callable[[Small], object]]] = [
    ("2A-S1-021", "a digest that doesn't fit", bad_nudge),
    ("2A-S1-021", "a key too many", lambda s: s.edit("tz_nudge.yml", "semver", "a: 1\nsemver")),
    ("2A-S1-021", "no step", lambda s: s.edit("tz_nudge.yml", "0.000001", "0.0")),
    ("2A-S1-020", "polygons with one key", lambda s: rewrite_world(s, invalid_key)),
    ("2A-S1-051", "a key twice", upstream((1, "CH", 1, 8.5, 47.3), (1, "CH", 1, 8.5, 47.3))),
    ("2A-S1-055", "no fallback", no_fallback),
    ("2A-S1-055", "a country without a zone", upstream((1, "US", 1, *AT_SEA))),
    ("2A-S1-056", "latitude 91", upstream((1, "CH", 1, 8.5, 91.0))),
    ("2A-S1-056", "NaN", upstream((1, "CH", 1, float("nan"), 47.0))),
    ("2A-S1-056", "infinity", upstream((1, "CH", 1, 8.5, float("-inf")))),
    ("2A-S1-056", "a lower-case country", upstream((1, "ch", 1, 8.5, 47.3))),
    ("2A-S1-056", "a country of three", upstream((1, "CHE", 1, 8.5, 47.3))),
    (
        "2A-S1-056",
        "a gap in site_order",
        upstream((1, "CH", 1, 8.5, 47.3), (1, "CH", 3, 8.5, 47.3)),
    ),
    ("2A-S1-056", "merchant 0", upstream((0, "CH", 1, 8.5, 47.3))),
    ("2A-S1-090", "a guess in ten", many("CY", 9, AT_SEA)),
    ("2A-S1-091", "three guesses in a hundred of one country", over_country_cap),
    ("2A-S1-092", "an override in ten", over_override_cap),
]


@proves(*{code for code, _, _ in BREAKS})
@pytest.mark.parametrize(
    ("code", "break_it"), [(c, b) for c, _, b in BREAKS], ids=[f"{c} {n}" for c, n, _ in BREAKS]
)
def test_the_lookup_refuses(small: Small, code: str, break_it: Callable[[Small], object]) -> None:
    break_it(small)
    require_refusal(small, code)


def test_caps_name_the_countries_and_the_numbers(small: Small) -> None:
    over_country_cap(small)
    error = small.run().json["error"]
    assert error["context"]["countries"] == [{"country": "CY", "rate": 0.03, "sites": 100}]
    assert "CY 0.0300 of 100" in error["message"]


BETWEEN: list[tuple[str, str, Callable[[Small], object]]] = [
    (
        "2A-S1-001",
        "the receipt is gone",
        lambda s: shutil.rmtree(s.partition("s0_gate_receipt_2A")),
    ),
    (
        "2A-S1-001",
        "the inventory was changed",
        lambda s: flip(next(s.partition("sealed_inputs_2A").iterdir()), 40),
    ),
    ("2A-S1-010", "a sealed policy is gone", lambda s: s.config("tz_nudge.yml").unlink()),
    ("2A-S1-012", "a sealed policy was edited", lambda s: s.edit("lookup.yaml", "10", "11")),
    (
        "2A-S1-012",
        "the sites were changed",
        lambda s: flip(next(s.upstream.glob("site_locations/*/*/*.parquet")), 50),
    ),
    (
        "2A-S1-012",
        "a file joined the sites",
        lambda s: (next(s.upstream.glob("site_locations/*/*")) / "more.parquet").write_bytes(b""),
    ),
]


@proves(*{code for code, _, _ in BETWEEN})
@pytest.mark.parametrize(
    ("code", "break_it"), [(c, b) for c, _, b in BETWEEN], ids=[f"{c} {n}" for c, n, _ in BETWEEN]
)
def test_what_changes_after_the_gate_is_refused(
    small: Small, code: str, break_it: Callable[[Small], object]
) -> None:
    small.chain("S0")
    break_it(small)
    require_state_refusal(small, "S1", code)
    assert not small.partition("s1_tz_lookup").exists()


@proves("2A-S1-041")
def test_a_published_lookup_is_never_replaced(small_run: Small) -> None:
    path = next(small_run.partition("s1_tz_lookup").iterdir())
    flip(path, 100)
    damaged = path.read_bytes()
    require_state_refusal(small_run, "S1", "2A-S1-041")
    assert path.read_bytes() == damaged


@proves("2A-S1-070")
def test_an_upstream_out_of_order_is_sorted_with_a_warning(small: Small) -> None:
    rows = [line.split(",") for line in SITES_CSV.splitlines()[1:]]
    table = sites(*((int(m), c, int(o), float(x), float(y)) for m, c, o, x, y in rows))
    small.publish_sites(table.take(pa.array(range(len(table) - 1, -1, -1))))
    said = small.run()
    assert said.code == 0, said.out
    assert [w["code"] for w in said.json["warnings"]] == ["2A-S1-070"]
    lookup = pq.read_table(small.partition("s1_tz_lookup"), partitioning=None)
    assert lookup.select(table.column_names).equals(table)


@proves("2A-S1-071")
def test_an_override_that_geometry_forestalled_is_a_warning(small: Small) -> None:
    override(
        small,
        '- {scope: country, target: "CH", tzid: Europe/Zurich, reason_code: R, '
        "owner: o, notes: n}\n",
    )
    said = small.run()
    assert said.code == 0, said.out
    (warning,) = said.json["warnings"]
    assert (warning["code"], warning["context"]["rows"]) == ("2A-S1-071", {"country CH": 3})


@proves("2A-S1-072")
def test_a_guess_from_afar_is_a_warning(small: Small) -> None:
    allow(small)
    upstream((1, "CY", 1, *AT_SEA))(small)
    said = small.run()
    assert said.code == 0, said.out
    assert [w["code"] for w in said.json["warnings"]] == ["2A-S1-072"]
    (sample,) = small.report("S1")["checks"]["samples"]
    assert sample["key"] == "1|CY|1"
    assert sample["tzid"] == "Asia/Nicosia"
    assert 50_000 < sample["distance_m"] < 90_000


def test_a_country_with_one_zone_takes_it_where_no_zone_covers(small: Small) -> None:
    upstream((1, "LI", 1, *NEAR_LI))(small)
    assert small.run().json["counts"]["singletons"] == 1
    row = pq.read_table(small.partition("site_timezones"), partitioning=None).to_pylist()[0]
    assert (row["tzid"], row["tzid_source"]) == ("Europe/Vaduz", "polygon")
    assert row["nudge_lat_deg"] == pytest.approx(NEAR_LI[1] + 1e-6, abs=1e-12)


OVERRIDES = """\
- {scope: country, target: "CY", tzid: Asia/Famagusta, reason_code: R, owner: o, notes: n}
- {scope: mcc, target: "5812", tzid: Asia/Jerusalem, reason_code: R, owner: o, notes: n}
- {scope: site, target: "1|CY|1", tzid: Europe/Zurich, reason_code: R, owner: o, notes: n}
- {scope: site, target: "1|CY|2", tzid: Europe/Vaduz, reason_code: R, owner: o, notes: n,
   expiry_yyyy_mm_dd: "2020-01-01"}
"""


def category_map(small: Small, **categories: int) -> None:
    folder = small.root / "reference/layer1/merchant_mcc_map/v1"
    folder.mkdir(parents=True)
    merchants = pa.array([int(m[1:]) for m in categories], pa.uint64())
    table = pa.table(
        {"merchant_id": merchants, "mcc": pa.array(list(categories.values()), pa.int32())}
    )
    pq.write_table(table, folder / "merchant_mcc_map.parquet")
    with (small.root / "civiltime.toml").open("a") as config:
        config.write('merchant_mcc_map = "v1"\n')


def test_a_site_goes_before_a_category_before_a_country_and_expired_rows_are_silent(
    small: Small,
) -> None:
    allow(small)
    upstream((1, "CY", 1, *AT_SEA), (1, "CY", 2, *AT_SEA), (2, "CY", 1, *AT_SEA))(small)
    override(small, OVERRIDES)
    category_map(small, m1=5812, m2=1)
    said = small.run()
    assert said.code == 0, said.out
    rows = pq.read_table(small.partition("site_timezones"), partitioning=None).to_pylist()
    assert [(r["tzid"], r["override_scope"]) for r in rows] == [
        ("Europe/Zurich", "site"),
        ("Asia/Jerusalem", "mcc"),
        ("Asia/Famagusta", "country"),
    ]
    assert {r["tzid_source"] for r in rows} == {"override"}


def test_a_preference_decides_its_own_set_and_country_only(small: Small) -> None:
    """Both Hebron and Jerusalem cover Ariel; a Swiss shop there has no zone of its country."""
    upstream((1, "CH", 1, 35.1745, 32.1046), (1, "IL", 1, 35.1745, 32.1046))(small)
    small.edit(
        "lookup.yaml",
        "nearest_fallback:",
        "  - {country: CH, zones: [Asia/Hebron, Asia/Jerusalem], prefer: Asia/Hebron,"
        " reason_code: R, owner: o, notes: n}\nnearest_fallback:",
    )
    assert small.run().code == 0
    rows = pq.read_table(small.partition("site_timezones"), partitioning=None).to_pylist()
    assert [r["tzid"] for r in rows] == ["Asia/Hebron", "Asia/Jerusalem"]
    counts = small.report("S1")["counts"]
    assert (counts["tie_breaks_preference"], counts["tie_breaks_country"]) == (1, 1)


def test_an_upstream_without_rows_passes_with_zero_counts(small: Small) -> None:
    small.publish_sites(sites())
    said = small.run()
    assert said.code == 0, said.out
    assert said.json["counts"]["sites"] == 0
    legality = json.loads(next(small.partition("s4_legality_report").iterdir()).read_bytes())
    assert legality["status"] == "PASS"
    assert set(legality["counts"].values()) == {0}


def work(**facts: Any) -> Any:
    lookup = s1_lookup.Lookup(ctx=SimpleNamespace())  # type: ignore[arg-type]
    for name, value in facts.items():
        setattr(lookup, name, value)
    return lookup


@proves("2A-S1-011", "2A-S1-050", "2A-S1-052", "2A-S1-053", "2A-S1-054")
def test_faults_of_the_lookup_itself_are_refused() -> None:
    """These rows are S1's own work: only a fault of its own could break them."""
    require_validator("2A-S1-050", rows_in=2, rows_out=1, tally=Tally())
    require_validator("2A-S1-052", tally=Tally(null_zones=1))
    require_validator("2A-S1-053", tally=Tally(unknown_zones=1))
    require_validator("2A-S1-054", tally=Tally(half_nudges=1))
    run = SimpleNamespace(
        path=lambda _id: Path("data/seed=7/manifest_fingerprint=a"),
        tokens={"seed": 42, "manifest_fingerprint": "a"},
    )
    require_validator("2A-S1-011", ctx=SimpleNamespace(run=run))


def test_rates_at_their_cap_pass_and_above_it_fail(small: Small) -> None:
    policy = parse_lookup_policy(small.config("lookup.yaml").read_bytes())
    tally = Tally()
    tally.by_country[0, Decision.POLYGON] = 1999
    tally.by_country[0, Decision.FALLBACK_WITHIN] = 1
    s1_lookup.fallback_capped(work(tally=tally, policy=policy))
    assert tally.fallback_rate == policy.fallback_rate_cap
    tally.by_country[0, Decision.POLYGON] = 1998
    require_validator("2A-S1-090", tally=tally, policy=policy)
