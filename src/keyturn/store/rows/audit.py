"""The audit trail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from keyturn.store import tables as t
from keyturn.store.interface import AuditEvent
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from collections.abc import Sequence

_EVENT = columns(t.audit, AuditEvent)


class AuditRows(Rows):
    """interface.Tx: the audit trail."""

    def audit(self, events: Sequence[AuditEvent]) -> None:
        if events:
            rows = [values(event) | {"details": json.dumps(event.details, sort_keys=True)} for event in events]
            self._c.execute(sa.insert(t.audit), rows)

    def audit_events(self, account_id: str | None = None, *, limit: int = 100) -> list[AuditEvent]:
        select = sa.select(*_EVENT).order_by(t.audit.c.id.desc()).limit(limit)
        if account_id is not None:
            select = select.where(t.audit.c.account_id == account_id)
        rows = [dict(zip((c.name for c in _EVENT), row, strict=True)) for row in self._c.execute(select)]
        return [AuditEvent(**{**row, "details": json.loads(row["details"])}) for row in rows]
