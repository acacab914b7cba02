"""Clients that connect and say nothing, or little, or too slowly: they take nothing from the others."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
import uvloop
from tests.conftest import Server
from tests.support import loops
from tests.support.gits import checkout
from tests.support.sshs import ssh_pusher
from tests.test_heads import echo
from uvicorn.server import ServerState

from keyturn.doors import Door, Doors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    Run = Callable[[Coroutine[object, object, None]], None]

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs the test in each of the loops that serve."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None
    return lambda work: loops.run(work, factory)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second for everything."""
    monkeypatch.setattr("keyturn.heads.PATIENCE", 0.5)
    monkeypatch.setattr("keyturn.doors.PATIENCE", 0.5)
    monkeypatch.setattr("keyturn.doors.IDLE", 0.5)


@asynccontextmanager
async def serving(made: Doors, app: object = echo) -> AsyncIterator[int]:
    """A server behind these doors; its port."""
    config = uvicorn.Config(app, lifespan="off", log_config=None)  # type: ignore[arg-type]
    config.load()
    state = ServerState()
    given: dict[str, Any] = {"config": config, "server_state": state, "app_state": {}}
    if made.tls is not None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            made.accept([listener], **given)
            yield listener.getsockname()[1]
            made.close()
            await asyncio.sleep(0.05)
        return
    server = await asyncio.get_running_loop().create_server(lambda: made.make(**given), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    made.close()
    server.close()


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes."""
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""


async def is_served(port: int, context: ssl.SSLContext | None = None) -> bool:
    """Whether somebody who comes now is answered."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(GET)
        line = await asyncio.wait_for(reader.readline(), 30)
        writer.close()
    except ConnectionError:
        return False
    return line == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("said", [b"", b"GET", HALF, b"\r\n", GET + HALF, GET + b"\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(run: Run, said: bytes) -> None:
    async def work() -> None:
        async with serving(Doors(100)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            got = await until_closed(reader)
            assert (b"408 Request Timeout" in got) == (said.removeprefix(GET).strip() != b"")
            writer.close()

    run(work())


@pytest.mark.usefixtures("hasty")
def test_a_head_that_drips_has_no_longer(run: Run) -> None:
    async def work() -> None:
        async with serving(Doors(100)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            closed = asyncio.ensure_future(until_closed(reader))
            writer.write(HALF)
            while not closed.done():
                writer.write(b"a")
                await asyncio.sleep(0.05)
            assert b"408 Request Timeout" in closed.result()
            writer.close()

    run(work())


@pytest.mark.usefixtures("hasty")
def test_what_is_served_for_long_is_not_ended_nor_is_the_request_sent_behind_it(run: Run) -> None:
    async def slow(scope: dict[str, object], receive: object, send: object) -> None:
        await asyncio.sleep(1.2)
        await echo(scope, receive, send)  # type: ignore[arg-type]

    async def work() -> None:
        async with serving(Doors(100), slow) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET + HALF)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            writer.close()

    run(work())


@pytest.mark.usefixtures("hasty")
def test_a_body_that_drips_after_its_answer_ends_the_connection(run: Run) -> None:
    async def refusing(_scope: object, _receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    async def work() -> None:
        async with serving(Doors(100), refusing) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
            assert b" 403 " in await reader.readline()
            closed = asyncio.ensure_future(until_closed(reader))
            for _ in range(600):
                writer.write(b"a")
                await asyncio.sleep(0.05)
                if closed.done():
                    break
            assert closed.done()
            writer.close()

    run(work())


def test_who_never_reads_is_let_go(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyturn.heads.UNREAD", 0.5)
    done: list[str] = []

    async def large(_scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": bytes(64 << 20)})  # type: ignore[operator]
        await receive()  # type: ignore[operator]
        done.append((await receive())["type"])  # type: ignore[operator]

    async def work() -> None:
        async with serving(Doors(100), large) as port:
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(GET)
            for _ in range(600):
                await asyncio.sleep(0.05)
                if done:
                    break
            client.close()
        assert done == ["http.disconnect"]

    run(work())


def test_the_oldest_that_says_nothing_makes_room_and_what_is_served_does_not(run: Run) -> None:
    async def work() -> None:
        waiting, release = asyncio.Event(), asyncio.Event()

        async def app(scope: dict[str, object], receive: object, send: object) -> None:
            if scope["path"] == "/slow":
                waiting.set()
                await release.wait()
            await echo(scope, receive, send)  # type: ignore[arg-type]

        async with serving(Doors(4), app) as port:
            busy, busy_writer = await asyncio.open_connection("127.0.0.1", port)
            busy_writer.write(GET.replace(b"/ ", b"/slow "))
            await waiting.wait()
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
            assert await is_served(port)
            assert await until_closed(idle[0][0]) == b""
            release.set()
            assert await busy.readline() == b"HTTP/1.1 200 OK\r\n"
            for _, writer in [*idle, (busy, busy_writer)]:
                writer.close()

    run(work())


def test_where_all_are_served_who_comes_is_sent_away(run: Run) -> None:
    async def work() -> None:
        began, release = asyncio.Semaphore(0), asyncio.Event()

        async def app(scope: dict[str, object], receive: object, send: object) -> None:
            began.release()
            await release.wait()
            await echo(scope, receive, send)  # type: ignore[arg-type]

        async with serving(Doors(2), app) as port:
            lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            for _, writer in lines:
                writer.write(GET)
                await began.acquire()
            assert not await is_served(port)
            release.set()
            for reader, writer in lines:
                assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
                writer.close()

    run(work())


class _At:
    """A door that is knocked at from an address."""

    idle = knocking = True

    def drop(self) -> None:
        pytest.fail("there was room")


def test_one_place_has_its_share_and_this_machine_and_trusted_proxies_have_all() -> None:
    made = Doors(64, "10.0.0.9, 2001:db8:9::/48, unix:")

    def come(*addresses: str) -> int:
        """How many of them may."""
        return sum(made.enter(_At(), address) for address in addresses)  # type: ignore[arg-type]

    assert come(*["192.0.2.1"] * 9) == 8
    assert come("::ffff:192.0.2.1") == 0
    assert come(*[f"2001:db8:0:7::{n}" for n in range(9)]) == 8
    assert come("2001:db8:0:8::1", "192.0.2.2") == 2
    assert come(*["127.0.0.1"] * 12) == 12
    assert come(*["10.0.0.9"] * 12, *["2001:db8:9::1"] * 12) == 24
    door = _At()
    assert made.enter(door, "192.0.2.3")  # type: ignore[arg-type]
    made.leave(door)  # type: ignore[arg-type]
    made.leave(door)  # type: ignore[arg-type]
    assert come(*["192.0.2.3"] * 9) == 8
    made = Doors(64, "*")
    assert come(*["192.0.2.1"] * 12) == 12


class _From(asyncio.Transport):
    """A connection from an address."""

    def __init__(self, address: str) -> None:
        super().__init__({"peername": (address, 40000)})

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        pass

    def is_closing(self) -> bool:
        return True

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("address", "proxies", "seconds"),
    [
        ("192.0.2.1", None, 5),
        ("192.0.2.1", "10.0.0.9", 5),
        ("10.0.0.9", "10.0.0.9", 180),
        ("192.0.2.1", "*", 180),
        ("127.0.0.1", None, 180),
    ],
)
def test_a_proxy_s_connections_stay_open_for_longer_than_proxies_leave_them_idle(
    address: str, proxies: str | None, seconds: int
) -> None:
    async def work() -> None:
        config = uvicorn.Config(echo, lifespan="off", log_config=None)
        config.load()
        door = Doors(100, proxies).make(config=config, server_state=ServerState(), app_state={})
        assert isinstance(door, Door)
        door.connection_made(_From(address))
        assert door._inner is not None
        assert door._inner.timeout_keep_alive == seconds
        door._inner.connection_lost(None)

    loops.run(work())


# TLS of the server's own


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's, and one of a client who trusts it."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
               "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=str(certificate))
    client.check_hostname = False
    return server, client


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_handshake_that_does_not_come_ends_the_connection(run: Run, contexts: Contexts, said: bytes) -> None:
    async def work() -> None:
        made = Doors(100, tls=contexts[0])
        async with serving(made) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            assert b"HTTP" not in await until_closed(reader)
            writer.close()
            assert await is_served(port, contexts[1])
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=contexts[1])
            assert await until_closed(reader) == b""  # the handshake, and then no head
            writer.close()
            while made._open:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    run(work())


def test_handshakes_that_do_not_come_make_room(run: Run, contexts: Contexts) -> None:
    async def work() -> None:
        made = Doors(4, tls=contexts[0])
        async with serving(made) as port:
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
            assert await is_served(port, contexts[1])
            assert await until_closed(idle[0][0]) == b""
            for _, writer in idle:
                writer.close()
        assert not any(door.knocking for door in made._open)

    run(work())


def test_what_comes_with_the_end_of_the_handshake_is_not_lost(run: Run, contexts: Contexts) -> None:
    async def work() -> None:
        async with serving(Doors(100, tls=contexts[0])) as port:
            for _ in range(50):
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = contexts[1].wrap_bio(incoming, outgoing)
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        writer.write(outgoing.read())
                        incoming.write(await reader.read(65536))
                tls.write(GET)
                writer.write(outgoing.read())  # the last of the handshake and the request in one piece
                got = b""
                while not got:
                    incoming.write(await reader.read(65536))
                    try:
                        got = tls.read(15)
                    except ssl.SSLWantReadError:
                        continue
                assert got == b"HTTP/1.1 200 OK"
                writer.close()

    run(work())


# the whole server


@pytest.mark.parametrize("said", [b"", HALF], ids=["idle", "half a head"])
def test_idle_connections_do_not_take_http_ssh_and_upkeep_down(tmp_path: Path, said: bytes) -> None:
    running = Server(tmp_path / "server", "--ssh-port", "0", "--upkeep-seconds", "1", descriptors=256)
    lines = []
    try:
        for _ in range(300):
            line = socket.create_connection(("127.0.0.1", running.port), 30)
            line.sendall(said)
            lines.append(line)
        assert running.call("GET", "/healthz").status_code == 200
        ada, work = ssh_pusher(running, tmp_path / "keys"), checkout(tmp_path / "work")
        work.more |= ada.git()
        work.git("push", "-q", ada.url, "main")
        work.git("push", "-q", ada.who.url(), "main:other")
        assert "Too many open files" not in running.log()
        assert "out of system resource" not in running.log()
    finally:
        for line in lines:
            line.close()
        running.stop()
