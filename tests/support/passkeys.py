"""The short ways in which tests of the passkeys' adapter use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyturn.adapters.passkeys import WebAuthn
from keyturn.core.passkey import BadPasskey, NewPasskey, Proof

if TYPE_CHECKING:
    from tests.support.authenticator import Authenticator

ORIGIN = "https://keyturn.example.com"
CHALLENGE = bytes(range(32))
USER = b"019cad5e-1111-7000-8000-000000000001"
WEB = WebAuthn()
ATTESTED = "attestationObject"
SIGNED = "authenticatorData"


def creation(origin: str = ORIGIN, exclude: tuple[bytes, ...] = ()) -> dict[str, Any]:
    """Options for a new passkey."""
    return WEB.registration_options(
        origin=origin, challenge=CHALLENGE, user_id=USER, user_name="ada@example.com", display_name="Ada", exclude=exclude,
        instance="Keyturn",
    )  # fmt: skip


def request(origin: str = ORIGIN, allow: tuple[tuple[bytes, tuple[str, ...]], ...] = ()) -> dict[str, Any]:
    """Options for using one."""
    return WEB.authentication_options(origin=origin, challenge=CHALLENGE, allow=allow, verification="preferred")


def registered(device: Authenticator, origin: str = ORIGIN) -> NewPasskey:
    """A new passkey of the device, as it is kept."""
    return WEB.register(device.create(creation(origin), origin), origin=origin, challenge=CHALLENGE)


def prove(
    answer: object, passkey: NewPasskey, *, origin: str = ORIGIN, count: int | None = None, verification: bool = False
) -> Proof:
    """What the answer proves of the passkey."""
    return WEB.authenticate(
        answer, origin=origin, challenge=CHALLENGE, credential_id=passkey.credential_id, public_key=passkey.public_key,
        sign_count=passkey.sign_count if count is None else count, verification=verification,
    )  # fmt: skip


def refused_new(answer: object) -> str:
    """The words with which a new passkey is refused."""
    with pytest.raises(BadPasskey) as refusal:
        WEB.register(answer, origin=ORIGIN, challenge=CHALLENGE)
    return str(refusal.value)
