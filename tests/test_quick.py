"""GET /verify from memory: to the byte what the application says, counted and noted like every answer, and never longer than
it is true.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sqlite3
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
import uvloop
from tests.support import loops
from tests.support.site import Site
from uvicorn.server import ServerState

from keyturn.core.policy import Kind
from keyturn.doors import Doors
from keyturn.store.interface import Unavailable
from keyturn.web import app
from keyturn.web.verified import Verified

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


CHANGING = re.compile(rb"(date|request-id): [^\r]*\r\n")
COUNTED = re.compile(rb"ratelimit-remaining: (\d+)")


class Place(Site):
    """A site whose server is reached over a socket, with a memory or without."""

    def __init__(self, folder: Path, factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        super().__init__(folder)
        self.loop = loops.Loop(factory)
        self.hits = 0
        self.most = 100

    def close(self) -> None:
        self.loop.close()
        super().close()

    def verified(self) -> Verified:
        """A memory that counts what it knew."""
        made = Verified(self.env, self.face.verify_limit, self.face.uses, https=False, most=self.most)
        ask = made.answer

        def counting(*given: Any) -> Any:
            found = ask(*given)
            self.hits += found is not None
            return found

        made.answer = counting  # type: ignore[method-assign,assignment]
        self.memory = made
        return made

    @asynccontextmanager
    async def served(
        self, *, remembers: bool = True, proxies: str | None = None, idle: float = 5
    ) -> AsyncIterator[int]:
        """The port. ``idle``: seconds that a connection may be."""
        verified = self.verified() if remembers else None
        face = replace(self.face, verified=verified)
        config = uvicorn.Config(
            app.build(face), lifespan="off", log_config=None, access_log=False, server_header=False,
            proxy_headers=proxies is not None, forwarded_allow_ips=proxies or "", timeout_keep_alive=idle,  # type: ignore[arg-type]
        )  # fmt: skip
        config.load()
        state = ServerState()
        state.default_headers = config.encoded_headers
        doors = Doors(100, proxies, verified=verified)
        given: dict[str, Any] = {"config": config, "server_state": state, "app_state": {}}
        server = await asyncio.get_running_loop().create_server(lambda: doors.make(**given), "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()

    def said(self, *requests: bytes, warm: bytes = b"", **how: Any) -> bytes:
        """What the server sends to a connection: each piece is sent when all before it was answered; ``warm``: before, on
        another one.
        """

        async def work() -> bytes:
            async with self.served(**how) as port:
                if warm:
                    await converse(port, (warm,))
                return await converse(port, requests)

        return self.loop.run(work())


async def converse(port: int, pieces: tuple[bytes, ...]) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        try:
            while chunk := await asyncio.wait_for(reader.read(1 << 16), 0.3):
                got += chunk
        except TimeoutError:
            continue
    writer.close()
    return got


@pytest.fixture(params=["asyncio", "uvloop"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, uvloop.new_event_loop if request.param == "uvloop" else None)
    yield made
    made.close()


def asked(token: str, *more: bytes, line: bytes = b"GET /verify HTTP/1.1", scheme: bytes = b"Bearer") -> bytes:
    headers = [b"Host: x", b"Authorization: %b %b" % (scheme, token.encode()), b"User-Agent: a proxy", *more]
    return b"\r\n".join([line, *headers, b"", b""])


def same(answer: bytes) -> bytes:
    """Without what differs from one answer to the next."""
    return CHANGING.sub(b"", answer)


def status(answer: bytes) -> bytes:
    return answer[9:12]


# what is sent, and whether it is known after the same token was asked about once
SENT: dict[str, tuple[Callable[[str], bytes], bool]] = {
    "once more": (asked, True),
    "with more headers": (lambda t: asked(t, b"Accept: */*", b"X-Original-URI: /a?b"), True),
    "the connection is to close": (lambda t: asked(t, b"Connection: close"), True),
    "an old proxy": (lambda t: asked(t, line=b"GET /verify HTTP/1.0"), True),
    "an old proxy that stays": (lambda t: asked(t, b"Connection: keep-alive", line=b"GET /verify HTTP/1.0"), True),
    "a body": (lambda t: asked(t, b"Content-Length: 3") + b"abc", True),
    "a body in chunks": (lambda t: asked(t, b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n", True),
    "many at once": (lambda t: asked(t) * 5, True),
    "one and something else": (lambda t: asked(t) + asked(t, line=b"GET /account HTTP/1.1") + asked(t), True),
    "something else and one": (lambda t: asked(t, line=b"GET /account HTTP/1.1") + asked(t) + asked(t), False),
    "another method": (lambda t: asked(t, line=b"POST /verify HTTP/1.1"), False),
    "the head alone": (lambda t: asked(t, line=b"HEAD /verify HTTP/1.1"), True),
    "the head, and the whole": (lambda t: asked(t, line=b"HEAD /verify HTTP/1.1") + asked(t), True),
    "the head of something else": (lambda t: asked(t, line=b"HEAD /account HTTP/1.1"), False),
    "a scope that it has": (lambda t: asked(t, line=b"GET /verify?scope=read HTTP/1.1"), False),
    "a scope that is none": (lambda t: asked(t, line=b"GET /verify?scope=fly HTTP/1.1"), False),
    "a token in the query": (lambda t: asked(t, line=b"GET /verify?token=%b HTTP/1.1" % t.encode()), False),
    "another path": (lambda t: asked(t, line=b"GET /verify/ HTTP/1.1"), False),
    "the path in other letters": (lambda t: asked(t, line=b"GET /%76erify HTTP/1.1"), False),
    "a whole address": (lambda t: asked(t, line=b"GET http://x/verify HTTP/1.1"), False),
    "the token twice": (lambda t: asked(t, b"Authorization: Bearer " + t.encode()), False),
    "another token as well": (lambda t: asked(t, b"authorization: Bearer kta_"), False),
    "an upgrade": (lambda t: asked(t, b"Connection: upgrade", b"Upgrade: websocket"), False),
    "the other scheme": (lambda t: asked(t, scheme=b"bearer"), False),
    "no token": (lambda _: b"GET /verify HTTP/1.1\r\nHost: x\r\n\r\n", False),
    "one that was cut": (lambda t: asked(t[:-1]), False),
    "no host": (lambda t: b"GET /verify HTTP/1.1\r\nAuthorization: Bearer %b\r\n\r\n" % t.encode(), True),
}  # fmt: skip


@pytest.mark.parametrize(("send", "known"), SENT.values(), ids=SENT)
def test_it_is_what_the_application_says(place: Place, send: Callable[[str], bytes], known: bool) -> None:
    token = place.login()
    without = place.said(send(token), warm=asked(token), remembers=False)
    for limit in (place.face.verify_limit, place.face.api_limit):  # as if nothing had been asked yet
        limit._empty_at[:] = memoryview(bytes(limit._empty_at.nbytes)).cast("d")
    with_it = place.said(send(token), warm=asked(token))
    assert same(with_it) == same(without)
    assert without
    assert (place.hits > 0) == known


@pytest.mark.parametrize("remembers", [False, True])
@pytest.mark.parametrize(("version", "stays"), [(b"1.1", b"close"), (b"1.0", b"close"), (b"1.0", b"keep-alive")])
def test_nothing_that_comes_after_the_last_request_of_a_connection_is_done(
    place: Place, caplog: pytest.LogCaptureFixture, version: bytes, stays: bytes, remembers: bool
) -> None:
    """The answer to it says that it was the last [RFC 9112, 9.6]."""
    token = place.login()
    last = asked(token, b"Connection: " + stays, line=b"GET /verify HTTP/" + version)
    further = asked(token, line=b"GET /account HTTP/1.1")
    answers = place.said(last + further * 2, warm=asked(token), remembers=remembers)
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200"]
    ((_, _, count),) = place.face.uses.take().values()
    assert count == 2  # the one before, and the last
    assert not caplog.records


@pytest.mark.parametrize("remembers", [False, True])
def test_a_connection_is_not_idle_while_a_request_behind_a_known_one_is_served(place: Place, remembers: bool) -> None:
    token = place.login()
    body = b'{"description": "x"}'
    slow = asked(token, b"Content-Length: %d" % len(body), line=b"POST /oauth/authorizations HTTP/1.1")
    answers = place.said(asked(token) + slow, body, warm=asked(token), remembers=remembers, idle=0.1)
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"201"]


def test_the_head_alone_has_no_body_and_is_all_that_it_takes_to_be_known(place: Place) -> None:
    token = place.login()
    head = asked(token, line=b"HEAD /verify HTTP/1.1")
    answers = place.said(head, head)
    assert place.hits == 1
    assert [status(answer) for answer in re.findall(rb"HTTP/1.1 \d\d\d", answers)] == [b"200"] * 2
    assert b"{" not in answers
    assert b'"email"' in place.said(asked(token), warm=head)
    assert place.hits == 2


def test_each_has_a_number_of_its_own_and_is_counted_and_noted(place: Place) -> None:
    place.login()
    token = place.login(place.account("grace@example.com"))
    answers = place.said(asked(token), asked(token), asked(token))
    assert place.hits == 2
    assert len(set(re.findall(rb"request-id: (\S+)", answers))) == 3
    left = [int(count) for count in COUNTED.findall(answers)]
    assert left == [left[0], left[0] - 1, left[0] - 2]
    ((_, _, count),) = place.face.uses.take().values()
    assert count == 3


def test_whom_it_comes_from_is_believed_to_the_proxies_that_are_trusted(place: Place) -> None:
    token = place.login()
    forwarded = asked(token, b"X-Forwarded-For: 203.0.113.5")
    for proxies, address in (("127.0.0.1", "203.0.113.5"), ("192.0.2.1", "127.0.0.1"), (None, "127.0.0.1")):
        place.said(forwarded, forwarded, proxies=proxies)
        assert {address for _, address, _ in place.face.uses.take()} == {address}
    assert place.hits == 3


def test_who_has_used_up_the_hour_is_refused_from_memory_too(place: Place) -> None:
    token = place.login()
    place.face = replace(place.face, verify_limit=type(place.face.verify_limit)(3))
    answers = place.said(*[asked(token)] * 5)
    assert [status(answer) for answer in re.findall(rb"HTTP/1.1 \d\d\d", answers)] == [b"200"] * 3 + [b"429"] * 2
    assert place.hits == 2


def _by_hand(place: Place, statement: str, *values: object) -> None:
    """By another connection, as another process would."""
    with sqlite3.connect(place.path) as connection:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(statement, values)


CHANGES = {
    "the grant ends": "UPDATE grants SET ended_at = 1, ended_reason = 'revoked_by_owner'",
    "the token ends": "UPDATE tokens SET ended_at = 1, ended_reason = 'rotated'",
    "the token is to end": "UPDATE tokens SET expires_at = 1, idle_limit = 60",
    "the grant is to end": "UPDATE grants SET expires_at = 1",
    "its scopes change": "UPDATE grants SET scopes = 'read'",
    "it becomes another sort": "UPDATE grants SET kind = 'authorization'",
    "the account is suspended": "UPDATE accounts SET suspended_at = 1",
    "the account has another address": "UPDATE accounts SET email = 'b@example.com'",
    "the token is removed": "DELETE FROM tokens",
    "another secret has the token": "UPDATE tokens SET digest = x'00'",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_in_force_with_the_next_request(place: Place, change: str) -> None:
    """Made by another process, past all of our code."""
    token = place.login()

    async def work() -> tuple[bytes, bytes]:
        async with place.served() as port:
            first = await converse(port, (asked(token), asked(token)))
            assert place.hits == 1
            _by_hand(place, change)
            return first, await converse(port, (asked(token),))

    before, after = place.loop.run(work())
    assert place.hits == 1
    bare, others = (COUNTED.sub(b"", same(answer)) for answer in (after, place.said(asked(token), remembers=False)))
    assert bare == others
    assert bare not in COUNTED.sub(b"", same(before))


def test_what_others_do_changes_nothing(place: Place) -> None:
    """Uses, new accounts, new tokens, sign-ins and the audit trail are written all the time."""
    token = place.login()

    async def work() -> None:
        async with place.served() as port:
            await converse(port, (asked(token),))
            place.write_uses()
            place.mint(place.account("grace@example.com"), Kind.AUTHORIZATION)
            _by_hand(place, "UPDATE accounts SET last_login_at = 5, name = 'Ada'")
            await converse(port, (asked(token),))

    place.loop.run(work())
    assert place.hits == 1


def test_a_change_in_the_midst_of_a_turn_of_the_loop_is_in_force_with_the_next_request(place: Place) -> None:
    """By another process, after somebody else's request in the same turn and before this one was sent whole."""
    token = place.login()
    request = asked(token)

    async def work() -> bytes:
        loop = asyncio.get_running_loop()
        async with place.served() as port:
            await converse(port, (request,))
            with socket.create_connection(("127.0.0.1", port)) as client:
                await asyncio.sleep(0.1)  # it is let in

                def turn() -> None:
                    place.memory.generation()
                    _by_hand(place, "UPDATE grants SET ended_at = 1, ended_reason = 'revoked_by_owner'")
                    client.sendall(request[9:])

                def turn_before() -> None:
                    client.sendall(request[:9])
                    loop.call_soon(turn)

                loop.call_soon(turn_before)
                return await loop.run_in_executor(None, client.recv, 100)

    assert status(place.loop.run(work())) == b"401"
    assert place.hits == 0


def test_the_clock_ends_what_it_ends(place: Place) -> None:
    account = place.account()
    token = place.secret(account, Kind.AUTHORIZATION, asked=1000)

    async def work() -> list[bytes]:
        async with place.served() as port:
            answers = []
            for seconds in (0, 0, 898, 0, 2, 0, 98, 0, 2):
                place.clock.advance(seconds=seconds)
                answers.append(await converse(port, (asked(token),)))
            place.clock.now -= timedelta(days=1)  # set back
            answers.append(await converse(port, (asked(token),)))
            return answers

    made = place.loop.run(work())
    warned = [b"warning-message" in answer for answer in made]
    assert [status(answer) for answer in made] == [b"200"] * 8 + [b"401"] + [b"200"]
    assert warned == [False] * 4 + [True] * 4 + [False] * 2
    assert place.hits == 6  # all but the first, the first with a warning, the dead, and the one of another time


def test_a_refusal_is_not_remembered(place: Place) -> None:
    account = place.account()
    made = place.mint(account)
    assert made.secret is not None
    _by_hand(place, "UPDATE grants SET ended_at = 1, ended_reason = 'revoked_by_owner'")
    answers = place.said(*[asked(made.secret)] * 3)
    assert answers.count(b"HTTP/1.1 401") == 3
    assert place.hits == 0


def test_where_soft_expiry_is_on_nothing_is_remembered(place: Place) -> None:
    token = place.login()
    place.env = replace(place.env, policy=replace(place.env.policy, soft_expiry={Kind.LOGIN: 3600}))
    place.said(asked(token), asked(token))
    assert place.hits == 0


def test_a_store_that_cannot_be_read_answers_nobody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    token = place.login()

    async def work() -> bytes:
        async with place.served() as port:
            await converse(port, (asked(token),))

            def broken(*_: object) -> None:
                raise Unavailable("the disk is gone")

            monkeypatch.setattr(place.store, "generation", broken)
            monkeypatch.setattr(place.store, "find_token", broken)
            return await converse(port, (asked(token),))

    assert status(place.loop.run(work())) == b"503"
    assert place.hits == 0


def test_no_more_is_kept_than_may_be(place: Place) -> None:
    account = place.account()
    place.most = 4
    tokens = [place.secret(account) for _ in range(5)]
    order = (0, 1, 0, 2, 0, 3, 0, 4, 0, 1)  # the first is asked for all the time, and so stays
    place.said(*(asked(tokens[each]) for each in order))
    assert place.hits == 5
    assert len(place.memory._kept | place.memory._older) <= place.most


def test_what_is_asked_for_no_more_makes_room_after_a_while(place: Place) -> None:
    account = place.account()
    place.most = 2
    old, new = (place.secret(account) for _ in range(2))

    async def work() -> None:
        async with place.served() as port:
            await converse(port, (asked(old), asked(old), asked(new), asked(new)))
            assert place.hits == 2
            await converse(port, (asked(old),) * 2)  # the older half
            assert place.hits == 4
            place.clock.advance(seconds=61)
            third = place.secret(account)
            await converse(port, (asked(third), asked(third), asked(old)))
            assert place.hits == 5

    place.loop.run(work())


def test_no_secret_is_kept(place: Place) -> None:
    token = place.login()
    memory = place.verified()
    place.face = replace(place.face, verified=memory)

    async def work() -> None:
        face = place.face
        config = uvicorn.Config(app.build(face), lifespan="off", log_config=None, access_log=False)
        config.load()
        given: dict[str, Any] = {"config": config, "server_state": ServerState(), "app_state": {}}
        doors = Doors(10, verified=memory)
        server = await asyncio.get_running_loop().create_server(lambda: doors.make(**given), "127.0.0.1", 0)
        await converse(server.sockets[0].getsockname()[1], (asked(token),))
        server.close()

    place.loop.run(work())
    (kept,) = memory._kept.items()
    assert token not in repr(kept)
    assert token[10:30] not in repr(kept)
