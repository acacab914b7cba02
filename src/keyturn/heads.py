"""Requests' heads of a bounded size and number and in bounded time: uvicorn's httptools protocol reads request lines, headers
and trailers without end, as many requests at a time as are sent, and waits for them for ever.

A head that never ends costs memory, and time that grows with the square of its length, before anybody is proven; requests
that wait for one another's answers cost a hundred times the memory that they were sent in; one that never comes costs a
connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sized

    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LONGEST: Final = 64 * 1024
"""Bytes of a head past its first piece, which is what one read from the socket gives: at most 256 KiB."""
PATIENCE: Final = 20.0
"""Seconds for a head, from the connection or from its first byte; what is sent after an answer has as long."""
WAITING: Final = 128
"""Requests of one connection that wait for the answers to those before them: of what is sent so by the few who do."""
UNREAD: Final = 120.0
"""Seconds that a client may leave what it is sent unread: longer than git's own patience, which says why."""
FAREWELL: Final = 5.0
"""Seconds for who still sends a body when its answer is there, to read it and hang up."""


def _answer(status: str, said: str) -> bytes:
    body = f'{{"id":"bad_request","message":"{said}"}}\n'
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}"
    ).encode()


_TOO_LONG: Final = _answer(
    "431 Request Header Fields Too Large", f"The request line and headers are too long: at most {LONGEST} bytes."
)
_TOO_LATE: Final = _answer(
    "408 Request Timeout", f"The request line and headers did not come within {PATIENCE:g} seconds."
)


class _Polite:
    """A connection as the answer to one of its requests knows it: one that does not slam the door."""

    def __init__(self, protocol: BoundedHeads, cycle: RequestResponseCycle) -> None:
        self._protocol, self._cycle = protocol, cycle
        self._transport: Any = cycle.transport
        self.write = cycle.transport.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        """Ends the connection; where the body is still under way, once the client has had time to read the answer: whatever
        comes to a socket that is closed makes the system throw away what was sent [RFC 9112 9.6].
        """
        if self._cycle.response_complete and self._cycle.more_body:
            self._protocol.say_farewell()
        else:
            self._transport.close()


class _Flow(FlowControl):
    """uvicorn's, which reads on only when no request waits: it would after every answer, and faster than it answers."""

    def __init__(self, transport: asyncio.Transport, waiting: Sized) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Unless there is enough to do."""
        if not self._waiting:
            super().resume_reading()


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol, which closes the connection when too much comes without an end of the head or any body, when too
    many requests come before they can be answered, and when a head does not come in time; and which closes in peace.
    """

    left: Callable[[], None] | None = None
    """Called when the connection is over."""
    _done = False
    """Nothing, or nothing more, is to be done for the request whose pieces come."""
    _in_head = False
    _stepped = False
    _without_step = 0
    _over = False
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _served: RequestResponseCycle | None = None

    @property
    def serving(self) -> bool:
        """Whether a request is being answered."""
        cycle = getattr(self, "cycle", None)  # the latest request
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there, who has something to say."""
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._deadline = self.loop.call_later(PATIENCE, self._late)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._served is not None and not self._served.response_complete:  # uvicorn tells the latest request alone
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()
        if self.left is not None:
            self.left()

    def data_received(self, data: bytes) -> None:
        """Takes what came from the socket."""
        if self._over:
            return
        self._stepped = False
        super().data_received(data)
        self._without_step = 0 if self._stepped else self._without_step + len(data)
        if self._deadline is None and self.timeout_keep_alive_task is None and (self._in_head or not self.serving):
            # uvicorn stops its own clock, of idle connections, at the first byte
            self._deadline = self.loop.call_later(PATIENCE, self._late)
        if self._without_step > LONGEST and not self.transport.is_closing():
            if self._in_head and not self.serving:
                self.transport.write(_TOO_LONG)
            self.transport.close()

    def _late(self) -> None:
        """A head did not come in time, or did while another request is served: that may take long."""
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.serving:
            self._deadline = self.loop.call_later(PATIENCE, self._late)
            return
        if self._in_head:
            self.transport.write(_TOO_LATE)
        self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(UNREAD, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = self._stepped = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self.head_came()
        # after the last answer, which said so, nothing is done [RFC 9112, 9.6]
        self._done = self.transport.is_closing() or len(self.pipeline) >= WAITING
        if self._done:
            self.transport.close()
            return
        super().on_headers_complete()
        cycle: Any = self.cycle
        cycle.transport = _Polite(self, cycle)

    def say_farewell(self) -> None:
        """Nothing more is said, nor is what comes read as a request; the connection ends with the client's half, or in seconds."""
        self._over = True
        if self.transport.can_write_eof():  # not over TLS
            self.transport.write_eof()
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(FAREWELL, self.transport.close)

    def head_came(self) -> None:
        """Waits for it no longer."""
        self._in_head, self._stepped = False, True
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; trailers, which nothing here reads, are dropped."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._stepped = True
        if not self._done:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._stepped = True
        if not self._done:
            super().on_message_complete()
