"""A request of git over HTTP as an exchange.Peer: bodies inflated a piece at a time, and packets followed."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Final

from keyturn.core.gitcmd import FETCH, PUSH
from keyturn.exchange import HUNG_UP, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Send

    from keyturn.actions.git_access import GitLimits

PIECE: Final = 64 * 1024


def packet(data: bytes) -> bytes:
    """One line of git's protocol: its length in four hex digits, and it [gitprotocol-common, pkt-line]."""
    return b"%04x%b" % (len(data) + 4, data)


class Inflate:
    """A request's body as it comes, unpacked when it is gzip: never more than a piece of it in memory."""

    def __init__(self, encoding: str) -> None:
        """``encoding``: the header Content-Encoding. Raises ValueError for one that is neither gzip nor none."""
        if encoding.lower() not in ("", "identity", "gzip", "x-gzip"):
            raise ValueError("The body's Content-Encoding must be gzip, or none.")
        self._gzip = zlib.decompressobj(31) if "gzip" in encoding.lower() else None

    def read(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` unpacks to. Raises Interrupted."""
        if self._gzip is None:
            if data:
                yield data
            return
        while data:
            try:
                piece = self._gzip.decompress(data, PIECE)
            except zlib.error:
                raise Interrupted("the request's body is no gzip") from None
            if piece:
                yield piece
            data = self._gzip.unconsumed_tail
            if self._gzip.eof and self._gzip.unused_data:
                raise Interrupted("the request's body goes on after its gzip")

    def end(self) -> None:
        """There is no more. Raises Interrupted when there should be."""
        if self._gzip is not None and not self._gzip.eof:
            raise Interrupted("the request's body ends within its gzip")


class Frames:
    """Follows an answer's packets, to know whether a word of our own can be put after what was sent."""

    def __init__(self) -> None:
        self._left = 0
        self._head = b""
        self._lost = False

    def feed(self, data: bytes) -> None:
        """This was sent."""
        at = 0
        while at < len(data) and not self._lost:
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            step = 4 - len(self._head)
            self._head += data[at : at + step]
            at += step
            if len(self._head) == 4:
                try:
                    self._left = max(int(self._head, 16) - 4, 0)
                except ValueError:  # a pack by itself, to a client that knows no side band
                    self._lost = True
                self._head = b""

    @property
    def between(self) -> bool:
        """Whether the last packet is whole."""
        return not self._lost and not self._left and not self._head


UNCACHED: Final = ((b"cache-control", b"no-store"), (b"vary", b"Authorization, Git-Protocol"))


def opening(content_type: str, *more: tuple[bytes, bytes]) -> dict[str, object]:
    """The beginning of an answer that went well."""
    headers = [(b"content-type", content_type.encode()), *UNCACHED, *more]
    return {"type": "http.response.start", "status": 200, "headers": headers}


class HttpPeer:
    """Implements exchange.Peer."""

    def __init__(self, receive: Receive, send: Send, body: Inflate, service: str, limits: GitLimits) -> None:
        self._receive, self._send, self._body = receive, send, body
        self._service, self._limits = service, limits
        self._pieces: Iterator[bytes] = iter(())
        self._more = True
        self._asked = 0
        self._frames = Frames()
        self.began = False
        """The answer did."""

    async def read(self) -> bytes:
        """What came, unpacked. Raises Interrupted."""
        while True:
            for piece in self._pieces:
                self._asked += len(piece)
                return piece
            if not self._more:
                self._body.end()
                return b""
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Interrupted(HUNG_UP)
            self._more = message.get("more_body", False)
            self._pieces = self._body.read(message.get("body", b""))

    async def gone(self) -> None:
        """Waits until the client hangs up; what it still sends is not even unpacked. Raises Interrupted then."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise Interrupted(HUNG_UP)

    async def write(self, data: bytes, stall: float) -> None:
        """Returns when there is room for more. Raises Interrupted."""
        if not self.began and self._service == PUSH and self._asked > self._limits.push_bytes and data[4:5] == b"\2":
            # git refuses it, without saying what would be taken
            text = f"This server takes pushes of {self._limits.push_bytes >> 20} MiB at most.\n"
            data = packet(b"\2" + text.encode()) + data
        await self._begin()
        self._frames.feed(data)
        try:
            async with asyncio.timeout(stall):
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except TimeoutError:
            raise Interrupted("the client does not read") from None

    async def end(self, say: str = "") -> None:
        """Ends the answer; ``say``: why it ends early, told where git's protocol has a place for it. Raises Interrupted."""
        if say and (place := self._place(say)):
            await self.write(place, self._limits.stall)
        await self._begin()
        await self._send({"type": "http.response.body", "body": b""})

    def _place(self, say: str) -> bytes:
        if not self.began and self._service == FETCH:
            return packet(b"ERR " + say.encode())  # [gitprotocol-pack, Reference Discovery]
        if self._frames.between:
            return packet(b"\x03" + say.encode() + b"\n")  # side band 3: a fatal error
        return b""

    async def _begin(self) -> None:
        if not self.began:
            self.began = True
            await self._send(opening(f"application/x-{self._service}-result"))
