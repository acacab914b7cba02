"""/oauth/authorizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import accounts, authorizations, grants, preview
from keyturn.actions.env import Invalid
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
    """Whether what is made or prolonged could go on when the credential that asks is over: that takes the second factor."""
    if not call.params:
        return authorizations.create_outlives(call.env, call.principal, call.body.get("expires_in"))
    if "expires_in" not in call.body:
        return False
    return authorizations.update_outlives(call.env, call.principal, call.params["id"], call.body["expires_in"])


def hands_out_more(call: Call) -> bool:
    """Whether a rotation hands out what could go on when the credential that asks is over: the same."""
    return not call.dry_run and authorizations.rotation_outlives(call.env, call.principal, call.params["id"])


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
