"""Heads without end, against a real socket: answered and cut off, while what is long but finite is served."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvicorn
from tests.support import loops
from uvicorn.server import ServerState

from keyturn.heads import LONGEST, BoundedHeads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

PIECE = 16 * 1024


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how many bytes of headers and of body came."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    raw = b"%d %d" % (sum(len(value) for _, value in scope["headers"]), size)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(raw))]})
    await send({"type": "http.response.body", "body": raw})


async def answer(pieces: Iterator[bytes]) -> bytes:
    """What the server sends until it closes, while the pieces are sent one by one for as long as it takes them."""
    config = uvicorn.Config(echo, http=BoundedHeads, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: BoundedHeads(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    got = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)  # so that they arrive one by one
        got = await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
        server.close()
    return got


def endless(start: bytes, piece: bytes) -> Iterator[bytes]:
    yield start
    for _ in range(64):  # a mebibyte: far more than is taken
        yield piece


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /", b"a" * PIECE),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a" * PIECE),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", (b"X: " + b"a" * 1019 + b"\r\n") * 16),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * PIECE),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a" * PIECE),
    ],
    ids=["request line", "one header", "many headers", "chunk extension", "trailer"],
)
def test_what_never_ends_is_cut_off(start: bytes, piece: bytes) -> None:
    sent = 0

    def counted() -> Iterator[bytes]:
        nonlocal sent
        for piece_ in endless(start, piece):
            sent += len(piece_)
            yield piece_
        yield b"\r\n\r\n\r\n"  # where nobody minds, the request ends here and is answered

    got = loops.run(answer(counted()))
    assert not got.startswith(b"HTTP/1.1 200")


def test_a_head_of_many_pieces_within_the_bound_is_served() -> None:
    value = b"a" * (LONGEST - PIECE)
    start = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
    pieces = [start, *(value[i : i + PIECE] for i in range(0, len(value), PIECE)), b"\r\n\r\n"]
    assert loops.run(answer(iter(pieces))).endswith(b"\r\n\r\n%d 0" % (len(value) + len(b"x" + b"close")))


def test_a_body_may_be_longer_and_trailers_are_no_headers() -> None:
    start = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + b"a" * PIECE + b"\r\n"
    pieces = [start, *[chunk] * 20, b"0\r\nX: late\r\n\r\n"]
    assert loops.run(answer(iter(pieces))).endswith(b" %d" % (20 * PIECE))
