"""/account/two-factor: the account's second factors, over the API. Passkeys are made in the browser alone.

Whatever changes them takes the account's password besides the token, and the code of a second factor where the account
has one (the frame's ``sensitive``): who merely found a token must neither lock the owner out nor take the lock away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyturn.actions import accounts, factors
from keyturn.actions.env import Invalid
from keyturn.web import qr
from keyturn.web.answer import Answer, iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyturn.core.credential import Factor
    from keyturn.web.call import Call
    from keyturn.web.face import Face


def info(call: Call) -> Answer:
    """GET: whether it is on, since when, and by which factors."""
    found = factors.overview(call.env, call.principal)
    return Answer(
        {
            "enabled": found.since is not None,
            "since": iso(found.since),
            "required": found.required,
            "factors": [_factor(factor) for factor in found.factors],
            "recovery_codes_left": found.recovery_left,
            "remembered_browsers": len(found.devices),
        }
    )


def _factor(factor: Factor) -> dict[str, Any]:
    return {
        "id": factor.id,
        "kind": factor.kind,
        "name": factor.name,
        "created_at": iso(factor.created_at),
        "last_used_at": iso(factor.last_used_at),
    }


def begin(face: Face) -> Callable[[Call], Answer]:
    """POST .../app: an authenticator app to be set up; it counts once a code of it was given to ``confirm``."""

    def begun(call: Call) -> Answer:
        _prove(call)
        made = factors.begin_codes(call.env, call.by, call.principal, name=call.body.get("name"), issuer=face.instance)
        shown = {"id": made.factor.id, "key": made.key, "uri": made.uri, "qr": qr.terminal(made.uri)}
        return Answer(shown | {"name": made.factor.name}, 201)

    return begun


def confirm(call: Call) -> Answer:
    """POST .../app/ID/confirm: from now on it counts. With the account's first factor come the recovery codes.

    The password once more: or else a token alone could try codes until it turns on what the owner left half set up.
    """
    _prove(call)
    added = factors.confirm_codes(call.env, call.by, call.principal, call.params["id"], call.body.get("code"))
    return Answer({"factor": _factor(added.factor), "recovery_codes": added.recovery_codes})


def renew_recovery_codes(call: Call) -> Answer:
    """POST .../recovery-codes: new ones; the old ones are worth nothing more."""
    _prove(call)
    return Answer({"recovery_codes": factors.new_recovery_codes(call.env, call.by, call.principal)}, 201)


def remove(call: Call) -> Answer:
    """DELETE .../ID: one of several; answers what it was."""
    _prove(call)
    return Answer(_factor(factors.remove(call.env, call.by, call.principal, call.params["id"])))


def turn_off(call: Call) -> Answer:
    """DELETE: no second factor any more; answers what is left, which is nothing."""
    _has_password(call)
    given = call.body.get("password")
    _named_as_here(lambda: factors.turn_off(call.env, call.by, call.principal, current_password=given))
    return info(call)


def _prove(call: Call) -> None:
    """The account's password, proven anew. Raises Invalid, Refused, Throttled."""
    _has_password(call)
    _named_as_here(lambda: accounts.prove(call.env, call.by, call.principal, call.body.get("password")))


def _has_password(call: Call) -> None:
    if accounts.info(call.env, call.principal).federated:
        raise Invalid("password", "this account signs in through single sign-on: its second factor is managed there")


def _named_as_here(act: Callable[[], object]) -> None:
    """Does it; what is wrong with the password is said of the field that it has here."""
    try:
        act()
    except Invalid as wrong:
        raise Invalid("password" if wrong.field == "current_password" else wrong.field, str(wrong)) from None
