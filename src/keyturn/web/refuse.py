"""The only place where a refusal becomes a status code, headers and a body."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from keyturn.actions.env import Gone, Invalid, NotFound, Refused, Throttled
from keyturn.core import decide
from keyturn.web.answer import Answer, iso

if TYPE_CHECKING:
    from keyturn.actions.env import Problem
    from keyturn.core.credential import Deny

CHALLENGE = 'Bearer realm="Keyturn"'
_CLIENTS_KNOW = {"two_factor": "two_factor", "browser_only": "device_trust_required"}


def deny(refusal: Deny, *, forbidden: bool = False) -> Answer:
    """A refused credential. 401 when it is not proven or dead, 403 when it is alive and may not [RFC 6750 3.1]."""
    body: dict[str, Any] = {
        # the Heroku CLI asks for a code when it reads `two_factor` (wire.md 2.2)
        "id": _CLIENTS_KNOW.get(refusal.reason, "forbidden") if forbidden else "unauthorized",
        "message": refusal.message,
        "reason": refusal.reason,
    }
    headers: list[tuple[str, str]] = []
    if refusal.next:
        body["next"] = refusal.next
    if refusal.ended_at:
        body["ended_at"] = iso(refusal.ended_at)
    if refusal.credential:
        body["credential"] = dict(zip(("id", "kind", "description"), refusal.credential, strict=True))
    if forbidden:
        if refusal.needed:
            body["scope"] = list(refusal.needed)
            challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{refusal.needed[0]}"'
            headers.append(("WWW-Authenticate", challenge))
        return Answer(body, 403, headers)
    error = "" if refusal.reason == "missing" else f', error="invalid_token", error_description="{refusal.reason}"'
    headers.append(("WWW-Authenticate", CHALLENGE + error))
    return Answer(body, 401, headers)


def problem(found: Problem) -> Answer:
    """What an action could not do."""
    message = str(found)
    if isinstance(found, Refused):
        return deny(found.deny, forbidden=found.forbidden)
    if isinstance(found, NotFound):
        return Answer({"id": "not_found", "resource": found.resource, "message": message}, 404)
    if isinstance(found, Invalid):
        more = {"next": found.next} if found.next else {}
        return Answer({"id": "invalid_params", "message": message, "field": found.field} | more, 422)
    if isinstance(found, Gone):
        return Answer({"id": "gone", "message": message}, 410)
    if isinstance(found, Throttled):
        return too_many(message, found.after.total_seconds())
    raise found


def too_many(message: str, after: float) -> Answer:
    """429, with the seconds to wait [RFC 6585 4]."""
    return Answer({"id": "rate_limit", "message": message}, 429, [("Retry-After", str(max(1, math.ceil(after))))])


def bad_request(message: str) -> Answer:
    """400: the request itself cannot be read."""
    return Answer({"id": "bad_request", "message": message}, 400)


def late(message: str) -> Answer:
    """408: it did not come in time; nothing more of it is read [RFC 9110 15.5.9]."""
    return Answer({"id": "bad_request", "message": message}, 408, [("Connection", "close")])


def unreadable(message: str) -> Answer:
    """401: something was presented, in no form that can be read."""
    refusal = decide.unproven("malformed")
    answer = Answer({"id": "unauthorized", "message": message, "reason": "malformed", "next": refusal.next}, 401)
    answer.headers.append(("WWW-Authenticate", f'{CHALLENGE}, error="invalid_token", error_description="malformed"'))
    return answer


def no_such_route() -> Answer:
    """404 for a path that there is not."""
    return Answer(
        {
            "id": "not_found",
            "resource": "route",
            "message": "The requested API endpoint was not found. See the API's documentation.",
        },
        404,
    )


def wrong_method(allowed: list[str]) -> Answer:
    """405, with the methods that the path takes [RFC 9110 15.5.6]."""
    message = f"This address takes {' and '.join(allowed)} only."
    return Answer({"id": "method_not_allowed", "message": message}, 405, [("Allow", ", ".join(allowed))])


def busy() -> Answer:
    """503: too many fetches and pushes at once."""
    return Answer(
        {"id": "service_unavailable", "message": "Too many fetches and pushes at once. Try again in a few seconds."},
        503,
        [("Retry-After", "10")],
    )


def git_failed() -> Answer:
    """500: a repository that cannot be served; the log says why."""
    return Answer(
        {"id": "internal_server_error", "message": "The repository cannot be served. Tell the operator."}, 500
    )


def smart_only() -> Answer:
    """404 for a path of git's that is not the smart protocol's [gitprotocol-http]."""
    message = "Only git's smart HTTP protocol is served here: git clone, fetch and push (git 1.6.6 or newer)."
    return Answer({"id": "not_found", "resource": "route", "message": message}, 404)


def unsupported(message: str) -> Answer:
    """415: a body of a type or encoding that the address does not take [RFC 9110 15.5.16]."""
    return Answer({"id": "unsupported_media_type", "message": message}, 415)


def unavailable() -> Answer:
    """503: the store cannot serve now; nothing was changed."""
    return Answer(
        {
            "id": "service_unavailable",
            "message": "The server cannot reach its store just now. Nothing was changed; try again.",
        },
        503,
        [("Retry-After", "2")],
    )


def fault() -> Answer:
    """500: a bug. The log has the traceback under the answer's Request-Id; the answer has none of it."""
    return Answer(
        {"id": "internal_server_error", "message": "Internal server error. Quote the Request-Id when you report it."},
        500,
    )
