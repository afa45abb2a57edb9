"""SVG: a chart's specification in, clean and reproducible markup out.

The law: no identifier comes from a counter of the process or from randomness, numbers have
two decimals, and what a chart says about a mark (its ``description``) becomes ``data-t``,
the text that the page shows beside the pointer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from xml.sax.saxutils import escape, quoteattr

import altair as alt

from civiltime.report.palette import FONT, FONT_STACK

_NUMBER = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")
_ARIA = re.compile(
    r' (?:aria-hidden|pointer-events|role|aria-roledescription|xmlns:xlink|version)="[^"]*"'
)
_MARK_LABEL = re.compile(
    r' aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="([^"]*)"'
)
_EMPTY = re.compile(
    r'<path class="(?:background|foreground)"[^>]*d="(?:M0,0h0v0h0Z)?"[^>]*/>|<g></g>|<g/>'
)
_CLIP = re.compile(r'(id="|url\(#)((?:clip|gradient_)\w+)')
_NEUTRAL = re.compile(r' (?:opacity="1"|stroke-width="0"|stroke-opacity="1"|fill-opacity="1")')


@dataclass(frozen=True)
class Drawing:
    """An SVG picture: its size in CSS pixels and the markup inside the root element."""

    width: int
    height: int
    body: str

    def file(self) -> str:
        """A file of its own."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}" font-family="{FONT_STACK}">'
            f'<rect width="100%" height="100%" fill="#fff"/>{self.body}</svg>\n'
        )

    def inline(self, css_class: str, label: str) -> str:
        """Markup for the page: as wide as its place, never wider than drawn."""
        return (
            f'<svg class={quoteattr(css_class)} viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" '
            f"aria-label={quoteattr(label)}>{self.body}</svg>"
        )


def stack(upper: Drawing, lower: Drawing) -> Drawing:
    """One picture above the other."""
    return Drawing(
        max(upper.width, lower.width),
        upper.height + lower.height,
        f'{upper.body}<g transform="translate(0,{upper.height})">{lower.body}</g>',
    )


def png(drawing: Drawing, scale: float = 2.0) -> bytes:
    """The picture as PNG, ``scale`` pixels to a CSS pixel."""
    import vl_convert

    source = drawing.file().replace(FONT_STACK, FONT)
    image: bytes = vl_convert.svg_to_png(source, scale=scale)
    return image


@cache
def _language_version() -> str:
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def render(chart: alt.TopLevelMixin, name: str) -> Drawing:
    """Draw a chart; ``name`` makes its identifiers unique on the page."""
    import vl_convert

    raw: str = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=_language_version())
    return clean(raw, name)


def clean(raw: str, name: str) -> Drawing:
    """What the renderer wrote, without what depends on when it wrote it."""
    head = re.match(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"[^>]*>', raw)
    if head is None:
        raise ValueError("the renderer did not write an SVG document")
    body = raw[head.end() : raw.rindex("</svg>")]
    body = re.sub(r'^<rect width="[\d.]+" height="[\d.]+" fill="[^"]*"/>', "", body)
    body = _MARK_LABEL.sub(_tip, body)
    body = _ARIA.sub("", body)
    body = re.sub(r' aria-label="[^"]*"', "", body)
    for _ in range(3):
        body = _EMPTY.sub("", body)
    body = _NEUTRAL.sub("", body)
    body = re.sub(r' font-family="[^"]*"', "", body)
    body = _NUMBER.sub(lambda m: number(float(m[0])), body)
    names: dict[str, str] = {}
    body = _CLIP.sub(
        lambda m: m[1] + names.setdefault(m[2], f"{name}-{len(names)}"),
        body,
    )
    return Drawing(round(float(head[1])), round(float(head[2])), body)


def _tip(match: re.Match[str]) -> str:
    """A mark that was given a description keeps it; what the renderer says of axes goes."""
    return "" if match[2] == "axis" or not match[1] else f' data-t="{match[1]}"'


def number(value: float) -> str:
    """A coordinate: two decimals at most, none that say nothing."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 11,
    fill: str = "#17202b",
    anchor: str = "start",
    weight: str = "normal",
    halo: float = 0,
) -> str:
    """A line of text; ``halo`` is the width of the white rim that keeps it readable."""
    rim = (
        f' stroke="#fff" stroke-width="{number(halo)}" stroke-linejoin="round" paint-order="stroke"'
        if halo
        else ""
    )
    bold = f' font-weight="{weight}"' if weight != "normal" else ""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return (
        f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}" fill="{fill}"'
        f"{at}{bold}{rim}>{escape(words)}</text>"
    )
