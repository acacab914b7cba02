"""Request limits: a leaky bucket an account, shared by all workers of one machine.

The generic cell rate algorithm keeps one number a key: the time at which its bucket will be empty again. The numbers
lie in shared memory made before the workers are forked, or in a file, where what runs beside the server counts too, at
two places chosen by the key's hash; the smaller one counts, so that two keys disturb one another only when they share
both places. An update that two workers race for may let one request more through; none is ever refused by mistake.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

SLOTS: Final = 1 << 19
GIT: Final = 36_000
"""Requests of git an hour: a fetch is two or three."""
GIT_FILE: Final = "git.limit"
"""Of the data folder: where they are counted."""
PUSH_FILE: Final = "push.limit"
"""And where pushes are."""


class Limit:
    """``most`` requests in ``window`` seconds, all at once or spread; 0 is no limit."""

    def __init__(self, most: int, window: float = 3600.0, file: Path | None = None) -> None:
        """``file``: made when it is not there. Raises OSError."""
        self.most = most
        self._window = window
        self._step = window / most if most else 0.0
        self._hash = hash if file is None else _stable  # hash's seed is the process's own, and forked workers keep it
        self._empty_at = memoryview(_memory(file)).cast("d")

    def take(self, key: str, now: float) -> tuple[int, float]:
        """Counts one request of ``key`` at ``now`` (seconds): how many remain, and 0.0, or the seconds to wait when
        there is none.
        """
        if not self.most:
            return 1_000_000, 0.0
        first, second, empty_at = self._look(key, now)
        after = empty_at + self._step
        wait = after - now - self._window
        if wait > 1e-6:
            return 0, wait
        self._empty_at[first] = self._empty_at[second] = after
        return int((now + self._window - after) / self._step + 1e-6), 0.0

    def remaining(self, key: str, now: float) -> int:
        """How many requests ``key`` has left; counts nothing."""
        if not self.most:
            return 1_000_000
        return int((now + self._window - self._look(key, now)[2]) / self._step + 1e-6)

    def wait(self, key: str, now: float) -> float:
        """The seconds until ``key`` may make a request; counts nothing."""
        return max(0.0, self._look(key, now)[2] + self._step - now - self._window) if self.most else 0.0

    def _look(self, key: str, now: float) -> tuple[int, int, float]:
        mixed = self._hash(key)  # of 64 bits
        first, second = mixed % SLOTS, (mixed >> 32) % SLOTS
        empty_at = min(self._empty_at[first], self._empty_at[second])
        if empty_at > now + 2 * self._window:  # none can be by more than one of them: the clock was set back
            empty_at = now
        return first, second, max(now, empty_at)


def _stable(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def _memory(file: Path | None) -> mmap.mmap:
    if file is None:
        return mmap.mmap(-1, SLOTS * 8)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, SLOTS * 8)  # with holes: only the blocks with numbers in them take room
        return mmap.mmap(descriptor, SLOTS * 8)
    finally:
        os.close(descriptor)
