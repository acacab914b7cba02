"""A run of git between two ends: what comes goes to git, what git says goes back, and whoever is slow slows the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from keyturn.actions.git_access import GitLimits, Process

LARGEST_REQUEST: Final = 64 << 20
"""Bytes of a fetch: a line for each ref that is wanted and each commit that is there already."""
COMMANDS: Final = 8 << 20
"""Bytes that a push may have besides its pack: the refs that change."""


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
        """Waits until it hangs up. Raises Interrupted then."""
        ...


async def run(process: Process, peer: Peer, limits: GitLimits, *, most: int, thinking: float) -> tuple[int, str]:
    """git's exit status and what there is to say of it. ``most``: bytes that may come; ``thinking``: seconds in which nothing
    may. Finishes the process whatever happens.
    """
    feeding = asyncio.create_task(_feed(process, peer, most, thinking))
    draining = asyncio.create_task(_drain(process, peer, limits.stall))
    try:
        done, _ = await asyncio.wait({feeding, draining}, timeout=limits.seconds, return_when=asyncio.FIRST_COMPLETED)
        while process.settling and not done:
            done, _ = await asyncio.wait({feeding, draining}, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return 1, f"git had no more than {limits.seconds:g} seconds for this\n"
        for task in (draining, feeding):
            fault = task.exception() if task in done else None
            if isinstance(fault, Interrupted):
                return 1, f"{fault}\n"
            if fault is not None:
                raise fault
        status = await process.wait()
        return status, f"{process.complaint()}\n" if status else ""
    finally:
        for task in (feeding, draining):
            task.cancel()
        await asyncio.gather(feeding, draining, return_exceptions=True)
        await process.finish()


async def _feed(process: Process, peer: Peer, most: int, thinking: float) -> None:
    size = 0
    while True:
        try:
            async with asyncio.timeout(thinking):
                piece = await peer.read()
        except TimeoutError:
            raise Interrupted(f"nothing came for {thinking:g} seconds") from None
        if not piece:
            break
        size += len(piece)
        if size > most:
            raise Interrupted(f"this is larger than {most >> 20} MiB, the most that is taken at once")
        await process.write(piece)
    process.end_of_input()
    await peer.gone()


async def _drain(process: Process, peer: Peer, stall: float) -> None:
    while chunk := await process.read():
        await peer.write(chunk, stall)
