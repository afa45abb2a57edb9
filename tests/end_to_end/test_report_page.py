"""The page: it says what the certification says, needs nothing but itself, and can be used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from tests.end_to_end.browser import Browser, browser, installed
from tests.end_to_end.certified_world import copied_world
from tests.end_to_end.reported import Page, Report, drawn, number, png_size

from civiltime.report.evidence import read_evidence
from civiltime.report.map import draw_map
from civiltime.report.page import render_page
from civiltime.report.plots import draw_plots
from civiltime.workspace.config import find_workspace
from civiltime.workspace.digest import sha256_file

MOST_BYTES = 8_000_000
LOADS = ("src", "href", "srcset", "xlink:href", "data", "action", "poster", "background")
HOSTILE = "<script>window.taken=1</script><img src=x onerror='window.taken=1'>\"'&]]>"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Four seeds that pass at B+."""
    folder = tmp_path_factory.mktemp("report") / "world"
    return drawn(copied_world(tmp_path_factory, folder), "stratified")


@pytest.fixture(scope="module")
def bad(good: Report) -> Report:
    """Four seeds that fail all of realism, against those that pass."""
    return drawn(good.world, "collapsed", "--baseline", good.certification)


@pytest.fixture(params=["good", "bad"])
def report(request: pytest.FixtureRequest) -> Report:
    """Either of them."""
    found: Report = request.getfixturevalue(request.param)
    return found


def test_one_file_that_loads_nothing(report: Report) -> None:
    assert report.files.page.stat().st_size < MOST_BYTES
    page = Page(report.text)
    for tag, attributes in page.elements:
        for name in LOADS:
            assert (attributes.get(name) or "#").startswith(("#", "data:,")), (tag, attributes)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("style") == tags.count("script") == 1
    assert not {"iframe", "object", "embed", "img", "base"} & set(tags)
    assert "//" not in re.sub(r"(?s)<script>.*?</script>", "", report.text).replace("</", "")
    assert not re.search(r"url\((?!#)|@import", report.text)
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'")


def test_the_map_and_eight_plots_are_there(report: Report) -> None:
    page = Page(report.text)
    figures = [a.get("id") for tag, a in page.elements if tag == "figure"]
    assert figures == [None, *(f"plot-{n}" for n in range(1, 9))]
    pictures = [a for tag, a in page.elements if tag == "svg" and a.get("role") == "img"]
    assert [a["class"] for a in pictures] == ["wide", "narrow"] * 9
    assert all(str(a["aria-label"]).strip() for a in pictures)


def test_the_map_points_at_the_hotspots(good: Report, bad: Report) -> None:
    countries = list(dict.fromkeys(h["country"] for h in bad.document["hotspots"]))
    for report, expected in ((good, 0), (bad, min(10, len(countries)))):
        marked = re.findall(r'data-t="hotspot (\d+): ', report.text)
        assert len(marked) == 2 * expected
    assert len(countries) > 10


def test_the_first_screen_says_the_verdict_and_why(good: Report, bad: Report) -> None:
    assert "PASS B+ all gates at B+ on the seeds 42, 7, 101, 202" in Page(good.text).said("header")
    said = Page(bad.text).said("header")
    assert "FAIL REALISM" in said
    failing = [g for g in bad.document["seeds"]["42"]["gates"] if g["band"] == "FAIL"]
    measured = [g for g in failing if isinstance(g["value"], float)]
    assert len(measured) >= 4
    for gate in failing:
        assert f"{gate['title']} :" in said
    for gate in measured:
        assert f"{gate['title']} : {gate['value']:g}, where B asks for" in said
    assert bad.document["one_line"].removeprefix("FAIL_REALISM: ") in said


def test_the_gates_are_the_certifications(report: Report) -> None:
    document, page = report.document, Page(report.text)
    seeds = sorted(document["seeds"], key=int)
    rows = [r for r in page.rows("verdict") if len(r) > 1]
    gates = {s: {g["id"]: g for g in document["seeds"][s]["gates"]} for s in seeds}
    assert len(rows) == len(gates[seeds[0]])
    for row in rows:
        (found,) = [i for i in gates[seeds[0]] if row[0].endswith(i)]
        for seed, cell in zip(seeds, row[-len(seeds) :], strict=True):
            gate = gates[seed][found]
            if gate["direction"] == "required":
                assert cell == ("holds" if gate["value"] else "FAIL" + gate["detail"])
                continue
            if gate["value"] is None:
                assert cell == "\N{EN DASH} FAILB \N{EN DASH} · B+ \N{EN DASH}" + gate["detail"]
                continue
            value, band, margins = re.fullmatch(r"(\S+) (\S+)B (.*)", cell).groups()  # type: ignore[union-attr]
            assert number(value) == pytest.approx(gate["value"], abs=5.1e-4)
            assert band == gate["band"]
            to_b, to_b_plus = margins.split(" · B+ ")
            assert number(to_b) == pytest.approx(gate["margin_b"], abs=5.1e-4)
            assert number(to_b_plus) == pytest.approx(gate["margin_b_plus"], abs=5.1e-4)
    assert len([r for r in page.rows("verdict", 1) if len(r) > 1]) == len(document["gates"])


def test_every_country_stands_in_the_table(report: Report) -> None:
    (table,) = report.certification.parent.glob(
        f"segment2a_country_diagnostics_{report.document['runset']}.parquet"
    )
    columns = ("country", "seed", "sites", "support", "distinct", "top1_share", "top1_tzid")
    expected = {
        (r[0], str(r[1]), *r[2:5], f"{r[5]:.1%}", r[6])
        for r in pl.read_parquet(table).select(columns).rows()
    }
    found = {
        (r[1], r[2], *(int(number(c)) for c in r[3:6]), r[6].replace(" %", "%"), r[7])
        for r in Page(report.text).rows("countries")
    }
    assert found == expected


def test_the_other_tables_are_the_certifications(bad: Report) -> None:
    document, page = bad.document, Page(bad.text)
    hotspots = page.rows("hotspots")
    assert [(int(r[0]), r[2]) for r in hotspots] == [
        (h["rank"], str(h["seed"])) for h in document["hotspots"]
    ]
    attainable = page.rows("attainability")
    assert [r[5:] for r in attainable] == [
        [str(a[k]).replace("_", " ").lower() for k in ("mark", "mark_b_plus")]
        for a in document["attainability"]
    ]
    assert any("above reality" in r for r in attainable)
    assert len(page.rows("stability", 0)) == len(document["stability"])
    assert [r[-1] for r in page.rows("stability", 1)] == [
        a["verdict"] for a in document["movement"]["axes"]
    ]
    assert "which was PASS B+" in page.said("stability")
    moved = document["movement"]
    for place, entry in enumerate(moved["distributions"]):
        names = ("mean_baseline", "mean", "wasserstein", "ks", "n_baseline", "n", "ks_p_value")
        row = page.rows("stability", 2)[place]
        assert row[0] == entry["measure"].replace("_", " ")
        found = [number(cell) for cell in row[1:]]
        assert found == pytest.approx([entry[name] for name in names], abs=5.1e-4)
    (lift,) = page.rows("stability", 3)
    found = [number(cell) for cell in lift]
    lifts = [moved["coverage"][n] for n in ("lift_pp", "n_baseline", "n", "z", "p_value")]
    assert found == pytest.approx(lifts, abs=5.1e-4)
    (gini,) = page.rows("stability", 4)
    found = [number(cell) for cell in gini]
    assert found == pytest.approx(
        [moved["gini_top1"][n] for n in ("baseline", "value")], abs=5.1e-4
    )
    assert [r[0] for r in page.rows("performance")] == ["S0", "S1", "S2", "S3", "S4", "S5", "all"]


def test_the_same_bytes_again_from_another_process(good: Report) -> None:
    files = (good.files.page, *good.files.plots)
    before = {path.name: sha256_file(path) for path in files}
    for path in files:
        path.unlink()
    subprocess.run(
        [sys.executable, "-m", "civiltime", "report", good.certification, "-w", good.world.root],
        env={**os.environ, "PYTHONHASHSEED": "4", "LC_ALL": "C", "TZ": "Asia/Tokyo"},
        check=True,
        capture_output=True,
    )
    assert {path.name: sha256_file(path) for path in files} == before


def test_each_picture_is_a_file_too(report: Report) -> None:
    names = [p.name for p in report.files.plots]
    assert len(names) == len(set(names)) == 2 * 9
    for path in report.files.plots:
        if path.suffix == ".svg":
            root = ElementTree.fromstring(path.read_bytes())
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            outside = [v for e in root.iter() for k, v in e.items() if k.endswith("href")]
            assert outside == []
            width, height = int(root.attrib["width"]), int(root.attrib["height"])
            assert png_size(path.with_suffix(".png").read_bytes()) == (2 * width, 2 * height)


@pytest.fixture(scope="module")
def poisoned(bad: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a certification in which every free text is markup."""
    evidence = read_evidence(find_workspace(bad.world.root), bad.certification)
    document = json.loads(json.dumps(evidence.certification))
    for entry in document["seeds"].values():
        entry["reason"] = HOSTILE
        for gate in entry["gates"]:
            gate["title"], gate["detail"] = HOSTILE + gate["title"], HOSTILE
    for spot in document["hotspots"]:
        spot["mechanism"] = spot["example"] = spot["top1_tzid"] = HOSTILE
    document["one_line"] = document["runset"] = document["policy"]["semver"] = HOSTILE
    document["formulas"] = {HOSTILE: HOSTILE}
    record = {"seed": HOSTILE, "reason": HOSTILE, HOSTILE: [HOSTILE]}
    document["evidence"] = {"fallbacks": [record], "overrides": [record]}
    document["exceptions"] = [
        {
            "gate": HOSTILE,
            "ceiling": 0.1,
            "reason": HOSTILE,
            "approver": HOSTILE,
            "expires_utc": HOSTILE,
        }
    ]
    names = dict.fromkeys(evidence.countries["country"].to_list(), HOSTILE)
    hostile = replace(evidence, certification=document, names=names, notes=(HOSTILE,))
    page = tmp_path_factory.mktemp("poisoned") / "page.html"
    page.write_text(render_page(hostile, draw_map(hostile), draw_plots(hostile)), "utf-8")
    return page


def test_hostile_text_stays_text(bad: Report, poisoned: Path) -> None:
    found, clean = Page(poisoned.read_text("utf-8")), Page(bad.text)
    tags = {tag for tag, _ in found.elements}
    assert tags <= {tag for tag, _ in clean.elements} | {"p", "ul", "li", "b", "div"}
    assert [tag for tag, _ in found.elements].count("script") == 1
    assert not [a for _, a in found.elements if any(k.startswith("on") for k in a)]
    assert found.said("governance").count("window.taken=1") > 4


@contextmanager
def flipped(path: Path) -> Iterator[None]:
    """A file with one bit of its middle changed, for as long as the block lasts."""
    before = path.read_bytes()
    middle = len(before) // 2
    path.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
    yield
    path.write_bytes(before)


def test_a_run_that_changed_is_named_and_not_drawn(good: Report) -> None:
    workspace = find_workspace(good.world.root)
    run = good.world.run_folder(good.world.ids["stratified"][7])
    (part, *_) = sorted(run.glob("data/**/s1_tz_lookup/**/*.parquet"))
    with flipped(part):
        evidence = read_evidence(workspace, good.certification)
    assert [s.seed for s in evidence.seeds] == ["42", "101", "202"]
    assert [note for note in evidence.notes if note.startswith("Seed 7 isn't drawn: ")]


def test_a_country_table_that_changed_is_refused(good: Report) -> None:
    (table,) = good.certification.parent.glob(
        f"segment2a_country_diagnostics_{good.document['runset']}.parquet"
    )
    with flipped(table):
        said = good.world.cli("report", good.certification)
    assert said.error == "2A-CT-004"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless browser without a network."""
    program = installed()
    if program is None:
        pytest.skip("none of chromium, chromium-browser and google-chrome is installed")
    with browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def opened(tab: Browser, page: Path, width: int = 1280, height: int = 900) -> Browser:
    """The tab with that page, its complaints forgotten."""
    tab.complaints.clear()
    tab.asked_for.clear()
    tab.open(page, width, height)
    return tab


def test_it_opens_from_disk_and_complains_of_nothing(tab: Browser, report: Report) -> None:
    opened(tab, report.files.page)
    assert tab.complaints == []
    assert [u for u in tab.asked_for if not u.startswith("data:,")] == [report.files.page.as_uri()]
    assert tab.ask("document.title").startswith(("PASS B+", "FAIL REALISM"))


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (360, 740)])
def test_verdict_and_why_fit_the_first_screen(
    tab: Browser, report: Report, width: int, height: int
) -> None:
    opened(tab, report.files.page, width, height)
    assert tab.ask("document.querySelector('header .line').getBoundingClientRect().bottom") < height


@pytest.mark.parametrize("width", [360, 1280])
def test_every_plot_is_drawn_and_nothing_runs_over(
    tab: Browser, report: Report, width: int
) -> None:
    opened(tab, report.files.page, width)
    sizes = tab.ask(
        "[...document.querySelectorAll('figure svg[role=img]')]"
        ".filter((svg) => getComputedStyle(svg).display !== 'none')"
        ".map((svg) => [svg.getBoundingClientRect().width, svg.getBBox().width,"
        " svg.viewBox.baseVal.width, svg.querySelectorAll('path, rect, circle').length])"
    )
    assert len(sizes) == 9
    for on_page, drawn_width, whole, marks in sizes:
        assert 0 < on_page <= width
        assert drawn_width > whole / 2
        assert marks >= 5
    assert tab.ask("document.documentElement.scrollWidth") <= width
    outside = tab.ask(
        "[...document.querySelectorAll('body *')]"
        ".filter((e) => !e.closest('.scroll, nav, svg, #tip')"
        " && e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML.slice(0, 90))"
    )
    assert outside == []


SHOWN = "[...document.querySelectorAll('#countries tbody tr')].filter((r) => !r.hidden)"


def test_the_diagnostics_sort_and_filter(tab: Browser, good: Report) -> None:
    opened(tab, good.files.page)
    everything = len(Page(good.text).rows("countries"))

    def column(number: int) -> list[str]:
        found: list[str] = tab.ask(f"{SHOWN}.map((r) => r.cells[{number}].textContent)")
        return found

    def choose(field: str, value: str) -> None:
        tab.ask(
            f"(() => {{ const f = document.querySelector('form.filters').elements.{field};"
            f" f.value = {json.dumps(value)};"
            " f.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )

    def press(number: int) -> str:
        head = f"document.querySelectorAll('#countries thead th')[{number}]"
        tab.ask(f"{head}.querySelector('button').click()")
        return str(tab.ask(f"{head}.getAttribute('aria-sort')"))

    assert all("C_multi" in cohort for cohort in column(10))
    choose("cohort", "")
    assert len(column(0)) == everything
    for at in (3, 6):
        ways = {press(at): [number(cell) for cell in column(at)] for _ in range(2)}
        assert ways["ascending"] == sorted(ways["ascending"])
        assert ways["descending"] == sorted(ways["ascending"], reverse=True)
        assert ways["ascending"] != ways["descending"]
    assert [press(0), column(0)[0][0], press(0), column(0)[-1][0]] == [
        "ascending", "A", "descending", "A",
    ]  # fmt: skip
    choose("seed", "7")
    assert set(column(2)) == {"7"}
    choose("words", "europe/")
    assert all(zone.startswith("Europe/") for zone in column(7))
    assert 20 < len(column(7)) < everything
    assert tab.ask("document.querySelector('form.filters output').textContent") == (
        f"{len(column(7))} of {everything} rows"
    )
    choose("words", "no such place")
    assert column(0) == []


def test_it_prints(tab: Browser, report: Report) -> None:
    opened(tab, report.files.page)
    pdf = tab.printed()
    assert pdf.startswith(b"%PDF-")
    sheets = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert 8 <= len(sheets) <= 40
    assert {(round(float(w)), round(float(h))) for w, h in sheets} == {(842, 595)}  # A4 landscape


def test_hostile_text_does_nothing(tab: Browser, poisoned: Path) -> None:
    opened(tab, poisoned)
    assert tab.ask("window.taken") is None
    assert tab.complaints == []
    assert tab.ask("document.querySelectorAll('img, main script').length") == 0
