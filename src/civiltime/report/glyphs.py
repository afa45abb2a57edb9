"""Small shapes as path data, and labels that keep out of each other's way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from civiltime.report.svg import number as n


def glyph(shape: str, x: float, y: float, r: float) -> str:
    """Path data of ``shape`` around (x, y); all shapes look equally heavy at the same ``r``."""
    return _SHAPES[shape](x, y, r)


def _circle(x: float, y: float, r: float) -> str:
    d = n(2 * r)
    return f"M{n(x - r)},{n(y)}a{n(r)},{n(r)},0,1,1,{d},0a{n(r)},{n(r)},0,1,1,-{d},0"


def _square(x: float, y: float, r: float) -> str:
    s = 0.89 * r
    return f"M{n(x - s)},{n(y - s)}h{n(2 * s)}v{n(2 * s)}h-{n(2 * s)}z"


def _up(x: float, y: float, r: float) -> str:
    s = 1.25 * r
    return f"M{n(x)},{n(y - s)}l{n(s)},{n(1.8 * s)}h-{n(2 * s)}z"


def _down(x: float, y: float, r: float) -> str:
    s = 1.25 * r
    return f"M{n(x)},{n(y + s)}l{n(s)},-{n(1.8 * s)}h-{n(2 * s)}z"


def _diamond(x: float, y: float, r: float) -> str:
    s = 1.3 * r
    return f"M{n(x)},{n(y - s)}l{n(s)},{n(s)}l-{n(s)},{n(s)}l-{n(s)},-{n(s)}z"


def _plus(x: float, y: float, r: float) -> str:
    a, b = 0.42 * r, 1.25 * r
    c = n(b - a)
    return (
        f"M{n(x - a)},{n(y - b)}h{n(2 * a)}v{c}h{c}v{n(2 * a)}h-{c}v{c}h-{n(2 * a)}v-{c}h-{c}"
        f"v-{n(2 * a)}h{c}z"
    )


def _cross(x: float, y: float, r: float) -> str:
    a, b = 0.59 * r, 0.75 * r
    return (
        f"M{n(x)},{n(y - a)}l{n(b)},-{n(b)}l{n(a)},{n(a)}l-{n(b)},{n(b)}l{n(b)},{n(b)}"
        f"l-{n(a)},{n(a)}l-{n(b)},-{n(b)}l-{n(b)},{n(b)}l-{n(a)},-{n(a)}l{n(b)},-{n(b)}"
        f"l-{n(b)},-{n(b)}l{n(a)},-{n(a)}z"
    )


_SHAPES: Mapping[str, Callable[[float, float, float], str]] = {
    "circle": _circle,
    "square": _square,
    "triangle-up": _up,
    "triangle-down": _down,
    "diamond": _diamond,
    "plus": _plus,
    "cross": _cross,
}

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
_WIDE, _NARROW = set("MW@%mw"), set("iljtfrI1 .,'-·")


def text_width(words: str, size: float) -> float:
    """About how wide a line of the sans serif face is; a little generous."""
    units = sum(0.88 if c in _WIDE else 0.33 if c in _NARROW else 0.58 for c in words)
    return units * size


@dataclass
class Labels:
    """Boxes that are taken; a label goes to the first place that is free.

    ``gap`` is how far from another's end a label begins, so that two aren't read as one.
    """

    frame: Box
    gap: float = 0.0
    taken: list[Box] = field(default_factory=list)

    def take(self, box: Box) -> None:
        """Keep this place free of labels."""
        self.taken.append(box)

    def free(self, box: Box) -> bool:
        """Whether a box lies in the frame and on nothing taken."""
        left, top, right, bottom = self.frame
        if box[0] < left or box[1] < top or box[2] > right or box[3] > bottom:
            return False
        return not any(
            box[0] < t[2] and box[2] > t[0] and box[1] < t[3] and box[3] > t[1] for t in self.taken
        )

    def place(self, choices: Iterable[Box]) -> Box | None:
        """Take the first free one of ``choices``."""
        for box in choices:
            if self.free(box):
                self.take((box[0] - self.gap, box[1], box[2] + self.gap, box[3]))
                return box
        return None
