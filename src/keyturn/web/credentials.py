"""Reads what a request presents as its credential; judges nothing.

Ways: ``Authorization: Bearer TOKEN`` in any case; Basic with the token as password under any user name, or as user
name with no password [RFC 6750 2.1, RFC 7617; Heroku, git and curl practice].
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from keyturn.core import token

if TYPE_CHECKING:
    from collections.abc import Iterable


class Presented(NamedTuple):
    """The text that is to be the token; ``user`` is Basic's user name, None for Bearer."""

    text: str
    user: str | None = None

    @property
    def token(self) -> str:
        """What is to be the token: Basic's password, or its user name where there is none (`curl -u TOKEN:`)."""
        return self.text or self.user or ""

    @property
    def looks_like_a_password(self) -> bool:
        """Basic with an e-mail address and something that has not the form of our tokens."""
        return self.user is not None and "@" in self.user and token.kind_of(self.text) is None


class Absent(NamedTuple):
    """Nothing was presented."""


class Ambiguous(NamedTuple):
    """Presented in more than one way, or in the query string: a bad request, whatever the credential [RFC 6750 2,
    5.3].
    """

    message: str


class Unreadable(NamedTuple):
    """An Authorization header that cannot be read; ``message`` says how to write one."""

    message: str


ABSENT = Absent()
_QUERY_NAMES = frozenset({"access_token", "token", "api_key", "apikey", "password", "authorization"})


def read(headers: Iterable[tuple[bytes, bytes]], query: bytes = b"") -> Presented | Absent | Ambiguous | Unreadable:
    """What the request presents. ``headers`` as ASGI gives them: lower-case names, raw values."""
    found: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if found is not None:
                return Ambiguous("The request has two Authorization headers; send one.")
            found = value
    if query and _in_query(query):
        return Ambiguous("A token must never be in a URL, where logs keep it. Send it as: Authorization: Bearer TOKEN")
    if found is None:
        return ABSENT
    scheme, _, rest = found.partition(b" ")
    scheme = scheme.lower()
    if scheme == b"bearer":
        return Presented(rest.strip().decode("latin-1"))
    if scheme == b"basic":
        return _basic(rest)
    return Unreadable("Send the token as: Authorization: Bearer TOKEN, or as the password of Basic authentication.")


def _basic(rest: bytes) -> Presented | Unreadable:
    try:
        text = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return Unreadable("The Basic credentials are not base64 of UTF-8.")
    user, colon, secret = text.partition(":")
    if not colon:
        return Unreadable("The Basic credentials have no colon between user name and password.")
    # a token for a user name and no password: `curl -u TOKEN:`
    return Presented(user, "") if not secret else Presented(secret, user)


def _in_query(query: bytes) -> bool:
    return any(
        name.lower() in _QUERY_NAMES or token.is_token(value) for name, value in parse_qsl(query.decode("latin-1"))
    )
