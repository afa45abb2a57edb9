"""S0: each law of the gate, broken in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import Small
from tests.states.proofs import proves, require_refusal, require_validator

from civiltime import contracts
from civiltime.contracts import authority
from civiltime.errors import Invalid
from civiltime.states import s0_before
from civiltime.states.context import SealedInput
from civiltime.workspace.bundle import seal_1b

OTHER = "f" * 64
MCC_OVERRIDE = """\
- {scope: mcc, target: "5812", tzid: Europe/Zurich, reason_code: R, owner: o, notes: n}
"""


def bundle(small: Small) -> Path:
    (folder,) = (small.upstream / "validation").iterdir()
    return folder


def flip(path: Path, place: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def reseal(small: Small, without: str) -> None:
    """The upstream's bundle again, lacking one file, with a flag that fits."""
    folder = bundle(small)
    kept = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != without}
    files = {n: ("k", b) for n, b in kept.items() if n not in {"index.json", "_passed.flag"}}
    shutil.rmtree(folder)
    folder.mkdir()
    for name, data in seal_1b(files).items():
        (folder / name).write_bytes(data)


def rename_upstream(small: Small) -> None:
    for name in ("site_locations/seed=42", "validation"):
        (folder,) = (small.upstream / name).iterdir()
        folder.rename(folder.with_name(f"manifest_fingerprint={OTHER}"))


def world(small: Small) -> Path:
    return small.root / "reference/spatial/tz_world/2026c/tz_world.parquet"


def rewrite_world(small: Small, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(world(small))), world(small))


def other_crs(table: pa.Table) -> pa.Table:
    geo = json.loads(table.schema.metadata[b"geo"])
    geo["columns"]["geometry"]["crs"] = {"id": {"authority": "EPSG", "code": 3857}, "type": "x"}
    return table.replace_schema_metadata({b"geo": json.dumps(geo).encode()})


def pin(small: Small, old: str, new: str) -> None:
    path = small.root / "civiltime.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def tzdb_json(small: Small, **fields: str | None) -> None:
    path = next((small.root / "artefacts/priors/tzdata").glob("*/tzdb_release.json"))
    document = json.loads(path.read_bytes()) | fields
    path.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))


def malformed_tag(small: Small) -> None:
    folder = small.root / "artefacts/priors/tzdata/2026c"
    folder.rename(folder.with_name("2026-C"))
    pin(small, 'tzdb = "2026c"', 'tzdb = "2026-C"')
    tzdb_json(small, release_tag="2026-C")


def override(small: Small, text: str) -> None:
    small.config("tz_overrides.yaml").write_text(text)


def twice(small: Small) -> None:
    row = (
        '- {scope: country, target: "LI", tzid: Europe/Vaduz, reason_code: R, owner: o, notes: n}\n'
    )
    override(small, row + row)


def same_basename(small: Small) -> None:
    folder = small.root / "reference/layer1/merchant_mcc_map/2026c"
    folder.mkdir(parents=True)
    pq.write_table(
        pa.table({"merchant_id": pa.array([1], pa.uint64()), "mcc": pa.array([5812], pa.int32())}),
        folder / "merchant_mcc_map.parquet",
    )
    with (small.root / "civiltime.toml").open("a") as config:
        config.write('merchant_mcc_map = "2026c"\n')
    override(small, MCC_OVERRIDE)


def authority_changed(small: Small) -> None:
    (small.root / "report.json").write_text("{}")
    (small.root / "authorities.yaml").write_text(
        "semver: 1.0.0\nauthorities:\n  1A: {posture: FROZEN_CERTIFIED_B, report: report.json, "
        f"sha256_hex: {'0' * 64}, run_id: {'1' * 32}}}\n"
    )


BREAKS: list[tuple[str, str, Callable[[Small], object]]] = [
    ("2A-S0-001", "no flag", lambda s: (bundle(s) / "_passed.flag").unlink()),
    ("2A-S0-002", "another flag", lambda s: flip(bundle(s) / "_passed.flag", -5)),
    ("2A-S0-002", "a changed file", lambda s: flip(bundle(s) / "summary.json", 30)),
    ("2A-S0-002", "a file too many", lambda s: (bundle(s) / "more.json").write_text("{}")),
    ("2A-S0-002", "a file too few", lambda s: (bundle(s) / "summary.json").unlink()),
    ("2A-S0-003", "no bundle", lambda s: shutil.rmtree(bundle(s))),
    ("2A-S0-003", "no index", lambda s: (bundle(s) / "index.json").unlink()),
    ("2A-S0-004", "another fingerprint", rename_upstream),
    ("2A-S0-010", "a policy is gone", lambda s: s.config("approvers.yaml").unlink()),
    ("2A-S0-010", "nothing is pinned", lambda s: pin(s, 'tz_world = "2026c"', "")),
    ("2A-S0-014", "latest is no release", lambda s: pin(s, 'world = "2026c"', 'world = "latest"')),
    (
        "2A-S0-015",
        "sites that the bundle doesn't bind",
        lambda s: flip(next(s.upstream.glob("site_locations/*/*/*.parquet")), 100),
    ),
    ("2A-S0-018", "two inputs of one basename", same_basename),
    ("2A-S0-020", "another CRS", lambda s: rewrite_world(s, other_crs)),
    (
        "2A-S0-020",
        "no CRS",
        lambda s: rewrite_world(s, lambda t: t.replace_schema_metadata(None)),
    ),
    ("2A-S0-021", "no boundaries", lambda s: rewrite_world(s, lambda t: t.slice(0, 0))),
    ("2A-S0-022", "a malformed tz release", malformed_tag),
    ("2A-S0-022", "another tz release", lambda s: tzdb_json(s, release_tag="2026b")),
    ("2A-S0-023", "no tz digest", lambda s: tzdb_json(s, archive_sha256=None)),
    (
        "2A-S0-030",
        "an override without notes",
        lambda s: override(s, MCC_OVERRIDE.replace("n}", "}")),
    ),
    ("2A-S0-030", "a duplicate key", lambda s: override(s, MCC_OVERRIDE.replace("owner", "scope"))),
    ("2A-S0-030", "an alias", lambda s: override(s, "- &a {scope: site}\n- *a\n")),
    ("2A-S0-030", "a mapping", lambda s: override(s, "a: 1\n")),
    ("2A-S0-031", "two active rows for one target", twice),
    (
        "2A-S0-032",
        "a zone that the boundaries lack",
        lambda s: override(s, MCC_OVERRIDE.replace("Europe/Zurich", "Europe/Rome")),
    ),
    ("2A-S0-033", "an unknown key", lambda s: s.edit("lookup.yaml", "sample_limit", "limit")),
    ("2A-S0-033", "a wrong type", lambda s: s.edit("lookup.yaml", "0.0020", "many")),
    ("2A-S0-033", "a duplicate key", lambda s: s.edit("approvers.yaml", "approvers", "semver")),
    ("2A-S0-090", "an authority changed", authority_changed),
    ("2A-S0-090", "authorities are gone", lambda s: (s.root / "authorities.yaml").unlink()),
]


@proves(*{code for code, _, _ in BREAKS})
@pytest.mark.parametrize(
    ("code", "break_it"), [(c, b) for c, _, b in BREAKS], ids=[f"{c} {n}" for c, n, _ in BREAKS]
)
def test_the_gate_refuses(small: Small, code: str, break_it: Callable[[Small], object]) -> None:
    break_it(small)
    require_refusal(small, code)


@proves("2A-S0-019")
def test_an_upstream_that_does_not_bind_its_sites_is_a_warning(small: Small) -> None:
    reseal(small, without="egress_checksums.json")
    said = small.run()
    assert said.code == 0, said.out
    assert [w["code"] for w in said.json["warnings"]] == ["2A-S0-019"]


@proves("2A-S0-060", "2A-S0-061")
@pytest.mark.parametrize(
    ("code", "stranger"),
    [
        ("2A-S0-060", f"s0_gate_receipt/manifest_fingerprint={OTHER}/s0_gate_receipt.json"),
        ("2A-S0-061", "sealed_inputs/{mf}/notes.txt"),
    ],
)
def test_a_stranger_in_the_output_is_refused(small_run: Small, code: str, stranger: str) -> None:
    mf = small_run.partition("sealed_inputs_2A").name
    path = small_run.folder / "data/layer1/2A" / stranger.format(mf=mf)
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    before = {p: p.read_bytes() for p in small_run.published()}
    assert small_run.run().error == code
    assert {p: p.read_bytes() for p in small_run.published()} == before


@proves("2A-S0-062")
def test_a_changed_policy_can_not_enter_a_published_run(small_run: Small) -> None:
    before = {p: p.read_bytes() for p in small_run.published()}
    small_run.edit("lookup.yaml", "sample_limit: 10", "sample_limit: 11")
    assert small_run.run().error == "2A-S0-062"
    assert {p: p.read_bytes() for p in small_run.published()} == before


def sealed(**fields: str) -> SealedInput:
    known = {"asset_id": "a", "asset_kind": "config", "basename": "a", "version_tag": "1"}
    rest = {"schema_ref": "s", "catalog_path": "p", "sha256_hex": "0" * 64, "license_class": "l"}
    return SealedInput(**(known | rest | fields), size_bytes=1)


@proves("2A-S0-016", "2A-S0-017")
def test_nothing_is_sealed_twice() -> None:
    """The inventory is made from ids that differ; contents differ because shapes do."""
    twice = [sealed(), sealed(sha256_hex="1" * 64, basename="b")]
    assert require_validator("2A-S0-016", sealed=twice).code == "016"
    same = [sealed(), sealed(asset_id="b", basename="b")]
    require_validator("2A-S0-017", sealed=same)


@proves("2A-S0-011", "2A-S0-012", "2A-S0-013")
@pytest.mark.parametrize("code", ["011", "012", "013"])
def test_an_input_without_contract_is_refused(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """The contracts are ours; no workspace can take an entry away."""
    known = contracts.datasets()["tz_nudge"]
    if code == "011":
        other = contracts.Dataset(**{**vars(known), "schema_ref": "nowhere"})
        monkeypatch.setattr(contracts, "datasets", lambda: {"tz_nudge": other})
    else:
        gone = "datasets" if code == "012" else "registry"
        monkeypatch.setattr(contracts, gone, dict)
    with pytest.raises(Invalid) as caught:
        s0_before.require_catalogued("tz_nudge")
    assert caught.value.code == code


@proves(
    "2A-S0-041",
    "2A-S0-042",
    "2A-S0-043",
    "2A-S0-044",
    "2A-S0-050",
    "2A-S0-051",
    "2A-S0-052",
    "2A-S0-070",
)
@pytest.mark.parametrize("number", ["041", "042", "043", "044", "050", "051", "052", "070"])
def test_what_the_gate_writes_agrees_with_itself(number: str) -> None:
    """S0 makes receipt and inventory itself, so only a fault of its own could break these."""
    mf, other = "a" * 64, "b" * 64
    row = {
        "manifest_fingerprint": other,
        "asset_id": "tz_nudge",
        "schema_ref": "another",
        "license_class": "l",
        "catalog_path": "p",
    }
    receipt = {
        "validation_bundle_path": "upstream/validation",
        "manifest_fingerprint": mf,
        "flag_sha256_hex": "short",
        "sealed_inputs": [{"id": "not sealed"}],
    }
    ctx = SimpleNamespace(
        staged=[], run=SimpleNamespace(receipt=SimpleNamespace(manifest_fingerprint=mf))
    )
    facts = {"ctx": ctx, "receipt": receipt, "inventory": [row], "sealed": [sealed()]}
    require_validator(f"2A-S0-{number}", **facts, checks={}, counts={})


@proves("2A-S0-080", "2A-S1-080", "2A-S2-080", "2A-S3-080", "2A-S4-080", "2A-S5-080")
@pytest.mark.parametrize("state", ["S0", "S1", "S2", "S3", "S4", "S5"])
def test_contracts_that_disagree_stop_every_state(
    small_run: Small, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Our own contracts agree; this is what a release with a mistake in them would say."""
    from civiltime.errors import CivilTimeError
    from civiltime.states.chain import state_by_id

    dataset_id = state_by_id(state).outputs[0]
    good = contracts.registry()
    bare = contracts.RegistryEntry(**{**vars(good[dataset_id]), "licence": ""})
    authority._conflict.cache_clear()
    monkeypatch.setattr(contracts, "registry", lambda: {**good, dataset_id: bare})
    with pytest.raises(CivilTimeError) as caught:
        small_run.chain(state)
    authority._conflict.cache_clear()
    assert caught.value.code == f"2A-{state}-080"
