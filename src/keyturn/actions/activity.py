"""The audit trail, read: searched a page at a time, and exported whole in bounded memory.

What an account's owner sees of it is told apart from what an administrator sees: the owner sees what is about the own
account, whoever did it, and of others who did something no more than their e-mail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from keyturn.actions.env import Env
    from keyturn.core.credential import Account, Grant
    from keyturn.store.interface import AuditEvent, AuditSearch, Tx

PAGE: Final = 50
EXPORT_CHUNK: Final = 1000
"""Rows an export reads in one transaction."""

# The details that name the credential that an event is about.
_ABOUT: Final = ("made", "ended", "changed", "rotated", "refreshed", "dead", "grant")


@dataclass(frozen=True, slots=True)
class Entry:
    """One event, and what its ids name."""

    event: AuditEvent
    account: Account | None = None
    """Whom it is about."""
    actor: Account | None = None
    """Who did it; None: nobody who was signed in."""
    by: Grant | None = None
    """The credential that acted."""
    about: Grant | None = None
    """The credential that it is about."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the trail, newest first."""

    entries: list[Entry]
    older: int | None
    """What ``before`` asks for the next page; None: this is the last."""


def search(env: Env, wanted: AuditSearch, limit: int = PAGE, *, owner: str | None = None) -> Found:
    """The newest events that fit. ``owner``: only what the owner of that account may see."""
    wanted = _own(wanted, owner)
    with env.store.reading() as tx:
        events = tx.find_audit(wanted, limit=limit + 1)
        entries = _named(tx, events[:limit], owner)
    return Found(entries, events[limit - 1].id if len(events) > limit else None)


def export(env: Env, wanted: AuditSearch, *, owner: str | None = None) -> Iterator[bytes]:
    """All events that fit as JSON lines, newest first, in chunks of whole lines.

    Each chunk is read in a transaction of its own, so that a long export holds nobody up and takes little memory.
    """
    wanted = _own(wanted, owner)
    emails: dict[str, str | None] = {}
    while True:
        with env.store.reading() as tx:
            events = tx.find_audit(wanted, limit=EXPORT_CHUNK)
            for actor_id in {event.actor_id for event in events if event.actor_id} - emails.keys():
                actor = tx.account(actor_id)
                emails[actor_id] = actor.email if actor else None
        if events:
            shown = [shown_to(event, owner) for event in events]
            yield b"".join(_line(event, emails.get(event.actor_id or "")) for event in shown)
        if len(events) < EXPORT_CHUNK:
            return
        wanted = replace(wanted, before=events[-1].id)


def shown_to(event: AuditEvent, owner: str | None) -> AuditEvent:
    """The event as the ``owner`` of an account may see it: where somebody else did it, from where, by what program and by
    which credential is theirs. None: an administrator, who sees all.
    """
    if owner is None or event.actor_id is None or event.actor_id == owner:
        return event
    return replace(event, address="", agent="", request_id="", grant_id=None)


def _own(wanted: AuditSearch, owner: str | None) -> AuditSearch:
    return wanted if owner is None else replace(wanted, about=owner, hidden_from=owner, account_id=None)


def _named(tx: Tx, events: Sequence[AuditEvent], owner: str | None) -> list[Entry]:
    accounts: dict[str, Account | None] = {}
    grants: dict[str, Grant | None] = {}

    def account(identity: str | None) -> Account | None:
        if identity and identity not in accounts:
            accounts[identity] = tx.account(identity)
        return accounts[identity] if identity else None

    def grant(identity: object) -> Grant | None:
        if not isinstance(identity, str):
            return None
        if identity not in grants:
            grants[identity] = tx.grant(identity)
        found = grants[identity]
        return found if found is not None and owner in (None, found.account_id) else None

    entries = []
    for event in events:
        seen = shown_to(event, owner)
        about = next((event.details[name] for name in _ABOUT if name in event.details), None)
        entries.append(
            Entry(seen, account(seen.account_id), account(seen.actor_id), grant(seen.grant_id), grant(about))
        )
    return entries


def _line(event: AuditEvent, actor: str | None) -> bytes:
    told = {
        "id": event.id, "at": event.at.isoformat().replace("+00:00", "Z"), "action": event.action, "outcome": event.outcome,
        "reason": event.reason, "account_id": event.account_id, "actor_id": event.actor_id, "actor": actor,
        "credential_id": event.grant_id, "address": event.address, "agent": event.agent, "request_id": event.request_id,
        "details": event.details,
    }  # fmt: skip
    return json.dumps(told, sort_keys=False).encode() + b"\n"
