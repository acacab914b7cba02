"""Passkeys are taken when every check of WebAuthn Level 3, 7.1 and 7.2 holds, and else refused in words."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.authenticator import BE, BS, SYNCED, UP, UV, Authenticator, cbor, cose, decode, encode, new_key
from tests.support.passkeys import (
    ATTESTED,
    CHALLENGE,
    ORIGIN,
    SIGNED,
    USER,
    WEB,
    creation,
    prove,
    refused_new,
    registered,
    request,
)

from keyturn.core.passkey import BadPasskey, Cloned, Proof

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize("algorithm", [-7, -8, -257])
def test_a_passkey_is_made_and_signs_in(algorithm: int) -> None:
    device = Authenticator(algorithm=algorithm)
    made = registered(device)
    (held,) = device.passkeys
    assert made.credential_id == held.id
    assert made.public_key == cbor(cose(held.key))
    assert (made.transports, made.sign_count) == (("hybrid", "internal"), 0)
    assert made.aaguid == "fbfc3007-154e-4ecc-8c0b-6e020557d7bd"
    assert made.backed_up
    assert made.verified
    assert prove(device.get(request(), ORIGIN), made, verification=True) == Proof(0, verified=True, backed_up=True)


def test_a_security_key_without_pin_or_copies_is_taken_for_what_it_is() -> None:
    device = Authenticator(flags=UP, counts=True, transports=("usb", "nfc"))
    made = registered(device)
    assert (made.backed_up, made.verified, made.sign_count, made.transports) == (False, False, 1, ("nfc", "usb"))
    assert prove(device.get(request(), ORIGIN), made) == Proof(2, verified=False, backed_up=False)


def test_the_options_are_json_in_the_form_that_browsers_parse() -> None:
    options = creation(exclude=(b"known",))
    assert json.loads(json.dumps(options)) == options
    assert options["rp"] == {"id": "keyturn.example.com", "name": "Keyturn"}
    assert (decode(options["challenge"]), decode(options["user"]["id"])) == (CHALLENGE, USER)
    assert [kind["alg"] for kind in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["excludeCredentials"] == [{"type": "public-key", "id": encode(b"known")}]
    assert (options["attestation"], options["timeout"]) == ("none", 300_000)
    asked = request(allow=((b"one", ("usb",)), (b"two", ())))
    assert json.loads(json.dumps(asked)) == asked
    assert asked["allowCredentials"] == [
        {"type": "public-key", "id": encode(b"one"), "transports": ["usb"]},
        {"type": "public-key", "id": encode(b"two")},
    ]
    assert (asked["rpId"], asked["userVerification"]) == ("keyturn.example.com", "preferred")


def test_a_short_challenge_or_an_impossible_user_id_is_the_caller_s_mistake() -> None:
    for challenge, user in ((bytes(15), USER), (CHALLENGE, b""), (CHALLENGE, bytes(65))):
        with pytest.raises(ValueError, match="bytes"):
            WEB.registration_options(
                origin=ORIGIN, challenge=challenge, user_id=user, user_name="a", display_name="a", exclude=(), instance="K"
            )  # fmt: skip
    with pytest.raises(ValueError, match="16 bytes"):
        WEB.authentication_options(origin=ORIGIN, challenge=bytes(15), allow=(), verification="required")


@pytest.mark.parametrize(
    "origin",
    [
        "https://keyturn.example.com", "https://keyturn.example.com:8443", "https://intranet", "https://xn--bcher-kva.example",
        "http://localhost:5000", "https://localhost", "http://keyturn.localhost:5000", "https://7.example",
    ],
)  # fmt: skip
def test_passkeys_are_possible_at_a_domain_name_over_tls_and_on_localhost(origin: str) -> None:
    assert WEB.possible(origin)
    device = Authenticator()
    made = registered(device, origin)
    assert prove(device.get(request(origin), origin), made, origin=origin).verified


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:5000", "https://127.0.0.1", "https://192.0.2.7:8443", "https://[::1]:5000", "https://[2001:db8::1]",
        "https://2130706433", "https://127.1", "https://0x7f.1", "https://example.0x7f", "http://keyturn.example.com",
        "http://localhost.example.com", "ftp://localhost", "https://a_b.example", "https://-a.example", "https://example.com.",
        "https://" + "a." * 127 + "com", "https://", "localhost", "", "https://keyturn.example.com:port", "https://[::1", "null",
    ],
)  # fmt: skip
def test_passkeys_are_not_possible_at_an_address_or_without_tls(origin: str) -> None:
    assert not WEB.possible(origin)


def test_the_port_counts_for_the_origin_but_not_for_the_relying_party() -> None:
    device = Authenticator()
    here = "http://localhost:5000"
    assert creation(here)["rp"]["id"] == request(here)["rpId"] == "localhost"
    made = registered(device, here)
    answer = device.get(request(here), "http://localhost:5001")
    with pytest.raises(BadPasskey, match="http://localhost:5000"):
        prove(answer, made, origin=here)


def test_an_origin_is_compared_as_browsers_write_it() -> None:
    device = Authenticator()
    typed = "https://Keyturn.Example.com:443/"
    answer = device.create(creation(typed), ORIGIN)
    assert WEB.register(answer, origin=typed, challenge=CHALLENGE).credential_id


FOREIGN = [
    "https://evil.example", "http://keyturn.example.com", "https://keyturn.example.com:8443", "https://example.com",
    "https://keyturn.example.com.evil.example", "https://a.keyturn.example.com", "https://keyturn.example.com/",
]  # fmt: skip


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_passkey_used_at_another_origin_is_refused(origin: str) -> None:
    device = Authenticator()
    made = registered(device)
    with pytest.raises(BadPasskey, match="another address"):
        prove(device.get(request(), origin), made)
    assert "another address" in refused_new(device.create(creation(), origin))


# What each attack changes about an answer, and what the refusal says.
ATTACKS: dict[str, tuple[dict[str, Any], str]] = {
    "another site's relying party": ({"rp_id": "evil.example"}, "another site"),
    "a parent domain's relying party": ({"rp_id": "example.com"}, "another site"),
    "another challenge": ({"challenge": secrets.token_bytes(32)}, "another question"),
    "a shorter challenge": ({"challenge": CHALLENGE[:-1]}, "another question"),
    "nobody there": ({"flags": SYNCED & ~UP}, "Nobody touched"),
    "a copy of what cannot be copied": ({"flags": UP | UV | BS}, "cannot be read"),
    "a frame in another site": ({"client": {"crossOrigin": True}}, "another site's page"),
    "a frame that does not say so": ({"client": {"topOrigin": "https://evil.example"}}, "another site's page"),
    "no type": ({"client": {"type": None}}, "cannot be read"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_answer_that_proves_something_else_is_refused(attack: str) -> None:
    twist, words = ATTACKS[attack]
    device = Authenticator()
    made = registered(device)
    with pytest.raises(BadPasskey, match=words) as refusal:
        prove(device.get(request(), ORIGIN, **twist), made)
    assert not isinstance(refusal.value, Cloned)
    assert words in refused_new(device.create(creation(), ORIGIN, **twist))


def test_an_answer_of_one_kind_is_none_of_the_other() -> None:
    device = Authenticator()
    assert "cannot be read" in refused_new(device.create(creation(), ORIGIN, client={"type": "webauthn.get"}))
    made = registered(device)
    with pytest.raises(BadPasskey, match="cannot be read"):
        prove(device.get(request(), ORIGIN, client={"type": "webauthn.create"}), made)
    again = device.create(creation(), ORIGIN, credential_id=made.credential_id)
    with pytest.raises(BadPasskey, match="cannot be read"):
        prove(again, made)
    assert "cannot be read" in refused_new(device.get(request(), ORIGIN))


def test_a_signature_by_another_key_is_refused() -> None:
    device = Authenticator()
    made = registered(device)
    for algorithm in (-7, -8, -257):
        with pytest.raises(BadPasskey, match="signature is not right"):
            prove(device.get(request(), ORIGIN, key=new_key(algorithm)), made)


@pytest.mark.parametrize("part", ["clientDataJSON", SIGNED, "signature"])
def test_what_was_signed_cannot_be_changed(part: str) -> None:
    device = Authenticator()
    made = registered(device)
    answer = device.get(request(), ORIGIN)
    right = decode(answer["response"][part])
    if part == "clientDataJSON":
        changed = right.replace(b"}", b" }")
    elif part == SIGNED:
        changed = right[:32] + bytes([right[32] ^ BE ^ BS]) + right[33:]
    else:
        changed = right[:-1] + bytes([right[-1] ^ 1])
    answer["response"][part] = encode(changed)
    with pytest.raises(BadPasskey, match="signature is not right"):
        prove(answer, made)


def test_verification_is_asked_for_only_where_it_is_required() -> None:
    device = Authenticator()
    made = registered(device)
    assert not prove(device.get(request(), ORIGIN, flags=UP), made).verified
    with pytest.raises(BadPasskey, match="did not check that it is you"):
        prove(device.get(request(), ORIGIN, flags=UP), made, verification=True)


@pytest.mark.parametrize(("kept", "given"), [(0, 1), (1, 2), (7, 4_294_967_295)])
def test_a_counter_that_grew_is_taken_and_handed_on(kept: int, given: int) -> None:
    device = Authenticator()
    made = registered(device)
    assert prove(device.get(request(), ORIGIN, counter=given), made, count=kept).sign_count == given


@pytest.mark.parametrize(("kept", "given"), [(1, 1), (2, 1), (1, 0), (4_294_967_295, 0)])
def test_a_counter_that_did_not_grow_may_be_a_copy_s(kept: int, given: int) -> None:
    device = Authenticator()
    made = registered(device)
    with pytest.raises(Cloned, match="second copy"):
        prove(device.get(request(), ORIGIN, counter=given), made, count=kept)


def test_a_wrong_signature_is_no_sign_of_a_copy() -> None:
    device = Authenticator()
    made = registered(device)
    with pytest.raises(BadPasskey) as refusal:
        prove(device.get(request(), ORIGIN, counter=1, key=new_key(-7)), made, count=5)
    assert type(refusal.value) is BadPasskey


def test_another_passkey_of_the_same_person_does_not_stand_in() -> None:
    device = Authenticator()
    first = registered(device)
    registered(device)
    with pytest.raises(BadPasskey, match="another passkey"):
        prove(device.get(request(), ORIGIN), first)


P256 = cose(new_key(-7))
RSA = cose(new_key(-257))
BAD_KEYS: dict[str, tuple[Mapping[int, Any], str]] = {
    "an algorithm that was not asked for": ({**P256, 3: -35}, "not taken here"),
    "SHA-1": ({**RSA, 3: -65535}, "not taken here"),
    "an algorithm that is no number": ({**P256, 3: "ES256"}, "not taken here"),
    "another curve": ({**P256, -1: 2}, "not sound"),
    "another type of key": ({**P256, 1: 3}, "not sound"),
    "a point that is not on the curve": ({**P256, -3: bytes(32)}, "not sound"),
    "a long coordinate": ({**P256, -2: b"\0" + P256[-2]}, "not sound"),
    "no coordinate": ({1: 2, 3: -7, -1: 1, -2: P256[-2]}, "not sound"),
    "a weak RSA key": (cose(rsa.generate_private_key(65537, 1024)), "not sound"),
    "a huge RSA key": ({**RSA, -1: b"\xff" * 1025}, "not sound"),
    "an even RSA exponent": ({**RSA, -2: b"\x01\0\x02"}, "not sound"),
    "a small RSA exponent": ({**RSA, -2: b"\x03"}, "not sound"),
    "a huge RSA exponent": ({**RSA, -2: b"\xff" * 250}, "not sound"),
    "an Ed25519 key that is cut short": ({1: 1, 3: -8, -1: 6, -2: bytes(31)}, "not sound"),
    "nothing": ({}, "cannot be read"),
}


@pytest.mark.parametrize("fault", BAD_KEYS)
def test_a_key_that_is_not_sound_is_refused(fault: str) -> None:
    key, words = BAD_KEYS[fault]
    device = Authenticator(algorithm=-257 if key.get(1) == 3 else -7)
    assert words in refused_new(device.create(creation(), ORIGIN, key=key))


def test_what_else_a_device_writes_into_its_key_is_not_kept() -> None:
    device = Authenticator()
    answer = device.create(creation(), ORIGIN, key={**P256, 2: b"kid", 99: "x" * 4000})
    assert WEB.register(answer, origin=ORIGIN, challenge=CHALLENGE).public_key == cbor(P256)


def test_a_credential_id_has_1_to_1023_bytes() -> None:
    device = Authenticator()
    answer = device.create(creation(), ORIGIN, credential_id=bytes(1023))
    assert len(WEB.register(answer, origin=ORIGIN, challenge=CHALLENGE).credential_id) == 1023
    assert "at most 1023" in refused_new(device.create(creation(), ORIGIN, credential_id=bytes(1024)))
    refused_new(device.create(creation(), ORIGIN, credential_id=b""))


def test_the_credential_id_is_the_one_that_the_device_says() -> None:
    answer = Authenticator().create(creation(), ORIGIN)
    answer["id"] = answer["rawId"] = encode(b"another's passkey")
    refused_new(answer)


def test_transports_that_are_not_known_are_dropped() -> None:
    answer = Authenticator().create(creation(), ORIGIN)
    answer["response"]["transports"] = ["usb", "<script>", 7, None, ["nfc"], "usb", "smart-card"]
    assert WEB.register(answer, origin=ORIGIN, challenge=CHALLENGE).transports == ("smart-card", "usb")
    answer["response"]["transports"] = "usb"
    assert WEB.register(answer, origin=ORIGIN, challenge=CHALLENGE).transports == ()


def test_an_attestation_that_nobody_asked_for_is_not_looked_at() -> None:
    answer = Authenticator().create(creation(), ORIGIN)
    plain = decode(answer["response"][ATTESTED])
    signed = plain.replace(cbor("none"), cbor("packed")).replace(
        cbor("attStmt") + cbor({}), cbor("attStmt") + cbor({"alg": -7})
    )
    answer["response"][ATTESTED] = encode(signed)
    assert signed != plain
    assert WEB.register(answer, origin=ORIGIN, challenge=CHALLENGE).credential_id


def test_an_answer_tells_what_to_look_it_up_by() -> None:
    device = Authenticator()
    made = registered(device)
    answer = device.get(request(), ORIGIN)
    assert WEB.challenge_of(answer) == CHALLENGE
    assert WEB.credential_of(answer) == made.credential_id
    assert WEB.user_of(answer) == USER
    assert WEB.challenge_of(device.create(creation(), ORIGIN)) == CHALLENGE
    del answer["response"]["userHandle"]
    assert WEB.user_of(answer) is None
