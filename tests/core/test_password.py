"""Which passwords are taken: long ones that are not easily guessed, of any characters at all."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.adapters.passwords import Argon2Passwords
from keyturn.core import password, policy


@pytest.mark.parametrize(
    "text",
    [
        "four brown owls at noon",
        "x7#kQ!pZ2v&Lm9w",  # fifteen
        "пять бурых сов в полдень",
        "正しい馬の電池ホチキスをここに置く",
        "     spaces     count    ",
        "my password is much longer than that",
        "🦉🐍🌲🌊🔥🦉🐍🌲🌊🔥🦉🐍🌲🌊🔥",
        "ab cd ef gh " * 20,
        "long unmemorable " + "éüñ" * 300,
    ],
)
def test_a_long_password_of_any_characters_is_taken(text: str) -> None:
    assert password.what_is_wrong(text, "ada@example.com", "Ada Lovelace") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "15 characters or more"),
        ("fourteen chars", "too short"),
        ("a" * 1025, "too long: at most 1024"),
        ("ababababababababab", "repeats too few"),
        ("lovelace1234567", "your name"),
        ("ada.lovelace-12", "your name"),
        ("Adalovelace 1234", "your name"),
    ],
)
def test_what_is_short_or_known_of_its_owner_is_refused_in_words(text: str, said: str) -> None:
    problem = password.what_is_wrong(text, "lovelace@example.com", "Ada Lovelace")
    assert problem is not None
    assert said in problem


def test_beside_a_second_factor_a_shorter_one_will_do_and_nothing_else_is_waived() -> None:
    shortest = policy.PASSWORD_SHORTEST_WITH_MFA
    assert shortest == 8
    assert password.what_is_wrong("k7Qp!x2v") is not None
    assert password.what_is_wrong("k7Qp!x2v", shortest=shortest) is None
    assert "8 characters or more" in str(password.what_is_wrong("k7Qp!x2", shortest=shortest))
    assert "repeats too few" in str(password.what_is_wrong("abababab", shortest=shortest))
    assert "your name" in str(
        password.what_is_wrong("lovelace1", "Ada Lovelace", "lovelace@example.com", shortest=shortest)
    )


def test_a_password_typed_on_another_system_still_fits() -> None:
    composed = "vier braune Käuzchen am Mittag"
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert password.normalize(composed) == password.normalize(decomposed)


def test_length_is_counted_in_characters_as_they_are_kept() -> None:
    assert password.what_is_wrong(unicodedata.normalize("NFD", "äöüéèêñçåøâîôûÿ"[:14])) is not None


@given(st.text(min_size=4, max_size=100), st.text(max_size=30))
def test_no_password_raises_or_is_repeated(text: str, context: str) -> None:
    problem = password.what_is_wrong(text, context)
    if problem is not None and len(text) >= 12:
        assert text not in problem


def test_a_text_that_takes_days_to_normalize_is_too_long_at_once() -> None:
    marks = "a" + "\u0316\u0301" * 1_000_000  # each pair in the wrong order: the sorting grows with the square
    assert "too long" in str(password.what_is_wrong(marks))
    assert not Argon2Passwords(passes=1, kibibytes=8, lanes=1).verify(None, marks)


def test_the_longest_password_fits_however_it_is_typed() -> None:
    composed = "각" * policy.PASSWORD_LONGEST  # a syllable is three characters when it is typed apart
    passwords = Argon2Passwords(passes=1, kibibytes=8, lanes=1)
    assert passwords.verify(passwords.hash(composed), unicodedata.normalize("NFD", composed))
