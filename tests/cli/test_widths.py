"""Law: at a terminal no line is wider than it and no word is broken; what is piped is not wrapped at all."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
from typing import TYPE_CHECKING

import pexpect
import pytest
from tests.conftest import BIN

from keyturn.cli import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import Account, Cli, Server

COLOURS = re.compile(r"\x1b\[\d*m")


def shown(cli: Cli, columns: int, *words: str, env: Mapping[str, str] | None = None) -> list[str]:
    """The lines that a command prints at a terminal so wide."""
    process = pexpect.spawn(
        str(BIN / "keyturn"), list(words), env=cli.env(env), encoding="utf-8", timeout=60, dimensions=(50, columns)
    )  # fmt: skip
    process.expect(pexpect.EOF)
    process.close()
    return COLOURS.sub("", str(process.before)).splitlines()


def words_of(text: str) -> list[str]:
    return text.replace("\u203a", " ").split()


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("words", [["help"], ["help", "auth:2fa:disable"], ["help", "auth:why"]])
def test_help_is_as_wide_as_the_terminal(keyturn: Cli, words: list[str], columns: int) -> None:
    lines = shown(keyturn, columns, *words)
    assert max(map(len, lines)) <= columns
    whole = set(words_of(keyturn(*words, env={"COLUMNS": "300"}).out))
    assert set(words_of(" ".join(lines))) <= whole


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_notes_and_lives_are_as_wide_as_the_terminal(logged_in: Cli, columns: int) -> None:
    piped = logged_in("auth:why")
    assert max(map(len, piped.out.splitlines())) > 120
    lines = shown(logged_in, columns, "auth:why")
    assert max(map(len, lines)) <= columns
    start = next(at for at, line in enumerate(lines) if line.startswith("Life:"))
    column = len("Last used: ")
    assert lines[start + 1][: column + 1] == " " * column + lines[start + 1].strip()[0]
    made = shown(logged_in, columns, "authorizations:create", "-d", "x", "-e", "30d")
    noted = [line for line in made if "shown again" in line or line.startswith(" \u203a")]
    assert noted
    assert max(map(len, made)) <= columns


def test_a_table_that_is_too_wide_is_shown_as_records(logged_in: Cli, server: Server, account: Account) -> None:
    server.token(account)
    piped = logged_in("sessions").out.splitlines()
    assert piped[0].split()[:2] == ["Description", "ID"]
    assert shown(logged_in, 300, "sessions")[0].split()[:2] == ["Description", "ID"]
    lines = shown(logged_in, 60, "sessions")
    assert max(map(len, lines)) <= 60
    assert [line.partition(":")[0] for line in lines[:3]] == ["Description", "ID", "Address"]
    assert len([line for line in lines if line.startswith("ID:")]) == len(piped) - 2
    assert lines.count("") == len(piped) - 3


def test_a_command_to_copy_stays_on_one_line(keyturn: Cli) -> None:
    lines = shown(keyturn, 40, "apps:create", "A_rather_long_name_for_one")
    assert max(map(len, lines[:-1])) <= 40
    assert lines[-2:] == [" \u203a   next:", "     keyturn apps:create a-rather-long-name-for-one"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two", ["one two"]),
        (
            "to do it at once: keyturn login --host example.com",
            ["to do it at once:", "     keyturn login --host example.com"],
        ),
        ("see " + "x" * 60, ["see", "     " + "x" * 60]),
        ("x" * 60, ["x" * 60]),
        ("a-hyphen-ated " * 3, ["a-hyphen-ated", "     a-hyphen-ated", "     a-hyphen-ated"]),
    ],
)
def test_words_are_kept_whole_whatever_the_width(text: str, lines: list[str]) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 30, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        assert say.wrapped(text, terminal, 5, 5) == lines
    os.close(ours)
