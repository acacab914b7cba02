"""/admin/outbox: mails and webhooks on their way out, and those that left. Where no mail server is configured their texts
can be read here: else nobody could use the links in them. Those open accounts, so a text takes a fresh proof of who reads,
and with a mail server no text is shown at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from keyturn.actions import outbox
from keyturn.actions.env import NotFound

if TYPE_CHECKING:
    from starlette.responses import Response

    from keyturn.store.interface import Outgoing
    from keyturn.web.pages.visit import Visit

HERE: Final = "/admin/outbox"
SHOWN: Final = 100
TONES: Final = {"sent": "ok", "waiting": "", "given up": "bad"}


def show(visit: Visit) -> Response:
    """GET /admin/outbox: the latest, without their texts."""
    found = outbox.listed(visit.env, SHOWN)
    post = visit.env.post
    return visit.render(
        "admin_outbox.html", title="Outbox", here=HERE, mail=post.mail is not None, webhook=post.webhook is not None, most=SHOWN,
        rows=[_row(visit, item) for item in found],
    )  # fmt: skip


def _row(visit: Visit, item: Outgoing) -> dict[str, Any]:
    state = outbox.state(item)
    held = item.error in outbox.NOT_CONFIGURED.values()
    failing = state == "waiting" and item.error is not None and not held
    return {
        "item": item, "state": "held" if held and state == "waiting" else "failing" if failing else state,
        "tone": "warn" if failing else "quiet" if held and state == "waiting" else TONES[state],
        "href": f"{HERE}/{item.id}" if _readable(visit, item) else "",
    }  # fmt: skip


def _readable(visit: Visit, item: Outgoing) -> bool:
    return visit.env.post.mail is None and item.channel == "mail" and bool(item.body)


def show_one(visit: Visit) -> Response:
    """GET /admin/outbox/ID: the text of a mail that no server takes."""
    item = next((each for each in outbox.listed(visit.env, SHOWN) if each.id == visit.params["id"]), None)
    if item is None or not _readable(visit, item):
        raise NotFound("mail")
    return visit.render("admin_outbox_mail.html", title=item.subject, here=HERE, **_row(visit, item))
