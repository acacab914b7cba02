"""Writes the audit trail: in the same transaction as what it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.store.interface import AuditEvent

if TYPE_CHECKING:
    from keyturn.actions.env import By, Env
    from keyturn.store.interface import Tx


def record(
    env: Env,
    tx: Tx,
    by: By,
    action: str,
    *,
    outcome: str = "ok",
    account_id: str | None = None,
    reason: str | None = None,
    **details: object,
) -> None:
    """Appends one event. ``account_id`` is the account it is about; the one that acts when not given."""
    principal = by.principal
    actor = principal.account_id if principal else None
    tx.audit(
        AuditEvent(
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
    )
