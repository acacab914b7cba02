"""The audit trail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from keyturn.store import tables as t
from keyturn.store.interface import AuditEvent, AuditSearch
from keyturn.store.rows.base import Rows, columns, values

if TYPE_CHECKING:
    from collections.abc import Sequence

_EVENT = columns(t.audit, AuditEvent)


class AuditRows(Rows):
    """interface.Tx: the audit trail."""

    def audit(self, events: Sequence[AuditEvent]) -> None:
        if events:
            rows = [values(event) | {"details": json.dumps(event.details, sort_keys=True)} for event in events]
            for row in rows:
                del row["id"]
            self._c.execute(sa.insert(t.audit), rows)

    def audit_events(self, account_id: str | None = None, *, limit: int = 100) -> list[AuditEvent]:
        """The latest, newest first; those about one account."""
        these = [] if account_id is None else [t.audit.c.account_id == account_id]
        return self._events(these, limit)

    def find_audit(self, search: AuditSearch, *, limit: int = 100) -> list[AuditEvent]:
        """Those that fit, newest first."""
        return self._events(_wanted(search), limit)

    def _events(self, these: list[sa.ColumnElement[bool]], limit: int) -> list[AuditEvent]:
        select = sa.select(*_EVENT).where(*these).order_by(t.audit.c.id.desc()).limit(limit)
        rows = [dict(zip((c.name for c in _EVENT), row, strict=True)) for row in self._c.execute(select)]
        return [AuditEvent(**{**row, "details": json.loads(row["details"])}) for row in rows]


def _wanted(search: AuditSearch) -> list[sa.ColumnElement[bool]]:
    column = t.audit.c
    these: list[sa.ColumnElement[bool]] = []
    if search.account_id is not None:
        these.append(sa.or_(column.account_id == search.account_id, column.actor_id == search.account_id))
    if search.about is not None:
        these.append(column.account_id == search.about)
    equal: dict[str, Any] = {
        "actor_id": search.actor_id, "outcome": search.outcome, "grant_id": search.grant_id, "address": search.address,
    }  # fmt: skip
    these += [column[name] == value for name, value in equal.items() if value]
    # what is not shown is not found either: a filter would tell it a letter at a time
    shown = _shown_to(search.hidden_from)
    if search.grant_id or search.address:
        these.append(shown)
    if search.action:
        these.append(_action(search.action))
    if search.actions:
        these.append(sa.or_(*(_action(each) for each in search.actions)))
    if search.since is not None:
        these.append(column.at >= search.since)
    if search.until is not None:
        these.append(column.at < search.until)
    if search.text:
        seen = (column.action, column.reason, column.details)
        hidden = (column.address, column.agent)
        found, found_there = (
            sa.or_(*(place.icontains(search.text, autoescape=True) for place in places)) for places in (seen, hidden)
        )
        these.append(sa.or_(found, sa.and_(shown, found_there)))
    if search.before is not None:
        these.append(column.id < search.before)
    return these


def _shown_to(owner: str | None) -> sa.ColumnElement[bool]:
    """Where address, agent and credential are shown to the ``owner`` of an account; None: to an administrator."""
    actor = t.audit.c.actor_id
    return sa.true() if owner is None else sa.or_(actor.is_(None), actor == owner)


def _action(text: str) -> sa.ColumnElement[bool]:
    column = t.audit.c.action
    return column.startswith(text, autoescape=True) if text.endswith(".") else column == text
