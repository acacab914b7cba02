"""Every command stands on some page here, with what it really prints: a new command needs a page, and an old page its command."""

from __future__ import annotations

import argparse
import re

import pytest
from tests.scripts.test_transcripts import PAGES, steps

from keyturn import admin
from keyturn.cli.main import COMMANDS, resolve

_RUN = re.compile(r"\bkeyturn ([^|;&<>()`'\"\n]+)")
"""A run of `keyturn` within a line of the shell, up to the end of that command; it need not be its first word."""
_OPTIONS = re.compile(r"--(?:data|database-url|policy) \S+")


def run_on_the_pages() -> list[list[str]]:
    """The words after `keyturn` of every run on every page. Only what is typed counts, not what is printed."""
    typed = [step.command for page in PAGES for step in steps(page.read_text())]
    return [found.split() for line in typed for found in _RUN.findall(line)]


def admin_commands() -> list[str]:
    """The commands of `keyturn admin`."""
    choices = [action.choices for action in admin.parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return sorted(name for names in choices for name in names)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_command_is_on_a_page(command: str) -> None:
    assert command in {resolve(words)[0] for words in run_on_the_pages()}, f"no page in tests/scripts runs {command}"


@pytest.mark.parametrize("command", admin_commands())
def test_the_operators_command_is_on_a_page(command: str) -> None:
    runs = [_OPTIONS.sub("", " ".join(words)).split() for words in run_on_the_pages()]
    found = {words[1] for words in runs if words[0] == "admin"}
    assert command in found, f"no page in tests/scripts runs keyturn admin {command}"
