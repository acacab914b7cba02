"""/settings/close: the end of an account, after a look at all that it takes with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from keyturn.actions import closing
from keyturn.core import address as mailbox
from keyturn.web.pages import shown
from keyturn.web.pages.browser import drop_cookie
from keyturn.web.pages.visit import message

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.web.pages.visit import Visit

HERE = "/settings/close"
SHOWN = 20
"""How many credentials the page lists one by one."""


def show(visit: Visit) -> Response:
    """GET."""
    return _page(visit)


def _page(visit: Visit, *, status: int = 200, error: str | None = None) -> Response:
    found = closing.would_close(visit.env, visit.by, visit.me)
    ends = shown.ending_rows(found.preview, visit.now)
    return visit.render(
        "closing.html", status, title="Close your account", here="/settings/profile", action=HERE, error=error,
        obstacle=found.obstacle, ends=ends[:SHOWN], more=max(0, len(ends) - SHOWN),
        lives=shown.living_rows(found.preview, visit.now),
        clients=found.clients[:SHOWN], clients_more=max(0, len(found.clients) - SHOWN),
        typed=visit.form.get("email", ""),
    )  # fmt: skip


def submit(visit: Visit) -> Response:
    """POST, once who asks was proven: the e-mail address was typed as a last thought."""
    typed = visit.form.get("email", "").strip()
    if mailbox.key(typed) != mailbox.key(visit.owner.email):
        return _page(visit, status=422, error="That is not the e-mail address of this account. Nothing was closed.")
    closed = closing.close(visit.env, visit.by, visit.me)
    count = len(closed.endings)
    said = [
        f"{count} credential{'s' if count != 1 else ''} ended with it. A mail tells you so.",
        "Thank you for having been here.",
    ]
    signed_out = replace(visit, account=None, by=replace(visit.by, principal=None))
    response = message(
        signed_out, 200, "Your account is closed", said, tone="ok", action=("/sign-in", "Go to the sign-in")
    )
    for cookie in ("session", "device"):
        drop_cookie(visit.face, response, cookie)
    return response
