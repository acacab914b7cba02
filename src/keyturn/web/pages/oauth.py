"""Where a person lets an OAuth client in, or does not: GET and POST /oauth/authorize.

The whole request stands in the query of the form's own address, so that nothing of it has to be kept or believed: it is
read anew at the decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from keyturn.actions import consent
from keyturn.actions.env import Invalid
from keyturn.core import lifecycle, redirect, scope
from keyturn.core.policy import Kind
from keyturn.web.api.oauth import AUTHORIZE
from keyturn.web.pages import confirm, sign_in
from keyturn.web.pages.oauth_request import allow_redirect, parameters
from keyturn.web.pages.visit import message, see_other

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit


def show(visit: Visit) -> Response:
    """GET: which client asks for what; after signing in, allow or deny."""
    asked = parameters(visit.query)
    try:
        request = consent.read(visit.face.env, asked)
    except Invalid as wrong:
        return _nobody(visit, wrong)
    if visit.account is None:
        # signing in comes before any redirect, else we would send on whoever follows a stranger's link [RFC 9700 4.11.2]
        return sign_in.form(visit, _path(visit))
    if request.error is not None:
        return see_other(_answer(visit, request))
    rules = visit.face.env.policy
    life = rules.lives[Kind.OAUTH].default
    assert life is not None
    shown: dict[str, Any] = {
        "name": request.client.name,
        "owner": request.owner.email,
        "own": request.owner.id == visit.account.id,
        "origin": redirect.origin(request.redirect_uri),
        "local": redirect.takes_pkce(request.redirect_uri),
        "scopes": [(name, scope.SCOPES[name]) for name in request.scopes],
        "everything": scope.GLOBAL in request.scopes,
        "life": f"{lifecycle.in_words(life)} at most; ends sooner if it goes unused for "
        f"{lifecycle.in_words(rules.oauth_refresh)}, or when you revoke it",
    }
    response = visit.render(
        "oauth_consent.html", title=f"Allow {request.client.name}?", client=shown, action=_path(visit),
        switch_action=f"{AUTHORIZE}/switch?{_query(visit)}",
    )  # fmt: skip
    return allow_redirect(response, request)


def submit(visit: Visit) -> Response:
    """POST: the decision; the browser takes the answer to the client. To allow takes a proof of who one is, as what the
    client gets outlasts the session; to deny takes none.
    """
    if visit.principal is None:
        return see_other(_path(visit))
    if visit.form.get("decision") != "allow" and "proof" not in visit.form:
        return _decide(visit)
    try:
        request = consent.read(visit.env, parameters(visit.query))
    except Invalid as wrong:
        return _nobody(visit, wrong)
    return allow_redirect(confirm.first(visit, _decide, posting=True), request)


def _decide(visit: Visit) -> Response:
    decision = visit.form.get("decision")
    if decision not in ("allow", "deny"):
        return show(visit)
    env, asked, code = visit.env, parameters(visit.query), None
    try:
        if decision == "allow":
            request, code = consent.allow(env, visit.by, visit.me, asked)
        else:
            request = consent.deny(env, visit.by, asked)
    except Invalid as wrong:
        return _nobody(visit, wrong)
    return see_other(_answer(visit, request, code))


def switch(visit: Visit) -> Response:
    """POST .../switch: sign out, to come back as another account."""
    return sign_in.leave(visit, _path(visit))


def _query(visit: Visit) -> str:
    # anew, so that it has no character which could be read in two ways
    return urlencode([(name, value) for name, values in parameters(visit.query).items() for value in values])


def _path(visit: Visit) -> str:
    return f"{AUTHORIZE}?{_query(visit)}"


def _answer(visit: Visit, request: consent.Request, code: str | None = None) -> str:
    return redirect.with_answer(
        request.redirect_uri,
        {
            "code": code,
            "error": request.error,
            "error_description": request.description if request.error else None,
            "state": request.state,
            "iss": visit.face.public_url,  # [RFC 9207]
        },
    )


def _nobody(visit: Visit, wrong: Invalid) -> Response:
    return message(
        visit,
        400,
        "This link does not work",
        [str(wrong), "Nothing was allowed, and you were not sent anywhere. Ask whoever gave you the link."],
        action=("/", "Go to the start"),
    )
