"""Life and death told: previews, why a credential works or does not, reports of leaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyturn.actions import leaks, preview, why
from keyturn.actions.env import Invalid
from keyturn.core import decide
from keyturn.core.policy import Event
from keyturn.web import call as calls
from keyturn.web import credentials, refuse
from keyturn.web.answer import Answer
from keyturn.web.api.authorizations import renderer
from keyturn.web.face import place
from keyturn.web.render import Render
from keyturn.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Receive, Scope, Send

    from keyturn.core.credential import Deny
    from keyturn.web.call import Call
    from keyturn.web.face import Face


def previewed(call: Call) -> Answer:
    """GET /account/preview?event=: what the event would end."""
    event = preview.event_named(call.query.get("event"))
    if event is Event.SUSPEND:
        email = call.query.get("account")
        if not email:
            raise Invalid("account", "account must be the e-mail of the account to be suspended")
        return Answer(renderer(call).preview(preview.preview_suspension(call.env, call.by, email)))
    return Answer(renderer(call).preview(preview.preview(call.env, call.by, event, target=call.query.get("id"))))


def why_by_id(routes: Sequence[object]) -> Callable[[Call], Answer]:
    """GET /credentials/ID/why, for its owner and administrators."""

    def told(call: Call) -> Answer:
        return _tell(call, why.of_id(call.env, call.principal, call.params["id"]), routes)

    return told


def why_own(routes: Sequence[object]) -> Callable[[Call], Answer]:
    """GET /credentials/why: of the token that is presented, be it dead."""

    def told(call: Call) -> Answer:
        given = call.presented
        if given is None:
            return refuse.deny(decide.unproven("missing"))
        if given.looks_like_a_password:
            return refuse.deny(decide.unproven("password_as_token"))
        return _tell(call, why.of_secret(call.env, given.token), routes)

    return told


def _tell(call: Call, told: why.Told, routes: Sequence[object]) -> Answer:
    body: dict[str, Any] = {"alive": told.dead is None, "verdict": "allowed", "status": 200, "credential": None}
    if told.credential is not None and told.owner is not None:
        body["credential"] = Render(call.env, told.owner).credential(told.credential)
    method, path = call.query.get("method", "GET").upper(), call.query.get("path")
    if path is not None:
        body |= {"method": method, "path": path}
        permission, missing = _permission(routes, method, path)
        if missing is not None:
            return Answer(body | missing.body | {"verdict": "refused", "status": missing.status})
        body["permission"] = permission
        if permission is None:
            return Answer(body | {"message": "This takes no credential."})
    if told.dead is not None:
        refusal: Deny | None = told.dead
    else:
        assert told.principal is not None
        refusal = (
            decide.authorize(told.principal, body["permission"]) if path is not None and body["permission"] else None
        )
    if refusal is None:
        return Answer(body)
    answer = refuse.deny(refusal, forbidden=told.dead is None)
    known = {"credential": body["credential"]} if body["credential"] else {}
    return Answer(body | answer.body | known | {"verdict": "refused", "status": answer.status})


def _permission(routes: Sequence[object], method: str, path: str) -> tuple[str | None, Answer | None]:
    """What a request for ``path`` takes, by the very routes that serve it; or the 404 or 405 that it gets."""
    path = path.partition("?")[0]
    if path == "/verify":
        return "self:end", None  # any living token
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, Route) and route.path_regex.match(path):
            if method in (route.methods or ()):
                endpoint = route.app
                return (endpoint.permission if isinstance(endpoint, calls.Endpoint) else None), None
            methods |= route.methods or set()
    if methods:
        return None, refuse.wrong_method(sorted(methods))
    return None, refuse.no_such_route()


class Report:
    """POST /credentials/revoke: anyone reports leaked tokens. Always the same answer, whatever they are."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes one report."""
        face = self._face
        _, wait = face.report_limit.take(place(scope), face.env.clock().timestamp())
        if wait:
            message = "Too many reports from this address. Put up to 100 tokens into one, or wait a little."
            await calls.send_answer(scope, send, refuse.too_many(message, wait))
            return
        if isinstance(credentials.read([], scope["query_string"]), credentials.Ambiguous):
            message = "Put the tokens into the body, never into a URL, where logs keep them."
            await calls.send_answer(scope, send, refuse.bad_request(message))
            return
        endpoint = calls.Endpoint(face, _report, None)
        await endpoint(scope, receive, send)


def _report(call: Call) -> Answer:
    return Answer({"received": leaks.report(call.env, call.by, call.body.get("tokens"))}, 202)
