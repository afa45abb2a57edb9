"""The certification as a page to look at: one HTML file that opens offline, and its plots.

The law (specification 4.5): the page shows what the certification says and computes no
verdict of its own; it needs no network; the same artefacts make the same bytes; nothing is
told by colour alone.
"""

from __future__ import annotations

from civiltime.report.write import ReportFiles, write_report

__all__ = ["ReportFiles", "write_report"]
