"""The end of an overlap: a rotated token goes on beside its successor until its time is over, or it is not used any more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.actions import audit
from keyturn.actions.env import By
from keyturn.core import policy
from keyturn.core.policy import Event

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import Env
    from keyturn.core.credential import Token, Use
    from keyturn.store.interface import Tx

ROTATED: Final = policy.REASON_OF[Event.ROTATION]

# Uses are kept in memory for some seconds before they are written; a token that was just used must not look idle.
UNWRITTEN: Final = timedelta(seconds=4 * policy.USES_WRITTEN_EVERY)


def end_overlaps(env: Env) -> int:
    """Stamps the rotated tokens whose overlap is over or that were unused for their idle limit; how many.

    For the upkeep. A token past its overlap is refused anyhow; here it gets its stamp.
    """
    now = env.clock()
    with env.store.reading() as tx:
        if not _over(tx, now):
            return 0
    with env.store.writing() as tx:
        ended = _over(tx, now)
        for token, at, reason in ended:
            tx.change_token(token.id, token.grant_id, ended_at=at, ended_reason=reason)
            grant = tx.grant(token.grant_id)
            assert grant is not None
            audit.record(
                env, tx, By(), f"{grant.kind}.overlap_end", account_id=grant.account_id, reason=reason,
                rotated=grant.id, token=token.mask, ended_at=at.isoformat(),
            )  # fmt: skip
        return len(ended)


def _over(tx: Tx, now: datetime) -> list[tuple[Token, datetime, str]]:
    """The tokens whose overlap has ended: when, and of what."""
    overlapping = tx.overlapping_tokens()
    uses = tx.uses([token.id for token in overlapping])
    over = []
    for token in overlapping:
        ends = []  # what comes first is what it died of
        if token.expires_at is not None and token.expires_at <= now:
            ends.append((token.expires_at, ROTATED))
        grant = tx.grant(token.grant_id)
        death = grant.death(now) if grant else None
        if death is not None:
            ends.append((death[1], death[0]))
        if not ends and _unused(tx, token, uses.get(token.id, []), now):
            ends.append((now, ROTATED))
        if ends:
            over.append((token, *min(ends)))
    return over


def _unused(tx: Tx, token: Token, uses: list[Use], now: datetime) -> bool:
    assert token.idle_limit is not None
    later = [t.created_at for t in tx.tokens_of(token.grant_id) if t.id > token.id and t.role == "access"]
    rotated_at = min(later, default=token.created_at)
    last = max([rotated_at, *(use.last_at for use in uses)])
    return now - last >= timedelta(seconds=token.idle_limit) + UNWRITTEN
