"""A certification that was drawn, and its page as a test reads it."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tests.end_to_end.certified_world import World

from civiltime.report import ReportFiles


@dataclass(frozen=True)
class Report:
    """A certification, and what was drawn of it."""

    world: World
    certification: Path
    files: ReportFiles

    @property
    def document(self) -> Any:
        """What the certification says."""
        return json.loads(self.certification.read_bytes())

    @property
    def text(self) -> str:
        """The page as it was written."""
        return self.files.page.read_text("utf-8")


class Page(HTMLParser):
    """The page's elements, and the tables of each section cell by cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[list[str]]]] = {}
        self.text: dict[str, list[str]] = {}
        self._section, self._cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append((tag, dict(attrs)))
        tables = self.tables.setdefault(self._section, [])
        self._cell = self._cell or tag in {"td", "th"}
        if tag in {"section", "header"}:
            self._section = str(dict(attrs).get("id") or tag)
        elif tag == "table":
            tables.append([])
        elif tag == "tr":
            tables[-1].append([])
        elif tag in {"td", "th"}:
            tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if tag in {"td", "th"}:
            self._cell = False

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text.setdefault(self._section, []).append(data)
        if self._cell:
            self.tables[self._section][-1][-1][-1] += data

    def rows(self, section: str, number: int = 0) -> list[list[str]]:
        """The rows of a section's table, without its head."""
        found = [[" ".join(c.split()) for c in row] for row in self.tables[section][number]]
        return found[1:]

    def said(self, section: str) -> str:
        """A section's text."""
        return " ".join(" ".join(self.text.get(section, ())).split())


def drawn(world: World, posture: str, *more: str | Path) -> Report:
    """Certify a posture's runs and draw the certification."""
    said = world.certify("--runs", world.named(posture), *more)
    assert said.code in {0, 3}, said.err
    (path,) = world.root.glob(
        f"runs/*/segment_2A/reports/segment2a_certification_42-{world.ids[posture][42][:8]}*.json"
    )
    said = world.cli("report", path)
    assert said.code == 0, said.err
    plots = tuple(Path(p) for p in said.json["plots"])
    page = Path(said.json["page"])
    return Report(world, path, ReportFiles(said.json["verdict"], page, plots, ()))


def number(words: str) -> float:
    """A figure of the page."""
    return float(words.replace(",", "").replace("\N{MINUS SIGN}", "-").removesuffix("%"))


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG whose chunks are whole."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels, size = 8, b"", (0, 0)
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert zlib.crc32(kind + body) == check
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
        pixels += body if kind == b"IDAT" else b""
        at += 12 + length
    assert len(set(zlib.decompress(pixels))) > 8, "an empty picture"
    return size
