"""Law: what the pages for people hold together by is there: tables with their heads, links with their targets."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/scripts/*.md"), *ROOT.glob("bench/*.md")}
)
RULE = re.compile(r"\|(?: *:?-+:? *\|)+")


def prose(page: Path) -> str:
    """The page without what stands in it as code."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_row_stands_in_a_table_that_has_a_head(page: Path) -> None:
    lines = prose(page).splitlines()
    for rows, group in groupby(lines, lambda line: line.startswith("|")):
        table = list(group)
        if rows:
            assert len(table) > 2, table
            assert RULE.fullmatch(table[1]), f"cut off from its table: {table[0]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", prose(page)):
        path = unquote("".join(target)).partition("#")[0]
        if path and not re.match(r"[a-z]+:", path):
            assert (page.parent / path).exists(), path
