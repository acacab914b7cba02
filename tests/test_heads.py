"""Heads without end, against a real socket: answered and cut off, while what is long but finite is served."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
import uvloop
from tests.support import loops
from uvicorn.server import ServerState

from keyturn.heads import LONGEST, WAITING, BoundedHeads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

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


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Held:
    """A server whose answers wait until they are let go, one by one, and a client of it."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(0)
        self.begun, self.over, self.gone = 0, 0, 0
        self.protocol: BoundedHeads

    async def app(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        try:
            await self.turns.acquire()
            while (message := await receive())["type"] != "http.disconnect":
                if message.get("more_body"):
                    continue
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
                await send({"type": "http.response.body", "body": b""})
                return
            self.gone += 1
        finally:
            self.over += 1

    @asynccontextmanager
    async def reached(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        config = uvicorn.Config(self.app, http=BoundedHeads, interface="asgi3", lifespan="off", log_config=None)
        config.load()

        def make() -> BoundedHeads:
            self.protocol = BoundedHeads(config, ServerState(), {})
            return self.protocol

        server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()
            server.close()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture(params=[None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def factory(request: pytest.FixtureRequest) -> object:
    return request.param


def test_nothing_is_read_while_requests_wait_for_answers(factory: Any) -> None:
    """Each of which lets one more piece in, in uvicorn: thousands of small requests."""

    async def work() -> None:
        held = Held()
        async with held.reached() as (reader, writer):
            writer.write(REQUEST * 3)
            await held.until(lambda: len(held.protocol.pipeline) == 2)
            writer.write(REQUEST * 3)
            held.turns.release()
            await held.until(lambda: held.begun == 2)
            await asyncio.sleep(0.1)
            assert len(held.protocol.pipeline) == 1
            for _ in range(5):
                held.turns.release()
            await held.until(lambda: held.over == 6)
            writer.write_eof()
            assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 6

    loops.run(work(), factory)


def test_the_last_of_the_requests_that_wait_gets_a_body_that_comes_late(factory: Any) -> None:
    async def work() -> None:
        held = Held()
        async with held.reached() as (reader, writer):
            writer.write(REQUEST + b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
            await held.until(lambda: len(held.protocol.pipeline) == 1)
            writer.write(b"def" + REQUEST)
            for _ in range(3):
                held.turns.release()
            await held.until(lambda: held.over == 3)
            writer.write_eof()
            assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 3

    loops.run(work(), factory)


def test_who_sends_more_requests_than_may_wait_is_cut_off(factory: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        held = Held()
        async with held.reached() as (reader, writer):
            writer.write(REQUEST * (WAITING + 1))
            await held.until(lambda: len(held.protocol.pipeline) == WAITING)
            held.turns.release()
            assert (await reader.read(1 << 16)).count(b"HTTP/1.1 200 OK") == 1
            await held.until(lambda: not held.protocol.flow.read_paused or len(held.protocol.pipeline) < WAITING)
            writer.write(REQUEST * 3 * WAITING)
            for _ in range(5 * WAITING):
                held.turns.release()
            with suppress(ConnectionError):
                while await reader.read(1 << 16):
                    pass
            await held.until(lambda: held.over == held.begun)
            assert len(held.protocol.pipeline) <= WAITING
            assert held.begun <= 2 * WAITING + 2

    loops.run(work(), factory)
    assert not caplog.records


def test_who_has_gone_is_told_to_the_request_that_is_served_whatever_waits_behind_it(
    factory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Else it is served on, and fails at its answer."""

    async def work() -> None:
        held = Held()
        async with held.reached() as (_, writer):
            writer.write(REQUEST * 2)
            await held.until(lambda: len(held.protocol.pipeline) == 1)
            held.protocol.transport.abort()
            await held.until(lambda: held.protocol.parser is None)
            held.turns.release()
            await held.until(lambda: held.over == 1)
            assert (held.begun, held.gone) == (1, 1)

    loops.run(work(), factory)
    assert not caplog.records


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
