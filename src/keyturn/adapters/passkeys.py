"""Passkeys by Web Authentication: options for the browser, and the checks of what it answers.

The steps are those of WebAuthn Level 3 (https://www.w3.org/TR/webauthn-3/), 7.1 and 7.2; passkey_parts reads the
binary forms.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from keyturn.adapters.passkey_parts import (
    ALGORITHMS,
    GARBLED,
    check_signature,
    decode,
    encode,
    read_attestation,
    read_authenticator,
    read_key,
    read_transports,
)
from keyturn.core.passkey import BadPasskey, Cloned, NewPasskey, Proof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fido2.webauthn import AuthenticatorData

TIMEOUT: Final = 300_000
"""Milliseconds that a person has [WebAuthn L3 15.1 recommends 300 to 600 seconds]."""

CREDENTIAL_ID_LONGEST: Final = 1023
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# A host whose last label looks like a number is an IPv4 address to browsers, in whatever spelling [URL 3.5].
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


class WebAuthn:
    """The relying party [WebAuthn L3 4]. ``origin`` is where people reach the server: its scheme, host and port count."""

    def possible(self, origin: str) -> bool:
        """Whether browsers offer passkeys there: at a domain name over https, or on localhost; never at an IP address."""
        try:
            scheme, host = _site(origin)
        except ValueError:
            return False
        if len(host) > 253 or not _DOMAIN.fullmatch(host) or _NUMBER.fullmatch(host):
            return False
        local = host == "localhost" or host.endswith(".localhost")
        return scheme == "https" or (scheme == "http" and local)

    def registration_options(
        self, *, origin: str, challenge: bytes, user_id: bytes, user_name: str, display_name: str, exclude: Sequence[bytes],
        instance: str,
    ) -> dict[str, Any]:  # fmt: skip
        """PublicKeyCredentialCreationOptionsJSON [WebAuthn L3 5.1.9].

        ``exclude``: ids of the passkeys that the account has. Raises ValueError for an origin that is no URL, a
        challenge under 16 bytes or a user id of none or over 64.
        """
        if not 1 <= len(user_id) <= 64:
            raise ValueError("a user id has 1 to 64 bytes")
        return {
            "rp": {"id": _site(origin)[1], "name": instance},
            "user": {"id": encode(user_id), "name": user_name, "displayName": display_name},
            "challenge": _checked_challenge(challenge),
            "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in ALGORITHMS],
            "timeout": TIMEOUT,
            "excludeCredentials": [{"type": "public-key", "id": encode(known)} for known in exclude],
            "authenticatorSelection": {
                "residentKey": "preferred",
                "requireResidentKey": False,
                "userVerification": "preferred",
            },
            "attestation": "none",
        }

    def authentication_options(
        self,
        *,
        origin: str,
        challenge: bytes,
        allow: Sequence[tuple[bytes, tuple[str, ...]]],
        verification: str,
    ) -> dict[str, Any]:
        """PublicKeyCredentialRequestOptionsJSON [WebAuthn L3 5.1.10].

        ``allow``: ids and transports of the account's passkeys; none: whichever the device has for this site.
        ``verification``: ``required`` or ``preferred``. Raises ValueError for an origin that is no URL or a challenge
        under 16 bytes.
        """
        return {
            "challenge": _checked_challenge(challenge),
            "timeout": TIMEOUT,
            "rpId": _site(origin)[1],
            "allowCredentials": [
                {"type": "public-key", "id": encode(known), **({"transports": list(ways)} if ways else {})}
                for known, ways in allow
            ],
            "userVerification": verification,
        }

    def challenge_of(self, response: object) -> bytes | None:
        """The challenge that the answer claims to be for, to look it up and use it up; None when there is none."""
        try:
            return decode(_client_data(_inner(response))["challenge"]) or None
        except BadPasskey:
            return None

    def credential_of(self, response: object) -> bytes | None:
        """The id of the passkey that the answer claims to be of, to look up whose it is; None when there is none."""
        try:
            return _credential_id(response)
        except BadPasskey:
            return None

    def user_of(self, response: object) -> bytes | None:
        """The user id that the passkey was made for, where the answer tells: it must be that of the passkey's account
        [WebAuthn L3 7.2 step 6].
        """
        try:
            return decode(_inner(response).get("userHandle")) or None
        except BadPasskey:
            return None

    def register(self, response: object, *, origin: str, challenge: bytes) -> NewPasskey:
        """The passkey that navigator.credentials.create() made [WebAuthn L3 7.1].

        ``response``: RegistrationResponseJSON, parsed. Raises BadPasskey whatever is wrong with it.
        """
        credential_id = _credential_id(response)
        inner = _inner(response)
        _check_client_data(inner, "webauthn.create", origin, challenge)
        auth = read_attestation(decode(inner.get("attestationObject")))
        _check_authenticator(auth, origin)
        made = auth.credential_data
        if made is None or not hmac.compare_digest(made.credential_id, credential_id):
            raise BadPasskey(GARBLED)
        return NewPasskey(
            credential_id=credential_id,
            public_key=read_key(made.public_key),
            sign_count=auth.counter,
            transports=read_transports(inner.get("transports")),
            aaguid=str(uuid.UUID(bytes=bytes(made.aaguid))),
            backed_up=auth.is_backed_up(),
            verified=auth.is_user_verified(),
        )

    def authenticate(
        self, response: object, *, origin: str, challenge: bytes, credential_id: bytes, public_key: bytes, sign_count: int,
        verification: bool,
    ) -> Proof:  # fmt: skip
        """That navigator.credentials.get() was answered by the passkey [WebAuthn L3 7.2].

        ``response``: AuthenticationResponseJSON, parsed. ``credential_id``, ``public_key``, ``sign_count``: the passkey
        as it is kept. ``verification``: the device must have checked who holds it. Raises BadPasskey whatever is
        wrong, Cloned where all is right but the counter.
        """
        if not hmac.compare_digest(_credential_id(response), credential_id):
            raise BadPasskey("That is another passkey than the one asked for. Try again with the right one.")
        inner = _inner(response)
        client_data = _check_client_data(inner, "webauthn.get", origin, challenge)
        signed = decode(inner.get("authenticatorData"))
        auth = read_authenticator(signed)
        _check_authenticator(auth, origin)
        if verification and not auth.is_user_verified():
            raise BadPasskey("The device did not check that it is you. Unlock it by PIN, finger or face and try again.")
        check_signature(public_key, signed + hashlib.sha256(client_data).digest(), decode(inner.get("signature")))
        if (sign_count or auth.counter) and auth.counter <= sign_count:
            raise Cloned("This passkey was used out of turn: there may be a second copy of it. It was not taken.")
        return Proof(auth.counter, auth.is_user_verified(), auth.is_backed_up())


def _site(origin: str) -> tuple[str, str]:
    """Scheme and host: the host is the relying party's id. Raises ValueError where there is none."""
    parts = urlsplit(origin)
    _ = parts.port
    if not parts.scheme or not parts.hostname:
        raise ValueError("the origin is no URL like https://keyturn.example.com")
    return parts.scheme, parts.hostname


def _as_browsers_write(origin: str) -> str:
    """The origin, serialized [HTML 7.1.1]: in small letters, without the scheme's own port."""
    scheme, host = _site(origin)
    port = urlsplit(origin).port
    bare = f"[{host}]" if ":" in host else host
    usual = {"https": 443, "http": 80}.get(scheme)
    return f"{scheme}://{bare}" if port in (None, usual) else f"{scheme}://{bare}:{port}"


def _checked_challenge(challenge: bytes) -> str:
    if len(challenge) < 16:
        raise ValueError("a challenge has at least 16 bytes [WebAuthn L3 13.4.3]")
    return encode(challenge)


def _inner(response: object) -> dict[str, Any]:
    inner = response.get("response") if isinstance(response, dict) else None
    if not isinstance(inner, dict):
        raise BadPasskey(GARBLED)
    return inner


def _credential_id(response: object) -> bytes:
    if not isinstance(response, dict) or response.get("type") != "public-key":
        raise BadPasskey(GARBLED)
    found = decode(response.get("rawId"))
    if not found or decode(response.get("id")) not in (b"", found):
        raise BadPasskey(GARBLED)
    if len(found) > CREDENTIAL_ID_LONGEST:
        raise BadPasskey(f"This passkey's id is too long: at most {CREDENTIAL_ID_LONGEST} bytes. Use another device.")
    return found


def _client_data(inner: Mapping[str, Any]) -> dict[str, Any]:
    """CollectedClientData [WebAuthn L3 5.8.1], with a challenge that is there."""
    try:
        data = json.loads(decode(inner.get("clientDataJSON")).decode())
    except (ValueError, RecursionError):
        raise BadPasskey(GARBLED) from None
    if not isinstance(data, dict) or not isinstance(data.get("challenge"), str):
        raise BadPasskey(GARBLED)
    return data


def _check_client_data(inner: Mapping[str, Any], kind: str, origin: str, challenge: bytes) -> bytes:
    """The bytes of clientDataJSON, once they say what they should [7.1 steps 5 to 11, 7.2 steps 9 to 14]."""
    data = _client_data(inner)
    if data.get("type") != kind:
        raise BadPasskey(GARBLED)
    if not hmac.compare_digest(decode(data["challenge"]), challenge):
        raise BadPasskey("The browser answered another question than the one asked. Reload the page and try again.")
    ours = _as_browsers_write(origin)
    if data.get("origin") != ours:
        raise BadPasskey(f"The passkey was used at another address than {ours}. Open that address and try again.")
    if data.get("crossOrigin", False) is not False or "topOrigin" in data:
        raise BadPasskey("The passkey was used inside of another site's page. Open this site by itself and try again.")
    return decode(inner.get("clientDataJSON"))


def _check_authenticator(auth: AuthenticatorData, origin: str) -> None:
    """The relying party, the person's presence and the backup flags [7.1 steps 14 to 17, 7.2 steps 15 to 18]."""
    if not hmac.compare_digest(auth.rp_id_hash, hashlib.sha256(_site(origin)[1].encode()).digest()):
        raise BadPasskey("This passkey belongs to another site.")
    if not auth.is_user_present():
        raise BadPasskey("Nobody touched the device. Try again, and confirm when it asks.")
    if auth.is_backed_up() and not auth.is_backup_eligible():
        raise BadPasskey(GARBLED)
