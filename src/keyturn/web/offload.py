"""Where synchronous work runs, so that the event loop only ever waits.

Two pools: one for the database, and a single thread for whatever hashes a password. Hashing takes all of a core for a
tenth of a second; with one thread a storm of logins queues up behind itself and token checks stay quick (design
measurements: p99 of 5 ms against 66).
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from keyturn.actions.env import Throttled

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")

LONGEST_QUEUE = 64
NICE = 10
"""By how much the thread that hashes stands back: on a core that is full it takes a tenth, and requests come at once."""


def _yield_to_others() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process'
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + NICE, 19))


class Offload:
    """The two pools of one worker."""

    def __init__(self) -> None:
        self._database = ThreadPoolExecutor(8, "keyturn-db")
        self._hashing = ThreadPoolExecutor(1, "keyturn-hash", initializer=_yield_to_others)
        self._queued = 0

    async def run(self, work: Callable[[], _T], *, slow: bool = False) -> _T:
        """Runs ``work`` on a thread. ``slow``: it hashes a password. Raises Throttled when too many of those wait
        already.
        """
        loop = asyncio.get_running_loop()
        if not slow:
            return await loop.run_in_executor(self._database, work)
        if self._queued >= LONGEST_QUEUE:
            raise Throttled("Too many sign-ins at once. Try again in a few seconds.", timedelta(seconds=5))
        self._queued += 1
        try:
            return await loop.run_in_executor(self._hashing, work)
        finally:
            self._queued -= 1

    def close(self) -> None:
        """Waits for what is under way."""
        self._database.shutdown()
        self._hashing.shutdown()
