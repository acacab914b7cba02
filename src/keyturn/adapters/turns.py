"""Turns of processes that know nothing of one another: locks on bytes of one file, which go when their process does."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from keyturn.turns import WAIT, Busy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LOOK_EVERY: Final = 0.1
"""Seconds between two looks for a turn that is free."""
_ROOM: Final = 1 << 10
"""Bytes of an account: the turns it may have, and more."""


class FileSlots:
    """As turns.Slots, for processes of one turn each: so many at a time, a quarter of them for one account."""

    def __init__(self, file: Path, most: int, wait: float = WAIT) -> None:
        """Raises OSError."""
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._most, self._each, self._wait = most, max(2, most // 4), wait

    @asynccontextmanager
    async def turn(self, account: str) -> AsyncIterator[None]:
        """A turn of the account's. Raises Busy."""
        digest = hashlib.sha256(account.encode()).digest()
        own = (1 + int.from_bytes(digest[:5], "big")) * _ROOM
        until = time.monotonic() + self._wait
        held = [await self._take(own, self._each, until)]
        try:
            held.append(await self._take(0, self._most, until))
            yield
        finally:
            for place in held:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

    async def _take(self, first: int, count: int, until: float) -> int:
        while True:
            for place in range(first, first + count):
                try:
                    fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                except (BlockingIOError, PermissionError):
                    continue
                return place
            if time.monotonic() >= until:
                raise Busy
            await asyncio.sleep(LOOK_EVERY)

    def close(self) -> None:
        """Gives up what is held."""
        os.close(self._file)
