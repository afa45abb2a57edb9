"""zone.tab: a line a zone, or a refusal with the line's number."""

from __future__ import annotations

import pytest

from civiltime.errors import Invalid
from civiltime.reference.zone_tab import ZonePlace, parse_zone_tab


def test_places_are_read_to_the_minute_and_to_the_second_of_arc() -> None:
    text = (
        "# c\nBR\t-2332-04637\tAmerica/Sao_Paulo\tBrazil\nAQ\t-720041+0023206\tAntarctica/Troll\n"
    )
    assert parse_zone_tab(text) == {
        "America/Sao_Paulo": ZonePlace("BR", -(46 + 37 / 60), -(23 + 32 / 60)),
        "Antarctica/Troll": ZonePlace("AQ", 9126 / 3600, -(72 * 3600 + 41) / 3600),
    }


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("Europe/Berlin DE", 2),
        ("de\t+5230+01322\tEurope/Berlin", 2),
        ("DE\t5230+01322\tEurope/Berlin", 2),
        ("DE\t+5230+01322\t", 2),
    ],
)
def test_a_line_that_is_no_zone_is_refused_with_its_number(line: str, number: int) -> None:
    with pytest.raises(Invalid, match=f"line {number}") as caught:
        parse_zone_tab(f"# head\n{line}\n")
    assert caught.value.code == "002"


def test_a_zone_stands_once() -> None:
    with pytest.raises(Invalid, match="twice"):
        parse_zone_tab("DE\t+5230+01322\tA/B\nFR\t+5230+01322\tA/B\n")


def test_a_file_of_comments_names_no_zone() -> None:
    with pytest.raises(Invalid) as caught:
        parse_zone_tab("# nothing\n\n")
    assert caught.value.code == "003"
