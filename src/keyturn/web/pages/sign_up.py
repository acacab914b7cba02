"""Making an account: asking for a link where sign-up is open, and what a link by mail leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import invitations
from keyturn.actions import sign_in as sign_in_action
from keyturn.actions.env import Invalid, Throttled
from keyturn.core import lifecycle, policy
from keyturn.web import mailed, words
from keyturn.web.api.resets import ASK as RESET
from keyturn.web.pages import sign_in
from keyturn.web.pages.visit import message, see_other

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

HERE = "/sign-up"


def show(visit: Visit) -> Response:
    """GET /sign-up."""
    if visit.account is not None:
        return see_other("/")
    return _form(visit) if visit.env.policy.sign_up == "open" else _closed(visit)


def _closed(visit: Visit) -> Response:
    return message(
        visit, 404, "Accounts here are made by invitation", ["Ask an administrator of this server for one."], tone="info",
        action=("/sign-in", "Go to the sign-in"),
    )  # fmt: skip


def _form(visit: Visit, *, status: int = 200, error: str | None = None) -> Response:
    return visit.render(
        "sign_up.html", status, title="Make an account", action=HERE, error=error, field="email" if error else None,
        email=visit.form.get("email", ""), domains=visit.env.policy.sign_up_domains,
    )  # fmt: skip


def ask(visit: Visit) -> Response:
    """POST /sign-up: the same page whether the address has an account or not."""
    if visit.env.policy.sign_up != "open":
        return _closed(visit)
    url = visit.face.public_url
    try:
        address = invitations.ask_to_join(
            visit.env, visit.by, visit.form.get("email"), mailed.joining(visit.face), sign_in=f"{url}/sign-in", reset=url + RESET
        )  # fmt: skip
    except Invalid as wrong:
        return _form(visit, status=422, error=words.sentence(str(wrong)))
    except Throttled as problem:
        return _form(visit, status=429, error=f"Too many links were asked for. Try again in {sign_in.wait(problem)}.")
    return visit.render(
        "sign_up_sent.html", title="Look into your mail", email=address, life=lifecycle.in_words(policy.SIGN_UP_LINK)
    )


def show_join(visit: Visit) -> Response:
    """GET /join/SECRET: the form that makes the account; looking uses nothing up."""
    return _join_form(visit)


def _join_form(visit: Visit, *, status: int = 200, error: str | None = None, field: str | None = None) -> Response:
    secret = visit.params["secret"]
    found = invitations.opened(visit.env, secret)
    return visit.render(
        "join.html", status, title="Make your account", action=f"{mailed.JOIN}/{secret}", invitation=found, error=error,
        field=field, name=visit.form.get("name", found.name or ""), shortest=policy.PASSWORD_SHORTEST,
    )  # fmt: skip


def join(visit: Visit) -> Response:
    """POST: makes the account and signs it in; where it must have a second factor, to set that up."""
    form = visit.form
    if form.get("password", "") != form.get("password_again", ""):
        return _join_form(visit, status=422, error="The two passwords are not the same.", field="password_again")
    try:
        account = invitations.join(
            visit.env,
            visit.by,
            visit.params["secret"],
            name=form.get("name") or None,
            password=form.get("password", ""),
        )
    except Invalid as wrong:
        return _join_form(visit, status=422, error=words.sentence(str(wrong)), field=wrong.field)
    session = sign_in_action.session_for(visit.env, visit.by, account)
    return sign_in.into(visit, session, "/")
