"""Writes the audit trail: in the same transaction as what it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyturn.store.interface import AuditEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyturn.actions.env import By, Env
    from keyturn.store.interface import Tx


def record(env: Env, tx: Tx, by: By, action: str, **facts: Any) -> None:
    """Appends one event, of the arguments of ``event``."""
    tx.audit([event(env, by, action, **facts)])


def record_all(tx: Tx, events: Sequence[AuditEvent]) -> None:
    """Appends many at once."""
    tx.audit(events)


def event(
    env: Env,
    by: By,
    action: str,
    *,
    outcome: str = "ok",
    account_id: str | None = None,
    reason: str | None = None,
    **details: object,
) -> AuditEvent:
    """One event. ``account_id`` is the account it is about; the one that acts when not given."""
    principal = by.principal
    actor = principal.account_id if principal else None
    return AuditEvent(
        at=env.clock(),
        action=action,
        outcome=outcome,
        account_id=account_id or actor,
        actor_id=actor,
        grant_id=principal.grant_id if principal else None,
        address=by.address,
        agent=by.agent[:300],
        request_id=by.request_id,
        reason=reason,
        details=details,
    )
