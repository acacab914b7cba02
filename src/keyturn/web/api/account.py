"""/account: the account itself, its password, its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyturn.actions import accounts, addresses, preview
from keyturn.actions.env import Invalid
from keyturn.core.policy import Event
from keyturn.web import mailed, render
from keyturn.web.answer import Answer
from keyturn.web.api.authorizations import renderer

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.web.call import Call
    from keyturn.web.face import Face


def info(call: Call) -> Answer:
    """GET /account."""
    return Answer(render.account(accounts.info(call.env, call.principal)))


def rate_limit(face: Face) -> Callable[[Call], Answer]:
    """GET /account/rate-limits, which itself is not counted."""

    def remaining(call: Call) -> Answer:
        return Answer({"remaining": face.api_limit.remaining(call.principal.account_id, call.env.clock().timestamp())})

    return remaining


def update(face: Face) -> Callable[[Call], Answer]:
    """PATCH /account: name, allow_tracking, beta; with ``password`` also the e-mail, or the password to
    ``new_password``. Whatever is wrong with any of them is found before anything changes.

    Another e-mail is in the answer's ``pending_email`` until the link that was sent there is followed; ``email`` is the one
    in force.
    """

    def run(call: Call) -> Answer:
        body, current = call.body, call.body.get("password")
        accounts.clean_changes(body)
        email = body.get("email") if body.get("email") != call.principal.email else None
        more: dict[str, Any] = {}
        if body.get("new_password") is not None:
            if email is not None:
                raise Invalid("email", "change the e-mail address and the password in two requests")
            return change_password(call, current, others=body)
        if email is not None:
            accounts.change_email(
                call.env, call.by, call.principal, email=email, current_password=current, sender=mailed.confirming(face)
            )
        elif body.get("email") is not None:  # the one in force: no other one is wanted any more
            addresses.take_back(call.env, call.by, call.principal)
        pending = addresses.pending(call.env, call.principal)
        if pending is not None:
            more["pending_email"] = pending
        return Answer(render.account(accounts.update(call.env, call.by, call.principal, body)) | more)

    return run


def is_secured(body: dict[str, Any]) -> bool:
    """Whether a PATCH changes what takes the current password."""
    return body.get("new_password") is not None or body.get("email") is not None


def takes_more(body: dict[str, Any]) -> str | None:
    """The permission that such a PATCH takes besides that of a PATCH: the one of PUT /account/password."""
    return "account:password" if is_secured(body) else None


def changes_secured(call: Call) -> bool:
    """The same, of the request that makes it; a preview there is of a new password alone."""
    return is_secured(call.body) and (call.body.get("email") is not None or changes_password(call))


def changes_password(call: Call) -> bool:
    """Whether the new password is meant, and no preview of it."""
    return not call.dry_run


def has_preview(call: Call) -> bool:
    """Whether a PATCH has a dry run: that of a new password, when nothing else is asked with it."""
    return call.body.get("new_password") is not None and not set(call.body) - {"password", "new_password"}


def change_password(call: Call, current: object = None, others: dict[str, Any] | None = None) -> Answer:
    """PUT /account/password ``{"current_password", "new_password"}``.

    When the change ended the API key, the answer has the new one under ``api_key``: this once, and nowhere later.
    """
    if call.dry_run:
        return Answer(renderer(call).preview(preview.preview(call.env, call.by, Event.PASSWORD_CHANGE)))
    changed = accounts.change_password(
        call.env,
        call.by,
        call.principal,
        current_password=call.body.get("current_password") if current is None else current,
        new_password=call.body.get("new_password"),
        others=others,
    )
    body = render.account(changed.account)
    body["ended"] = render.ended(changed.endings)
    if changed.api_key:
        body["api_key"] = render.Render(call.env, changed.account, call.principal).authorization(changed.api_key)
    return Answer(body)


def nothing(_call: Call) -> Answer:
    """An empty list, so that clients that ask do not stumble."""
    return Answer([])
