"""What ties a form and its answer to one browser: our cookies, the proof that a form carries, and what the page before has to say,
signed for that browser alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Scope

    from keyturn.web.face import Face


def cookie_name(face: Face, what: str) -> str:
    """Over TLS the __Host- prefix [RFC 6265bis 4.1.3.2]; without, the port, since a machine's ports share their
    cookies.
    """
    return f"__Host-keyturn_{what}" if face.https else f"keyturn_{what}_{urlsplit(face.public_url).port or 80}"


def set_cookie(face: Face, response: Response, what: str, value: str, *, seconds: int | None = None) -> None:
    """Sets one of our cookies; until the browser closes when no ``seconds`` are given."""
    response.set_cookie(
        cookie_name(face, what), value, max_age=seconds, path="/", secure=face.https, httponly=True, samesite="lax"
    )


def drop_cookie(face: Face, response: Response, what: str) -> None:
    """Removes one of our cookies."""
    response.delete_cookie(cookie_name(face, what), path="/", secure=face.https, httponly=True, samesite="lax")


def read_flash(value: str, browser: str) -> tuple[tuple[str, str], ...]:
    """What the page before has to say, where it was this server that wrote it, for this browser."""
    try:
        raw = base64.urlsafe_b64decode(value)
    except ValueError:
        return ()
    if not hmac.compare_digest(raw[:32], signature(browser, raw[32:])):
        return ()
    tone, text = json.loads(raw[32:])
    return ((tone, text),)


def signature(browser: str, packed: bytes) -> bytes:
    """Of what the next page has to say, for a browser."""
    return hmac.new(browser.encode(), b"flash:" + packed, hashlib.sha256).digest()


def binding(browser: str, session: str) -> str:
    """What forms are bound to: the browser's own random cookie and the session's id, which stays the same when the
    session's secret is renewed.
    """
    return hmac.new(browser.encode(), b"form:" + session.encode(), hashlib.sha256).hexdigest()


def form_token(bound: str, identity: str) -> str:
    """What a form carries: its own random id (hexadecimal), and the proof that we made it for this browser and session."""
    return f"{identity}.{hmac.new(bound.encode(), identity.encode(), hashlib.sha256).hexdigest()}"


def form_id(bound: str, given: str) -> str | None:
    """The id in a form's token; None when the token was not made here for this browser and session."""
    identity = given.partition(".")[0]
    good = hmac.compare_digest(given.encode(), form_token(bound, identity).encode())
    return identity if good else None


def is_foreign(face: Face, scope: Scope) -> bool:
    """Whether the browser says that the form came from another site, or hides from where."""
    headers = dict(scope["headers"])
    if headers.get(b"sec-fetch-site", b"same-origin") not in (b"same-origin", b"none"):
        return True
    origin = headers.get(b"origin")
    if origin is None:
        return False
    ours = {headers.get(b"host", b"").decode("latin-1"), urlsplit(face.public_url).netloc}
    # cut by hand: what strangers send need not be a URL
    return origin.decode("latin-1").partition("://")[2] not in ours


def read_cookies(scope: Scope) -> dict[str, str]:
    """The request's cookies [RFC 6265 5.4]; the first of a name counts."""
    cookies: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, _, text = part.strip().partition("=")
                cookies.setdefault(key, text)
    return cookies
