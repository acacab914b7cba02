"""Sign in and out of the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import cli_login, sign_in
from keyturn.actions.env import Problem, Refused, Throttled
from keyturn.core import lifecycle
from keyturn.web.pages import oauth_request
from keyturn.web.pages.visit import drop_cookie, local_path, message, see_other, set_cookie

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.grants import Credential
    from keyturn.store.interface import CliLogin
    from keyturn.web.face import Face
    from keyturn.web.pages.visit import Visit

LOGIN_PATH = "/auth/browser/"


def show(visit: Visit) -> Response:
    """GET /sign-in."""
    return see_other("/") if visit.account else form(visit, "/")


def form(
    visit: Visit,
    next_path: str,
    *,
    status: int = 200,
    error: str | None = None,
    email: str = "",
    field: str | None = None,
) -> Response:
    """The sign-in form; where it leads to a command line's login, it says so."""
    asking = oauth_request.asking(visit, next_path)
    response = visit.render(
        "sign_in.html", status, title="Sign in", action="/sign-in", next=next_path, error=error, email=email, field=field,
        waiting=_waiting(visit, next_path), asking=asking,
    )  # fmt: skip
    return oauth_request.allow_redirect(response, asking) if asking else response


def _waiting(visit: Visit, next_path: str) -> CliLogin | None:
    if not next_path.startswith(LOGIN_PATH):
        return None
    try:
        return cli_login.shown(visit.face.env, next_path.removeprefix(LOGIN_PATH))
    except Problem:
        return None


def submit(visit: Visit) -> Response:
    """POST /sign-in."""
    email, next_path = visit.form.get("email", ""), local_path(visit.form.get("next", "/"))
    if not email.strip():
        return form(visit, next_path, status=422, error="Give your e-mail address.", field="email")
    try:
        session = sign_in.start_session(visit.face.env, visit.by, email, visit.form.get("password", ""))
    except Refused as problem:
        reason = problem.deny.reason
        sentence = (
            problem.deny.message
            if reason == "owner_suspended"
            else "That e-mail address and password do not belong together."
        )
        return form(visit, next_path, status=401, error=sentence, email=email, field="password")
    except Throttled as problem:
        wait = lifecycle.in_words(max(1, round(problem.after.total_seconds())))
        return form(visit, next_path, status=429, error=f"Too many failed sign-ins. Try again in {wait}.", email=email)
    sign_in.sign_out(visit.face.env, visit.by)  # whoever was signed in here before
    return begin_session(visit.face, see_other(next_path), session)


def begin_session(face: Face, response: Response, session: Credential) -> Response:
    """Gives the browser its session; a new one at each sign-in, so that none can be fixed beforehand."""
    assert session.secret is not None
    set_cookie(face, response, "session", session.secret)
    drop_cookie(face, response, "browser")
    return response


def sign_out(visit: Visit) -> Response:
    """POST /sign-out: ends the session on the server, not only in the browser."""
    return leave(visit, "/sign-in")


def leave(visit: Visit, next_path: str) -> Response:
    """Ends the session and goes on to ``next_path``."""
    sign_in.sign_out(visit.face.env, visit.by)
    response = see_other(next_path)
    drop_cookie(visit.face, response, "session")
    return response


def not_by_get(visit: Visit) -> Response:
    """An address that only forms are sent to."""
    return message(
        visit, 405, "Nothing to see here", ["This address only takes a form."], action=("/", "Go to the start")
    )
