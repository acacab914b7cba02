"""What an event would end, before it happens (beyond.md B4): by the function that the event itself calls, on the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keyturn.actions import grants, prove
from keyturn.actions.env import Invalid, NotFound
from keyturn.core.policy import ONE, Event

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.actions.grants import Credential
    from keyturn.core.lifecycle import Ending
    from keyturn.store.interface import Tx


@dataclass(frozen=True, slots=True)
class Preview:
    """What an event would end, and what would live on."""

    event: Event
    ends: list[tuple[Ending, Credential]]
    lives: list[Credential]


# What an account's owner can ask about their own account, by the names of the API.
OWN: Final = (
    Event.PASSWORD_CHANGE,
    Event.PASSWORD_RESET,
    Event.LOGOUT,
    Event.LOGOUT_ALL,
    Event.LOGOUT_OTHERS,
    Event.REVOKE,
    Event.ROTATION,
    Event.KEY_REGENERATED,
    Event.SSO_ON,
    Event.CLOSE,
)


def preview(env: Env, by: By, event: Event, *, target: str | None = None) -> Preview:
    """What ``event`` would end of the account that acts. ``target``: the id of the credential that it is about, for the
    events about one; the acting one when not given. Raises NotFound when there is no such credential alive.
    """
    assert by.principal is not None
    if event in ONE and target is None:
        target = by.principal.grant_id
    with env.store.reading() as tx:
        return _preview(env, tx, by, event, by.principal.account_id, target)


def preview_suspension(env: Env, by: By, email: str) -> Preview:
    """What suspending the account of ``email`` would end, for administrators. Raises Refused, NotFound."""
    assert by.principal is not None
    with env.store.reading() as tx:
        prove.administrator(tx, by.principal)
        account = tx.account_by_email(email)
        if account is None:
            raise NotFound("account")
        return _preview(env, tx, by, Event.SUSPEND, account.id, None)


def _preview(env: Env, tx: Tx, by: By, event: Event, account_id: str, target: str | None) -> Preview:
    alive = tx.grants(account_id, alive_at=env.clock())
    if event in ONE and all(grant.id != target for grant in alive):
        raise NotFound("session" if event is Event.LOGOUT else "authorization")
    endings = {e.grant.id: e for e in grants.would_end(env, tx, by, event, account_id, target=target)}
    found = grants.with_tokens(tx, alive)
    return Preview(
        event,
        [(endings[c.grant.id], c) for c in found if c.grant.id in endings],
        [c for c in found if c.grant.id not in endings],
    )


def event_named(name: object) -> Event:
    """The event that a request names, with dashes or underscores. Raises Invalid that lists them."""
    text = name.replace("-", "_") if isinstance(name, str) else ""
    if text not in (*OWN, Event.SUSPEND):
        raise Invalid("event", f"event must be one of {', '.join((*OWN, Event.SUSPEND))}")
    return Event(text)
