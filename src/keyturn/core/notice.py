"""When an owner is told that a credential will expire, and of which deaths: pure, so that every path can be tried.

A *threshold* is a span before the expiry (policy.Policy.thresholds). Its *moment* is the expiry less that span; on a
Saturday or Sunday (UTC) it is moved to the Friday before, at the same time of day: on a weekend nobody reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyturn.core import policy
from keyturn.core.policy import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from keyturn.core.credential import Grant

# Kinds whose owner is told. Logins and browser sessions end all the time; answers and the command line warn of those.
TOLD: Final = frozenset({Kind.API_KEY, Kind.AUTHORIZATION, Kind.SERVICE, Kind.OAUTH, Kind.SSH_KEY})

# What its owner did a moment ago, to that very credential: a mail would tell them nothing. Webhooks get these too.
OWN_DOING: Final = frozenset({"revoked_by_owner", "logged_out", "rotated"})

# An expiry that was not told within this many seconds is not told any more, as after a server was off for months.
LATEST: Final = 30 * policy.DAY

ENDED: Final = "ended"
"""The key under which a death is noted as told."""

_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Threshold:
    """One moment at which an owner is told. ``key`` notes it as told: of this span before this expiry, so that a
    changed expiry is told of anew. ``span`` in seconds.
    """

    key: str
    span: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """What to do about one credential now: tell of the most urgent threshold, note the others as passed."""

    tell: Threshold
    passed: tuple[Threshold, ...]


def before_weekend(moment: datetime) -> datetime:
    """``moment`` (UTC), or the Friday before at the same time of day when it is on a weekend."""
    return moment - timedelta(days=max(moment.weekday() - _SATURDAY + 1, 0))


def thresholds(grant: Grant, spans: Sequence[int] = policy.DEFAULT.thresholds) -> list[Threshold]:
    """The thresholds that a credential has, the longest first: of ``spans`` those shorter than half of its life."""
    if grant.expires_at is None or grant.kind not in TOLD:
        return []
    found = []
    for span in sorted(set(spans), reverse=True):
        at = before_weekend(grant.expires_at - timedelta(seconds=span))
        # a weekend can move the moment to before the birth, when the end was told in words anyhow
        if timedelta(seconds=span) < (grant.expires_at - grant.created_at) / 2 and at > grant.created_at:
            found.append(Threshold(f"{span}@{int(grant.expires_at.timestamp())}", span, at))
    return found


def due(
    grant: Grant, now: datetime, told: Collection[str], spans: Sequence[int] = policy.DEFAULT.thresholds
) -> Due | None:
    """What is due of a living credential at ``now``, of which the keys ``told`` are noted; None: nothing, or it is dead.

    After an outage several are due at once: the last one is told and those before it count as passed.
    """
    if grant.ended_by_then(now):
        return None
    every = thresholds(grant, spans)
    # less urgent than what was told already is over, whenever it would have been due
    nearest = min((threshold.span for threshold in every if threshold.key in told), default=None)
    missed = [t for t in every if t.at <= now and (nearest is None or t.span < nearest)]
    if not missed:
        return None
    tell = missed[-1]
    return Due(tell, tuple(t for t in every if t.span > tell.span and t.key not in told))


def expired_untold(grant: Grant, now: datetime, told: Collection[str]) -> bool:
    """Whether it expired by itself, not long ago, and that is still to be told."""
    return (
        grant.kind in TOLD
        and grant.ended_at is None
        and grant.expires_at is not None
        and now - timedelta(seconds=LATEST) < grant.expires_at <= now
        and ENDED not in told
    )


def window(now: datetime, spans: Sequence[int] = policy.DEFAULT.thresholds) -> tuple[datetime, datetime]:
    """After which moment and up to which one a credential must expire for anything to be due at ``now``."""
    longest = max(spans, default=0)
    return now - timedelta(seconds=LATEST), now + timedelta(seconds=longest + 2 * policy.DAY)


def mailed(grant: Grant, reason: str) -> bool:
    """Whether its owner gets a mail when ``grant`` ends for ``reason``."""
    return grant.kind in TOLD and reason not in OWN_DOING
