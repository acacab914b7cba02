"""Which thresholds have been told of, and the mails and webhooks on their way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.store import tables as t
from keyturn.store.interface import NOWHERE, Outgoing
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

_OUTGOING = columns(t.outbox, Outgoing)


class NoticeRows(Rows):
    """interface.Tx: notices, and what goes out."""

    def noticed(self, grant_ids: Sequence[str]) -> set[tuple[str, str]]:
        """The thresholds told of, as pairs of grant and threshold."""
        found: set[tuple[str, str]] = set()
        for start in range(0, len(grant_ids), 500):
            some = t.notices.c.grant_id.in_(grant_ids[start : start + 500])
            found.update(
                (row[0], row[1])
                for row in self._c.execute(sa.select(t.notices.c.grant_id, t.notices.c.threshold).where(some))
            )
        return found

    def forget_notices(self, grant_id: str) -> None:
        self._c.execute(sa.delete(t.notices).where(t.notices.c.grant_id == grant_id))

    def add_notices(self, told: Collection[tuple[str, str]], at: datetime) -> None:
        """Notes pairs of grant and threshold as told of. Raises Taken for one that was noted already."""
        if told:
            rows = [{"grant_id": grant_id, "threshold": threshold, "at": at} for grant_id, threshold in told]
            self._c.execute(sa.insert(t.notices), rows)

    def add_outgoing(self, item: Outgoing) -> None:
        self._c.execute(sa.insert(t.outbox).values(values(item)))

    def due_outgoing(self, now: datetime, limit: int = 20) -> list[Outgoing]:
        """What is to be tried now, oldest first."""
        due = sa.and_(t.outbox.c.sent_at.is_(None), t.outbox.c.next_at <= now)
        return [
            Outgoing(*row)
            for row in self._c.execute(sa.select(*_OUTGOING).where(due).order_by(t.outbox.c.next_at).limit(limit))
        ]

    def change_outgoing(self, item_id: str, **changes: object) -> None:
        self._change(t.outbox, t.outbox.c.id == item_id, changes)

    def outgoing(self, limit: int = 100) -> list[Outgoing]:
        """The latest, newest first, sent or not; nothing of what goes nowhere."""
        select = sa.select(*_OUTGOING).where(t.outbox.c.channel != NOWHERE).order_by(t.outbox.c.id.desc())
        return [Outgoing(*row) for row in self._c.execute(select.limit(limit))]

    def remove_outgoing(self, item_id: str) -> None:
        self._c.execute(sa.delete(t.outbox).where(t.outbox.c.id == item_id))

    def forget_outgoing(self, before: datetime) -> int:
        """Removes what was sent or given up and is older than ``before``; how many."""
        old = sa.and_(t.outbox.c.created_at < before, t.outbox.c.next_at.is_(None))
        return self._c.execute(sa.delete(t.outbox).where(old)).rowcount
