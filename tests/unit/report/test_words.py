"""Words and figures: nothing is markup, a missing figure is a dash, labels keep apart."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civiltime.report.glyphs import Labels
from civiltime.report.svg import Drawing, clean, text
from civiltime.report.wording import figure, margin, threshold, verdict, words

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
plain = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=60)


class Seen(HTMLParser):
    """Elements, attributes and text of some markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[str | None] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.tags.append(tag)
        self.values += [value for _, value in attrs]

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text += data


@given(said=plain | st.sampled_from(["<script>", "]]>", "&lt;", "'\"><g onload=x>", "</text>"]))
def test_text_in_a_picture_stays_text(said: str) -> None:
    seen = Seen(text(1, 2, said))
    assert (seen.tags, seen.text) == (["text"], said)
    seen = Seen(Drawing(3, 4, "").inline("wide", said))
    assert seen.tags == ["svg"]
    assert said in seen.values


def test_a_drawing_has_no_names_of_the_renderer() -> None:
    raw = (
        '<svg xmlns="x" width="10" height="20" viewBox="0 0 10 20">'
        '<clipPath id="clip77"><path d="M0,0h1.23456v1e-7h-1z"/></clipPath>'
        '<path clip-path="url(#clip77)" aria-label="Chad: 3" role="graphics-symbol"'
        ' aria-roledescription="point" d="M1,1"/></svg>'
    )
    drawing = clean(raw, "p9")
    assert (drawing.width, drawing.height) == (10, 20)
    assert "clip77" not in drawing.body
    assert drawing.body.count("p9-0") == 2
    assert 'data-t="Chad: 3"' in drawing.body
    assert "h1.23v" in drawing.body
    assert clean(raw.replace("clip77", "clip5"), "p9") == drawing


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, DASH), ("", DASH), ([], DASH), (float("nan"), DASH), (True, "yes"), (0, "0"),
        (31257, "31,257"), (-4, f"{MINUS}4"), (0.0, "0"), (1.0, "1"), (0.95238, "0.952"),
        (0.99996, "1.000"), (0.0005, "0.0005"), (0.00123456, "0.0012"), (12345.6, "12,346"),
        (["7", "42"], "7, 42"), ({"min_sites": 100}, "min sites 100"), ("a <b>", "a <b>"),
    ],
)  # fmt: skip
def test_figures(value: object, shown: str) -> None:
    assert figure(value) == shown


def test_a_margin_has_a_sign_and_never_rounds_to_nothing() -> None:
    assert [margin(v) for v in (0.05, -0.2, 0.0, None, 0.0004, -0.0004)] == [
        "+0.050", f"{MINUS}0.200", "0", DASH, "+0.0004", f"{MINUS}0.0004",
    ]  # fmt: skip


@given(value=st.floats(1e-9, 1))
def test_what_is_there_is_never_shown_as_nothing(value: float) -> None:
    assert margin(value).strip("+0.") != ""
    assert margin(-value).startswith(MINUS)


def test_names() -> None:
    assert verdict("PASS_BPLUS") == ("PASS B+", "bplus")
    assert verdict("FAIL_REALISM") == ("FAIL REALISM", "fail")
    assert words("c_multi_median_top1") == "C_multi median top1"
    assert [threshold(v) for v in (0.0005, 0.7, 1.0)] == ["0.0005", "0.7", "1"]


spots = st.lists(st.tuples(st.floats(0, 300), st.floats(0, 200), st.floats(5, 90)), max_size=30)


@given(spots=spots)
def test_labels_keep_apart(spots: list[tuple[float, float, float]]) -> None:
    labels = Labels((0, 0, 300, 200), gap=3)
    placed = [labels.place([(x, y, x + w, y + 11), (x - w, y, x, y + 11)]) for x, y, w in spots]
    boxes = [box for box in placed if box]
    for i, one in enumerate(boxes):
        assert one[0] >= 0
        assert one[2] <= 300
        for other in boxes[:i]:
            level = one[1] < other[3] and other[1] < one[3]
            assert not level or one[0] >= other[2] + 3 or other[0] >= one[2] + 3
