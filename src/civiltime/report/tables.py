"""The tables of the page, cell by cell, from what the certification says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from civiltime.report.evidence import STATES, Evidence, seed_order
from civiltime.report.strip import strip
from civiltime.report.wording import (
    DASH,
    band,
    figure,
    margin,
    moment,
    share,
    threshold,
    words,
)

FIRST = ("seed", "id", "country", "scope", "sites")
"""Columns that open a table of records; the others keep their order."""
AXES = ("structure", "governance", "realism", "stability")
ROWS = 400
"""Rows of an extract that the page shows; the certification has all of them."""


@dataclass(frozen=True)
class Cell:
    """What one gate says of one seed."""

    column: str
    value: str
    band: str
    css: str
    margins: tuple[str, str] | None
    detail: str


@dataclass(frozen=True)
class GateRow:
    """A gate: what it asks, whether B and B+ can be reached, and the answer of each seed."""

    title: str
    id: str
    asks: str
    b: str
    b_plus: str
    marks: tuple[str, str]
    strip: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Table:
    """A plain table; ``right`` are the columns of figures, ``note`` what it leaves out."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...] = ()
    note: str = ""


def gate_rows(
    columns: Mapping[str, Sequence[Mapping[str, Any]]], attainable: Sequence[Mapping[str, Any]]
) -> dict[str, list[GateRow]]:
    """Rows by axis; ``columns`` are the gates of each seed, in the order of the page."""
    marks = {
        str(a["gate"]): (_hard(a.get("mark")), _hard(a.get("mark_b_plus"))) for a in attainable
    }
    order: dict[tuple[str, str], Mapping[str, Any]] = {}
    for gate in (g for gates in columns.values() for g in gates):
        order.setdefault((gate["id"], gate["title"]), gate)
    by_axis: dict[str, list[GateRow]] = {}
    for key in sorted(order, key=lambda k: _axis_rank(order[k]["axis"])):
        gate = order[key]
        answers = {
            name: next((g for g in gates if (g["id"], g["title"]) == key), None)
            for name, gates in columns.items()
        }
        required = gate["direction"] == "required"
        row = GateRow(
            title=gate["title"],
            id=gate["id"],
            asks={"at_most": "at most", "at_least": "at least"}.get(gate["direction"], "required"),
            b="" if required else threshold(gate["b"]),
            b_plus="" if required else threshold(gate["b_plus"]),
            marks=marks.get(gate["id"], ("", "")),
            strip="" if required else strip(gate, [a["value"] for a in answers.values() if a]),
            cells=tuple(_cell(name, a) for name, a in answers.items()),
        )
        by_axis.setdefault(gate["axis"], []).append(row)
    return by_axis


def _hard(mark: Any) -> str:
    """A mark of attainability as words; nothing where the threshold can be reached."""
    return "" if mark in (None, "ATTAINABLE") else words(str(mark)).lower()


def _axis_rank(axis: str) -> int:
    return AXES.index(axis) if axis in AXES else len(AXES)


def _cell(column: str, gate: Mapping[str, Any] | None) -> Cell | None:
    if gate is None:
        return None
    name = gate["band"] if gate["band"] in {"B+", "B"} else "FAIL"
    css, detail = band(gate["band"]), gate.get("detail") or ""
    if gate["direction"] == "required":
        return Cell(column, "", "holds" if gate["value"] else "FAIL", css, None, detail)
    margins = (margin(gate["margin_b"]), margin(gate["margin_b_plus"]))
    return Cell(column, figure(gate["value"]), name, css, margins, detail)


def gate_titles(document: Mapping[str, Any]) -> dict[str, str]:
    """What the gates ask, by id."""
    gates = (g for entry in document["seeds"].values() for g in entry.get("gates") or ())
    return {g["id"]: g["title"] for g in gates}


def stability(document: Mapping[str, Any], seeds: Sequence[str]) -> Table:
    """The metrics of each seed and how far they lie apart."""
    titles = gate_titles(document)
    rows = [
        (
            titles.get(m["metric"], words(str(m["metric"]))),
            *(figure((m.get("values") or {}).get(s)) for s in seeds),
            figure(m.get("mean")),
            figure(m.get("sd")),
            figure(m.get("cv")),
            _limits(m),
            str(m.get("band", DASH)),
        )
        for m in document.get("stability") or ()
    ]
    head = ("metric", *(f"seed {s}" for s in seeds), "mean", "sd", "CV", "at most B / B+", "band")
    return _table(head, rows, left=(0, len(head) - 1))


def coupling(document: Mapping[str, Any]) -> Table:
    """Rank correlation of spread and zones, a row a seed."""
    rows = [
        (
            str(c["seed"]),
            figure(c.get("rho")),
            figure(c.get("p_value")),
            figure(c.get("countries")),
            _limits(c),
            str(c.get("band", DASH)),
        )
        for c in sorted(document.get("coupling") or (), key=lambda c: int(c["seed"]))
    ]
    return _table(("seed", "rho", "p", "countries", "over, for B / B+", "band"), rows, left=(0, 5))


def _limits(entry: Mapping[str, Any]) -> str:
    return f"{threshold(entry['b'])} / {threshold(entry['b_plus'])}"


def attainability(document: Mapping[str, Any]) -> Table:
    """What the best placement and the reference world would score."""
    rows = []
    for gate in document.get("attainability") or ():
        world = gate.get("reference_world") or {}
        rows.append(
            (
                str(gate.get("title") or words(str(gate["gate"]))),
                figure(gate.get("ceiling")),
                _bands(gate.get("ceiling_meets_b"), gate.get("ceiling_meets_b_plus")),
                figure(world.get("value")),
                _bands(world.get("meets_b"), world.get("meets_b_plus")),
                words(str(gate.get("mark") or DASH)).lower(),
                words(str(gate.get("mark_b_plus") or DASH)).lower(),
            )
        )
    head = ("gate", "best possible", "meets", "real cities", "meets", "B is", "B+ is")
    return _table(head, rows, left=(0, 2, 4, 5, 6))


def _bands(b: Any, b_plus: Any) -> str:
    if b is None and b_plus is None:
        return DASH
    return "B+" if b_plus else "B" if b else "neither"


def hotspots(evidence: Evidence) -> Table:
    """The countries that cause the failing gates' shortfall, ranked."""
    titles = gate_titles(evidence.certification)
    rows = [
        (
            str(h["rank"]),
            evidence.name(str(h["country"])),
            str(h.get("seed", DASH)),
            titles.get(str(h.get("gate")), DASH),
            words(str(h.get("mechanism", DASH))),
            share(h.get("shortfall_share")),
            figure(h.get("sites")),
            f"{figure(h.get('distinct'))} of {figure(h.get('support'))}",
            share(h.get("top1_share")),
            str(h.get("top1_tzid") or DASH),
            str(h.get("example") or ""),
        )
        for h in evidence.certification.get("hotspots") or ()
    ]
    head = (
        "rank", "country", "seed", "gate", "mechanism", "of the shortfall", "sites", "zones",
        "leading zone's share", "leading zone", "for example",
    )  # fmt: skip
    return _table(head, rows, left=(1, 3, 4, 9, 10))


def governance(document: Mapping[str, Any]) -> Table:
    """Guesses and corrections of each seed, as the certification counts them."""
    found = {s: document["seeds"][s].get("governance") or {} for s in seed_order(document)}
    keys = list(dict.fromkeys(k for counts in found.values() for k in counts))
    rows = [(words(k), *(figure(c.get(k)) for c in found.values())) for k in keys]
    return _table(("", *(f"seed {s}" for s in found)), rows, left=(0,))


def exceptions(document: Mapping[str, Any]) -> Table:
    """The approved exceptions that were used: which cap, how far, for whom, why and by whom."""
    titles = gate_titles(document)
    rows = [
        (
            titles.get(str(e["gate"]), words(str(e["gate"]))),
            threshold(e["ceiling"]),
            figure(e.get("seeds")),
            figure(e.get("reason")),
            figure(e.get("approver")),
            moment(str(e["expires_utc"])) if e.get("expires_utc") else DASH,
            figure(e.get("id")),
        )
        for e in document.get("exceptions") or ()
    ]
    head = ("gate", "ceiling", "seeds", "reason", "approved by", "expires", "request")
    return _table(head, rows, left=(0, 2, 3, 4, 5, 6))


def performance(evidence: Evidence) -> Table:
    """Wall time of each state in the certified runs, in milliseconds."""
    reports = evidence.run_reports
    times = {
        seed: {s: (found.get(s) or {}).get("durations", {}).get("wall_ms") for s in STATES}
        for seed, found in reports.items()
    }
    rows = [(state, *(figure(t[state]) for t in times.values())) for state in STATES]
    sums = [None if None in t.values() else sum(t.values()) for t in times.values()]
    rows.append(("all", *(figure(s) for s in sums)))
    return _table(("state", *(f"seed {s}, ms" for s in times)), rows, left=(0,))


def movement(found: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Against the baseline: gates, distributions, coverage and concentration, each named.

    How far something moved stands before how sure that is.
    """
    axes = [
        (
            str(a.get("title") or words(str(a["axis"]))),
            figure(a.get("baseline")),
            figure(a.get("value")),
            margin(a.get("change")),
            str(a.get("verdict", DASH)),
        )
        for a in found.get("axes") or ()
    ]
    parts = [("Gates", _table(("gate", "was", "is", "change", "verdict"), axes, left=(0, 4)))]
    measured = [
        (
            words(d["measure"]),
            figure(d["mean_baseline"]),
            figure(d["mean"]),
            figure(d["wasserstein"]),
            figure(d["ks"]),
            figure(d["n_baseline"]),
            figure(d["n"]),
            figure(d["ks_p_value"]),
        )
        for d in found.get("distributions") or ()
    ]
    moments = ("measure", "mean was", "is", "Wasserstein", "KS", "countries were", "are", "p of KS")
    title = "Distributions over the countries of C_multi"
    parts.append((title, _table(moments, measured, left=(0,))))
    if lift := found.get("coverage"):
        names = ("lift_pp", "n_baseline", "n", "z", "p_value")
        row = tuple(figure(lift[name]) for name in names)
        head = ("lift in percentage points", "countries were", "are", "z", "p")
        parts.append(("Countries of C_multi with two zones or more", _table(head, [row])))
    if gini := found.get("gini_top1"):
        row = (figure(gini["baseline"]), figure(gini["value"]))
        title = "Gini's coefficient of the leading zones' shares"
        parts.append((title, _table(("was", "is"), [row])))
    return [(title, table) for title, table in parts if table.rows]


def records(entries: Sequence[Mapping[str, Any]] | None) -> Table:
    """Documents of one kind: their keys are the columns."""
    entries = list(entries or ())
    named = dict.fromkeys(k for entry in entries for k in entry)
    keys = sorted(named, key=lambda k: FIRST.index(k) if k in FIRST else len(FIRST))
    rows = [tuple(figure(entry.get(k)) for k in keys) for entry in entries[:ROWS]]
    number = tuple(all(isinstance(e.get(k), int | float | None) for e in entries) for k in keys)
    left = [i for i, is_number in enumerate(number) if not is_number]
    more = len(entries) - ROWS
    note = f"{more:,} more rows stand in the certification." if more > 0 else ""
    return _table(tuple(words(k) for k in keys), rows, left=left, note=note)


def countries(evidence: Evidence) -> Table:
    """The diagnostics of every country and seed."""
    frame = evidence.countries
    extra = [c for c in frame.columns if c.endswith("_count")]
    rows = [
        (
            evidence.name(r["country"]),
            r["country"],
            r["seed"],
            figure(r["sites"]),
            figure(r["support"]),
            figure(r["distinct"]),
            share(r["top1_share"]),
            r["top1_tzid"] or DASH,
            _three(r["top1_top2_gap"]),
            _three(r["entropy_norm"]),
            "C_multi, C_large" if r["c_multi"] and r["c_large"]
            else "C_multi" if r["c_multi"] else "C_large" if r["c_large"] else DASH,
            *(figure(r[c]) for c in extra),
        )
        for r in sorted(
            frame.iter_rows(named=True),
            key=lambda r: (-int(r["sites"]), r["country"], int(r["seed"])),
        )
    ]  # fmt: skip
    head = (
        "country", "code", "seed", "sites", "support", "zones", "leading share", "leading zone",
        "gap", "entropy", "cohort", *(words(c.removesuffix("_count")) + "s" for c in extra),
    )  # fmt: skip
    return _table(head, rows, left=(0, 1, 7, 10))


def _three(value: float | None) -> str:
    return DASH if value is None else f"{value:.3f}"


def _table(
    head: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    *,
    left: Sequence[int] = (),
    note: str = "",
) -> Table:
    right = tuple(i not in left for i in range(len(head)))
    return Table(tuple(head), tuple(rows), right, note)
