"""/account/keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import keys
from keyturn.web import render
from keyturn.web.answer import Answer, page

if TYPE_CHECKING:
    from keyturn.web.call import Call


def listed(call: Call) -> Answer:
    """GET the list."""
    return page(keys.listed(call.env, call.principal), lambda k: k.id, call.range, render.key)


def info(call: Call) -> Answer:
    """GET one, by id or fingerprint."""
    return Answer(render.key(keys.info(call.env, call.principal, call.params["id"])))


def add(call: Call) -> Answer:
    """POST one."""
    return Answer(render.key(keys.add(call.env, call.by, call.principal, call.body.get("public_key"))), 201)


def remove(call: Call) -> Answer:
    """DELETE one, by id or fingerprint; answers what it was."""
    return Answer(render.key(keys.remove(call.env, call.by, call.principal, call.params["id"])))
