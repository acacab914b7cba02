"""Refused requests in the audit trail, many to a row: one credential (or none), reason and address, counted over some
seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyturn.store.interface import AuditEvent

if TYPE_CHECKING:
    from keyturn.actions.env import Env

MOST_PENDING: Final = 10_000


class Refusals:
    """Counts refusals in memory until ``write``. Of one worker; used from one thread."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str | None, str, str], int] = {}

    def note(self, grant_id: str | None, reason: str, address: str) -> None:
        """Counts one. When a flood has filled the memory, further addresses are counted together."""
        key = (grant_id, reason, address)
        if key not in self._counts and len(self._counts) >= MOST_PENDING:
            key = (None, reason, "various")
        self._counts[key] = self._counts.get(key, 0) + 1

    def take(self) -> dict[tuple[str | None, str, str], int]:
        """What was counted since the last time."""
        counts, self._counts = self._counts, {}
        return counts


def write(env: Env, counts: dict[tuple[str | None, str, str], int]) -> None:
    """Appends the counted refusals to the audit trail."""
    if not counts:
        return
    now = env.clock()
    with env.store.writing() as tx:
        events = []
        for (grant_id, reason, address), count in counts.items():
            grant = tx.grant(grant_id) if grant_id else None
            events.append(
                AuditEvent(
                    at=now, action="request", outcome="refused", account_id=grant.account_id if grant else None, grant_id=grant_id,
                    address=address, reason=reason, details={"count": count},
                )
            )  # fmt: skip
        tx.audit(events)
