"""Where a person approves or denies a command line's login."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from keyturn.actions import cli_login, throttle
from keyturn.core import lifecycle
from keyturn.core.policy import Kind
from keyturn.web.pages import confirm, sign_in
from keyturn.web.pages.visit import see_other

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit


def show(visit: Visit) -> Response:
    """GET /auth/browser/SECRET: which machine asks; after signing in, approve or deny."""
    path = sign_in.LOGIN_PATH + visit.params["secret"]
    login = cli_login.shown(visit.face.env, visit.params["secret"])
    if visit.account is None:
        return sign_in.form(visit, path)
    seconds = login.asked_life or visit.face.env.policy.lives[Kind.LOGIN].default
    assert seconds is not None
    ago = round((visit.now - login.created_at) / timedelta(seconds=1))
    shown = {
        "description": login.description,
        "address": login.address,
        "agent": login.agent,
        "asked_at": login.created_at,
        "asked_ago": "just now" if ago < 10 else f"{lifecycle.in_words(ago)} ago",
        "life": f"{lifecycle.in_words(seconds)}, or until you log out or change your password",
    }
    return visit.render(
        "cli_approve.html", title="Approve a login", login=shown, action=path, switch_action=f"{path}/switch",
        same_address=_same_place(login.address, visit.by.address),
    )  # fmt: skip


def _same_place(one: str, other: str) -> bool:
    """Whether the two addresses are one machine's or one network's; a machine reaches itself by IPv4 and IPv6."""
    places = {"here" if throttle.is_loopback(address) else throttle.place_of(address) for address in (one, other)}
    return len(places) == 1


def submit(visit: Visit) -> Response:
    """POST: the decision. To approve takes a proof of who one is, as the login outlasts the session; to deny takes none."""
    if visit.principal is None:
        return see_other(sign_in.LOGIN_PATH + visit.params["secret"])
    if visit.form.get("decision") == "approve" or "proof" in visit.form:
        cli_login.shown(visit.env, visit.params["secret"])  # nobody is asked to prove anything for a login that is over
        return confirm.first(visit, _decide, posting=True)
    return _decide(visit)


def _decide(visit: Visit) -> Response:
    decision = visit.form.get("decision")
    if decision not in ("approve", "deny"):
        return show(visit)
    approve = decision == "approve"
    login = cli_login.decide_login(visit.env, visit.by, visit.me, visit.params["secret"], approve=approve)
    title = "Logged in" if approve else "Login denied"
    return visit.render("cli_done.html", title=title, outcome="approved" if approve else "denied", login=login)


def switch(visit: Visit) -> Response:
    """POST .../switch: sign out, to come back as another account."""
    return sign_in.leave(visit, sign_in.LOGIN_PATH + visit.params["secret"])
