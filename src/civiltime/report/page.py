"""The page: one HTML file with everything in it.

The law: every text of a document is escaped; only pictures that this package drew go in as
markup; the page loads nothing, and its own policy forbids it to.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import jinja2
from markupsafe import Markup

from civiltime.report import headline, palette, tables, wording
from civiltime.report.evidence import Evidence, seed_order
from civiltime.report.plots import Plot


def render_page(evidence: Evidence, site_map: Plot, plots: Sequence[Plot]) -> str:
    """The whole file."""
    document = evidence.certification
    seeds = seed_order(document)
    columns = {s: document["seeds"][s].get("gates") or () for s in seeds}
    aggregate = {"all seeds": document.get("gates") or ()}
    attainable = document.get("attainability") or ()
    verdict, css = wording.verdict(document["verdict"])
    extracts = document.get("evidence") or {}
    return (
        _environment()
        .get_template("page.html")
        .render(
            document=document,
            evidence=evidence,
            seeds=seeds,
            verdict=verdict,
            one_line=str(document["one_line"]).removeprefix(f"{document['verdict']}: "),
            verdict_css=css,
            reasons=headline.reasons(document),
            cards=headline.seed_cards(document),
            gates=tables.gate_rows(columns, attainable),
            aggregate=tables.gate_rows(aggregate, attainable),
            site_map=site_map,
            plots=plots,
            hotspots=tables.hotspots(evidence),
            attainability=tables.attainability(document),
            stability=tables.stability(document, seeds),
            movement=document.get("movement"),
            moved=tables.movement(document.get("movement") or {}),
            governance=tables.governance(document),
            coupling=tables.coupling(document),
            fallbacks=tables.records(extracts.get("fallbacks")),
            overrides=tables.records(extracts.get("overrides")),
            exceptions=tables.exceptions(document),
            performance=tables.performance(evidence),
            countries=tables.countries(evidence),
            inputs=sorted(document["inputs"], key=lambda entry: int(entry["seed"])),
        )
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("civiltime.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        figure=wording.figure,
        words=wording.words,
        moment=wording.moment,
        verdict=lambda name: wording.verdict(name)[0],
        drawing=_drawing,
        markup=Markup,
    )
    environment.globals.update(
        style=Markup(_file("page.css").replace("/*COLOURS*/", _colours())),
        script=Markup(_file("page.js")),
    )
    return environment


def _drawing(plot: Plot) -> Markup:
    """Both pictures of a plot; the style sheet shows the one that fits."""
    label = f"{plot.title}. {plot.reading}"
    return Markup(plot.wide.inline("wide", label) + plot.narrow.inline("narrow", label))


def _file(name: str) -> str:
    return resources.files("civiltime.report").joinpath("templates", name).read_text("utf-8")


def _colours() -> str:
    names = ("INK", "SOFT", "FAINT", "RULE", "PAPER", "BLUE", "FAIL_TEXT")
    values = [f"--{n.lower().replace('_', '-')}:{getattr(palette, n)}" for n in names]
    return ";".join([*values, f"--font:{palette.FONT_STACK}"])
