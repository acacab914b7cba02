"""/oauth/clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyturn.actions import clients
from keyturn.core import token
from keyturn.core.policy import Event
from keyturn.web.answer import Answer, iso, page
from keyturn.web.api.authorizations import renderer

if TYPE_CHECKING:
    from keyturn.core.credential import OAuthClient
    from keyturn.web.call import Call

MASKED = token.MASK  # of a secret nothing readable is kept


def render(found: OAuthClient, secret: str | None = None) -> dict[str, Any]:
    """A client; its secret only where it was just made."""
    return {
        "created_at": iso(found.created_at),
        "id": found.id,
        "ignores_delinquent": None,
        "name": found.name,
        "redirect_uri": found.redirect_uri,
        "secret": secret or MASKED,
        "updated_at": iso(found.updated_at),
    }


def listed(call: Call) -> Answer:
    """GET the list."""
    return page(clients.listed(call.env, call.principal), lambda c: c.id, call.range, render)


def create(call: Call) -> Answer:
    """POST ``{"name", "redirect_uri"}``."""
    asked = call.body
    made = clients.create(
        call.env, call.by, call.principal, name=asked.get("name"), redirect_uri=asked.get("redirect_uri")
    )
    return Answer(render(made.client, made.secret), 201)


def info(call: Call) -> Answer:
    """GET one."""
    return Answer(render(clients.info(call.env, call.principal, call.params["id"])))


def update(call: Call) -> Answer:
    """PATCH one; null leaves a field as it is."""
    asked = call.body
    changed = clients.update(
        call.env, call.by, call.principal, call.params["id"],
        name=asked.get("name"), redirect_uri=asked.get("redirect_uri"),
    )  # fmt: skip
    return Answer(render(changed))


def rotate(call: Call) -> Answer:
    """POST .../actions/rotate-credentials."""
    made = clients.rotate(call.env, call.by, call.principal, call.params["id"])
    return Answer(render(made.client, made.secret))


def acts(call: Call) -> bool:
    """Whether the removal is meant, and no preview of it. It ends what others gave, and cannot be taken back."""
    return not call.dry_run


def remove(call: Call) -> Answer:
    """DELETE one; answers what it was, or with ``?dry_run=true`` what would end with it."""
    if call.dry_run:
        return _preview(call)
    return Answer(render(clients.remove(call.env, call.by, call.principal, call.params["id"])))


def _preview(call: Call) -> Answer:
    found = clients.would_remove(call.env, call.by, call.principal, call.params["id"])
    shown = renderer(call)
    ends = [
        shown.credential(credential) | {"ends_because": ending.reason, "replaced": ending.replaced}
        for ending, credential in found.own
    ]
    # whose the others are is no business of the client's owner
    others = {"credentials": found.others, "accounts": found.other_accounts}
    return Answer(
        {"dry_run": True, "event": Event.CLIENT_REMOVED.value, "ends": ends, "ends_of_others": others, "lives": []}
    )
