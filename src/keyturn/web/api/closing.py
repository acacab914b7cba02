"""DELETE /account: the end of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import closing
from keyturn.web import render
from keyturn.web.answer import Answer
from keyturn.web.api.authorizations import renderer

if TYPE_CHECKING:
    from keyturn.web.call import Call


def acts(call: Call) -> bool:
    """Whether it is meant, and no preview of it."""
    return not call.dry_run


def close(call: Call) -> Answer:
    """DELETE ``{"password"}``: answers the account as it was, or with ``?dry_run=true`` what would end with it."""
    if call.dry_run:
        return _preview(call)
    closed = closing.close_by_password(call.env, call.by, call.principal, call.body.get("password"))
    body = render.account(closed.account)
    body["ended"] = render.ended(closed.endings)
    return Answer(body)


def _preview(call: Call) -> Answer:
    found = closing.would_close(call.env, call.by, call.principal)
    # whose the others are is no business of the client's owner
    clients = [
        {
            "id": each.client.id,
            "name": each.client.name,
            "ends_of_others": {"credentials": each.others, "accounts": each.other_accounts},
        }
        for each in found.clients
    ]
    more = {"clients": clients, "obstacle": found.obstacle}
    return Answer(renderer(call).preview(found.preview) | more)
