"""Requests' heads of a bounded size: uvicorn's httptools protocol reads request lines, headers and trailers without end.

A head that never ends costs memory, and time that grows with the square of its length, before anybody is proven.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST: Final = 64 * 1024
"""Bytes of a head past its first piece, which is what one read from the socket gives: at most 256 KiB."""

_BODY: Final = b'{"id":"bad_request","message":"The request line and headers are too long: at most 65536 bytes."}\n'
_ANSWER: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol, which closes the connection when too much comes without an end of the head or any body."""

    _in_head = False
    _stepped = False
    _without_step = 0

    def data_received(self, data: bytes) -> None:
        """Takes what came from the socket."""
        self._stepped = False
        super().data_received(data)
        self._without_step = 0 if self._stepped else self._without_step + len(data)
        if self._without_step > LONGEST and not self.transport.is_closing():
            cycle = getattr(self, "cycle", None)  # of the request before
            if self._in_head and (cycle is None or cycle.response_complete):
                self.transport.write(_ANSWER)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = self._stepped = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head, self._stepped = False, True
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; trailers, which nothing here reads, are dropped."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._stepped = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._stepped = True
        super().on_message_complete()
