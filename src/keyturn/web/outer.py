"""The outermost ring of the HTTP face: what every response carries, and what happens when something breaks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from keyturn.store.interface import Unavailable
from keyturn.web import hot, refuse
from keyturn.web.answer import new_request_id, security
from keyturn.web.call import send_answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from keyturn.web.face import Face

log = logging.getLogger("keyturn.web")


class Outer:
    """Gives a request its id and its response the common headers; turns faults into answers without a trace of them."""

    def __init__(self, face: Face, inner: ASGIApp) -> None:
        self._face, self._inner = face, inner
        self._headers = security(https=face.https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        request_id = new_request_id()
        state = scope["state"] = {
            "request_id": request_id,
            "remaining": self._face.api_limit.most or 1_000_000,
            "headers": [],
        }
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [
                    *message["headers"],
                    (b"request-id", request_id.encode()),
                    (b"ratelimit-remaining", b"%d" % state["remaining"]),
                    *self._headers,
                    *state["headers"],
                ]
            await send(message)

        try:
            path = scope["path"]
            if path == "/verify":
                await hot.verify(self._face, scope, receive, send_with_headers)
            elif path == "/account" and scope["method"] in ("GET", "HEAD"):
                await hot.account(self._face, scope, receive, send_with_headers)
            else:
                await self._inner(scope, receive, send_with_headers)
        except Exception as fault:
            if not isinstance(fault, Unavailable):
                # the path can hold a login's secret half: the route's template is what the log gets
                route = getattr(scope.get("route"), "path", "?")
                log.exception("fault in %s %s, request %s", scope["method"], route, request_id)
            if started:
                raise
            answer = refuse.unavailable() if isinstance(fault, Unavailable) else refuse.fault()
            await send_answer(scope, send_with_headers, answer)
