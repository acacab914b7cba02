"""Heads without end, against a real socket: answered and cut off, while what is long but finite is served."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
import uvloop
from tests.support import loops
from uvicorn.server import ServerState

from keyturn.heads import LONGEST, BoundedHeads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


# what is still under way when its answer is there


class Hasty:
    """A server that answers before the body is there, and closes."""

    def __init__(self, factory: Any) -> None:
        self.loop = loops.Loop(factory)
        self.asked = 0
        self.made: list[BoundedHeads] = []
        config = uvicorn.Config(self._app, http=BoundedHeads, interface="asgi3", lifespan="off", log_config=None)
        config.load()

        def make() -> BoundedHeads:
            self.made.append(BoundedHeads(config, ServerState(), {}))
            return self.made[-1]

        async def listen() -> asyncio.Server:
            return await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)

        self.server = self.loop.run(listen())

    async def _app(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.asked += 1
        headers = [(b"content-length", b"2"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})

    def meanwhile(self, talk: Callable[[socket.socket], bytes]) -> bytes:
        """What a client comes back with, once the server has let it go."""

        def client() -> bytes:
            with socket.create_connection(self.server.sockets[0].getsockname()) as line:
                line.settimeout(60)
                return talk(line)

        async def work() -> bytes:
            got = await asyncio.to_thread(client)
            while not all(each.transport.is_closing() for each in self.made):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return got

        return self.loop.run(work())

    def close(self) -> None:
        async def end() -> None:
            self.server.close()
            await asyncio.sleep(0.05)

        self.loop.run(end())
        self.loop.close()


@pytest.fixture(params=[None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def refusing(request: pytest.FixtureRequest) -> Iterator[Hasty]:
    made = Hasty(request.param)
    yield made
    made.close()


def all_of(line: socket.socket) -> bytes:
    """What comes until the other end has said everything."""
    got = b""
    while piece := line.recv(1000):
        got += piece
    return got


@pytest.mark.parametrize("start", [b"POST / HTTP/1.1", b"POST / HTTP/1.0"])
def test_who_is_refused_in_the_middle_of_a_body_gets_to_read_why(start: bytes, refusing: Hasty) -> None:
    def upload(line: socket.socket) -> bytes:
        line.sendall(start + b"\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (2048 * PIECE))
        for _ in range(2048):
            line.sendall(bytes(PIECE))
        return all_of(line)

    got = refusing.meanwhile(upload)
    assert got.startswith(b"HTTP/1.1 413 ")
    assert got.endswith(b"\r\n\r\nno")


def test_what_comes_after_such_an_answer_is_no_request(refusing: Hasty) -> None:
    def go_on(line: socket.socket) -> bytes:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        got = all_of(line)
        line.sendall(b"bPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        line.shutdown(socket.SHUT_WR)
        return got + all_of(line)

    assert refusing.meanwhile(go_on).count(b"HTTP/1.1 413 ") == 1
    assert refusing.asked == 1


def test_a_body_that_never_ends_is_given_up_after_its_answer(refusing: Hasty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyturn.heads.FAREWELL", 0.3)

    def go_on(line: socket.socket) -> bytes:
        line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n")
        try:
            while True:
                line.sendall(bytes(PIECE))
        except ConnectionError:
            return b""

    refusing.meanwhile(go_on)
    assert refusing.asked == 1
