"""What streams of git over HTTP need: bodies inflated a piece at a time, and packets followed."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE: Final = 64 * 1024


class Interrupted(Exception):
    """A stream was broken off; the message says why, for its user."""


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
