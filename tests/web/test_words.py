"""How the pages say moments."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from markupsafe import escape

from keyturn.core import decide
from keyturn.core.policy import Kind
from keyturn.web import words

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (20, "in a moment"),
        (0, "just now"),
        (-56, "just now"),
        (-58, "1 minute ago"),
        (-90, "2 minutes ago"),
        (70 * 60, "in 70 minutes"),
        (3600 - 3, "in 1 hour"),
        (8 * 3600 - 3, "in 8 hours"),
        (30 * 3600, "in 30 hours"),
        (-86_400, "1 day ago"),
        (-3 * 86_400, "3 days ago"),
        (30 * 86_400 - 2, "in 30 days"),
        (90 * 86_400 - 2, "in 90 days"),
        (-180 * 86_400, "6 months ago"),
        (365 * 86_400 - 2, "in 1 year"),
        (550 * 86_400, "in 18 months"),
        (3 * 365 * 86_400, "in 3 years"),
    ],
)
def test_a_moment_is_said_rounded_and_from_here(seconds: int, said: str) -> None:
    assert words.relative(NOW + timedelta(seconds=seconds), NOW) == said


def test_no_unit_leaves_a_gap_and_more_time_is_never_said_to_be_less() -> None:
    sizes = {"minute": 60, "hour": 3600, "day": 86_400, "month": 2_629_800, "year": 31_557_600}
    last = 0.0
    for seconds in range(60, 4 * 31_557_600, 60 * 60 + 7):
        _, count, unit = words.relative(NOW + timedelta(seconds=seconds), NOW).split()
        said = int(count) * sizes[unit.removesuffix("s")]
        assert abs(said - seconds) <= 0.26 * seconds, (seconds, count, unit)
        assert said >= last * 0.9
        last = said


def test_an_exact_moment_is_in_utc_wherever_it_was_written() -> None:
    assert words.exact(NOW) == "21 November 2026, 09:00 UTC"
    assert words.exact(NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))) == "21 November 2026, 09:00 UTC"
    assert words.exact(datetime(2026, 3, 1, 23, 5, tzinfo=UTC)) == "1 March 2026, 23:05 UTC"


def test_a_span_names_its_largest_units() -> None:
    assert words.span(365 * 86_400) == "365 days"
    assert words.span(5400.2) == "1 hour 30 minutes"


def test_a_day_is_said_with_its_time_where_it_is_near() -> None:
    assert words.day(NOW + timedelta(hours=47), NOW) == "23 November 2026, 08:00 UTC"
    assert words.day(NOW + timedelta(hours=49), NOW) == "23 November 2026"
    assert words.day(NOW - timedelta(hours=3), NOW) == "21 November 2026, 06:00 UTC"


def test_a_sentence_of_core_keeps_its_words_and_its_moment_becomes_an_element() -> None:
    sentence = decide.death_sentence(Kind.LOGIN, "<b>", "password_changed", NOW)
    told = words.dated(sentence, NOW)
    assert str(told) == sentence
    page = str(escape(told))
    assert "“&lt;b&gt;”" in page, "a stranger's words stay words"
    assert '<time datetime="2026-11-21T09:00:00Z" data-when="told">21 November 2026 at 09:00 UTC</time>' in page
    assert re.sub(r"<[^>]+>", "", page) == str(escape(sentence))
    assert str(words.dated("It names no moment.", NOW)) == "It names no moment."
    assert str(words.dated("Nor has it one.", None)) == "Nor has it one."


def test_a_moment_in_a_sentence_can_be_seen_from_now() -> None:
    told = words.Told(("Ends ", words.Moment(NOW + timedelta(hours=8), NOW), "."))
    assert str(told) == "Ends in 8 hours."
    assert 'data-when="relative">in 8 hours</time>.' in str(escape(told))
