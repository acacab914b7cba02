"""The two requests that outnumber all others, GET /verify and GET /account, answered without a router, a thread or a
second look.

They take the same steps as every endpoint (call.py): read, authenticate, count, decide, answer; only the machinery
around is left out.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

from keyturn.core import decide, scope
from keyturn.store.interface import Unavailable
from keyturn.web import call, credentials, refuse, render
from keyturn.web.answer import Answer, encode, iso

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from keyturn.core.credential import Principal
    from keyturn.web.face import Face
    from keyturn.web.limits import Limit


async def verify(face: Face, asgi: Scope, _receive: Receive, send: Send) -> None:
    """Who the caller's token speaks for, as headers and JSON, for a reverse proxy; 401 or 403 with the reason
    otherwise.
    """
    query = asgi["query_string"]
    verified, now, generation = face.verified, face.env.clock(), 0
    if verified is not None:
        with suppress(Unavailable):  # the look-up says so
            generation = verified.generation()
    principal = _admit(face, asgi, face.verify_limit)
    if isinstance(principal, Answer):
        await call.send_answer(asgi, send, _told_to_proxies(principal))
        return
    if query:
        answer = _short_of_scope(face, asgi, principal, query)
        if answer is not None:
            await call.send_answer(asgi, send, _told_to_proxies(answer))
            return
    expires_at = iso(principal.expires_at)
    scopes = " ".join(principal.scopes)
    raw = encode(
        {
            "account": principal.account_id,
            "email": principal.email,
            "scope": scopes,
            "credential": principal.grant_id,
            "kind": principal.kind,
            "expires_at": expires_at,
        }
    )
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", b"%d" % len(raw)),
        (b"x-keyturn-account", principal.account_id.encode()),
        (b"x-keyturn-email", _header(principal.email)),
        (b"x-keyturn-scope", scopes.encode()),
        (b"x-keyturn-credential", principal.grant_id.encode()),
        (b"x-keyturn-kind", principal.kind.encode()),
    ]
    if expires_at is not None:
        headers.append((b"x-keyturn-expires-at", expires_at.encode()))
    if principal.read_only:
        headers.append((b"x-keyturn-read-only", b"true"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if asgi["method"] == "HEAD" else raw})
    if verified is not None and not query:
        presented = next(value for name, value in asgi["headers"] if name == b"authorization")
        verified.keep(presented, principal, generation, now, headers, asgi["state"]["headers"], raw)


async def account(face: Face, asgi: Scope, _receive: Receive, send: Send) -> None:
    """GET /account."""
    principal = _admit(face, asgi, face.api_limit)
    if isinstance(principal, Answer):
        await call.send_answer(asgi, send, principal)
        return
    lacking = decide.authorize(principal, "account:read")
    if lacking is not None:
        face.refused(asgi, lacking, principal)
        await call.send_answer(asgi, send, refuse.deny(lacking, forbidden=True))
        return
    try:
        found = face.env.store.find_account(principal.account_id)
    except Unavailable:
        await call.send_answer(asgi, send, refuse.unavailable())
        return
    assert found is not None
    await call.send_answer(asgi, send, Answer(render.account(found)))


def _admit(face: Face, asgi: Scope, limit: Limit) -> Principal | Answer:
    presented = credentials.read(asgi["headers"], asgi["query_string"])
    if isinstance(presented, credentials.Ambiguous):
        return refuse.bad_request(presented.message)
    if isinstance(presented, credentials.Unreadable):
        return refuse.unreadable(presented.message)
    try:
        return face.admit(asgi, presented, limit)
    except Unavailable:
        return refuse.unavailable()


def _short_of_scope(face: Face, asgi: Scope, principal: Principal, query: bytes) -> Answer | None:
    """The refusal when ``?scope=`` names a scope that the token does not have."""
    asked = " ".join(parse_qs(query.decode("latin-1")).get("scope", [])).replace(",", " ").split()
    unknown = [name for name in asked if name not in scope.SCOPES]
    if unknown:
        return refuse.bad_request(f"There is no scope of that name; the scopes are {', '.join(scope.SCOPES)}.")
    for name in asked:
        if not scope.includes(principal.scopes, (name,)):
            lacking = decide.short_of(principal, (name,))
        elif principal.read_only and name in scope.CHANGING:
            lacking = decide.may_only_read(principal)
        else:
            continue
        face.refused(asgi, lacking, principal)
        return refuse.deny(lacking, forbidden=True)
    return None


def _told_to_proxies(refusal: Answer) -> Answer:
    """The refusal, with its reason as a header, and its body as well: nginx reads nothing else of an auth_request."""
    whole = encode(refusal.body).strip().decode("latin-1")  # its bytes, as headers are written
    refusal.headers += [
        ("X-Keyturn-Reason", refusal.body.get("reason", refusal.body["id"])),
        ("X-Keyturn-Refusal", whole),
    ]
    return refusal


def _header(text: str) -> bytes:
    """The text as a header value: ASCII as it is, all else, and the percent sign, percent-encoded as UTF-8: so no two
    addresses are one when they are decoded.
    """
    return text.encode() if text.isascii() and "%" not in text else quote(text, safe="@+.-_!#$&'*/=?^`{|}~").encode()
