"""Refused requests in the audit trail, many to a row: one credential (or none), what it asked for, reason and address,
counted over some seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from keyturn.store.interface import AuditEvent

if TYPE_CHECKING:
    from keyturn.actions.env import Env

MOST_PENDING: Final = 10_000


class Refusal(NamedTuple):
    """One way to be refused; those that are alike are counted together."""

    grant_id: str | None
    reason: str
    address: str
    action: str = "request"
    about: tuple[tuple[str, str], ...] = ()
    """What was asked for, of somebody who is known: names and texts for the trail's details."""


class Refusals:
    """Counts refusals in memory until ``write``. Of one worker; used from one thread."""

    def __init__(self) -> None:
        self._counts: dict[Refusal, int] = {}

    def note(self, grant_id: str | None, reason: str, address: str, action: str = "request", **about: str) -> None:
        """Counts one. When a flood has filled the memory, further addresses are counted together."""
        key = Refusal(grant_id, reason, address, action, tuple(sorted(about.items())))
        if key not in self._counts and len(self._counts) >= MOST_PENDING:
            key = Refusal(None, reason, "various")
        self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> dict[Refusal, int]:
        """What was counted since the last time."""
        counts, self._counts = self._counts, {}
        return counts


def write(env: Env, counts: dict[Refusal, int]) -> None:
    """Appends the counted refusals to the audit trail."""
    if not counts:
        return
    now = env.clock()
    with env.store.writing() as tx:
        events = []
        for refusal, count in counts.items():
            grant = tx.grant(refusal.grant_id) if refusal.grant_id else None
            events.append(
                AuditEvent(
                    at=now, action=refusal.action, outcome="refused", account_id=grant.account_id if grant else None,
                    grant_id=refusal.grant_id, address=refusal.address, reason=refusal.reason,
                    details={"count": count, **dict(refusal.about)},
                )
            )  # fmt: skip
        tx.audit(events)
