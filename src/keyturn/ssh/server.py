"""The SSH server of one worker: whom it lets connect, what it keeps running, and how it stops."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

import asyncssh

from keyturn.actions.throttle import place_of
from keyturn.ssh.connection import Connection, options

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine

    from keyturn.ssh.face import SshFace

log = logging.getLogger("keyturn.ssh")

LOOK_EVERY: Final = 5.0
"""Seconds between two looks for idle connections."""
LAST_WORDS: Final = 2.0
"""Seconds in which clients whose work is done at the server's end may go by themselves."""
TOO_MANY: Final = b"Too many connections; try again in a minute.\r\n"
"""A line before the server names itself, which clients may show [RFC 4253 4.2]."""


class SshServer:
    """Serves on sockets that are bound already, which other workers may share."""

    def __init__(self, face: SshFace, keys: list[asyncssh.SSHKey]) -> None:
        self.face = face
        self.stopping = False
        self._options = options(face, keys)
        self._servers: list[asyncio.Server] = []
        self._connections: dict[Connection, str] = {}
        self._unproven: dict[Connection, str] = {}
        self._places: Counter[str] = Counter()
        self._unproven_places: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        asyncssh.set_log_level(logging.ERROR)  # it tells of every step, with commands and user names

    async def serve(self, sockets: list[socket.socket]) -> None:
        """Begins to accept connections. Raises OSError."""
        loop = asyncio.get_running_loop()
        for each in sockets:
            self._servers.append(await loop.create_server(lambda: _Door(self), sock=each, backlog=256))
        self._looking = loop.create_task(self._look_for_idle())

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Runs a session's work, which outlives its connection when refs are just changing."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # connections

    def admit(self, address: str) -> Connection | None:
        """A connection for a client that came; None: there are too many."""
        limits, place = self.face.limits, place_of(address)
        if (
            self.stopping
            or self._places[place] >= limits.of_a_place
            or self._unproven_places[place] >= limits.unproven_of_a_place
        ):
            return None
        full = len(self._connections) >= limits.connections or len(self._unproven) >= limits.unproven
        if full and not self._make_room():
            return None
        made = Connection(asyncio.get_running_loop(), self._options, self, address)
        self._connections[made] = self._unproven[made] = place
        self._places[place] += 1
        self._unproven_places[place] += 1
        return made

    def _make_room(self) -> bool:
        """Ends the oldest connection without a proof, of the place that has most of them: who comes alone is let be."""
        if not self._unproven:
            return False
        crowded, _ = self._unproven_places.most_common(1)[0]
        oldest = next(each for each, place in self._unproven.items() if place == crowded)
        self.lost(oldest)
        oldest.abort()
        return True

    def proven(self, connection: Connection) -> None:
        """It has proven a key."""
        place = self._unproven.pop(connection, None)
        if place is not None:
            _less(self._unproven_places, place)

    def lost(self, connection: Connection) -> None:
        """It is over."""
        if connection in self._unproven:
            self.face.refusals.note(None, "unknown", connection.address)
        self.proven(connection)
        place = self._connections.pop(connection, None)
        if place is not None:
            _less(self._places, place)
        if not self._connections:
            self._empty.set()

    async def _look_for_idle(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            late = time.monotonic() - self.face.limits.idle
            for connection in list(self._connections):
                if connection not in self._unproven and not connection.working and connection.last < late:
                    connection.disconnect(asyncssh.DISC_BY_APPLICATION, "Nothing was asked for in a while")

    # the end

    async def stop(self, grace: float) -> None:
        """Takes no more; what is under way has ``grace`` seconds, then it is broken off and leaves nothing behind."""
        self.stopping = True
        for server in self._servers:
            server.close()
        self._looking.cancel()
        for connection in list(self._connections):
            if not connection.working:
                connection.disconnect(asyncssh.DISC_BY_APPLICATION, "The server stops; try again in a moment")
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace)
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._connections:  # a client drops what it has not passed on when it is sent away: it goes by itself
            self._empty.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await self._empty.wait()
        for connection in list(self._connections):
            connection.disconnect(asyncssh.DISC_BY_APPLICATION, "The server stops; try again in a moment")
        await asyncio.sleep(0)  # what was said last goes out


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


class _Door(asyncio.Protocol):
    """Looks at who comes before anything is made for them."""

    def __init__(self, server: SshServer) -> None:
        self._server = server

    def connection_made(self, came: asyncio.BaseTransport) -> None:
        """A client is there."""
        transport = cast("asyncio.Transport", came)
        peer = transport.get_extra_info("peername")
        connection = self._server.admit(peer[0] if peer else "")
        if connection is None:
            transport.write(TOO_MANY)
            transport.close()
            return
        transport.set_protocol(connection)
        connection.connection_made(transport)
