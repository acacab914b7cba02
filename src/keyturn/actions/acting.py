"""What acts, looked at once more: a revocation must win against a request that was let in a moment before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyturn.actions.env import NotFound, Refused
from keyturn.core import decide

if TYPE_CHECKING:
    from keyturn.actions.env import Env
    from keyturn.core.credential import Account, Deny, Principal
    from keyturn.store.interface import Tx


def still(env: Env, tx: Tx, principal: Principal) -> Account:
    """The account that acts, locked, after its credential proved to be alive still; for the start of a writing transaction
    that makes, changes or prolongs a right. Raises Refused, NotFound.
    """
    account = tx.account(principal.account_id, lock=True)
    if account is None:
        raise NotFound("account")
    if account.suspended_at is not None:
        raise Refused(decide.suspended(account.suspended_at))
    deny = _dead(env, tx, principal)
    if deny is not None:
        raise Refused(deny)
    if account.closed_at is not None:  # nothing of it acts any more, whatever its credentials say
        raise Refused(decide.unproven("unknown"))
    return account


def administrator(env: Env, tx: Tx, principal: Principal) -> Account:
    """The account that acts, as ``still`` finds it, an administrator's still. Raises Refused, NotFound."""
    account = still(env, tx, principal)
    if not account.admin:
        raise Refused(decide.forbidden("administrators_only"), forbidden=True)
    return account


def _dead(env: Env, tx: Tx, principal: Principal) -> Deny | None:
    now = env.clock()
    grant = tx.grant(principal.grant_id)
    token = next((t for t in tx.tokens_of(principal.grant_id) if t.id == principal.token_id), None)
    if grant is None or token is None:
        return decide.unproven("unknown")
    death = grant.death(now)
    if death is None and token.ended_at is not None:
        death = token.ended_reason or "rotated", token.ended_at
    if death is None and token.expires_at is not None and token.expires_at <= now:
        death = "rotated" if token.idle_limit is not None else "expired", token.expires_at
    return decide.refusal_of(grant.kind, grant.id, grant.description, *death) if death else None
