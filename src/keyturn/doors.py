"""Who may connect over HTTP: so many at a time, so many of one place, and a TLS handshake that comes to its end.

Whoever opens connections and says nothing must not take them, or the process' file descriptors, from the others.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from keyturn.actions.throttle import is_loopback, place_of
from keyturn.heads import PATIENCE
from keyturn.quick import Quick, nothing

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterable

    from keyturn.web.verified import Verified

log = logging.getLogger("keyturn")

CONNECTIONS: Final = 4096
"""Of one worker, where it has descriptors enough."""
SHARE: Final = 8
"""One place may have this part of the connections."""
FAREWELL: Final = 5.0
"""Seconds for the client's half of TLS' end."""
IDLE: Final = 180
"""Seconds between two requests of a proxy's connection: nginx closes after 60, Traefik after 90, Caddy after 120. Were we to
close first, a request that is sent in that moment would be lost, and one that changes something a proxy does not send again.
"""
PAUSE: Final = 1.0
"""Seconds until more are accepted when the system has no room."""


class Doors:
    """The connections of one worker: those that are open, and whether another may come."""

    def __init__(
        self, most: int, proxies: str | None = None, tls: ssl.SSLContext | None = None, verified: Verified | None = None
    ) -> None:
        """``proxies``: the trusted ones' addresses and networks, separated by commas, or ``*``; they and this machine may
        have as many as there are. ``tls``: None serves plain HTTP. ``verified``: answers that are known.
        """
        self.tls, self.verified = tls, verified
        self.believed = None if proxies is None else ProxyHeadersMiddleware(nothing, proxies)
        self._most, self._each = most, max(1, most // SHARE)
        self._open: dict[Door, str | None] = {}  # in the order of their coming
        self._places: Counter[str] = Counter()
        self._accepting: list[asyncio.Task[None]] = []
        self._all_trusted = proxies is not None and proxies.strip() == "*"
        self._trusted = _networks(proxies or "")

    def make(self, **given: Any) -> asyncio.Protocol:
        """A protocol for a connection, as uvicorn asks for one."""
        return Door(self, given)

    def enter(self, door: Door, address: str) -> bool:
        """Whether it may: the oldest that nothing is done for makes room when there is none."""
        place = None if self._is_free(address) else place_of(address)
        if place is not None and self._places[place] >= self._each:
            return False
        if len(self._open) >= self._most:
            idle = next((each for each in self._open if each.idle), None)
            if idle is None:
                return False
            idle.drop()
        self._open[door] = place
        if place is not None:
            self._places[place] += 1
        return True

    def leave(self, door: Door) -> None:
        """It is over."""
        place = self._open.pop(door, None)
        if place is not None:
            self._places[place] -= 1
            if not self._places[place]:
                del self._places[place]

    def accept(self, listeners: Iterable[socket.socket], **given: Any) -> None:
        """Begins to accept connections of HTTPS on sockets that listen: a loop's own server tells of a client only when
        its handshake is done, however many wait for that.
        """
        for listener in listeners:
            self._accepting.append(asyncio.get_running_loop().create_task(self._accept(listener, given)))

    async def _accept(self, listener: socket.socket, given: dict[str, Any]) -> None:
        assert self.tls is not None
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                came, address = await loop.sock_accept(listener)
            except ConnectionError:  # gone already
                continue
            except OSError as fault:
                log.warning("a connection cannot be accepted: %s", fault)
                await asyncio.sleep(PAUSE)
                continue
            door = Door(self, given)
            if self.enter(door, address[0]):
                door.knock(came, self.tls)
            else:
                came.close()

    def close(self) -> None:
        """The server stops: whoever is not through yet stays outside."""
        for task in self._accepting:
            task.cancel()
        for door in list(self._open):
            if door.knocking:
                door.drop()

    def is_free(self, door: Door) -> bool:
        """Whether everybody may be behind it."""
        return self._open.get(door) is None

    def _is_free(self, address: str) -> bool:
        if self._all_trusted or is_loopback(address):
            return True
        if not self._trusted:
            return False
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._trusted)


class Door(asyncio.Protocol):
    """One connection, from its beginning on: admitted, perhaps through its TLS handshake, and then uvicorn's."""

    def __init__(self, doors: Doors, given: dict[str, Any]) -> None:
        self._doors, self._given = doors, given
        self._inner: Quick | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client of plain HTTP is there."""
        came = cast("asyncio.Transport", transport)
        peer = came.get_extra_info("peername")
        if self._doors.enter(self, peer[0] if peer else ""):
            inner = self._speak()
            came.set_protocol(inner)
            inner.connection_made(came)
        else:
            came.close()

    def knock(self, came: socket.socket, context: ssl.SSLContext) -> None:
        """A client of HTTPS is there: begins the handshake."""
        self._task = asyncio.get_running_loop().create_task(self._secure(came, context))

    async def _secure(self, came: socket.socket, context: ssl.SSLContext) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._speak, came, ssl=context, ssl_handshake_timeout=PATIENCE, ssl_shutdown_timeout=FAREWELL
            )
        except OSError:  # no TLS, or none in time
            self._doors.leave(self)
        except BaseException:
            self._doors.leave(self)
            raise

    def _speak(self) -> Quick:
        self._inner = Quick(**self._given)
        self._inner.verified, self._inner.proxies = self._doors.verified, self._doors.believed
        self._inner.left = lambda: self._doors.leave(self)
        if self._doors.is_free(self):
            self._inner.timeout_keep_alive = IDLE
        return self._inner

    def drop(self) -> None:
        """Ends the connection at once."""
        self._doors.leave(self)
        if self._task is not None and not self._task.done():
            self._task.cancel()
        elif self._inner is not None:
            self._inner.transport.abort()

    @property
    def knocking(self) -> bool:
        """Whether its handshake is not through."""
        return self._task is not None and not self._task.done()

    @property
    def idle(self) -> bool:
        """Whether nothing is done for it."""
        return self._inner is None or not self._inner.serving


def _networks(proxies: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for text in proxies.split(","):
        with suppress(ValueError):  # what is no address can be no peer's either
            found.append(ipaddress.ip_network(text.strip(), strict=False))
    return found
