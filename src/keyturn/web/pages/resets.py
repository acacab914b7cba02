"""A forgotten password: where a link is asked for, and where the new password is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from keyturn.actions import resets
from keyturn.actions.env import Invalid, Throttled
from keyturn.core import lifecycle, policy
from keyturn.core.policy import Event, Kind
from keyturn.web import words
from keyturn.web.api.resets import ASK, link
from keyturn.web.pages import shown
from keyturn.web.pages.browser import drop_cookie
from keyturn.web.pages.visit import message

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.grants import Credential
    from keyturn.core.lifecycle import Ending
    from keyturn.web.pages.visit import Visit

SHOWN = 20
"""How many credentials the page lists one by one."""


def show_ask(visit: Visit) -> Response:
    """GET /reset."""
    return _ask_form(visit)


def _ask_form(visit: Visit, *, status: int = 200, error: str | None = None) -> Response:
    return visit.render(
        "reset_ask.html", status, title="Forgot your password?", action=ASK, error=error, field="email" if error else None,
        email=visit.form.get("email", ""),
    )  # fmt: skip


def ask(visit: Visit) -> Response:
    """POST /reset: the same page whether there is such an account or not."""
    face, email = visit.face, visit.form.get("email", "")
    try:
        address = resets.ask(face.env, visit.by, email, lambda secret: link(face, secret), face.instance)
    except Invalid:
        return _ask_form(visit, status=422, error="Give the e-mail address of your account.")
    except Throttled as problem:
        wait = lifecycle.in_words(max(1, round(problem.after.total_seconds())))
        return _ask_form(visit, status=429, error=f"Too many links were asked for. Try again in {wait}.")
    return visit.render(
        "reset_sent.html", title="Look into your mail", email=address, life=lifecycle.in_words(policy.RESET_LINK)
    )


def show_choose(visit: Visit) -> Response:
    """GET /reset/SECRET: what ends with the old password, and the form for the new one."""
    return _choose_form(visit)


def _choose_form(visit: Visit, *, status: int = 200, error: str | None = None, field: str | None = None) -> Response:
    secret = visit.params["secret"]
    found = resets.opened(visit.face.env, visit.by, secret)
    shortest = policy.PASSWORD_SHORTEST_WITH_MFA if found.account.mfa_since else policy.PASSWORD_SHORTEST
    return visit.render(
        "reset_choose.html", status, title="Choose a new password", action=f"{ASK}/{secret}", email=found.account.email,
        ends=[_shown(*each) for each in found.endings[:SHOWN]], more=max(0, len(found.endings) - SHOWN),
        shortest=shortest, error=error, field=field,
        outlives=not lifecycle.deadly(Event.PASSWORD_RESET, Kind.AUTHORIZATION, visit.env.policy),
    )  # fmt: skip


def _shown(ending: Ending, found: Credential) -> dict[str, Any]:
    grant, use = ending.grant, max(found.uses, key=lambda use: use.last_at, default=None)
    name, noun = shown.name_of(grant), policy.LIVES[grant.kind].noun
    seen = f"last used {use.last_at:%d %b %Y} from {use.address}" if use else f"made {grant.created_at:%d %b %Y}"
    return {
        "name": name,
        "browser": grant.kind is Kind.WEB,
        "key": grant.kind is Kind.API_KEY,
        "facts": seen if noun.lower() == name.lower() else f"{noun}, {seen}",
    }


def choose(visit: Visit) -> Response:
    """POST /reset/SECRET."""
    form = visit.form
    try:
        changed = resets.finalize(
            visit.face.env, visit.by, visit.params["secret"],
            password=form.get("password", ""), confirmation=form.get("password_confirmation", ""), instance=visit.face.instance,
        )  # fmt: skip
    except Invalid as wrong:
        return _choose_form(visit, status=422, error=words.sentence(str(wrong)), field=wrong.field)
    ended = len(changed.endings)
    said = [
        "Sign in with it now, and with your second factor." if changed.account.mfa_since else "Sign in with it now."
    ]
    if ended:
        said.insert(0, f"{ended} credential{'s' if ended > 1 else ''} ended with the old one.")
    lost = resets.ended_key(changed.endings)
    if lost:
        said.append(lost)
    signed_out = replace(visit, account=None)  # if the browser had a session, it ended as well
    response = message(signed_out, 200, "Your password is changed", said, tone="ok", action=("/sign-in", "Sign in"))
    drop_cookie(visit.face, response, "session")
    return response
