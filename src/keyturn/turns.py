"""Turns: so many runs of git at the same time, whichever face they came to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WAIT: Final = 15.0
"""Seconds in the queue, at most."""
LONGEST_QUEUE: Final = 256


class Busy(Exception):
    """Too many run, and too many wait."""


class Slots:
    """Turns of a kind: so many at a time, a quarter of them for one account; who comes too many waits, but not for long."""

    def __init__(self, most: int, wait: float = WAIT) -> None:
        self._all = asyncio.Semaphore(most)
        self._each = max(2, most // 4)
        self._accounts: dict[str, tuple[asyncio.Semaphore, int]] = {}
        self._wait, self._queued = wait, 0

    @asynccontextmanager
    async def turn(self, account: str) -> AsyncIterator[None]:
        """A turn of the account's. Raises Busy."""
        own, users = self._accounts.get(account) or (asyncio.Semaphore(self._each), 0)
        self._accounts[account] = own, users + 1
        try:
            await self._acquire(own)
            try:
                yield
            finally:
                self._all.release()
                own.release()
        finally:
            own, users = self._accounts.pop(account)
            if users > 1:
                self._accounts[account] = own, users - 1

    async def _acquire(self, own: asyncio.Semaphore) -> None:
        if self._queued >= LONGEST_QUEUE:
            raise Busy
        self._queued += 1
        try:
            async with asyncio.timeout(self._wait if own.locked() or self._all.locked() else None):
                await own.acquire()
                try:
                    await self._all.acquire()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError:
            raise Busy from None
        finally:
            self._queued -= 1
