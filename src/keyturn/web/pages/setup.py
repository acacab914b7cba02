"""The one-time link that makes the first account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import accounts
from keyturn.actions import sign_in as sign_in_action
from keyturn.actions.env import Invalid
from keyturn.web.pages import sign_in
from keyturn.web.pages.visit import see_other

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit


def show(visit: Visit) -> Response:
    """GET /setup/SECRET."""
    accounts.check_setup(visit.face.env, visit.params["secret"])
    return _form(visit)


def _form(visit: Visit, *, status: int = 200, error: str | None = None, field: str | None = None) -> Response:
    return visit.render(
        "setup.html", status, title="Make the first account", action=f"/setup/{visit.params['secret']}", error=error, field=field,
        email=visit.form.get("email", ""), name=visit.form.get("name", ""),
    )  # fmt: skip


def submit(visit: Visit) -> Response:
    """POST: makes the account, and signs it in."""
    env, form = visit.face.env, visit.form
    try:
        account = accounts.create_first(
            env, visit.by, visit.params["secret"],
            email=form.get("email", ""), name=form.get("name") or None, new_password=form.get("password", ""),
        )  # fmt: skip
    except Invalid as wrong:
        return _form(visit, status=422, error=str(wrong), field=wrong.field)
    session = sign_in_action.session_for(env, visit.by, account)
    return sign_in.begin_session(visit.face, see_other("/"), session)
