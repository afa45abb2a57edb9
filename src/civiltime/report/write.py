"""Writing the report: the page beside its certification, the plots in a folder below it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from civiltime.certify.certify import read_certification
from civiltime.errors import CivilTimeError
from civiltime.programme.ledger import lane_locked
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

    The same artefacts give the same bytes.  Raises :class:`CivilTimeError` 2A-CT-004 when the
    file is no certification, its country table isn't one, or another certification took its
    place while it was drawn; a run that can't be drawn is named on the page instead.
    """
    evidence = read_evidence(workspace, certification_path)
    site_map, plots = draw_map(evidence), draw_plots(evidence)
    page = certification_path.with_suffix(".html")
    folder = certification_path.parent / "plots"
    files: dict[Path, bytes] = {}
    for plot in (site_map, *plots):
        stem = f"segment2a_{plot.slug}_{evidence.certification['runset']}"
        files[folder / f"{stem}.svg"] = plot.wide.file().encode()
        files[folder / f"{stem}.png"] = png(plot.wide)
    pictures = tuple(files)
    files[page] = render_page(evidence, site_map, plots).encode()
    # under the lock that certify writes under: a page never shows what isn't beside it
    with lane_locked(workspace):
        if read_certification(certification_path) != evidence.certification:
            raise CivilTimeError(
                "2A-CT-004",
                f"{certification_path.name} was certified again while it was drawn",
                {"path": str(certification_path)},
            )
        for path, data in files.items():
            replace_file(path, data)
    return ReportFiles(str(evidence.certification["verdict"]), page, pictures, evidence.notes)
