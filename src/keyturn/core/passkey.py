"""What a passkey is to the actions: what registering one brings, what using one proves, and why one is not taken."""

from __future__ import annotations

from dataclasses import dataclass, field


class BadPasskey(Exception):
    """A browser's answer that does not prove what it should. The message is for people and repeats nothing of it."""


class Cloned(BadPasskey):
    """The signature is right but its counter did not grow: there may be a second copy of the key [WebAuthn L3 6.1.1]."""


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A passkey that was just made [WebAuthn L3 4, credential record]."""

    credential_id: bytes
    """1 to 1023 bytes."""
    public_key: bytes = field(repr=False)
    """COSE_Key in CBOR [RFC 9052 7], with nothing but what verifying takes."""
    sign_count: int
    transports: tuple[str, ...]
    """How the browser reaches it (internal, hybrid, usb, nfc, ble, smart-card); sorted."""
    aaguid: str
    """The make of the authenticator, as a UUID; all zeros where it does not tell."""
    backed_up: bool
    """Whether there are copies on other devices of the person."""
    verified: bool
    """Whether the device checked who holds it (PIN, finger, face)."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A passkey was used, rightly."""

    sign_count: int
    """To be kept, for the next time."""
    verified: bool
    """Whether the device checked who holds it (PIN, finger, face)."""
    backed_up: bool
    """Whether there are copies on other devices of the person, by now."""
