"""/oauth/authorizations."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from keyturn.actions import accounts, authorizations, grants, preview
from keyturn.actions.env import Invalid
from keyturn.core import lifecycle, policy
from keyturn.core.policy import Event, Kind
from keyturn.web.answer import Answer, asked_slice, slice_answer
from keyturn.web.render import Render

if TYPE_CHECKING:
    from keyturn.actions.grants import Credential
    from keyturn.web.call import Call


def renderer(call: Call) -> Render:
    """Renders for the credential that asks."""
    owner = accounts.info(call.env, call.principal)
    given = call.presented
    return Render(call.env, owner, call.principal, given.token if given else None)


def _one(call: Call, found: Credential, status: int = 200) -> Answer:
    return Answer(renderer(call).authorization(found), status)


def create(call: Call) -> Answer:
    """POST with a token."""
    _no_client(call)
    asked = call.body
    made = authorizations.create(
        call.env, call.by, call.principal,
        description=asked.get("description"), expires_in=asked.get("expires_in"), scopes=asked.get("scope"),
    )  # fmt: skip
    return _one(call, made, 201)


def create_by_password(call: Call) -> Answer:
    """POST with Basic e-mail and password: a login, or an authorization, without any token before."""
    _no_client(call)
    asked, given = call.body, call.presented
    assert given is not None
    made, owner = authorizations.create_by_password(
        call.env, call.by, given.user or "", given.text,
        description=asked.get("description"), expires_in=asked.get("expires_in"), scopes=asked.get("scope"), code=call.code,
    )  # fmt: skip
    return Answer(Render(call.env, owner).authorization(made), 201)


def outlives(call: Call) -> bool:
    """Whether what is asked for would live on when the credential that asks is dead: that takes the second factor."""
    if call.principal.expires_at is None or (call.params and "expires_in" not in call.body):
        return False
    try:
        asked = lifecycle.seconds_asked(call.body.get("expires_in"))
    except ValueError:
        return False  # refused by the action
    if asked is not None and asked > policy.LONGEST_ASKED:
        return False  # likewise
    return asked is None or call.env.clock() + timedelta(seconds=asked) > call.principal.expires_at


def makes_an_api_key(call: Call) -> bool:
    """Whether this makes the API key, which has no end: that takes the second factor."""
    return call.params["id"] == authorizations.API_KEY_ID and not call.dry_run


def _no_client(call: Call) -> None:
    if call.body.get("client") is not None:
        raise Invalid("client", "there is no such OAuth client")


def listed(call: Call) -> Answer:
    """GET the list."""
    part = asked_slice(call.range)
    found, more = grants.listed(
        call.env, call.principal.account_id, authorizations.LISTED, part, ended=call.include_ended
    )
    answer = slice_answer(found, part, lambda c: c.grant.id, more=more)
    render = renderer(call)
    answer.body = [render.authorization(credential) for credential in found]
    return answer


def info(call: Call) -> Answer:
    """GET one."""
    return _one(call, authorizations.info(call.env, call.principal, call.params["id"], ended=call.include_ended))


def update(call: Call) -> Answer:
    """PATCH one: its description, its expiry."""
    _no_client(call)
    asked, identity = call.body, call.params["id"]
    keep = authorizations.KEEP
    changed = authorizations.update(
        call.env, call.by, call.principal, identity,
        description=asked.get("description"), expires_in=asked.get("expires_in", keep),
    )  # fmt: skip
    return _one(call, changed)


def revoke(call: Call) -> Answer:
    """DELETE one; answers what it was."""
    render, identity = renderer(call), call.params["id"]
    if call.dry_run:
        target = authorizations.info(call.env, call.principal, identity).grant.id
        return Answer(render.preview(preview.preview(call.env, call.by, Event.REVOKE, target=target)))
    return Answer(render.authorization(authorizations.revoke(call.env, call.by, call.principal, identity)))


def regenerate(call: Call) -> Answer:
    """POST .../actions/regenerate-tokens."""
    identity, asked = call.params["id"], call.body
    if call.dry_run:
        found = authorizations.info(call.env, call.principal, identity).grant
        event = Event.KEY_REGENERATED if found.kind is Kind.API_KEY else Event.ROTATION
        return Answer(renderer(call).preview(preview.preview(call.env, call.by, event, target=found.id)))
    made = authorizations.regenerate(
        call.env, call.by, call.principal, identity, overlap=asked.get("overlap"), idle=asked.get("idle")
    )
    return _one(call, made)
