"""What the README promises works as it is written there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.conftest import SITES_CSV, civiltime

ROOT = Path(__file__).parents[2]


def commands(page: str, heading: str) -> list[list[str]]:
    """The `civiltime` commands of the first shell block below a heading."""
    text = (ROOT / page).read_text("utf-8").split(heading, maxsplit=1)[1]
    (block,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[:1]
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert all(line[0] == "civiltime" for line in lines)
    return [line[1:] for line in lines]


@pytest.mark.slow
def test_your_own_sites_takes_four_commands(tmp_path: Path) -> None:
    steps = commands("README.md", "## Your own sites")
    assert len(steps) == 4
    (tmp_path / "sites.csv").write_text(SITES_CSV)
    run_id = "RUN_ID"
    for step in steps:
        said = civiltime(*(run_id if word == "RUN_ID" else word for word in step))
        assert said.code == 0, (step, said.err)
        found = re.search(r"run ([a-f0-9]{32}): PASS", said.out)
        run_id = found[1] if found else run_id
    rows = (tmp_path / "zones.csv").read_text().splitlines()
    assert len(rows) == 13
    assert "Europe/Vaduz" in rows[3]


def test_links_between_the_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), (page.name, target)
