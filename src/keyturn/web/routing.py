"""Starlette's Route, with a 405 in our own form that names all the methods of the path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette import routing

from keyturn.web import refuse
from keyturn.web.call import send_answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class Route(routing.Route):
    """One path and its methods."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the request; it gets here with a wrong method when no route of the path takes it."""
        if self.methods and scope["method"] not in self.methods:
            path, router = scope["path"], scope["router"]
            same = (r for r in router.routes if isinstance(r, Route) and r.path_regex.match(path))
            allowed = sorted({method for route in same for method in route.methods or ()})
            await send_answer(scope, send, refuse.wrong_method(allowed))
            return
        scope["route"] = self
        await self.app(scope, receive, send)
