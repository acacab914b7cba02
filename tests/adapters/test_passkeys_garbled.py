"""Whatever a browser sends in place of a passkey's answer, it is refused in words and breaks nothing."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import properties  # noqa: F401 - loads the profile
from tests.support.authenticator import AT, UP, Authenticator, cbor, decode, encode
from tests.support.passkeys import (
    ATTESTED,
    CHALLENGE,
    ORIGIN,
    SIGNED,
    WEB,
    creation,
    prove,
    refused_new,
    request,
)

from keyturn.core.passkey import BadPasskey

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary().map(encode),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=8,
)
DEVICE = Authenticator()
NEW = DEVICE.create(creation(), ORIGIN)
MADE = WEB.register(NEW, origin=ORIGIN, challenge=CHALLENGE)
USED = DEVICE.get(request(), ORIGIN)


def only_refused(answer: object) -> None:
    """A garbled answer raises nothing but BadPasskey; it may be right where the change is of no matter."""
    with contextlib.suppress(BadPasskey):
        WEB.register(answer, origin=ORIGIN, challenge=CHALLENGE)
    with contextlib.suppress(BadPasskey):
        prove(answer, MADE)
    WEB.challenge_of(answer)
    WEB.credential_of(answer)
    WEB.user_of(answer)


@given(JSON)
def test_any_json_is_refused_as_a_bad_passkey(answer: Any) -> None:
    for unread in (answer, {"type": "public-key", "response": answer}):
        with pytest.raises(BadPasskey):
            prove(unread, MADE)
        refused_new(unread)
        assert WEB.challenge_of(unread) is None


PATHS = [
    ("id",), ("rawId",), ("type",), ("response",), ("response", "clientDataJSON"), ("response", ATTESTED),
    ("response", SIGNED), ("response", "signature"), ("response", "userHandle"), ("response", "transports"),
]  # fmt: skip


@given(st.sampled_from([NEW, USED]), st.sampled_from(PATHS), JSON)
def test_an_answer_with_any_json_in_one_place_is_refused_or_right(
    right: dict[str, Any], path: tuple[str, ...], value: Any
) -> None:
    answer = copy.deepcopy(right)
    place = answer
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    only_refused(answer)


@given(st.sampled_from(["clientDataJSON", ATTESTED]), st.data())
def test_a_new_passkey_of_any_bytes_is_refused_or_right(part: str, data: st.DataObject) -> None:
    answer = copy.deepcopy(NEW)
    answer["response"][part] = encode(data.draw(mangled(decode(NEW["response"][part]))))
    only_refused(answer)


@given(st.sampled_from(["clientDataJSON", SIGNED, "signature"]), st.data())
def test_no_change_to_what_was_signed_signs_in(part: str, data: st.DataObject) -> None:
    answer = copy.deepcopy(USED)
    right = decode(USED["response"][part])
    wrong = data.draw(mangled(right).filter(lambda found: found != right))
    answer["response"][part] = encode(wrong)
    with pytest.raises(BadPasskey):
        prove(answer, MADE)
    only_refused(answer)


@st.composite
def mangled(draw: Callable[[st.SearchStrategy[Any]], Any], right: bytes) -> bytes:
    """The bytes with a stretch of them taken out and others put in."""
    start = draw(st.integers(0, len(right)))
    end = draw(st.integers(start, min(len(right), start + 40)))
    return right[:start] + bytes(draw(st.binary(max_size=40))) + right[end:]


@given(st.dictionaries(st.sampled_from(["type", "challenge", "origin", "crossOrigin", "topOrigin"]), JSON, min_size=1))
def test_client_data_of_any_json_is_refused_or_right(members: dict[str, Any]) -> None:
    only_refused(DEVICE.create(creation(), ORIGIN, client=members))
    only_refused(DEVICE.get(request(allow=((MADE.credential_id, ()),)), ORIGIN, client=members))


BOMBS: dict[str, bytes] = {
    "a number instead of the data, that stands for its length": cbor(
        {"fmt": "none", "attStmt": {}, "authData": 1 << 40}
    ),
    "a number that stands for as many zeros": cbor({"fmt": "none", "attStmt": {}, "authData": 37}),
    "text instead of the data": cbor({"fmt": "none", "attStmt": {}, "authData": "x"}),
    "lists within lists": b"\x81" * 10_000,
    "a list of more than there is": b"\x9b" + b"\xff" * 8,
    "bytes of more than there are": b"\x5b" + b"\xff" * 8,
    "a map whose key is a map": b"\xa1\xa0\xa0",
    "nothing": b"",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_attestation_made_to_choke_on_is_refused(bomb: str) -> None:
    answer = copy.deepcopy(NEW)
    answer["response"][ATTESTED] = encode(BOMBS[bomb])
    assert "cannot be read" in refused_new(answer)
    # and the same inside of authenticator data, where extensions go
    head = decode(USED["response"][SIGNED])[:32]
    used = copy.deepcopy(USED)
    used["response"][SIGNED] = encode(head + bytes([UP | AT | 0x80]) + bytes(4) + bytes(16) + b"\0\1x" + BOMBS[bomb])
    with pytest.raises(BadPasskey):
        prove(used, MADE)


def test_json_made_to_choke_on_is_refused() -> None:
    for text in (b"[" * 10_000, b"1" * 10_000, b'{"challenge":' * 800, b"\xff", b"\xef\xbb\xbf{}", b"NaN"):
        answer = copy.deepcopy(USED)
        answer["response"]["clientDataJSON"] = encode(text)
        assert WEB.challenge_of(answer) is None
        only_refused(answer)


def test_a_part_that_is_too_long_is_not_read_at_all() -> None:
    answer = copy.deepcopy(NEW)
    plain = decode(NEW["response"][ATTESTED])
    for statement, taken in ((bytes(12_000), True), (bytes(17_000), False)):
        answer["response"][ATTESTED] = encode(plain.replace(cbor({}), cbor({"sig": statement}), 1))
        if taken:
            assert WEB.register(answer, origin=ORIGIN, challenge=CHALLENGE) == MADE
        else:
            assert "cannot be read" in refused_new(answer)


def test_a_key_that_was_damaged_in_the_store_proves_nothing() -> None:
    for damaged in (b"", b"\xa0", MADE.public_key[:-1], cbor({1: 2, 3: -7})):
        with pytest.raises(BadPasskey):
            WEB.authenticate(
                USED, origin=ORIGIN, challenge=CHALLENGE, credential_id=MADE.credential_id, public_key=damaged, sign_count=0,
                verification=False,
            )  # fmt: skip
