"""One API request, from ASGI to an Answer and back: the frame that every endpoint shares.

read the credential -> authenticate -> count against the rate limit -> authorize -> read the body -> run the endpoint
on a thread. An endpoint is a plain function from Call to Answer; it raises the actions' problems, and web/refuse.py
turns them into answers.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from keyturn.actions import prove
from keyturn.actions.authenticate import authenticate
from keyturn.actions.env import By, Invalid, Problem, Refused
from keyturn.core import decide
from keyturn.core.credential import Deny, Principal
from keyturn.store.interface import Unavailable
from keyturn.web import credentials, refuse
from keyturn.web.answer import Answer, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from keyturn.actions.env import Env
    from keyturn.web.face import Face

LARGEST_BODY = 64 * 1024
BODY_SECONDS = 30.0
CODE_HEADER = b"heroku-two-factor-code"


@dataclass(frozen=True, slots=True)
class Call:
    """What an endpoint is given."""

    env: Env
    by: By
    params: dict[str, str]
    """The path's variables."""
    body: dict[str, Any]
    """The request's JSON object; empty when there was none."""
    range: str | None
    query: dict[str, str]
    """The query string's parameters; the last of a name counts."""
    presented: credentials.Presented | None = None
    code: str | None = None
    """Of a second factor, as the header Heroku-Two-Factor-Code has it (wire.md 2.2)."""

    @property
    def dry_run(self) -> bool:
        """Whether to answer the preview and change nothing. Raises Invalid for what is neither true nor false."""
        asked = self.query.get("dry_run", "false").lower()
        if asked not in ("true", "1", "false", "0", ""):
            raise Invalid("dry_run", "dry_run must be true or false")
        return asked in ("true", "1")

    @property
    def include_ended(self) -> bool:
        """Whether a list is to have the dead as well."""
        return self.query.get("include") == "ended"

    @property
    def principal(self) -> Principal:
        """Who acts. For endpoints with a permission, which are called for nobody else."""
        assert self.by.principal is not None
        return self.by.principal


class Endpoint:
    """An ASGI application for one route of the API."""

    def __init__(
        self,
        face: Face,
        run: Callable[[Call], Answer],
        permission: str | None,
        *,
        slow: bool | Callable[[dict[str, Any]], bool] = False,
        counted: bool = True,
        password: Callable[[Call], Answer] | None = None,
        sensitive: bool | Callable[[Call], bool] = False,
        previews: bool | Callable[[Call], bool] = False,
        further: Callable[[dict[str, Any]], str | None] | None = None,
    ) -> None:
        """``permission``: of core.scope; None when nobody has to be proven. ``slow``: hashes a password, always or
        for some bodies. ``counted``: against the rate limit. ``password``: the endpoint for Basic with e-mail and
        account password, where that is taken at all. ``sensitive``: takes the second factor where the account has one,
        always or for some calls; a dry run is spared only by an endpoint that has one. ``previews``: it has a dry run,
        always or for some calls; of all others that would change something a dry run is refused. ``further``: the
        permission that a body takes besides ``permission``, where it asks for more than other bodies do.
        """
        self._face, self._run, self.permission = face, run, permission
        self._slow, self._counted, self._password = slow, counted, password
        self._sensitive, self._previews, self._further = sensitive, previews, further

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        try:
            answer = await self._answer(scope, receive)
        except Problem as problem:
            answer = refuse.problem(problem)
        except Unavailable:
            answer = refuse.unavailable()
        if answer.status == 401 and "error" in answer.body:  # a client that did not prove itself [RFC 6749 5.2]
            self._face.refused(scope, Deny(answer.body["error"], answer.body["message"]))
        await send_answer(scope, send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        presented = credentials.read(scope["headers"], scope["query_string"])
        if isinstance(presented, credentials.Ambiguous):
            return refuse.bad_request(presented.message)
        if isinstance(presented, credentials.Unreadable):
            return refuse.unreadable(presented.message)
        run, slow, principal = self._run, self._slow, None
        if (
            isinstance(presented, credentials.Presented)
            and presented.looks_like_a_password
            and self._password is not None
        ):
            run, slow = self._password, True
        elif self.permission is not None:
            outcome = self._face.admit(scope, presented, self._face.api_limit, counted=self._counted)
            if isinstance(outcome, Answer):
                return outcome
            principal = outcome
            lacking = self._lacking(scope, principal, self.permission)
            if lacking is not None:
                return lacking
        body = await read_body(scope, receive)
        if isinstance(body, Answer):
            return body
        if principal is not None:  # a body may take its time, and what ended meanwhile acts no more
            again = admit(self._face.env, presented)
            if not isinstance(again, Principal):
                self._face.refused(scope, again)
                return refuse.deny(again)
            further = self._further(body) if self._further is not None else None
            lacking = self._lacking(scope, again, further) if further is not None else None
            if lacking is not None:
                return lacking
        asked_range = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"range"), None)
        given = presented if isinstance(presented, credentials.Presented) else None
        by, query = self._face.by(scope, principal), dict(parse_qsl(scope["query_string"].decode("latin-1")))
        code = next((value.decode("latin-1") for name, value in scope["headers"] if name == CODE_HEADER), None)
        call = Call(self._face.env, by, scope["path_params"], body, asked_range, query, given, code)
        if scope["method"] not in ("GET", "HEAD") and call.dry_run and not self._has_preview(call):
            return refuse.problem(Invalid("dry_run", "there is no dry run of this; nothing was changed"))
        hashes = slow(body) if callable(slow) else slow
        try:
            return await self._face.offload.run(lambda: self._prove_and(run, call), slow=hashes)
        except Refused as refused:
            # a code that is missing is asked for, and given at the second try; a wrong one is in the trail already
            if principal is not None and refused.forbidden and refused.deny.reason != "two_factor":
                about = {"app": call.params["app"]} if "app" in call.params else {}
                self._face.refused(scope, refused.deny, principal, what=_asked(scope), **about)
            raise

    def _lacking(self, scope: Scope, principal: Principal, permission: str) -> Answer | None:
        """The refusal where the credential lacks the permission; None: it has it."""
        lacking = decide.authorize(principal, permission)
        if lacking is None:
            return None
        self._face.refused(scope, lacking, principal, what=_asked(scope))
        return refuse.deny(lacking, forbidden=True)

    def _prove_and(self, run: Callable[[Call], Answer], call: Call) -> Answer:
        acting = call.by.principal  # nobody where a password was given: that asks for a code by itself
        if acting is not None and self.is_sensitive(call):
            prove.require(call.env, call.by, acting, call.code)
        return run(call)

    def is_sensitive(self, call: Call) -> bool:
        """Whether the call takes the second factor of an account that has one."""
        return self._sensitive(call) if callable(self._sensitive) else self._sensitive

    def _has_preview(self, call: Call) -> bool:
        return self._previews(call) if callable(self._previews) else self._previews

    @property
    def may_be_sensitive(self) -> bool:
        """Whether some of its calls take it."""
        return bool(self._sensitive)


def _asked(scope: Scope) -> str:
    """The method and the route's template: a path's variables can hold a secret."""
    return f"{scope['method']} {getattr(scope.get('route'), 'path', '?')}"


def admit(env: Env, presented: credentials.Presented | credentials.Absent) -> Principal | Deny:
    """Who the presented credential speaks for, or why not."""
    if isinstance(presented, credentials.Absent):
        return decide.unproven("missing")
    if presented.looks_like_a_password:
        return decide.unproven("password_as_token")
    return authenticate(env, presented.token)


async def read_body(scope: Scope, receive: Receive) -> dict[str, Any] | Answer:
    """The request's body as an object: JSON whatever the content type says (curl -d calls it a form), or a form; {}
    when empty.
    """
    chunks, size = [], 0
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            return refuse.late(f"The body did not come within {BODY_SECONDS:g} seconds.")
        if message["type"] == "http.disconnect":
            return refuse.bad_request("The request ended before its body did.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY:
            return Answer(
                {"id": "bad_request", "message": f"The body is larger than {LARGEST_BODY} bytes."},
                413,
                [("Connection", "close")],
            )
        chunks.append(chunk)
        if not message.get("more_body"):
            break
    raw = b"".join(chunks).strip()
    if not raw:
        return {}
    content_type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if raw[:1] not in b"{[" and content_type.startswith(b"application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as wrong:
        return refuse.bad_request(f"The body is not JSON: {wrong.msg} at line {wrong.lineno}, column {wrong.colno}.")
    if not isinstance(body, dict):
        return refuse.bad_request("The body must be a JSON object.")
    return body


async def send_answer(scope: Scope, send: Send, answer: Answer) -> None:
    """Sends the answer; GETs carry an ETag and are answered 304 when the client has the same already [RFC 9110
    13.1.2].
    """
    raw = encode(answer.body)
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    status = answer.status
    if scope["method"] in ("GET", "HEAD") and status in (200, 206):
        tag = b'"' + hashlib.blake2b(raw, digest_size=12).hexdigest().encode() + b'"'
        headers.append((b"etag", tag))
        for name, value in scope["headers"]:
            if name == b"if-none-match" and tag in [part.strip().removeprefix(b"W/") for part in value.split(b",")]:
                status, raw = 304, b""
    headers += [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in answer.headers]
    if status != 304:
        headers.append((b"content-length", str(len(raw)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else raw})
