"""The outbox: mails, webhooks and events for the operator's command leave it, at least once each, until they are taken
over or too old.

A receiver can see the same one twice, when a worker stopped between sending and noting it; its Message-ID or webhook-id
is the same then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions.env import Undelivered
from keyturn.store.interface import NOWHERE

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import Courier, Env
    from keyturn.store.interface import Outgoing, Tx

LEASE: Final = timedelta(minutes=10)
"""For how long one that is being sent is not tried by another worker: longer than any sending takes."""

FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(hours=6)
GIVE_UP: Final = timedelta(days=3)
KEPT: Final = timedelta(days=30)
"""How long what was sent or given up can be seen."""

LOOK_AGAIN: Final = timedelta(minutes=5)
"""After which something that nothing was configured for is tried again."""

NOT_CONFIGURED: Final = {
    "mail": "no mail server is configured",
    "webhook": "no webhook is configured",
    "command": "no command for pushes is configured",
}
ERROR_LONGEST: Final = 300


def pause(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts: twice as long each time, up to six hours."""
    doubled: timedelta = FIRST_PAUSE * 2 ** min(attempts - 1, 16)
    return min(doubled, LONGEST_PAUSE)


def send_due(env: Env, most: int = 100) -> int:
    """Sends what is due, the oldest first, at most ``most``; how many were taken over.

    For the upkeep, every few seconds. Two workers never send the same at once: one claims it by moving its next attempt.
    """
    sent = 0
    for _ in range(most):
        with env.store.reading() as tx:  # most of the time there is nothing, and nothing to write
            if not tx.due_outgoing(env.clock(), 1):
                break
        with env.store.writing() as tx:
            claimed = _claim(env, tx)
        if claimed is None:
            continue
        item, courier = claimed
        try:
            courier.send(item, env.clock())
        except Undelivered as fault:
            _failed(env, item, str(fault))
        else:
            sent += 1
            with env.store.writing() as tx:
                # the text has done its work, and may hold a link that should not lie about
                tx.change_outgoing(item.id, sent_at=env.clock(), next_at=None, error=None, body="")
    return sent


def forget(env: Env) -> int:
    """Removes what was sent or given up long ago; how many."""
    with env.store.writing() as tx:
        return tx.forget_outgoing(env.clock() - KEPT)


def listed(env: Env, limit: int = 100) -> list[Outgoing]:
    """The latest, newest first, for administrators: sent, waiting and given up."""
    with env.store.reading() as tx:
        return tx.outgoing(limit)


def state(item: Outgoing) -> str:
    """``sent``, ``waiting`` or ``given up``."""
    return "sent" if item.sent_at else "waiting" if item.next_at else "given up"


def _claim(env: Env, tx: Tx) -> tuple[Outgoing, Courier] | None:
    """The next one and who takes it; None when another worker has it, or it cannot leave and was noted so, or was never to."""
    now = env.clock()
    due = tx.due_outgoing(now, 1)
    if not due:
        return None
    item = due[0]
    if item.channel == NOWHERE:
        tx.remove_outgoing(item.id)
        return None
    courier = {"mail": env.post.mail, "webhook": env.post.webhook, "command": env.post.command}.get(item.channel)
    if courier is None:
        error = NOT_CONFIGURED.get(item.channel, f"there is no way for {item.channel}")
        again = _unless_old(item, now + LOOK_AGAIN)
        tx.change_outgoing(item.id, next_at=again, error=error)
        return None
    tx.change_outgoing(item.id, next_at=now + LEASE, attempts=item.attempts + 1)
    return item, courier


def _failed(env: Env, item: Outgoing, error: str) -> None:
    again = _unless_old(item, env.clock() + pause(item.attempts + 1))
    with env.store.writing() as tx:
        tx.change_outgoing(item.id, next_at=again, error=error[:ERROR_LONGEST])


def _unless_old(item: Outgoing, again: datetime) -> datetime | None:
    """The next attempt, or None: given up."""
    return again if again <= item.created_at + GIVE_UP else None
