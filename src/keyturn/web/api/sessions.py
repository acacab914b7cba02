"""/oauth/sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import grants, preview, sessions
from keyturn.core.policy import Event
from keyturn.web.answer import Answer, asked_slice, slice_answer
from keyturn.web.api.authorizations import renderer

if TYPE_CHECKING:
    from keyturn.web.call import Call


def listed(call: Call) -> Answer:
    """GET the list."""
    part = asked_slice(call.range)
    found, more = grants.listed(call.env, call.principal.account_id, sessions.LISTED, part, ended=call.include_ended)
    answer = slice_answer(found, part, lambda c: c.grant.id, more=more)
    render = renderer(call)
    answer.body = [render.session(credential) for credential in found]
    return answer


def end(call: Call) -> Answer:
    """DELETE one, by its id; ``~`` is the login that asks."""
    render, identity = renderer(call), call.params.get("id", sessions.OWN)
    if call.dry_run:
        target = call.principal.grant_id if identity == sessions.OWN else identity
        return Answer(render.preview(preview.preview(call.env, call.by, Event.LOGOUT, target=target)))
    return Answer(render.session(sessions.end(call.env, call.by, call.principal, identity)))


def end_all(call: Call) -> Answer:
    """DELETE all: every login and browser session, the one that asks too."""
    render = renderer(call)
    if call.dry_run:
        return Answer(render.preview(preview.preview(call.env, call.by, Event.LOGOUT_ALL)))
    return Answer([render.session(found) for found in sessions.end_all(call.env, call.by, call.principal)])
