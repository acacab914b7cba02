"""/settings/password: another password, after a look at what ends with the old one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyturn.actions import accounts
from keyturn.actions import preview as previews
from keyturn.actions.env import Invalid, Throttled
from keyturn.core import policy
from keyturn.core.policy import Effect, Event, Kind
from keyturn.web import words
from keyturn.web.pages import confirm, shown
from keyturn.web.pages.browser import drop_cookie, set_cookie
from keyturn.web.pages.sign_in import too_many
from keyturn.web.pages.visit import message

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.actions.accounts import Changed
    from keyturn.actions.preview import Preview
    from keyturn.web.pages.visit import Visit

HERE = "/settings/password"
SHOWN = 20
"""How many credentials the pages list one by one."""


def show(visit: Visit) -> Response:
    """GET; a second factor is asked for before the form is filled in, since typed passwords are never carried along."""
    if visit.owner.federated:
        return message(
            visit, 200, "Your password is kept elsewhere",
            ["You sign in through your organization's single sign-on. There is no password here to change; change it there."],
            tone="info", action=("/", "Go to the start"),
        )  # fmt: skip
    if visit.owner.mfa_since is not None:
        return confirm.first(visit, _page, posting=False)
    return _page(visit)


def _page(visit: Visit, *, status: int = 200, error: str | None = None, field: str | None = None) -> Response:
    found = previews.preview(visit.env, visit.by, Event.PASSWORD_CHANGE)
    ends = shown.ending_rows(found, visit.now)
    rules = visit.env.policy
    outlives = rules.effects[Event.PASSWORD_CHANGE, Kind.AUTHORIZATION] is Effect.LIVES
    ending = [each for _, each in found.ends]
    keep = [each for each in ending if each.grant.kind in (Kind.LOGIN, Kind.API_KEY)] if outlives else []
    return visit.render(
        "password.html", status, title="Password", here=HERE, action=HERE, error=error, field=field, shortest=shortest(visit),
        ends=ends[:SHOWN], more=max(0, len(ends) - SHOWN), lives=shown.living_rows(_others_alive(visit, found), visit.now)[:SHOWN],
        lives_more=max(0, len(found.lives) - SHOWN), stays=_acting_stays(visit, found), sign_out=visit.form.get("sign_out") == "1",
        keep=[(shown.name_of(each.grant), shown.noun_of(each.grant.kind), each.grant.id) for each in keep[:SHOWN]],
    )  # fmt: skip


def shortest(visit: Visit) -> int:
    """The length that the signed-in account's password needs."""
    return policy.PASSWORD_SHORTEST_WITH_MFA if visit.owner.mfa_since else policy.PASSWORD_SHORTEST


def _acting_stays(visit: Visit, found: Preview) -> bool:
    return any(each.grant.id == visit.me.grant_id for each in found.lives)


def _others_alive(visit: Visit, found: Preview) -> Preview:
    """Without this browser, of which the page asks."""
    return replace(found, lives=[each for each in found.lives if each.grant.id != visit.me.grant_id])


def submit(visit: Visit) -> Response:
    """POST. The password that is given proves who it is; where there is a second factor, that as well."""
    if visit.owner.mfa_since is not None:
        return confirm.first(visit, _change, posting=True)
    return _change(visit)


def _change(visit: Visit) -> Response:
    form = visit.form
    new = form.get("new_password", "")
    if not form.get("current_password"):
        return _page(visit, status=422, error="Type your current password.", field="current_password")
    if new != form.get("new_password_again", ""):
        return _page(visit, status=422, error="The two new passwords are not the same.", field="new_password_again")
    leaving = form.get("sign_out") == "1"
    try:
        changed = accounts.change_password(
            visit.env, visit.by, visit.me, current_password=form["current_password"], new_password=new, end_acting=leaving,
            renew=True,
        )  # fmt: skip
    except Invalid as wrong:
        field = "current_password" if wrong.field == "current_password" else "new_password"
        return _page(visit, status=422, error=words.sentence(str(wrong)), field=field)
    except Throttled as problem:
        error = too_many(problem, "wrong passwords")
        return _page(visit, status=429, error=error, field="current_password")
    return _done(visit, changed)


def _done(visit: Visit, changed: Changed) -> Response:
    """What ended, and the new API key: this once."""
    stays = changed.session is not None
    rows = [
        {
            "name": shown.name_of(each.grant),
            "noun": shown.noun_of(each.grant.kind),
            "last_used": "this browser" if each.grant.id == visit.me.grant_id else "",
            "glyph": shown.glyph_of(each.grant.kind),
            "replaced": each.replaced,
        }
        for each in changed.endings
    ]
    key = changed.api_key.secret if changed.api_key else None
    page = visit if stays else replace(visit, account=None, by=replace(visit.by, principal=None))
    response = page.render(
        "password_done.html", title="Your password is changed", here=HERE, ends=rows[:SHOWN], more=max(0, len(rows) - SHOWN),
        key=key, lines=_lines(visit.face.public_url),
    )  # fmt: skip
    if changed.session is not None:
        set_cookie(visit.face, response, "session", changed.session)
    else:
        drop_cookie(visit.face, response, "session")
    return response


def _lines(url: str) -> list[tuple[str, str]]:
    # with the server's address: without it clients send the key to Heroku
    comment = "in a shell: paste the key when it waits; it is neither shown nor kept in the history"
    return [(comment, f"read -rs HEROKU_API_KEY && export HEROKU_API_KEY HEROKU_HOST={url}")]
