"""The parts of a browser's Web Authentication answer: base64url, authenticator data, keys, signatures.

Every reader raises BadPasskey, and nothing else, for what it cannot read. python-fido2 is imported when first needed,
since that takes a tenth of a second.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from keyturn.core.passkey import BadPasskey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fido2.webauthn import AuthenticatorData

ALGORITHMS: Final = {-7: "ES256", -8: "EdDSA", -257: "RS256"}
"""By COSE number, the preferred one first."""

RSA_BITS: Final = range(2048, 4097)
RSA_EXPONENTS: Final = range(65537, 1 << 32)
"""Keys neither weak nor so large that verifying costs more than it should."""

TRANSPORTS: Final = frozenset({"ble", "hybrid", "internal", "nfc", "smart-card", "usb"})

LONGEST: Final = 16 * 1024
"""Bytes of a part. Attestations have a few thousand; a reader's time can grow with the square of them."""

GARBLED: Final = "The browser's answer cannot be read. Nothing was changed; reload the page and try again."
UNSOUND: Final = "The device made a key that is not sound. Try again, or use another device."

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: object) -> bytes:
    """Base64url without padding; b"" where there is no text."""
    if text is None:
        return b""
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text) or len(text) > LONGEST * 4 // 3 + 1:
        raise BadPasskey(GARBLED)
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise BadPasskey(GARBLED) from None


def read_attestation(data: bytes) -> AuthenticatorData:
    """The authenticator data of an attestation object [WebAuthn L3 6.5.4].

    Its statement is not looked at: none was asked for, and some devices send one all the same.
    """
    from fido2 import cbor  # noqa: PLC0415

    try:
        found: Any = cbor.decode(data)
        inside = found["authData"]
    except Exception:  # whatever a stranger's bytes do to the reader, they are no passkey
        raise BadPasskey(GARBLED) from None
    # python-fido2's own AttestationObject makes as many zero bytes as it says when this is a number
    if not isinstance(inside, bytes):
        raise BadPasskey(GARBLED)
    return read_authenticator(inside)


def read_authenticator(data: bytes) -> AuthenticatorData:
    """Authenticator data [WebAuthn L3 6.1]."""
    from fido2.webauthn import AuthenticatorData  # noqa: PLC0415

    try:
        return AuthenticatorData(data)
    except Exception:  # as above
        raise BadPasskey(GARBLED) from None


def read_key(cose: Mapping[Any, Any]) -> bytes:
    """The public key as it is kept. Raises BadPasskey unless it is a sound key of an algorithm that was asked for."""
    from fido2 import cbor  # noqa: PLC0415

    number = cose.get(3)
    if not isinstance(number, int) or number not in ALGORITHMS:
        raise BadPasskey(f"The device signs in a way that is not taken here; {', '.join(ALGORITHMS.values())} are.")
    first, second, third = cose.get(-1), cose.get(-2), cose.get(-3)
    kept: dict[int, int | bytes]
    match ALGORITHMS[number], cose.get(1):
        case "ES256", 2 if first == 1 and _is_bytes(second, 32) and _is_bytes(third, 32):
            kept = {1: 2, 3: number, -1: 1, -2: second, -3: third}
        case "EdDSA", 1 if first == 6 and _is_bytes(second, 32):
            kept = {1: 1, 3: number, -1: 6, -2: second}
        case "RS256", 3 if (
            isinstance(first, bytes)
            and isinstance(second, bytes)
            and int.from_bytes(first).bit_length() in RSA_BITS
            and int.from_bytes(second) in RSA_EXPONENTS
        ):
            kept = {1: 3, 3: number, -1: first.lstrip(b"\0"), -2: second.lstrip(b"\0")}
        case _:
            raise BadPasskey(UNSOUND)
    public_key = cbor.encode(kept)
    if _verifies(public_key, b"", b"") is None:
        raise BadPasskey(UNSOUND)
    return public_key


def _is_bytes(value: object, length: int) -> TypeGuard[bytes]:
    return isinstance(value, bytes) and len(value) == length


def _verifies(public_key: bytes, message: bytes, signature: bytes) -> bool | None:
    """Whether the signature is the key's; None when the key is none, like a point that is not on its curve."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from fido2 import cbor  # noqa: PLC0415
    from fido2.cose import CoseKey  # noqa: PLC0415

    try:
        key: Any = cbor.decode(public_key)
        CoseKey.parse(key).verify(message, signature)
    except InvalidSignature:
        return False
    except Exception:  # a reader's fault over a bad key
        return None
    return True


def check_signature(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raises BadPasskey unless the signature over ``message`` is the key's."""
    if not _verifies(public_key, message, signature):
        raise BadPasskey("The passkey's signature is not right. Try again; if it stays so, remove this passkey.")


def read_transports(value: object) -> tuple[str, ...]:
    """Those that are known; the browser's word is a hint alone."""
    return tuple(sorted({way for way in value if isinstance(way, str)} & TRANSPORTS)) if isinstance(value, list) else ()
