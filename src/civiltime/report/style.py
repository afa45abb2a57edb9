"""How a chart looks: one frame, one axis, one way to put labels beside points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import altair as alt
import polars as pl

from civiltime.report.glyphs import Labels, text_width
from civiltime.report.palette import FONT, INK, RULE, SOFT
from civiltime.report.svg import Drawing, render

Kind = Literal["log", "linear"]


@dataclass(frozen=True)
class Frame:
    """The plot area and the space around it, in pixels."""

    width: int
    height: int
    left: int = 46
    right: int = 14
    top: int = 34
    bottom: int = 48

    @classmethod
    def within(cls, total: int, height: int, **space: int) -> Frame:
        """A frame whose picture is ``total`` pixels wide."""
        around = {"left": 46, "right": 14, **space}
        return cls(total - around["left"] - around["right"], height, **around)


@dataclass(frozen=True)
class Scale:
    """One axis: its range in the data and its pixels; labels are placed with it."""

    kind: Kind
    low: float
    high: float
    pixels: int

    def at(self, value: float) -> float:
        """Pixels from the axis' beginning."""
        if self.kind == "log":
            part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return part * self.pixels

    def back(self, pixels: float) -> float:
        """The value at that pixel."""
        part = pixels / self.pixels
        if self.kind == "log":
            return float(self.low * (self.high / self.low) ** part)
        return self.low + part * (self.high - self.low)

    def altair(self) -> alt.Scale:
        """The same for the renderer."""
        kind: Any = self.kind
        return alt.Scale(type=kind, domain=[self.low, self.high], nice=False, zero=False)

    def ticks(self) -> list[float]:
        """Powers of ten, with 2 and 5 between few of them; tenths or fifths of a share.

        Empty where the renderer chooses.
        """
        if self.kind == "linear":
            if (self.low, self.high) != (0.0, 1.0):
                return []
            return [i / 5 for i in range(6)] if self.pixels < 400 else [i / 10 for i in range(11)]
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        between = (1, 2, 5) if self.high / self.low < 300 else (1,)
        ticks = [m * 10.0**p for p in range(first, last + 1) for m in between]
        return [t for t in ticks if self.low <= t <= self.high]


def log_scale(values: Sequence[float], pixels: int, *, least: float = 1.0) -> Scale:
    """From just below the least to just above the greatest value."""
    positive = [v for v in values if v > 0] or [least]
    low, high = min(positive), max(positive)
    return Scale("log", max(low, least) / 1.35, max(high, low * 10) * 1.5, pixels)


def axis(
    title: str, scale: Scale, *, vertical: bool = False, form: str = "", **more: Any
) -> alt.Axis:
    """An axis whose title stands where it is read: level, at its end."""
    where: dict[str, Any] = (
        {
            "titleAngle": 0,
            "titleAlign": "left",
            "titleAnchor": "end",
            "titleX": -44,
            "titleY": -18,
            "titleBaseline": "bottom",
        }
        if vertical
        else {"titleAnchor": "end", "titleAlign": "right", "titleY": 30}
    )
    if scale.ticks():
        where["values"] = scale.ticks()
    if form:
        where["format"] = form
    return alt.Axis(title=title, **{**where, **more})


def layers(*charts: Any) -> alt.LayerChart:
    """One chart over the other."""
    return cast("alt.LayerChart", alt.layer(*charts))


def draw(chart: alt.LayerChart, frame: Frame, name: str) -> Drawing:
    """Give a chart its frame and the common look, and render it."""
    styled = (
        chart.properties(
            width=frame.width,
            height=frame.height,
            padding={
                "left": frame.left,
                "right": frame.right,
                "top": frame.top,
                "bottom": frame.bottom,
            },
            autosize=alt.AutoSizeParams(type="none"),
        )
        .configure(font=FONT, aria=False, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            domainColor=RULE,
            domain=False,
            gridColor=RULE,
            gridWidth=0.8,
            labelColor=SOFT,
            labelFontSize=11,
            tickColor=RULE,
            ticks=False,
            labelPadding=5,
            titleColor=INK,
            titleFontSize=11.5,
            titleFontWeight="normal",
            aria=False,
        )
        .configure_legend(
            aria=False,
            labelColor=INK,
            labelFontSize=11,
            orient="none",
            title=None,
            symbolSize=70,
            columnPadding=14,
        )
    )
    return render(styled, name)


def labelled(
    rows: Sequence[tuple[float, float, str]],
    x: Scale,
    y: Scale,
    *,
    size: float = 10.5,
    most: int = 14,
    reserved: Sequence[tuple[float, float, float, float]] = (),
) -> alt.LayerChart | None:
    """Names beside their points, in order of importance, none over another or over a point."""
    labels = Labels((-4, -4, x.pixels + 10, y.pixels + 4), gap=3)
    for place in reserved:
        labels.take(place)
    spots = [(x.at(px), y.pixels - y.at(py), words) for px, py, words in rows]
    for px, py, _ in spots:
        labels.take((px - 3, py - 3, px + 3, py + 3))
    placed: list[dict[str, Any]] = []
    for px, py, words in spots:
        if len(placed) >= most:
            break
        w, h = text_width(words, size), size * 1.05
        box = labels.place(
            (
                (px + 5, py - h / 2, px + 5 + w, py + h / 2),
                (px - 5 - w, py - h / 2, px - 5, py + h / 2),
                (px - w / 2, py - 4 - h, px + w / 2, py - 4),
                (px - w / 2, py + 4, px + w / 2, py + 4 + h),
                (px + 4, py - 3 - h, px + 4 + w, py - 3),
                (px - 4 - w, py - 3 - h, px - 4, py - 3),
            )
        )
        if box:
            middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            placed.append(
                {"lx": x.back(middle[0]), "ly": y.back(y.pixels - middle[1]), "words": words}
            )
    if not placed:
        return None
    base = alt.Chart(alt.InlineData(values=placed)).encode(
        x=alt.X("lx:Q", scale=x.altair()), y=alt.Y("ly:Q", scale=y.altair()), text="words:N"
    )
    rim = base.mark_text(
        fontSize=size, stroke="#fff", strokeWidth=2.5, strokeJoin="round", fill="#fff"
    )
    return layers(rim, base.mark_text(fontSize=size, fill=INK))


def values(frame: pl.DataFrame) -> alt.InlineData:
    """A frame's rows inside the chart, numbers shortened to what a pixel can show."""
    floats = [n for n, t in frame.schema.items() if t.is_float()]
    short = frame.with_columns(pl.col(floats).round_sig_figs(7))
    return alt.InlineData(values=short.to_dicts())
