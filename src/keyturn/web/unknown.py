"""A path that there is not: JSON for programs, a page for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.web import refuse
from keyturn.web.call import send_answer
from keyturn.web.pages.visit import Page, message

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from keyturn.web.face import Face
    from keyturn.web.pages.visit import Visit


class Unknown:
    """The router's last resort."""

    def __init__(self, face: Face) -> None:
        self._page = Page(face, _page)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 404."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
        if b"text/html" in accept and scope["method"] in ("GET", "HEAD"):
            await self._page(scope, receive, send)
        else:
            await send_answer(scope, send, refuse.no_such_route())


def _page(visit: Visit) -> Response:
    return message(
        visit,
        404,
        "There is no such page",
        ["The address may have been cut or mistyped."],
        action=("/", "Go to the start"),
    )
