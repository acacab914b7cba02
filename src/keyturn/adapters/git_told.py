"""What git told first (its advertisement of refs), kept while the repository stays as it is.

git answers the same until a ref, HEAD, the configuration or git itself changes. Whatever changes a ref, ours or not,
renames a file into a folder under ``refs`` or replaces ``packed-refs``; so the times and numbers of those files tell. A
change within one tick of the file system's clock would not show: what was touched a moment ago is not kept, as in git's
own index [git, technical/racy-git].
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable

SETTLED: Final = 3.0
"""Seconds since the last touch, after which another cannot fall into the same tick: FAT's is two seconds."""
LOOSE: Final = 200
"""Refs in files of their own beyond which looking at each costs more than it spares."""
KEPT: Final = 16 << 20
"""Bytes of all that are."""

_FILES: Final = ("HEAD", "config", "packed-refs", "shallow", "objects/info/alternates")


class Told:
    """What git told of one repository, and how to keep what it tells next."""

    __slots__ = ("_all", "_key", "_state", "answer")

    def __init__(self, everything: Advertisements, key: Hashable, state: Hashable, answer: bytes | None) -> None:
        self._all, self._key, self._state = everything, key, state
        self.answer = answer
        """None: git has to be asked."""

    def keep(self, answer: bytes) -> None:
        """What git said, begun after the repository was looked at."""
        if self._state is not None:
            self._all.put(self._key, self._state, answer)


class Advertisements:
    """Of one worker. Use it from its event loop alone."""

    def __init__(self, most: int = KEPT) -> None:
        self._most, self._size = most, 0
        self._kept: dict[Hashable, tuple[Hashable, bytes]] = {}  # the one used last at the end

    def look(self, key: Hashable, program: str, repository: str | None) -> Told:
        """What is known under ``key``. ``repository``: the folder on whose refs it depends; None: on none."""
        state = state_of(program, repository)
        found = self._kept.pop(key, None)
        if found is None:
            return Told(self, key, state, None)
        if found[0] != state:
            self._size -= len(found[1])
            return Told(self, key, state, None)
        self._kept[key] = found
        return Told(self, key, state, found[1])

    def put(self, key: Hashable, state: Hashable, answer: bytes) -> None:
        """Keeps it, and forgets what was not asked for the longest."""
        old = self._kept.pop(key, None)
        self._size += len(answer) - (len(old[1]) if old else 0)
        self._kept[key] = state, answer
        while self._size > self._most:
            self._size -= len(self._kept.pop(next(iter(self._kept)))[1])


def state_of(program: str, repository: str | None) -> Hashable:
    """What git's answer depends on; None where that cannot be told, and nothing must be kept."""
    try:
        git = os.stat(program).st_mtime_ns  # noqa: PTH116 - quicker
        if repository is None:
            return git
        seen = [git]
        latest = 0
        for name in _FILES:
            try:
                found = os.stat(f"{repository}/{name}")  # noqa: PTH116
            except FileNotFoundError:
                seen.append(0)
                continue
            seen += found.st_mtime_ns, found.st_ino, found.st_size
            latest = max(latest, found.st_mtime_ns)
        folders = [f"{repository}/refs"]
        for folder in folders:  # grows meanwhile
            changed = os.stat(folder).st_mtime_ns  # noqa: PTH116
            seen.append(changed)
            latest = max(latest, changed)
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir():
                        folders.append(entry.path)
                        seen.append(entry.inode())
                        continue
                    found = entry.stat()
                    seen += found.st_mtime_ns, found.st_ino, found.st_size
                    latest = max(latest, found.st_mtime_ns)
                    if len(seen) > 3 * LOOSE:
                        return None
    except OSError:  # changing under our eyes
        return None
    # the file system's clock is the one that counts, and this machine's is near enough to it
    return tuple(seen) if latest < time.time_ns() - int(SETTLED * 1e9) else None
