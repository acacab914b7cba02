"""/settings/profile: name and e-mail address, and the link that proves the address."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyturn.actions import accounts, addresses
from keyturn.actions.env import Invalid, Throttled
from keyturn.core import lifecycle, policy
from keyturn.web import mailed, words
from keyturn.web.pages import confirm
from keyturn.web.pages.sign_in import wait
from keyturn.web.pages.visit import message

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

HERE = "/settings/profile"
EMAIL = f"{HERE}/email"
TAKE_BACK = f"{EMAIL}/take-back"
LINK = f"{HERE}/link"


def show(visit: Visit) -> Response:
    """GET."""
    return _page(visit)


def _page(visit: Visit, *, status: int = 200, error: str | None = None, field: str | None = None) -> Response:
    owner, form = visit.owner, visit.form
    return visit.render(
        "profile.html", status, title="Profile", here=HERE, error=error, field=field, email_action=EMAIL, link_action=LINK,
        name=form.get("name", owner.name or ""), new_email=form.get("email", ""), life=lifecycle.in_words(policy.EMAIL_LINK),
        email_longest=accounts.EMAIL_LONGEST, pending=addresses.pending(visit.env, visit.me), take_back=TAKE_BACK,
    )  # fmt: skip


def rename(visit: Visit) -> Response:
    """POST: another name."""
    try:
        accounts.update(visit.env, visit.by, visit.me, {"name": visit.form.get("name") or None})
    except Invalid as wrong:
        return _page(visit, status=422, error=words.sentence(str(wrong)), field="name")
    return visit.done(HERE, "Your name is changed.")


def change_email(visit: Visit) -> Response:
    """POST /settings/profile/email: by the second factor where there is one, else by the password in the form."""
    if visit.owner.mfa_since is not None:
        return confirm.first(visit, lambda proven: _change_email(proven, proven=True), posting=True)
    return _change_email(visit, proven=False)


def _change_email(visit: Visit, *, proven: bool) -> Response:
    form = visit.form
    try:
        asked = accounts.change_email(
            visit.env, visit.by, visit.me, email=form.get("email"), current_password=form.get("current_password"), proven=proven,
            sender=mailed.confirming(visit.face),
        )  # fmt: skip
    except Invalid as wrong:
        field = "current_password" if "password" in wrong.field else "email"
        return _page(visit, status=422, error=words.sentence(str(wrong)), field=field)
    except Throttled as problem:
        error = str(problem) if problem.held else f"{str(problem).partition('.')[0]}. Try again in {wait(problem)}."
        return _page(visit, status=429, error=error, field="email")
    return visit.done(
        HERE, f"A link is on its way to {asked}. Your address changes once you have opened it; the old one stays until then.",
        "info",
    )  # fmt: skip


def take_back(visit: Visit) -> Response:
    """POST /settings/profile/email/take-back: the address stays as it is."""
    if addresses.take_back(visit.env, visit.by, visit.me) is None:
        return visit.done(HERE, "No other address was waiting.", "info")
    return visit.done(HERE, f"Your address stays {visit.owner.email}. The link that was mailed works no more.")


def send_link(visit: Visit) -> Response:
    """POST /settings/profile/link: the link that proves the address, once more."""
    try:
        address = addresses.ask(visit.env, visit.by, visit.me, mailed.confirming(visit.face))
    except Invalid as known:
        return visit.done(HERE, str(known), "info")
    except Throttled as problem:
        return visit.done(HERE, f"Too many links were asked for. Try again in {wait(problem)}.", "warn")
    return visit.done(HERE, f"A link is on its way to {address}. The newest one is the one that works.")


def show_confirm(visit: Visit) -> Response:
    """GET /confirm-email/SECRET: proves nothing yet, for mail scanners look as well."""
    found = addresses.opened(visit.env, visit.params["secret"])
    return visit.render(
        "confirm_email.html", title="Confirm your e-mail address", action=f"{mailed.CONFIRM}/{visit.params['secret']}",
        email=found.email, changes=found.changes,
    )  # fmt: skip


def submit_confirm(visit: Visit) -> Response:
    """POST: the address is proven, and the account's from now on if it was not before."""
    proven = addresses.prove(visit.env, visit.by, visit.params["secret"])
    if visit.account is not None and visit.account.id == proven.account.id:
        if visit.account.email != proven.email:
            return visit.done(HERE, f"Your address is {proven.email} now: you sign in with it from now on.")
        return visit.done(HERE, "Your e-mail address is confirmed.")
    return message(
        replace(visit, account=None), 200, "Your e-mail address is confirmed", ["You can close this page, or sign in."],
        tone="ok", action=("/sign-in", "Sign in"),
    )  # fmt: skip
