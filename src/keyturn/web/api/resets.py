"""/password-resets: a link for a forgotten password, and the password that it lets choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions import resets
from keyturn.web import render
from keyturn.web.answer import Answer, iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.web.call import Call
    from keyturn.web.face import Face

ASK = "/reset"
"""The page's path; with the secret after it, the link in the mail."""


def ask(face: Face) -> Callable[[Call], Answer]:
    """POST ``{"email"}``: the same answer whether there is such an account or not."""

    def run(call: Call) -> Answer:
        email = resets.ask(call.env, call.by, call.body.get("email"), lambda secret: link(face, secret), face.instance)
        return Answer({"created_at": iso(call.env.clock()), "user": {"email": email, "id": None}}, 201)

    return run


def link(face: Face, secret: str) -> str:
    """The link in the mail: of the server's public address, whatever the request's Host says."""
    return f"{face.public_url}{ASK}/{secret}"


def finalize(face: Face) -> Callable[[Call], Answer]:
    """POST .../actions/finalize ``{"password", "password_confirmation"}``.

    No credential is in the answer: the link proves the mail alone, and a second factor is asked for afterwards. Where
    the API key ended, ``message`` says how its owner makes a new one.
    """

    def run(call: Call) -> Answer:
        body = call.body
        changed = resets.finalize(
            call.env, call.by, call.params["token"],
            password=body.get("password"), confirmation=body.get("password_confirmation"), instance=face.instance,
        )  # fmt: skip
        account = changed.account
        answer = {
            "created_at": iso(account.updated_at),
            "user": {"email": account.email, "id": account.id},
            "ended": render.ended(changed.endings),
        }
        lost = resets.ended_key(changed.endings)
        return Answer(answer | ({"message": lost} if lost else {}))

    return run
