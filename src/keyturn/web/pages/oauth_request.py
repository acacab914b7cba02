"""Reads authorization requests of OAuth clients from a query, for the consent page and for the sign-in before it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from keyturn.actions import consent
from keyturn.actions.env import Invalid
from keyturn.core import redirect
from keyturn.web.api.oauth import AUTHORIZE
from keyturn.web.pages.visit import CSP

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

MOST_PARAMETERS = 40


def asking(visit: Visit, path: str) -> consent.Request | None:
    """The request that a path of this page makes, for the sign-in that comes before it; None when it makes none."""
    if not path.startswith(AUTHORIZE + "?"):
        return None
    try:
        return consent.read(visit.face.env, parameters(path.partition("?")[2]))
    except Invalid:
        return None


def allow_redirect(response: Response, request: consent.Request) -> Response:
    """Lets the page's form end at the client: browsers hold the redirect after a form to the policy of the form."""
    source = redirect.csp_source(request.redirect_uri)
    response.headers["Content-Security-Policy"] = CSP.replace("form-action 'self'", f"form-action 'self' {source}")
    return response


def parameters(query: str) -> dict[str, list[str]]:
    """The query's parameters; an empty one counts as left out [RFC 6749 3.1]. Raises Invalid for too many."""
    asked: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(query, max_num_fields=MOST_PARAMETERS):
            asked.setdefault(name, []).append(value)
    except ValueError:
        raise Invalid("query", "The address has too many parameters.") from None
    return asked
