"""What git told first (its advertisement of refs), kept while the repository stays as it is.

git answers the same until a ref, HEAD, the configuration or git itself changes. Whatever changes a ref, ours or not,
renames a file into a folder under ``refs`` or replaces ``packed-refs``; so the times and numbers of those files tell. A
change within one tick of the file system's clock would not show: what was touched a moment ago is not kept, as in git's
own index [git, technical/racy-git]; but with the refs of now it can be amended (git_refs).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

Amend = Callable[[bytes], bytes | None]

SETTLED: Final = 3.0
"""Seconds since the last touch, after which another cannot fall into the same tick: FAT's is two seconds."""
LOOSE: Final = 200
"""Refs in files of their own, and folders of them, beyond which looking at each costs more than it spares."""
KEPT: Final = 16 << 20
"""Bytes of all that are."""

_ELSEWHERE: Final = ("commondir", "objects/info/alternates", "reftable", "shallow")
"""With one of these git tells of more than the repository's own refs, or has them in files that nobody looks at here."""
_MOVING: Final = ("HEAD", "packed-refs")


class State(NamedTuple):
    """What git's answer depends on; None where that cannot be told, and nothing must be kept."""

    fixed: Hashable
    """git itself and the repository's settings."""
    refs: Hashable
    """Which refs there are, and what they are."""


class Told:
    """What git told of one repository, and how to keep what it tells next."""

    __slots__ = ("_all", "_key", "_state", "answer")

    def __init__(self, everything: Advertisements, key: Hashable, state: State, answer: bytes | None) -> None:
        self._all, self._key, self._state = everything, key, state
        self.answer = answer
        """None: git has to be asked."""

    def keep(self, answer: bytes) -> None:
        """What git said, begun after the repository was looked at."""
        if self._state.fixed is not None:
            self._all.put(self._key, self._state, answer)


class Advertisements:
    """Of one worker. Use it from its event loop alone."""

    def __init__(self, most: int = KEPT) -> None:
        self._most, self._size = most, 0
        self._kept: dict[Hashable, tuple[State, bytes]] = {}  # the one used last at the end

    def look(self, key: Hashable, program: str, repository: str | None, amend: Amend | None = None) -> Told:
        """What is known under ``key``. ``repository``: the folder on whose refs it depends; None: on none. ``amend``: makes of
        git's answer the one after the refs have changed, if it can.
        """
        state = state_of(program, repository)
        found = self._kept.get(key)
        if found is None or state.fixed is None or found[0].fixed != state.fixed:
            self._drop(key)
            return Told(self, key, state, None)
        before, answer = found
        if state.refs is None or before.refs != state.refs:
            amended = amend(answer) if amend is not None else None
            if amended is None:  # nor will it be the next time
                self._drop(key)
                return Told(self, key, state, None)
            answer = amended
        self.put(key, state, answer)
        return Told(self, key, state, answer)

    def _drop(self, key: Hashable) -> None:
        old = self._kept.pop(key, None)
        self._size -= len(old[1]) if old else 0

    def put(self, key: Hashable, state: State, answer: bytes) -> None:
        """Keeps it, and forgets what was not asked for the longest."""
        self._drop(key)
        self._size += len(answer)
        self._kept[key] = state, answer
        while self._size > self._most:
            self._size -= len(self._kept.pop(next(iter(self._kept)))[1])


def state_of(program: str, repository: str | None) -> State:
    """Of a repository, as its files tell it."""
    # the file system's clock is the one that counts, and this machine's is near enough to it
    settled = time.time_ns() - int(SETTLED * 1e9)
    try:
        fixed = [os.stat(program).st_mtime_ns]  # noqa: PTH116 - quicker
        if repository is None:
            return State(tuple(fixed), ())
        if any(os.path.exists(f"{repository}/{name}") for name in _ELSEWHERE):  # noqa: PTH110
            return State(None, None)
        if _look(f"{repository}/config", fixed) >= settled:
            return State(None, None)
        refs: list[int] = []
        latest = 0
        for name in _MOVING:
            latest = max(latest, _look(f"{repository}/{name}", refs))
        folders = [f"{repository}/refs"]
        for folder in folders:  # grows meanwhile
            changed = os.stat(folder).st_mtime_ns  # noqa: PTH116
            refs.append(changed)
            latest = max(latest, changed)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if len(refs) > 3 * LOOSE or len(folders) > LOOSE:
                        return State(None, None)
                    if entry.is_dir():
                        folders.append(entry.path)
                        refs.append(entry.inode())
                        continue
                    found = entry.stat()
                    refs += found.st_mtime_ns, found.st_ino, found.st_size
                    latest = max(latest, found.st_mtime_ns)
    except OSError:  # changing under our eyes
        return State(None, None)
    return State(tuple(fixed), tuple(refs) if latest < settled else None)


def _look(path: str, into: list[int]) -> int:
    """When it was changed last, in nanoseconds of its file system."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        into.append(0)
        return 0
    into += found.st_mtime_ns, found.st_ino, found.st_size
    return found.st_mtime_ns
