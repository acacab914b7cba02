"""Turns: so many runs of git at the same time, whichever face they came to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

WAIT: Final = 15.0
"""Seconds in the queue, at most."""
OWN_QUEUE: Final = 16
"""Of one account that wait for its own others to end."""
LONGEST_QUEUE: Final = 256
"""Of all accounts that wait for a turn."""


class Busy(Exception):
    """Too many run, and too many wait."""


class _Account:
    def __init__(self, most: int) -> None:
        self.turns = asyncio.Semaphore(most)
        self.users = 0


class Turns(Protocol):
    """Whoever gives turns."""

    def turn(self, account: str) -> AbstractAsyncContextManager[None]:
        """A turn of the account's, while the context lasts. Raises Busy."""
        ...


class Slots:
    """Turns of a kind: so many at a time, a quarter of them for one account. Who comes too many waits, but not for long, and
    behind the own account's others: the queue for all is only for who would run if there was room.
    """

    def __init__(self, most: int, wait: float = WAIT) -> None:
        self._all = asyncio.Semaphore(most)
        self._each = max(2, most // 4)
        self._accounts: dict[str, _Account] = {}
        self._wait, self._queued = wait, 0

    @asynccontextmanager
    async def turn(self, account: str) -> AsyncIterator[None]:
        """A turn of the account's. Raises Busy."""
        own = self._accounts.setdefault(account, _Account(self._each))
        if own.users >= self._each + OWN_QUEUE:
            raise Busy
        own.users += 1
        try:
            await self._acquire(own.turns)
            try:
                yield
            finally:
                self._all.release()
                own.turns.release()
        finally:
            own.users -= 1
            if not own.users:
                del self._accounts[account]

    async def _acquire(self, own: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._wait if own.locked() or self._all.locked() else None):
                await own.acquire()
                try:
                    await self._acquire_from_all()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError:
            raise Busy from None

    async def _acquire_from_all(self) -> None:
        if self._all.locked() and self._queued >= LONGEST_QUEUE:
            raise Busy
        self._queued += 1
        try:
            await self._all.acquire()
        finally:
            self._queued -= 1
