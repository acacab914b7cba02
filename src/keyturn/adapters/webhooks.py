"""Webhooks leave to the operator's receiver, signed as Standard Webhooks says (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from keyturn import __version__
from keyturn.actions.env import Undelivered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from keyturn.store.interface import Outgoing

TIMEOUT: Final = 15.0
"""Seconds for each step; the specification recommends 15 to 30 for the whole."""

PREFIX: Final = "whsec_"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who receives. ``secrets``: signed with each, so that one can be replaced without a gap."""

    url: str = field(repr=False)  # some receivers have their secret in the path
    secrets: tuple[bytes, ...] = field(repr=False)


def read_secret(text: str) -> bytes:
    """The bytes of ``whsec_`` and base64. Raises ValueError, which does not repeat it."""
    if not text.startswith(PREFIX):
        raise ValueError(f"it does not begin with {PREFIX}")
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise ValueError(f"what follows {PREFIX} is not base64") from None
    if not 24 <= len(secret) <= 64:
        raise ValueError(f"it has {len(secret)} bytes; 24 to 64 are right")
    return secret


def signatures(secrets: Sequence[bytes], webhook_id: str, timestamp: int, body: str) -> str:
    """The header ``webhook-signature``: ``v1,`` and base64 of the HMAC-SHA-256 of id, time and body, for each secret."""
    signed = f"{webhook_id}.{timestamp}.{body}".encode()
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets
    )


class WebhookCourier:
    """Posts webhooks to the receiver. Redirects are not followed: the body goes where the operator said, or nowhere."""

    def __init__(self, receiver: Receiver, *, timeout: float = TIMEOUT, context: ssl.SSLContext | None = None) -> None:
        self._receiver = receiver
        self._timeout = timeout
        self._context = context or ssl.create_default_context()

    def send(self, item: Outgoing, now: datetime) -> None:
        """Posts the webhook. Raises Undelivered unless the answer is a 2xx."""
        stamp = int(now.timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"Keyturn/{__version__}",
            "webhook-id": item.id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signatures(self._receiver.secrets, item.id, stamp, item.body),
        }
        parts = urlsplit(self._receiver.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
        try:
            connection.request("POST", path, item.body.encode(), headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as fault:
            raise Undelivered(_what_went_wrong(fault)) from None
        finally:
            connection.close()
        if 300 <= answer.status < 400:
            raise Undelivered(f"the receiver answered {answer.status}: redirects are not followed")
        if not 200 <= answer.status < 300:
            raise Undelivered(f"the receiver answered {answer.status}")

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout)


def _what_went_wrong(fault: Exception) -> str:
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"the receiver's certificate does not verify: {fault.verify_message}"
    if isinstance(fault, TimeoutError):
        return "the receiver did not answer in time"
    if isinstance(fault, OSError):
        return f"the receiver cannot be reached: {fault.strerror or type(fault).__name__}"
    return f"the receiver does not speak HTTP: {type(fault).__name__}"
