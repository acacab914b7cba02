"""Passwords that are guessed first are refused with a reason that helps; none is repeated, and none takes long."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import tests.support.properties  # noqa: F401
from argon2 import extract_parameters
from hypothesis import example, given
from hypothesis import strategies as st

from keyturn.adapters import passwords
from keyturn.adapters.passwords import Argon2Passwords
from keyturn.core import password

PASSWORDS = Argon2Passwords(passes=1, kibibytes=8, lanes=1)
ADA = ("lovelace@example.com", "Ada Lovelace")
# Nothing of a password is ever put into what is said: these are all the sentences.
SENTENCES = {f"{seen} Add another word or two; uncommon words are better." for seen in passwords._SEEN.values()} | {
    "Common words are guessed early. Add another word or two; uncommon words are better."
}


def test_the_decoy_takes_as_long_as_an_account_s_own_hash() -> None:
    made = Argon2Passwords(passes=2, kibibytes=64, lanes=2)
    assert extract_parameters(made._decoy) == extract_parameters(made.hash("four brown owls at noon"))
    assert not made.verify(None, "four brown owls at noon")
    assert not made.verify(made._decoy, "four brown owls at noon")


@pytest.mark.parametrize(
    "text",
    [
        "four brown owls at noon",
        "seven grey herons at dusk",
        "x7#kQ!pZ2v&Lm9w",
        "k7Qp!x2v",  # eight at random
        "4829 1056 7731 9920",
        "пять бурых сов в полдень",
        "正しい馬の電池ホチキスをここに置く",
        "     spaces     count    ",
        "my password is much longer than that",
        "long unmemorable " + "éüñ" * 300,
        "a" * 32 + "x7#kQ!pZ2v&Lm9w" + "a" * 32,
    ],
)
def test_what_is_hard_to_guess_has_no_weakness(text: str) -> None:
    assert PASSWORDS.weakness(text, ADA) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("password1234567", "similar to a commonly used password"),
        ("PassWord1234567", "similar to a commonly used password"),
        ("P4$$w0rd1234567", "similar to a commonly used password"),
        ("drowssap7654321", "similar to a commonly used password"),
        ("passwort1234567", "similar to a commonly used password"),
        ("letmein welcome", "similar to a commonly used password"),
        ("changeme1234567", "similar to a commonly used password"),
        ("1234567890123456", "similar to a commonly used password"),
        ("p a s s w o r d 1 2 3", "similar to a commonly used password"),
        ("p-a-s-s-w-o-r-d-1-2-3", "similar to a commonly used password"),
        ("passwordpassword1!", "Repeating"),
        ("iloveyouiloveyou", "Repeating"),
        ("qwertyqwertyqwerty", "Repeating"),
        ("abcdefghabcdefgh", "Repeating"),
        ("password" * 100, "similar to a commonly used password"),
        ("abcdefghijklmno", "in their order"),
        ("1234567890!@#$%^&*()_+", "side by side"),
        ("12.03.1984", "Dates"),
        ("jennifer smith", "Names"),
        ("correct horse battery staple", "easy to find out"),
        ("Correct-Horse-Battery-Staple", "easy to find out"),
        ("heroku keyturn", "easy to find out"),
        ("lovelace@example.com1", "easy to find out"),
        ("Ada Lovelace 15", "easy to find out"),
        ("k7Qp!x2", "too short"),
        ("", "too short"),
    ],
)
def test_what_is_guessed_first_is_said_why_and_what_helps(text: str, said: str) -> None:
    weakness = PASSWORDS.weakness(text, ADA)
    assert weakness is not None
    assert said in weakness
    assert weakness in SENTENCES


def test_the_words_of_an_account_count_for_that_account_alone() -> None:
    text = "Gruffydd Llanfair"
    assert PASSWORDS.weakness(text, ("gruffydd@llanfair.example",)) is not None
    assert PASSWORDS.weakness(text, ADA) is None


@given(st.text(max_size=200), st.lists(st.text(max_size=60), max_size=3))
def test_no_text_raises_or_is_repeated(text: str, context: list[str]) -> None:
    assert PASSWORDS.weakness(text, tuple(context)) in SENTENCES | {None}


@given(st.text(alphabet="0123456789./-_ \n\r\t\x0b\x85\u2028٠٩", max_size=40))
@example("1234\n")
@example("12.3.4\n")
def test_dates_of_any_kind_and_line_ends_do_not_raise(text: str) -> None:
    assert PASSWORDS.weakness(text, ()) in SENTENCES | {None}


@given(st.text(alphabet="4@8({[<3691!|70$5+%2aAİßſ٣²𝟙\n\0\ud800\u0301 ", max_size=100))
def test_signs_that_stand_for_letters_and_odd_letters_do_not_raise(text: str) -> None:
    assert PASSWORDS.weakness(text, ()) in SENTENCES | {None}


@given(st.text(alphabet=st.sampled_from("4@8({[<3691!|70$5+%2aé ") | st.characters(), max_size=100))
def test_what_is_judged_at_a_time_is_bounded_and_nothing_is_left_out(text: str) -> None:
    pieces = list(passwords._pieces(text))
    assert "".join(pieces) == text
    for piece in pieces:
        assert 1 <= len(piece) <= passwords.PIECE
        assert len({c for c in piece if not c.isalpha()}) <= passwords.SIGNS  # what zxcvbn's work grows with


def test_a_text_too_dear_to_normalize_is_not_normalized_whole() -> None:
    marks = "a" + "\u0316\u0301" * 1_000_000
    assert PASSWORDS.weakness(marks, ("\u0316\u0301" * 1_000_000,)) in SENTENCES | {None}


def test_the_same_password_is_judged_alike_however_it_is_typed() -> None:
    context = ("Käthe Größenwahn",)
    for text in ("Käthe Größenwahn", "Ka\u0308the Gro\u0308ßenwahn"):
        assert PASSWORDS.weakness(text, context) is not None


def test_threads_do_not_mix_up_the_words_of_their_accounts() -> None:
    names = [f"{syllable}wyddfach{syllable}" for syllable in ("gru", "llan", "pen", "bryn")] * 10

    def judged(at: int) -> tuple[bool, bool]:
        own, other = names[at], names[(at + 1) % len(names)]
        return PASSWORDS.weakness(own, (own,)) is None, PASSWORDS.weakness(other, (own,)) is None

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(judged, range(len(names)))) == {(False, True)}


def test_a_server_that_starts_does_not_wait_for_the_lists() -> None:
    check = "import sys, keyturn.adapters.passwords; sys.exit('zxcvbn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_hash_fits_its_password_alone() -> None:
    hashed = PASSWORDS.hash("four brown owls at noon")
    assert PASSWORDS.verify(hashed, "four brown owls at noon")
    assert not PASSWORDS.verify(hashed, "four brown owls at Noon")
    assert not PASSWORDS.verify(hashed, "x" * (password.TYPED_LONGEST + 1))
    assert not PASSWORDS.verify(None, "four brown owls at noon")
    assert not PASSWORDS.outdated(hashed)
    assert Argon2Passwords(passes=2, kibibytes=8, lanes=1).outdated(hashed)
