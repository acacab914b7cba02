"""Recovery codes: hard to guess, easy to copy from paper, and never taken for anything else."""

from __future__ import annotations

import hashlib
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core import recovery

CODE = "7k2m-p9qf-x4td-w8cz"
bodies = st.binary(min_size=recovery.RANDOM_BYTES, max_size=recovery.RANDOM_BYTES)


def made(body: bytes) -> str:
    return recovery.make(lambda n: body[:n])


@given(bodies)
def test_every_code_made_is_four_groups_that_read_back_as_themselves(body: bytes) -> None:
    code = made(body)
    assert [len(group) for group in code.split("-")] == [4, 4, 4, 4]
    assert recovery.normalize(code) == code.replace("-", "")
    assert recovery.looks_like(code)


@given(bodies, bodies)
def test_other_bytes_are_another_code(one: bytes, other: bytes) -> None:
    assert (made(one) == made(other)) == (one == other)
    assert (recovery.digest(made(one)) == recovery.digest(made(other))) == (one == other)


def test_a_code_carries_at_least_75_random_bits() -> None:
    assert recovery.RANDOM_BYTES * 8 >= 75
    assert made(bytes(10)) == "0000-0000-0000-0000"
    assert made(bytes(9) + b"\x01") == "0000-0000-0000-0001"
    assert made(b"\xff" * 10) == "zzzz-zzzz-zzzz-zzzz"
    assert len({recovery.make(secrets.token_bytes) for _ in range(200)}) == 200


def test_no_two_digits_look_alike() -> None:
    assert len(set(recovery.ALPHABET)) == 32
    assert not set(recovery.ALPHABET) & set("oilu")


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        CODE.upper(),
        CODE.replace("-", ""),
        CODE.replace("-", " "),
        CODE.replace("-", "–"),
        CODE.replace("-", " — "),
        f"  {CODE}\r\n",
        " ".join(CODE),
        "7K2M\u00a0P9QF\tX4TD\u2011W8CZ",
    ],
)
def test_however_it_is_typed_it_is_the_same_code(typed: str) -> None:
    assert recovery.normalize(typed) == "7k2mp9qfx4tdw8cz"
    assert recovery.digest(typed) == recovery.digest(CODE)


def test_what_looks_alike_is_read_as_it_was_meant() -> None:
    assert recovery.normalize("o0O0-1lI1-iLoO-0000") == "0000111111000000"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "123456",
        "123 456",
        CODE[:-1],
        CODE + "0",
        CODE.replace("7", "u"),
        CODE.replace("-", "_"),
        CODE.replace("7", "７"),  # full width
        CODE.replace("k", "\u212a"),  # the sign for kelvin, whose small letter is k
        CODE.replace("7", "\0"),
        CODE.replace("7", "\ud800"),
        CODE + " " * 200,
        "0" * 1_000_000,
    ],
)
def test_what_can_be_no_code_is_none_and_has_no_digest(text: str) -> None:
    assert recovery.normalize(text) is None
    assert not recovery.looks_like(text)
    with pytest.raises(ValueError, match=r"^this is no recovery code$"):
        recovery.digest(text)


@given(st.text(max_size=40))
def test_no_text_raises_and_what_is_read_reads_as_itself(text: str) -> None:
    plain = recovery.normalize(text)
    assert plain is None or (len(plain) == 16 and recovery.normalize(plain) == plain)


@given(st.from_regex(r"\A\s?[0-9]{3}\s?[0-9]{3}\s?\Z"))
def test_no_code_of_an_app_looks_like_one(text: str) -> None:
    assert not recovery.looks_like(text)


def test_the_digest_is_sha_256_of_the_one_form() -> None:
    assert recovery.digest(CODE.upper()) == hashlib.sha256(b"7k2mp9qfx4tdw8cz").digest()
