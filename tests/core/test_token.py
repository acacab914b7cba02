"""The token grammar: what the checksum catches, what a mask still tells apart, and what a pasted mistake is told."""

from __future__ import annotations

import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core import token

KINDS = st.sampled_from(sorted(token.PREFIXES))


@st.composite
def tokens(draw: st.DrawFn) -> str:
    raw = draw(st.binary(min_size=32, max_size=32))
    return token.make(draw(KINDS), lambda n: raw[:n])


def a_token(kind: str = "login") -> str:
    return token.make(kind, secrets.token_bytes)


@given(tokens())
def test_every_token_made_fits_the_published_grammar(text: str) -> None:
    assert re.fullmatch(token.PATTERN, text)
    assert len(text) == token.LENGTH == 42
    assert token.is_token(text)
    assert token.PREFIXES[token.kind_of(text) or ""] == text[:4]


def test_a_token_carries_at_least_160_random_bits() -> None:
    assert 62**token.RANDOM_DIGITS > 2**160
    assert len({a_token() for _ in range(200)}) == 200


def test_the_random_part_is_made_of_all_the_bytes_given() -> None:
    low = token.make("login", bytes)
    high = token.make("login", lambda n: bytes(n - 1) + b"\x01")
    other = token.make("login", lambda n: b"\x01" + bytes(n - 1))
    assert low[4:36] == "0" * 32
    assert high[4:36] == "0" * 31 + "1"
    assert other[4:36] not in (low[4:36], high[4:36])


@given(tokens(), st.data())
def test_the_checksum_catches_every_single_character_change(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(sorted({*token.ALPHABET, "_"} - {text[place]})))
    assert not token.is_token(text[:place] + other + text[place + 1 :])


def test_the_checksum_catches_every_change_of_one_character_of_one_token() -> None:
    text = a_token()
    for place in range(len(text)):
        for other in {*token.ALPHABET, "_", "-", " ", "é"} - {text[place]}:
            assert not token.is_token(text[:place] + other + text[place + 1 :])


@given(tokens(), st.data())
def test_the_checksum_catches_every_transposition_of_neighbours(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 2))
    a, b = text[place], text[place + 1]
    if a != b:
        assert not token.is_token(text[:place] + b + a + text[place + 2 :])


@given(tokens(), st.integers(0, 41))
def test_a_cut_token_is_no_token(text: str, length: int) -> None:
    assert not token.is_token(text[:length])
    assert not token.is_token(text[len(text) - length :])


@given(st.text())
def test_nothing_that_is_typed_makes_the_grammar_raise(text: str) -> None:
    for some in (text, "ktl_" + text, f"Bearer {text}", f"X={text}", f'"{text}"'):
        token.is_token(some)
        token.kind_of(some)
        token.mask(some)
        assert token.what_is_wrong(some)
        assert len(token.digest(some)) == 32


@given(st.text(min_size=9, alphabet=st.characters(exclude_characters=" ")))
def test_what_is_wrong_never_repeats_the_text(text: str) -> None:
    for some in (text, "ktl_" + text):
        said = token.what_is_wrong(some)
        if text not in "the client sent the word undefined: it has no token stored":
            assert text not in said


GOOD = a_token("authorization")

MISTAKES = {
    "": "it is empty",
    " \n": "it is empty",
    "undefined": "the word undefined",
    GOOD[:30]: "it was cut: 30 of 42 characters",
    GOOD + "x": "it is too long: 43 characters",
    " " + GOOD: "white space",
    GOOD + "\n": "white space",
    GOOD[:20] + "\n" + GOOD[20:]: "white space",
    f'"{GOOD}"': "quotation marks",
    f"'{GOOD}'": "quotation marks",
    f"“{GOOD}”": "quotation marks",
    f"<{GOOD}>": "quotation marks",
    f"Bearer {GOOD}": "the word of an Authorization header",
    f"bearer {GOOD}": "the word of an Authorization header",
    f"token {GOOD}": "the word of an Authorization header",
    f"HEROKU_API_KEY={GOOD}": "a whole assignment",
    f'HEROKU_API_KEY="{GOOD}"': "a whole assignment",
    token.mask(GOOD): "a masked token",
    "01234567-89ab-cdef-0123-456789abcdef": "does not begin like a Keyturn token",
    "HRKU-AAAAAA": "does not begin like a Keyturn token",
    GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1"): "check digits do not match",
    GOOD[:-7] + "!" + GOOD[-6:]: "characters that no token has",
}


@pytest.mark.parametrize("text", list(MISTAKES), ids=[said.replace(" ", "-") for said in MISTAKES.values()])
def test_a_pasted_mistake_is_named(text: str) -> None:
    said = token.what_is_wrong(text)
    assert MISTAKES[text] in said
    assert not token.is_token(text)
    assert GOOD not in said
    assert GOOD[4:20] not in said


@given(tokens(), tokens())
def test_masks_tell_an_accounts_tokens_apart_by_the_heroku_command_lines_rule(mine: str, other: str) -> None:
    """A listed token with ten asterisks matches the current one when that begins and ends like it (wire.md 3.2)."""

    def matches(listed: str, current: str) -> bool:
        before, stars, after = listed.partition("**********")
        return bool(stars) and current.startswith(before) and (not after or current.endswith(after))

    assert matches(token.mask(mine), mine)
    if (mine[:10], mine[-5:]) != (other[:10], other[-5:]):
        assert not matches(token.mask(mine), other)


def test_masks_of_many_tokens_are_all_different() -> None:
    made = [a_token() for _ in range(2000)]
    assert len({token.mask(text) for text in made}) == len(made)


@given(tokens())
def test_a_mask_leaves_at_least_120_bits_unknown(text: str) -> None:
    masked = token.mask(text)
    shown = len(masked.replace("*", "")) - len("ktl_")
    assert 62**32 / 62**shown > 2**120
    assert not token.is_token(masked)
    assert text[10:-5] not in masked


@given(st.text(max_size=60))
def test_the_mask_of_what_is_no_token_shows_nothing_of_it(text: str) -> None:
    if len(text) != token.LENGTH:
        assert token.mask(text) == "**********"
