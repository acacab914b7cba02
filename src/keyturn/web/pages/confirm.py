"""The proof of who one is that a sensitive form takes: asked for in between, with the form's fields carried along.

Passwords are never carried: a form with one is asked for again. The proof is judged by actions/prove.py, and the session
has a new secret afterwards.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from keyturn.actions import prove, second_step
from keyturn.actions.authenticate import web_session
from keyturn.actions.env import Invalid, Problem, Refused, Throttled
from keyturn.core import lifecycle
from keyturn.store.interface import Unavailable
from keyturn.web.pages.browser import cookie_name, set_cookie
from keyturn.web.pages.visit import local_path, refusal, see_other

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages import Run
    from keyturn.web.pages.visit import Visit

CARRY = "carry:"
PASSKEY_LONGEST = 64 * 1024


def first(visit: Visit, run: Run, *, posting: bool) -> Response:
    """Runs the page once the person is proven; asks for the proof before."""
    if posting and "proof" in visit.form:
        return _proven(visit, run)
    if prove.recently(visit.env, visit.me):
        return run(visit)
    return ask(visit, visit.form if posting else {}, posting=posting)


def ask(
    visit: Visit, fields: dict[str, str], *, posting: bool, status: int = 200, error: str | None = None
) -> Response:
    """The page that asks for the proof; ``fields``: of the form that waits for it, with its id, which may count once."""
    ways = prove.ways(visit.env, visit.me)
    options = None
    if ways is not None:
        options = second_step.passkey_options(visit.env, "confirm", visit.csrf, visit.face.public_url, ways.passkeys)
    carried = {name: value for name, value in fields.items() if name != "proof" and "password" not in name.lower()}
    query = f"?{visit.query}" if visit.query else ""
    return visit.render(
        "confirm.html", status, title="Confirm it is you", action=visit.path + query, carried=carried, posting=posting, ways=ways,
        options=json.dumps(options) if options else None, error=error, cancel=_back(visit), purpose=visit.purpose,
        address=visit.face.public_url,
        retype=posting and any("password" in name.lower() for name in fields),
    )  # fmt: skip


def _back(visit: Visit) -> str:
    if not visit.path.startswith(("/settings/", "/admin/")):  # a question from elsewhere: back to it
        return local_path(visit.path + (f"?{visit.query}" if visit.query else ""))
    above = visit.path.rsplit("/", 1)[0]
    # /settings and /admin are no pages: what lies right under them is
    return local_path(above if above.count("/") > 1 else visit.path)


def _proven(visit: Visit, run: Run) -> Response:
    original = {name.removeprefix(CARRY): value for name, value in visit.form.items() if name.startswith(CARRY)}
    acts = visit.form["proof"] == "form"
    try:
        secret = _judge(visit)
    except Throttled as problem:
        wait = lifecycle.in_words(max(1, round(problem.after.total_seconds())))
        error = str(problem) if problem.held else f"Too many wrong tries. Try again in {wait}."
        return ask(visit, original, posting=acts, status=429, error=error)
    except (Refused, Invalid) as problem:
        sentence = str(problem)
        if isinstance(problem, Refused) and problem.deny.reason == "wrong_password":
            sentence = "That is not the password of this account."
        return ask(visit, original, posting=acts, status=422, error=sentence)
    principal = web_session(visit.env, secret)
    if principal is None:  # ended in this very moment
        return see_other("/sign-in")
    renewed = replace(visit, by=replace(visit.by, principal=principal), form=original)
    if acts:
        try:
            response = run(renewed)
        except (Problem, Unavailable) as problem:  # the new session must reach the browser all the same
            response = refusal(renewed, problem)
    else:
        query = f"?{visit.query}" if visit.query else ""
        response = see_other(visit.path + query)
    if not _sets_session(visit, response):
        set_cookie(visit.face, response, "session", secret)
    return response


def _sets_session(visit: Visit, response: Response) -> bool:
    name = cookie_name(visit.face, "session").encode() + b"="
    return any(key == b"set-cookie" and value.startswith(name) for key, value in response.raw_headers)


def _judge(visit: Visit) -> str:
    form, env, by = visit.form, visit.env, visit.by
    if form.get("passkey"):
        return prove.by_passkey(
            env, by, visit.me, read_passkey(form["passkey"]), bound_to=visit.csrf, origin=visit.face.public_url
        )
    if form.get("code", "").strip():
        return prove.by_code(env, by, visit.me, second_step.check_text(form["code"]))
    if form.get("password"):
        return prove.by_password(env, by, visit.me, form["password"])
    raise Invalid("password", "Type it, please: nothing was given.")


def read_passkey(text: str) -> dict[str, Any]:
    """What the browser answered for a passkey, as static/passkey.js puts it into a form. Raises Invalid."""
    try:
        found = json.loads(text) if len(text) <= PASSKEY_LONGEST else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Invalid("passkey", "The browser gave no passkey. Try again.")
    return found
