"""Life and death told: previews, why a credential works or does not, reports of leaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keyturn.actions import leaks, preview, prove, why
from keyturn.actions.env import By, Invalid, Refused
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

    from keyturn.core.credential import Deny, Principal
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
    taken: _Taken | None = None
    if path is not None:
        body |= {"method": method, "path": path}
        found = _taken(routes, method, path)
        if isinstance(found, Answer):
            return Answer(body | found.body | {"verdict": "refused", "status": found.status})
        taken = found
        body["permission"] = taken.permission
        if taken.permission is None:
            return Answer(body | {"message": "This takes no credential."})
    if told.dead is not None:
        refusal: Deny | None = told.dead
    else:
        assert told.principal is not None
        refusal = None
        if taken is not None and taken.permission is not None:
            refusal = decide.authorize(told.principal, taken.permission)
            if refusal is None:
                refusal, note = _second_factor(call, told.principal, taken)
                body |= {"note": note} if note else {}
    if refusal is None:
        return Answer(body)
    answer = refuse.deny(refusal, forbidden=told.dead is None)
    known = {"credential": body["credential"]} if body["credential"] else {}
    return Answer(body | answer.body | known | {"verdict": "refused", "status": answer.status})


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a request takes. ``endpoint`` is None where none of the API's serves it."""

    permission: str | None
    endpoint: calls.Endpoint | None = None
    params: dict[str, str] = field(default_factory=dict)


def _taken(routes: Sequence[object], method: str, path: str) -> _Taken | Answer:
    """What a request for ``path`` takes, by the very routes that serve it; or the 404 or 405 that it gets."""
    path = path.partition("?")[0]
    if path == "/verify":
        return _Taken("self:end")  # any living token
    methods: set[str] = set()
    for route in routes:
        if isinstance(route, Route) and (found := route.path_regex.match(path)):
            if method in (route.methods or ()):
                endpoint = route.app
                if not isinstance(endpoint, calls.Endpoint):
                    return _Taken(None)
                return _Taken(endpoint.permission, endpoint, found.groupdict())
            methods |= route.methods or set()
    return refuse.wrong_method(sorted(methods)) if methods else refuse.no_such_route()


_SOMETIMES = "With some contents this request takes a two-factor code as well."


def _second_factor(call: Call, principal: Principal, taken: _Taken) -> tuple[Deny | None, str | None]:
    """The refusal that the request gets for want of a two-factor code, when it has no body; a note where the body
    tells whether it takes one.
    """
    if taken.endpoint is None:
        return None, None
    bare = calls.Call(call.env, By(principal), taken.params, {}, None, {})
    asked = taken.endpoint.is_sensitive(bare)
    if not asked and not taken.endpoint.may_be_sensitive:
        return None, None
    try:
        prove.require(call.env, bare.by, principal, None)
    except Refused as refused:
        return (refused.deny, None) if asked else (None, _SOMETIMES)
    return None, None


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
