"""What can go wrong between a client and a Keyturn server.

KeyturnError
├── ConnectionFailed      no answer: refused, timed out, certificate, a redirect elsewhere
├── NotLoggedIn           nothing to present: no HEROKU_API_KEY, no netrc entry, no token given
├── StorageFailed         a file of ours on this machine cannot be read or written
└── ApiError              the server answered, and said no
    ├── Unauthorized      401: the token is dead, malformed or unknown; `reason` says which
    ├── Forbidden         403: a live token without the right
    │   └── TwoFactorRequired  a two-factor code is asked for, or the one given was wrong
    ├── NotFound          404, 410
    ├── Invalid           400, 409, 413, 422: what was sent is wrong; `field` may name it
    ├── RateLimited       429: `retry_after` seconds
    └── ServerFault       5xx, or an answer that no Keyturn server gives
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class KeyturnError(Exception):
    """Any of the below. ``next`` is the command, or the deed, that mends it; None when none is known."""

    def __init__(self, message: str, next: str | None = None) -> None:  # noqa: A002 - the API's own word for it
        super().__init__(message)
        self.message = message
        self.next = next


class ConnectionFailed(KeyturnError):
    """No answer came. Nothing is known about the token."""


class NotLoggedIn(KeyturnError):
    """There is no token to present."""


class StorageFailed(KeyturnError):
    """A file on this machine that holds, or should hold, a credential cannot be used."""


class ApiError(KeyturnError):
    """The server's refusal, as it told it (docs/api.md, Refusals).

    ``status`` is HTTP's; ``id`` Heroku's name of the error; ``reason`` why the credential is refused
    (docs/reasons.md), or None; ``field`` the field that is wrong; ``request_id`` names the request in the server's
    log; ``body`` is the whole answer.
    """

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        said = _text(body, "message") or _text(body, "error_description") or f"the server answered {status} and no more"
        super().__init__(said, _text(body, "next"))
        self.status = status
        self.id = _text(body, "id") or ""
        self.reason = _text(body, "reason")
        self.field = _text(body, "field")
        self.resource = _text(body, "resource")
        self.request_id = headers.get("request-id", "").split(",")[0].strip()
        self.body = body


class Unauthorized(ApiError):
    """401."""


class Forbidden(ApiError):
    """403."""


class TwoFactorRequired(Forbidden):
    """403, where repeating the call with ``code=`` mends it."""


class NotFound(ApiError):
    """404 or 410."""


class Invalid(ApiError):
    """What was sent is wrong."""


class RateLimited(ApiError):
    """429. ``retry_after`` is in seconds; 0 when the server did not say."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        super().__init__(status, body, headers)
        after = headers.get("retry-after", "")
        self.retry_after = int(after) if after.isascii() and after.isdigit() else 0


class ServerFault(ApiError):
    """The server failed, or is no Keyturn server."""


_BY_STATUS = {
    400: Invalid, 401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Invalid, 410: NotFound, 413: Invalid,
    422: Invalid, 429: RateLimited,
}  # fmt: skip


def refusal(status: int, body: object, headers: Mapping[str, str]) -> ApiError:
    """The error for an answer of status 300 and more. ``headers`` have lower-case names."""
    kind = _BY_STATUS.get(status, ServerFault if status >= 500 else ApiError)
    said = body if isinstance(body, dict) else {}
    if kind is Forbidden and said.get("id") == "two_factor":
        kind = TwoFactorRequired
    return kind(status, said, headers)


def _text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    return value if isinstance(value, str) and value else None
