"""A policy that became stricter caps what lives already: at the new limit, and no sooner than its owner could be told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import audit
from keyturn.actions.env import By
from keyturn.core import policy

if TYPE_CHECKING:
    from keyturn.actions.env import Env

NOTICE: Final = timedelta(days=7)
"""The least that is left to a credential that is capped; its notices and warnings fall into this time."""


def tighten(env: Env) -> int:
    """Caps every living credential that would live longer than its kind may under the rules in force; how many.

    For the start of a server: what was capped once stays within the rules, so a second call finds nothing.
    """
    now, capped = env.clock(), 0
    for kind, life in env.policy.lives.items():
        if life.longest is None or life.longest == policy.LIVES[kind].longest:
            continue
        longest = timedelta(seconds=life.longest)
        with env.store.writing() as tx:
            for grant in tx.grants_beyond(kind, longest, now + NOTICE):
                end = max(grant.created_at + longest, now + NOTICE)
                tx.change_grant(grant.id, expires_at=end)
                tx.forget_notices(grant.id)  # the new end has thresholds of its own
                audit.record(
                    env, tx, By(), f"{kind}.expiry", account_id=grant.account_id, reason="policy_tightened", changed=grant.id,
                    before=grant.expires_at.isoformat() if grant.expires_at else None, after=end.isoformat(),
                )  # fmt: skip
                capped += 1
    return capped
