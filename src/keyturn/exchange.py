"""A run of git between two ends, over HTTP and SSH alike: what comes goes to git, what git says goes back, and whoever is
slow slows the other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from keyturn.core.gitcmd import PUSH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyturn.actions.git_access import GitLimits, Process

LARGEST_REQUEST: Final = 64 << 20
"""Bytes of a fetch: a line for each ref that is wanted and each commit that is there already."""
COMMANDS: Final = 8 << 20
"""Bytes that a push may have before its pack: the refs that change, some fifty thousand. git keeps all of them in memory."""
HUNG_UP: Final = "the client hung up"
STOPPED: Final = "the server is being stopped; try again in a minute"


class Interrupted(Exception):
    """It was broken off; the message says why, for its user."""


class Peer(Protocol):
    """The other end."""

    async def read(self) -> bytes:
        """What came, once something did; nothing: that was all. Raises Interrupted."""
        ...

    async def write(self, data: bytes, stall: float) -> None:
        """Returns when there is room for more. Raises Interrupted, after ``stall`` seconds without room too."""
        ...

    async def gone(self) -> None:
        """Waits until it hangs up, whatever it says meanwhile. Raises Interrupted then."""
        ...


class Outcome(NamedTuple):
    """How it ended: git's exit status, what there is to say, and whether git was broken off, so that only we can say it."""

    status: int
    said: str
    broken: bool


def most(service: str, limits: GitLimits) -> int:
    """Bytes that may come in all."""
    return limits.push_bytes + COMMANDS if service == PUSH else LARGEST_REQUEST


async def run(
    service: str,
    process: Process,
    peer: Peer,
    limits: GitLimits,
    *,
    thinking: float,
    stopping: Callable[[], Awaitable[None]] | None = None,
) -> Outcome:
    """Runs it to its end, and finishes the process whatever happens. ``thinking``: seconds in which nothing may come;
    ``stopping``: returns when the server has no more patience.
    """
    feeding = asyncio.create_task(_feed(service, process, peer, limits, thinking))
    draining = asyncio.create_task(_drain(process, peer, limits.stall))
    tasks = {feeding, draining}
    ending = {asyncio.ensure_future(stopping())} if stopping is not None else set()
    try:
        done, _ = await asyncio.wait(tasks | ending, timeout=limits.seconds, return_when=asyncio.FIRST_COMPLETED)
        while process.settling and not done & tasks:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not done & tasks:
            late = f"git had no more than {limits.seconds:g} seconds for this"
            return Outcome(1, STOPPED if done else late, broken=True)
        for task in (draining, feeding):
            fault = task.exception() if task in done else None
            if isinstance(fault, Interrupted):
                return Outcome(1, str(fault), broken=True)
            if fault is not None:
                raise fault
        status = await process.wait()
        return Outcome(status, process.complaint() if status else "", broken=False)
    finally:
        for each in tasks | ending:
            each.cancel()
        await asyncio.gather(*tasks, *ending, return_exceptions=True)
        await process.finish()


async def _feed(service: str, process: Process, peer: Peer, limits: GitLimits, thinking: float) -> None:
    size, largest = 0, most(service, limits)
    commands = Commands() if service == PUSH else None
    while True:
        try:
            async with asyncio.timeout(thinking):
                piece = await peer.read()
        except TimeoutError:
            raise Interrupted(f"nothing came for {thinking:g} seconds") from None
        if not piece:
            break
        size += len(piece)
        if size > largest:
            raise Interrupted(f"this is larger than {largest >> 20} MiB, the most that is taken at once")
        if commands is not None and commands.feed(piece) > COMMANDS:
            raise Interrupted(f"the refs of this push take more than {COMMANDS >> 20} MiB; push fewer at a time")
        if not await process.write(piece):
            break  # git has ended: nobody needs the rest, and unpacking it would cost
        await asyncio.sleep(0)  # a piece that git takes at once lets others have their turn as well
    process.end_of_input()
    await peer.gone()


async def _drain(process: Process, peer: Peer, stall: float) -> None:
    while chunk := await process.read():
        await peer.write(chunk, stall)


class Commands:
    """Follows what a push says before its pack: packets, up to the first that is empty [gitprotocol-pack]."""

    def __init__(self) -> None:
        self._size = self._left = 0
        self._head = b""
        self._over = False

    def feed(self, data: bytes) -> int:
        """This came too; bytes of all of them so far."""
        at = 0
        while at < len(data) and not self._over:
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
            else:
                step = min(4 - len(self._head), len(data) - at)
                self._head += data[at : at + step]
                if len(self._head) == 4:
                    self._begin()
            at += step
            self._size += step
        return self._size

    def _begin(self) -> None:
        try:
            length = int(self._head, 16)
        except ValueError:  # no packet: git refuses it
            length = 0
        self._over, self._left, self._head = length == 0, max(length - 4, 0), b""
