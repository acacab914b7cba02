"""Starlette's routes and files, with refusals in our own form: a 405 names all the methods of the path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette import routing, staticfiles
from starlette.exceptions import HTTPException

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


class Files(staticfiles.StaticFiles):
    """The files of a folder; StaticFiles raises for a middleware that we do not have."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one file."""
        try:
            await super().__call__(scope, receive, send)
        except HTTPException as refused:
            wrong_method = refused.status_code == 405
            await send_answer(
                scope, send, refuse.wrong_method(["GET", "HEAD"]) if wrong_method else refuse.no_such_route()
            )
