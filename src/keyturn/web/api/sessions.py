"""/oauth/sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import sessions
from keyturn.web.answer import Answer, page
from keyturn.web.api.authorizations import renderer

if TYPE_CHECKING:
    from keyturn.web.call import Call


def listed(call: Call) -> Answer:
    """GET the list."""
    return page(sessions.listed(call.env, call.principal), lambda c: c.grant.id, call.range, renderer(call).session)


def end(call: Call) -> Answer:
    """DELETE one, by its id."""
    render = renderer(call)
    return Answer(render.session(sessions.end(call.env, call.by, call.principal, call.params["id"])))


def end_own(call: Call) -> Answer:
    """DELETE ~, the login that asks."""
    render = renderer(call)
    return Answer(render.session(sessions.end(call.env, call.by, call.principal, sessions.OWN)))
