"""Sign in and out of the browser."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from keyturn.actions import cli_login, second_step, sign_in, throttle
from keyturn.actions.env import Gone, Invalid, Problem, Refused, Throttled
from keyturn.core import lifecycle, policy
from keyturn.store.interface import Unavailable
from keyturn.web import words
from keyturn.web.pages import confirm, oauth_request
from keyturn.web.pages.browser import cookie_name, drop_cookie, set_cookie
from keyturn.web.pages.visit import local_path, message, see_other

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.grants import Credential
    from keyturn.store.interface import CliLogin
    from keyturn.web.face import Face
    from keyturn.web.pages.visit import Visit
    from keyturn.web.words import Told

LOGIN_PATH = "/auth/browser/"
SECOND = "/sign-in/second"
PASSKEY = "/sign-in/passkey"


def show(visit: Visit) -> Response:
    """GET /sign-in."""
    return see_other("/") if visit.account else form(visit, "/")


def form(
    visit: Visit,
    next_path: str,
    *,
    status: int = 200,
    error: str | Told | None = None,
    email: str = "",
    field: str | None = None,
    lost: bool = False,
) -> Response:
    """The sign-in form; where it leads to a command line's login, it says so. ``lost``: a form of an ended session came,
    which was not done.
    """
    asking = oauth_request.asking(visit, next_path)
    response = visit.render(
        "sign_in.html", status, title="Sign in", action="/sign-in", next=next_path, error=error, email=email, field=field,
        waiting=_waiting(visit, next_path), asking=asking, open=visit.env.policy.sign_up == "open",
        ended=visit.ended, lost=lost, passkey=f"{PASSKEY}?{urlencode({'next': next_path})}" if visit.face.takes_passkeys else None,
        # on the page as it is first seen: an error page must look the same for every address
        options=_offered(visit) if error is None else None, passkey_action=PASSKEY,
    )  # fmt: skip
    return oauth_request.allow_redirect(response, asking) if asking else response


def _offered(visit: Visit) -> str | None:
    """What the browser asks a passkey, where it offers those in the e-mail field. Without it the link leads to a page."""
    if not visit.face.takes_passkeys or _begun_too_often(visit):
        return None
    try:
        options = second_step.passkey_options(visit.env, "sign_in", visit.csrf, visit.face.public_url)
    except Unavailable:  # signing in by password is offered all the same
        return None
    return json.dumps(options) if options else None


def _begun_too_often(visit: Visit) -> float:
    """Seconds to wait before another challenge is made for that address; 0: none."""
    return visit.face.begin_limit.take(throttle.place_of(visit.by.address), visit.now.timestamp())[1]


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
        entered = sign_in.enter(
            visit.env, visit.by, email, visit.form.get("password", ""), next_path=next_path,
            device=visit.cookies.get(cookie_name(visit.face, "device"), ""),
        )  # fmt: skip
    except Refused as problem:
        reason = problem.deny.reason
        sentence = (
            words.dated(problem.deny.message, problem.deny.ended_at)
            if reason in ("owner_suspended", "two_factor")
            else "That e-mail address and password do not belong together."
        )
        return form(visit, next_path, status=401, error=sentence, email=email, field="password")
    except Throttled as problem:
        return form(visit, next_path, status=429, error=too_many(problem, "failed sign-ins"), email=email)
    if entered.session is None:
        assert entered.second_step is not None
        response = see_other(SECOND)
        set_cookie(visit.face, response, "second", entered.second_step, seconds=policy.SECOND_STEP)
        return response
    return into(visit, entered.session, next_path)


def wait(problem: Throttled) -> str:
    """How long, in words."""
    return lifecycle.in_words(max(1, round(problem.after.total_seconds())))


def too_many(problem: Throttled, what: str) -> str:
    """What to tell who failed too often: how long to wait, or what else helps."""
    return str(problem) if problem.held else f"Too many {what}. Try again in {wait(problem)}."


def into(visit: Visit, session: Credential, next_path: str, device: str | None = None) -> Response:
    """Ends whatever session the browser had, and begins this one. ``device``: to remember the browser by."""
    sign_in.sign_out(visit.env, visit.by)
    response = begin_session(visit.face, see_other(local_path(next_path)), session)
    drop_cookie(visit.face, response, "second")
    if device is not None:
        set_cookie(visit.face, response, "device", device, seconds=visit.env.policy.remember_device)
    return response


def show_second(visit: Visit) -> Response:
    """GET /sign-in/second."""
    return _second(visit)


def _second(visit: Visit, *, status: int = 200, error: str | None = None) -> Response:
    try:
        found = second_step.waiting(visit.env, visit.cookies.get(cookie_name(visit.face, "second"), ""))
    except Gone as over:
        return _start_again(visit, str(over))
    ways, days = found.ways, visit.env.policy.remember_device
    options = second_step.passkey_options(visit.env, "second", visit.csrf, visit.face.public_url, ways.passkeys)
    return visit.render(
        "sign_in_second.html", status, title="Your second factor", ways=ways, error=error,
        options=json.dumps(options) if options else None, remember=lifecycle.in_words(days) if days else None,
    )  # fmt: skip


def _start_again(visit: Visit, sentence: str) -> Response:
    response = form(visit, "/", status=410, error=sentence)
    drop_cookie(visit.face, response, "second")
    return response


def submit_second(visit: Visit) -> Response:
    """POST /sign-in/second: a code, a recovery code or a passkey."""
    secret = visit.cookies.get(cookie_name(visit.face, "second"), "")
    try:
        if visit.form.get("passkey"):
            passed = second_step.pass_by_passkey(
                visit.env, visit.by, secret, confirm.read_passkey(visit.form["passkey"]),
                bound_to=visit.csrf, origin=visit.face.public_url,
            )  # fmt: skip
        else:
            passed = second_step.pass_by_code(
                visit.env, visit.by, secret, second_step.check_text(visit.form.get("code"))
            )
        session, device = sign_in.by_second_step(
            visit.env, visit.by, passed, remember=visit.form.get("remember") == "1"
        )
    except Gone as over:
        return _start_again(visit, str(over))
    except Throttled as problem:
        return _second(
            visit,
            status=429,
            error=f"Too many wrong codes. Try again in {wait(problem)}; a recovery code works at once.",
        )
    except Invalid as wrong:
        return _second(visit, status=422, error=str(wrong))
    except Refused as refused:
        return _second(visit, status=401, error=refused.deny.message)
    return into(visit, session, passed.next_path, device)


def show_passkey(visit: Visit) -> Response:
    """GET /sign-in/passkey: sign in by a passkey alone."""
    next_path = local_path(visit.asked.get("next", "/"))
    return see_other(next_path) if visit.account else _passkey(visit, next_path)


def _passkey(visit: Visit, next_path: str, *, status: int = 200, error: str | None = None) -> Response:
    after = _begun_too_often(visit)
    if after:
        raise Throttled("Too many sign-ins were begun from your address.", timedelta(seconds=after))
    options = second_step.passkey_options(visit.env, "sign_in", visit.csrf, visit.face.public_url)
    return visit.render(
        "sign_in_passkey.html", status, title="Sign in with a passkey", options=json.dumps(options) if options else None,
        next=next_path, error=error, back="/sign-in" if next_path == "/" else next_path,
    )  # fmt: skip


def submit_passkey(visit: Visit) -> Response:
    """POST /sign-in/passkey."""
    next_path = local_path(visit.form.get("next", "/"))
    try:
        passed = second_step.pass_by_passkey_alone(
            visit.env, visit.by, confirm.read_passkey(visit.form.get("passkey", "")),
            bound_to=visit.csrf, origin=visit.face.public_url,
        )  # fmt: skip
        session, _ = sign_in.by_second_step(visit.env, visit.by, passed)
    except (Refused, Invalid) as refused:
        return _passkey(visit, next_path, status=401, error=str(refused))
    return into(visit, session, next_path)


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
