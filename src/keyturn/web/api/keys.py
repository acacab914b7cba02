"""/account/keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyturn.actions import keys
from keyturn.web import render
from keyturn.web.answer import Answer, page

if TYPE_CHECKING:
    from keyturn.actions.keys import Held
    from keyturn.web.call import Call


def _shown(call: Call, found: Held) -> dict[str, Any]:
    return render.key(found, call.env.clock(), call.env.policy)


def listed(call: Call) -> Answer:
    """GET the list."""
    return page(keys.held(call.env, call.principal), lambda k: k.key.id, call.range, lambda k: _shown(call, k))


def info(call: Call) -> Answer:
    """GET one, by id or fingerprint."""
    return Answer(_shown(call, keys.info(call.env, call.principal, call.params["id"])))


def add(call: Call) -> Answer:
    """POST ``{"public_key", "expires_in"?}``."""
    asked = call.body
    made = keys.add(call.env, call.by, call.principal, asked.get("public_key"), expires_in=asked.get("expires_in"))
    return Answer(_shown(call, made), 201)


def remove(call: Call) -> Answer:
    """DELETE one, by id or fingerprint; answers what it was."""
    identity = call.params["id"]
    was = _shown(call, keys.info(call.env, call.principal, identity))
    keys.remove(call.env, call.by, call.principal, identity)
    return Answer(was)
