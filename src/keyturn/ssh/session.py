"""One session of a connection: a command of git's, or a polite sentence."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import asyncssh

from keyturn.exchange import HUNG_UP, Interrupted
from keyturn.ssh import command

if TYPE_CHECKING:
    from keyturn.ssh.connection import Connection

log = logging.getLogger("keyturn.ssh")

WINDOW: Final = 1 << 20
"""Bytes that a client may send ahead on one session."""


class Session(asyncssh.SSHServerSession[bytes]):
    """Implements exchange.Peer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._command: str | None = None
        self._pieces: deque[bytes] = deque()
        self._ended = self._gone = False
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.working = False

    # what the client asks for

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """It is open."""
        self._chan = chan
        self._connection.sessions.add(self)

    def shell_requested(self) -> bool:
        """For a greeting."""
        self._command = ""
        return True

    def exec_requested(self, command: str) -> bool:
        """For git, or a sentence."""
        self._command = command or " "
        return True

    def subsystem_requested(self, subsystem: str) -> bool:  # noqa: ARG002
        """For a sentence: sftp, and what else there is."""
        self._command = "a subsystem"
        return True

    def session_started(self) -> None:
        """It was told that it may begin."""
        self.working = True
        self._connection.server.start(self._work())

    async def _work(self) -> None:
        connection, digest = self._connection, self._connection.proven
        status, said = 1, command.BROKEN
        try:
            assert digest is not None
            assert self._command is not None
            agent = str(connection.get_extra_info("client_version", "")).removeprefix("SSH-2.0-")
            protocol = self._chan.get_environment_bytes().get(b"GIT_PROTOCOL", b"").decode("latin-1")
            who = command.Who(digest, connection.address, agent)
            status, said = await command.carry_out(connection.face, who, self._command, protocol, self)
        except asyncio.CancelledError:
            said = "the server stops; try again in a moment\n"
            raise
        except Exception:
            log.exception("a fault in a session over SSH")
        finally:
            self.working, connection.last = False, time.monotonic()
            connection.done(sum(map(len, self._pieces)))
            if not self._gone:
                self._end(status, said)

    def _end(self, status: int, said: str) -> None:
        try:
            if said:
                self._chan.write_stderr(said.encode())
            self._chan.exit(status if status >= 0 else 128 - status)
        except OSError:  # closed by the client
            pass

    # what comes

    def data_received(self, data: bytes, datatype: int | None) -> None:  # noqa: ARG002
        """For git."""
        if self.working:
            self._pieces.append(data)
            self._connection.hold(len(data))
            self._news.set()

    def eof_received(self) -> bool:
        """That was all; git may have something to say still."""
        self._ended = True
        self._news.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It is over."""
        self._gone = True
        self._connection.sessions.discard(self)
        self._news.set()
        self._writable.set()

    async def read(self) -> bytes:
        """What came, once something did; nothing: that was all. Raises Interrupted."""
        while not self._pieces:
            if self._gone:
                raise Interrupted(HUNG_UP)
            if self._ended:
                return b""
            self._news.clear()
            await self._news.wait()
        piece = self._pieces.popleft()
        self._connection.taken(len(piece))
        return piece

    async def gone(self) -> None:
        """Waits until the client hangs up. Raises Interrupted then."""
        while not self._gone:
            self._news.clear()
            await self._news.wait()
        raise Interrupted(HUNG_UP)

    # what goes

    def pause_writing(self) -> None:
        """The client takes no more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    async def write(self, data: bytes, stall: float) -> None:
        """Returns when there is room for more. Raises Interrupted."""
        try:
            self._connection.sending(len(data))
            self._chan.write(data)
            async with asyncio.timeout(stall):
                await self._writable.wait()
                await self._connection.room.wait()
        except OSError:  # closed; and TimeoutError, which is one
            raise Interrupted(HUNG_UP if self._gone else "the client does not read") from None
        if self._gone:
            raise Interrupted(HUNG_UP)
