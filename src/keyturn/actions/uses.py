"""Who uses which token (beyond.md B17): counted in memory, written every few seconds, so that a read stays a read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyturn.core import policy
from keyturn.core.credential import Use

if TYPE_CHECKING:
    from datetime import datetime

    from keyturn.actions.env import Env

MOST_PENDING: Final = 50_000
AGENT_LONGEST: Final = 200

Key = tuple[str, str, bytes]
Counts = dict[Key, tuple["datetime", "datetime", int]]


class Uses:
    """Counts uses in memory until they are written. Of one worker; used from one thread."""

    def __init__(self) -> None:
        self._counts: Counts = {}

    def note(self, token_id: str, address: str, agent: bytes, now: datetime) -> None:
        """Counts one use. When a flood of invented agents has filled the memory, further ones are counted as one."""
        key = (token_id, address, agent)
        known = self._counts.get(key)
        if known is None:
            if len(self._counts) >= MOST_PENDING:
                key = (token_id, address, b"various")
                known = self._counts.get(key)
            if known is None:
                self._counts[key] = (now, now, 1)
                return
        self._counts[key] = (known[0], now, known[2] + 1)

    def take(self) -> Counts:
        """What was counted since the last time."""
        counts, self._counts = self._counts, {}
        return counts


def write(env: Env, counts: Counts) -> None:
    """Adds what was counted to what is known of each token; its latest few users stay."""
    if counts:
        uses = [
            Use(token_id, address[:60], agent.decode("latin-1")[:AGENT_LONGEST], first, last, count)
            for (token_id, address, agent), (first, last, count) in counts.items()
        ]
        for start in range(0, len(uses), 1000):  # the write lock is not held for long
            with env.store.writing() as tx:
                tx.add_uses(uses[start : start + 1000], policy.USES_KEPT)
