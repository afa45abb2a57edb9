"""Writing the report: the page beside its certification, the plots in a folder below it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from civiltime.report.evidence import read_evidence
from civiltime.report.map import draw_map
from civiltime.report.page import render_page
from civiltime.report.plots import draw_plots
from civiltime.report.svg import png
from civiltime.workspace.config import Workspace
from civiltime.workspace.publish import replace_file


@dataclass(frozen=True)
class ReportFiles:
    """What was written, and what the page could not show."""

    verdict: str
    page: Path
    plots: tuple[Path, ...]
    notes: tuple[str, ...]


def write_report(workspace: Workspace, certification_path: Path) -> ReportFiles:
    """Draw a certification: one HTML file beside it, and its pictures under ``plots/``.

    The same artefacts give the same bytes.  Raises :class:`~civiltime.errors.Invalid` when
    the file is no certification or its country table isn't one; a run that can't be drawn
    is named on the page instead.
    """
    evidence = read_evidence(workspace, certification_path)
    site_map, plots = draw_map(evidence), draw_plots(evidence)
    page = certification_path.with_suffix(".html")
    folder = certification_path.parent / "plots"
    written = []
    for plot in (site_map, *plots):
        stem = f"segment2a_{plot.slug}_{evidence.certification['runset']}"
        for suffix, data in ((".svg", plot.wide.file().encode()), (".png", png(plot.wide))):
            written.append(folder / f"{stem}{suffix}")
            replace_file(written[-1], data)
    replace_file(page, render_page(evidence, site_map, plots).encode())
    return ReportFiles(str(evidence.certification["verdict"]), page, tuple(written), evidence.notes)
