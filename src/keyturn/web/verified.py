"""What ``GET /verify`` answered, kept for as long as it would answer the same.

A reverse proxy asks about the same tokens again and again. An answer stays what it was until something that it was made of
changes, which the store tells (``generation``), or until a moment that was known when it was made: the token's end, or
the beginning of its warnings. So an answer that is kept needs no look-up and no second making; it is counted, noted and
numbered like every other. Good answers alone are kept, and under a hash of what was presented, so no secret is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from keyturn.actions.uses import AGENT_LONGEST
from keyturn.core import lifecycle
from keyturn.store.interface import Unavailable
from keyturn.web.answer import new_request_id, security

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from keyturn.actions.env import Env
    from keyturn.actions.uses import Uses
    from keyturn.core.credential import Principal
    from keyturn.web.limits import Limit

    Headers = Iterable[tuple[bytes, bytes]]

MOST: Final = 6_000
"""Answers, of about a kilobyte each."""
TURN: Final = timedelta(minutes=1)
"""For so long at least the older half stays when there is no room: where more tokens are in use than can be kept, taking each in
and putting another out would cost more than it spares.
"""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
_FOREVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Answer:
    account_id: str
    token_id: str
    since: datetime
    until: datetime
    before: bytes
    """The headers up to those that differ each time, as they are sent."""
    life: bytes
    """The headers of the token's life, which come last."""
    body: bytes


class Verified:
    """The answers of one worker. Use it from its event loop alone."""

    def __init__(self, env: Env, limit: Limit, uses: Uses, *, https: bool, most: int = MOST) -> None:
        """``limit`` and ``uses``: where requests are counted and noted; ``https``: people reach the server over TLS."""
        self._env, self._limit, self._uses, self._most = env, limit, uses, most
        self._every = spelled(security(https=https))
        # what was asked for of late, and what was before that: the latter makes room
        self._kept: dict[bytes, _Answer] = {}
        self._older: dict[bytes, _Answer] = {}
        self._turned = _NEVER
        self._generation = 0

    def generation(self) -> int:
        """The store's, as it is now: what a loop reads in one of its turns may have been sent in the midst of it. Forgets
        everything when it has changed. Raises Unavailable.
        """
        now = self._env.store.generation()
        if now != self._generation:
            self._kept, self._older = {}, {}
            self._generation = now
        return now

    def _is_true(self) -> bool:
        """Whether what is kept is what the store has."""
        before = self._generation
        try:
            return self.generation() == before
        except Unavailable:
            return False

    def keep(
        self,
        presented: bytes,
        principal: Principal,
        generation: int,
        now: datetime,
        before: Headers,
        life: Headers,
        body: bytes,
    ) -> None:
        """Keeps the answer to the Authorization header ``presented``, begun at ``now`` and made from what the store had at
        ``generation`` or later: its headers ``before`` those that every response carries, those of the token's ``life`` after
        them, and its body.
        """
        if generation != self._generation or self._env.policy.soft_expiry or not self._has_room(now):
            return
        changes = (principal.expires_at, lifecycle.warning_from(principal.created_at, principal.expires_at))
        until = min((moment for moment in changes if moment is not None and moment > now), default=_FOREVER)
        self._kept[sha256(presented).digest()] = _Answer(
            principal.account_id,
            principal.token_id,
            now,
            until,
            spelled(before),
            spelled(life),
            bytes(memoryview(body)),  # a copy: the encoder's own has room to spare
        )

    def _has_room(self, now: datetime) -> bool:
        """Whether another may be kept; makes room once in a while."""
        if len(self._kept) < self._most // 2:
            return True
        if abs(now - self._turned) < TURN:
            return False
        self._kept, self._older, self._turned = {}, self._kept, now
        return True

    def answer(self, headers: Sequence[tuple[bytes, bytes]], address: str) -> tuple[bytes, bytes] | None:
        """What follows the status line and the server's own headers: the application's, and the body; None: the request has to
        be served like every other, and was not counted. ``address``: the client's.
        """
        presented: bytes | None = None
        agent: bytes | None = None
        for name, value in headers:
            if name == b"authorization":
                if presented is not None:
                    return None
                presented = value
            elif name == b"user-agent" and agent is None:
                agent = value
        if presented is None:
            return None
        key = sha256(presented).digest()
        known = self._kept.get(key) or self._older.get(key)
        if known is None or not self._is_true():
            return None
        now = self._env.clock()
        if not known.since <= now < known.until:
            return None
        if key not in self._kept and self._has_room(now):
            self._kept[key] = known
        remaining, wait = self._limit.take(known.account_id, now.timestamp())
        if wait:
            return None
        self._uses.note(known.token_id, address, (agent or b"")[:AGENT_LONGEST], now)
        numbered = b"request-id: %b\r\nratelimit-remaining: %d\r\n" % (new_request_id().encode(), remaining)
        return b"%b%b%b%b" % (known.before, numbered, self._every, known.life), known.body


def spelled(headers: Headers) -> bytes:
    """As they are sent."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
