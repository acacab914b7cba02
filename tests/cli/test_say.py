"""Law: data goes to stdout and the rest to stderr, and nothing that a server sends can steer the terminal."""

from __future__ import annotations

import calendar
import os
import time

import pytest

from keyturn.cli import say


def test_what_could_steer_a_terminal_is_taken_out() -> None:
    hostile = "a\x1b[31mb\x07c\x9b2Jd\re\x00f\u202eg\u2066h\x7fi\ud800j"
    assert say.clean(hostile) == "a?[31mb?c?2Jd?e?f?g?h?i?j"
    assert say.clean("two\nlines\tand é 日本") == "two lines and é 日本"


@pytest.mark.parametrize("show", [say.data, say.warn, say.note, say.failure])
def test_nothing_hostile_is_ever_shown(show: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(show)
    show("\x1b]0;owned\x07\nfake: line")
    said = "".join(capsys.readouterr())
    assert "\x1b" not in said
    assert said.count("\n") == 1


def test_a_table_is_as_wide_as_its_widest_cell_and_safe(capsys: pytest.CaptureFixture[str]) -> None:
    say.table(("A", "Bee"), [("long cell", 1), ("\x1b[2J", None)])
    assert capsys.readouterr().out.splitlines() == [
        "A          Bee",
        "─────────  ────",
        "long cell  1",
        "?[2J       None",
    ]


def test_json_escapes_every_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    say.data_json({"x": "\x1b\x9b\u202e"})
    assert capsys.readouterr().out.isascii()


def test_an_error_says_its_next_step_once(capsys: pytest.CaptureFixture[str]) -> None:
    say.failure("it expired. Log in again with: keyturn login", "keyturn login")
    say.failure("it expired", "keyturn login")
    assert capsys.readouterr().err.splitlines() == [
        " ›   Error: it expired. Log in again with: keyturn login",
        " ›   Error: it expired",
        " ›   next: keyturn login",
    ]


def test_doing_says_how_it_ended_even_when_something_comes_between(capsys: pytest.CaptureFixture[str]) -> None:
    with say.doing("Working"):
        pass
    with say.doing("Revoking") as outcome:
        outcome.append("done, all of it")
    with say.doing("Storing"):
        say.warn("a word")
    with pytest.raises(ValueError, match="no"), say.doing("Failing"):
        raise ValueError("no")
    assert capsys.readouterr().err.splitlines() == [
        "Working... done",
        "Revoking... done, all of it",
        "Storing... ",
        " ›   Warning: a word",
        "Storing... done",
        "Failing... !",
    ]


def test_what_is_interrupted_gets_no_mark(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), say.doing("Waiting"):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "Waiting... "  # the line is ended by whoever reports it


@pytest.fixture
def in_vienna() -> object:
    os.environ["TZ"] = "Europe/Vienna"
    time.tzset()
    yield
    del os.environ["TZ"]
    time.tzset()


@pytest.mark.usefixtures("in_vienna")
def test_a_time_is_said_as_a_person_says_it() -> None:
    assert say.moment(calendar.timegm((2021, 11, 23, 20, 28, 0))) == "on Tuesday, 23 Nov 2021 at 9:28 PM"
    assert say.moment(calendar.timegm((2021, 7, 1, 22, 5, 0))) == "on Friday, 2 Jul 2021 at 12:05 AM"
    assert say.when("2021-11-23T11:00:00Z") == "Tuesday, 23 Nov 2021 at 12:00 PM"
    assert say.when(None) == "never"
    assert say.when("soon\x1b") == "soon?"


def test_today_is_called_today() -> None:
    noon = time.mktime((*time.localtime()[:3], 12, 0, 0, 0, 0, -1))
    assert say.moment(noon) == "today at 12:00 PM"
