"""A passkey in software: what a browser and its device answer to the options of a page, and the wrong answers too."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

UP: Final = 0x01
UV: Final = 0x04
BE: Final = 0x08
BS: Final = 0x10
AT: Final = 0x40
SYNCED: Final = UP | UV | BE | BS
"""The flags of a passkey that was unlocked and has copies, as phones make them."""


class AlreadyThere(Exception):
    """The options exclude a passkey that is here: browsers say InvalidStateError."""


class NothingFits(Exception):
    """No passkey here is for the options: browsers say NotAllowedError."""


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cbor(value: Any) -> bytes:
    """CBOR of integers, bytes, text and maps [RFC 8949], maps in the order given."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    assert isinstance(value, dict)
    return _head(5, len(value)) + b"".join(cbor(key) + cbor(inner) for key, inner in value.items())


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for extra, form in enumerate("BHIQ"):
        if number < 1 << (8 << extra):
            return bytes([major << 5 | 24 + extra]) + struct.pack(">" + form, number)
    raise OverflowError


def new_key(algorithm: int) -> Key:
    """A new key for a COSE algorithm."""
    if algorithm == -7:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == -8:
        return ed25519.Ed25519PrivateKey.generate()
    assert algorithm == -257
    return rsa.generate_private_key(65537, 2048)


def cose(key: Key) -> dict[int, Any]:
    """The public half as a COSE_Key [RFC 9053 7]."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {1: 1, 3: -8, -1: 6, -2: key.public_key().public_bytes_raw()}
    numbers = key.public_key().public_numbers()
    return {1: 3, 3: -257, -1: numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8), -2: numbers.e.to_bytes(3)}


def _sign(key: Key, message: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


@dataclass
class Passkey:
    """One that the authenticator holds."""

    id: bytes
    key: Key
    rp_id: str
    user_id: bytes
    user_name: str
    counter: int = 0


@dataclass
class Authenticator:
    """Holds passkeys and answers as navigator.credentials does, in the form of PublicKeyCredential.toJSON().

    The fields are what it is like; the arguments of `create` and `get` are what one answer gets wrong.
    """

    flags: int = SYNCED
    counts: bool = False
    """Whether its signature counter counts; that of synced passkeys stays zero."""
    algorithm: int = -7
    transports: tuple[str, ...] = ("internal", "hybrid")
    aaguid: bytes = bytes.fromhex("fbfc3007154e4ecc8c0b6e020557d7bd")
    passkeys: list[Passkey] = field(default_factory=list)

    def create(
        self,
        options: Mapping[str, Any],
        origin: str,
        *,
        rp_id: str | None = None,
        flags: int | None = None,
        challenge: bytes | None = None,
        key: Mapping[int, Any] | None = None,
        credential_id: bytes | None = None,
        client: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A new passkey for PublicKeyCredentialCreationOptionsJSON.

        ``rp_id``, ``flags``, ``challenge``, ``credential_id``: instead of the right ones. ``key``: another public key,
        as COSE. ``client``: members of the client data to add or change. Raises AlreadyThere.
        """
        excluded = {decode(known["id"]) for known in options["excludeCredentials"]}
        if any(passkey.id in excluded for passkey in self.passkeys):
            raise AlreadyThere
        assert self.algorithm in [kind["alg"] for kind in options["pubKeyCredParams"]]
        made = Passkey(
            credential_id if credential_id is not None else secrets.token_bytes(20),
            new_key(self.algorithm),
            options["rp"]["id"],
            decode(options["user"]["id"]),
            options["user"]["name"],
            1 if self.counts else 0,
        )
        self.passkeys.append(made)
        public_key = cbor(dict(key) if key is not None else cose(made.key))
        attested = self.aaguid + struct.pack(">H", len(made.id)) + made.id + public_key
        data = self._data(options["rp"]["id"] if rp_id is None else rp_id, flags, AT, made.counter) + attested
        attestation = cbor({"fmt": "none", "attStmt": {}, "authData": data})
        asked = decode(options["challenge"]) if challenge is None else challenge
        response = {
            "clientDataJSON": encode(_client_data("webauthn.create", asked, origin, client)),
            "attestationObject": encode(attestation),
            "transports": list(self.transports),
        }
        return self._credential(made.id, response)

    def get(
        self,
        options: Mapping[str, Any],
        origin: str,
        *,
        rp_id: str | None = None,
        flags: int | None = None,
        challenge: bytes | None = None,
        counter: int | None = None,
        key: Key | None = None,
        user_id: bytes | None = None,
        client: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The newest passkey's answer to PublicKeyCredentialRequestOptionsJSON.

        ``rp_id``, ``flags``, ``challenge``, ``counter``, ``user_id``: instead of the right ones. ``key``: the one to
        sign with. ``client``: members of the client data to add or change. Raises NothingFits.
        """
        used = self._find(options)
        used.counter += 1 if self.counts else 0
        data = self._data(
            used.rp_id if rp_id is None else rp_id, flags, 0, used.counter if counter is None else counter
        )
        asked = decode(options["challenge"]) if challenge is None else challenge
        client_data = _client_data("webauthn.get", asked, origin, client)
        response = {
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(data),
            "signature": encode(_sign(key or used.key, data + hashlib.sha256(client_data).digest())),
            "userHandle": encode(used.user_id if user_id is None else user_id),
        }
        return self._credential(used.id, response)

    def _find(self, options: Mapping[str, Any]) -> Passkey:
        allowed = {decode(known["id"]) for known in options.get("allowCredentials", [])}
        for passkey in reversed(self.passkeys):
            if passkey.rp_id == options["rpId"] and (not allowed or passkey.id in allowed):
                return passkey
        raise NothingFits

    def _data(self, rp_id: str, flags: int | None, more: int, counter: int) -> bytes:
        said = (self.flags if flags is None else flags) | more
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", said, counter)

    def _credential(self, credential_id: bytes, response: dict[str, Any]) -> dict[str, Any]:
        attachment = "platform" if "internal" in self.transports else "cross-platform"
        return {
            "id": encode(credential_id),
            "rawId": encode(credential_id),
            "type": "public-key",
            "authenticatorAttachment": attachment,
            "clientExtensionResults": {},
            "response": response,
        }


def _client_data(kind: str, challenge: bytes, origin: str, changes: Mapping[str, Any] | None) -> bytes:
    assert urlsplit(origin).hostname
    members = {"type": kind, "challenge": encode(challenge), "origin": origin, "crossOrigin": False}
    return json.dumps({**members, **(changes or {})}).encode()
