"""How much one client may take: time, connections, memory. The server runs in the test, with small limits."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import asyncssh
import pytest
from tests.support import loops
from tests.support.raw_ssh import FAILURE, SUCCESS, Raw
from tests.support.world import World

from keyturn import serve
from keyturn.actions import apps, keys
from keyturn.actions.refusals import Refusals
from keyturn.actions.uses import Uses
from keyturn.core.policy import Kind
from keyturn.exchange import Interrupted
from keyturn.ssh import hostkeys
from keyturn.ssh.face import SshFace, SshLimits
from keyturn.ssh.server import TOO_MANY, SshServer
from keyturn.store.interface import Unavailable
from keyturn.turns import Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from keyturn.actions.env import Env
    from keyturn.adapters.git import Git


@dataclass
class Served:
    """What a store with an account, its app and its key serves over SSH, once it is asked to."""

    env: Env
    git: Git
    key: asyncssh.SSHKey
    app: str
    hosts: list[asyncssh.SSHKey]

    @asynccontextmanager
    async def serving(
        self, limits: SshLimits, calls: int = 1000, pushes: int = 1000
    ) -> AsyncIterator[tuple[int, SshServer]]:
        """A server, and its port."""

        def counting(most: int) -> Callable[[str, float], tuple[int, float]]:
            left = iter(range(most))
            return lambda _account, _now: (1, 0.0) if next(left, None) is not None else (0, 7.2)

        face = SshFace(self.env, self.git, Uses(), Refusals(), counting(calls), counting(pushes), Slots(4), limits)
        made = SshServer(face, self.hosts)
        sockets = serve.listen("localhost", 0)
        await made.serve(sockets)
        try:
            yield sockets[0].getsockname()[1], made
        finally:
            await made.stop(0.1)

    def connect(self, port: int) -> asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]:
        """As an honest client does."""
        return asyncssh.connect(
            "127.0.0.1", port, username="git", client_keys=[self.key], known_hosts=None, agent_path=None, config=None
        )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    world = World(tmp_path)
    credential = world.mint(world.account(), Kind.LOGIN)
    by, who = world.by(credential), world.principal(credential)
    apps.create(world.env, by, who, name="blue-sky")
    key = asyncssh.generate_private_key("ssh-ed25519", comment="laptop")
    keys.add(world.env, by, who, key.export_public_key().decode())
    yield Served(world.env, world.repositories, key, "blue-sky", hostkeys.open_or_make(tmp_path / "ssh"))
    world.close()


async def hung_up(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server hangs up."""
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""


def test_who_proves_nothing_in_time_is_sent_away(served: Served) -> None:
    async def work() -> None:
        async with served.serving(SshLimits(grace=2)) as (port, server):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert (await hung_up(reader)).startswith(b"SSH-2.0-")
            raw = await Raw.to(port)
            assert await raw.answer() == 0
            writer.close()
            assert not server._connections
            assert not server._places

    loops.run(work())


def test_who_has_proven_a_key_is_not(served: Served) -> None:
    async def work() -> None:
        async with served.serving(SshLimits(grace=0.3)) as (port, _), served.connect(port) as client:
            await asyncio.sleep(0.6)
            assert (await client.run(None)).exit_status == 1

    loops.run(work())


def test_connections_of_a_place_in_all_and_without_a_proof_are_bounded(served: Served) -> None:
    async def work() -> None:
        small = SshLimits(connections=8, of_a_place=4, unproven=8, unproven_of_a_place=2)
        for limits, most in (
            (small, 2),
            (replace(small, unproven_of_a_place=9), 4),
        ):
            async with served.serving(limits) as (port, server):
                opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(most)]
                for reader, _ in opened:
                    assert (await reader.readline()).startswith(b"SSH-2.0-")
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                assert await hung_up(reader) == TOO_MANY
                writer.close()
                opened[0][1].close()
                while len(server._connections) == most:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                async with served.connect(port) as client:  # there is room again
                    assert (await client.run(None)).exit_status == 1
                for _, writer in opened:
                    writer.close()

    loops.run(work())


def test_who_opens_many_and_proves_nothing_is_nobodys_obstacle(served: Served) -> None:
    async def work() -> None:
        for limits in (
            SshLimits(unproven=6, unproven_of_a_place=3, grace=60),
            SshLimits(connections=6, unproven_of_a_place=3, grace=60),
        ):
            async with served.serving(limits) as (port, server), served.connect(port) as proven:
                alone = await comes_from("127.0.0.9", port)  # somebody who is about to prove a key
                crowd = [await comes_from(f"127.0.0.{n}", port) for n in (2, 3) for _ in range(3)]
                assert len(server._unproven) <= 6
                async with served.connect(port) as honest:
                    assert (await honest.run(None)).exit_status == 1
                assert (await proven.run(None)).exit_status == 1
                assert "127.0.0.9" in server._unproven.values()
                await hung_up(crowd[0][0])  # the oldest of them
                for _, writer in [alone, *crowd]:
                    writer.close()

    loops.run(work())


async def comes_from(address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection from another address of this machine, which the server has greeted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    assert (await reader.readline()).startswith(b"SSH-2.0-")
    return reader, writer


def test_an_idle_connection_is_ended_and_one_at_work_is_not(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyturn.ssh.server.LOOK_EVERY", 0.05)

    async def work() -> None:
        async with (
            served.serving(SshLimits(idle=0.3)) as (port, _),
            served.connect(port) as idle,
            served.connect(port) as busy,
        ):
            process = await busy.create_process(f"git-receive-pack '{served.app}.git'")
            await asyncio.wait_for(idle.wait_closed(), 30)
            process.stdin.write("0000")
            process.stdin.write_eof()
            assert (await process.wait()).exit_status == 0
            await asyncio.wait_for(busy.wait_closed(), 30)

    loops.run(work())


def test_a_push_without_a_byte_for_long_is_broken_off(served: Served) -> None:
    async def work() -> None:
        async with served.serving(SshLimits(thinking=0.3)) as (port, _), served.connect(port) as client:
            process = await client.create_process(f"git-receive-pack '{served.app}.git'")
            done = await asyncio.wait_for(process.wait(), 30)
            assert (done.exit_status, done.stderr) == (1, "nothing came for 0.3 seconds\n")

    loops.run(work())


def test_what_comes_faster_than_git_takes_it_stays_with_its_sender(served: Served) -> None:
    async def work() -> None:
        async with served.serving(SshLimits()) as (port, server), served.connect(port) as client:
            process = await client.create_process(f"git-receive-pack '{served.app}.git'", encoding=None)
            await process.stdout.read(4)
            (connection,) = server._connections
            (session,) = connection.sessions
            stopped = asyncio.Event()
            real = session.read

            async def slow() -> bytes:
                await stopped.wait()
                return await real()

            session.read = slow  # type: ignore[method-assign]
            process.stdin.write(b"0000" + bytes(16 << 20))
            for _ in range(100):
                await asyncio.sleep(0.01)
                assert connection._held < 2 << 20
            stopped.set()

    loops.run(work())


def test_a_client_that_does_not_read_and_one_that_stops_exchanging_keys_hold_up_git_not_memory(served: Served) -> None:
    async def work() -> None:
        async with served.serving(SshLimits()) as (port, server), served.connect(port) as client:
            await client.run(None)
            (connection,) = server._connections
            process = await client.create_process(f"git-receive-pack '{served.app}.git'", encoding=None, window=1 << 30)
            await process.stdout.read(4)
            (session,) = connection.sessions
            connection._kex_complete = False  # as after a client's KEXINIT with nothing after it
            sent = 0
            with pytest.raises(Interrupted, match="does not read"):  # noqa: PT012
                while sent < 1 << 30:
                    await session.write(bytes(65536), 0.2)
                    sent += 65536
            assert sent < 1 << 20

    loops.run(work())


def test_the_limit_of_an_accounts_fetches_and_pushes(served: Served) -> None:
    async def work() -> None:
        async with served.serving(SshLimits(), calls=1) as (port, _), served.connect(port) as client:
            name = f"git-upload-pack '{served.app}.git'"
            assert (await client.run(name, input="0000")).exit_status == 0
            done = await client.run(name)
            assert done.exit_status == 1
            assert done.stderr == "Your account reached the limit of fetches and pushes; try again in 8 seconds.\n"

    loops.run(work())


def test_the_limit_of_an_accounts_pushes(served: Served) -> None:
    async def work() -> None:
        async with served.serving(SshLimits(), pushes=0) as (port, _), served.connect(port) as client:
            assert (await client.run(f"git-upload-pack '{served.app}.git'", input="0000")).exit_status == 0
            done = await client.run(f"git-receive-pack '{served.app}.git'")
            assert (done.exit_status, done.stderr) == (
                1,
                "Your account has pushed too often: 3600 pushes an hour are the most. Try again in 8 seconds.\n",
            )

    loops.run(work())


def test_tries_are_counted_across_methods_and_names(served: Served) -> None:
    async def work() -> None:
        async with served.serving(SshLimits(tries=2)) as (port, _), await Raw.to(port) as raw:
            raw.ask_otherwise("none")
            raw.ask_otherwise("password", b"\0\0\0\0\0", user="somebody")
            assert [await raw.answer() for _ in range(2)] == [FAILURE] * 2
            raw.ask_otherwise("keyboard-interactive", bytes(8))
            assert await raw.answer() == 0

    loops.run(work())


def test_without_a_store_nobody_gets_in_and_it_is_said_why(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        async with served.serving(SshLimits()) as (port, _), served.connect(port) as client, await Raw.to(port) as raw:

            def broken(_digest: bytes) -> None:
                raise Unavailable("disk")

            monkeypatch.setattr(served.env.store, "find_token", broken)
            raw.ask(raw.request(served.key, signed_by=served.key))
            assert await raw.answer() == 0
            assert "cannot reach its store" in raw.why
            done = await client.run(f"git-upload-pack '{served.app}.git'")
            assert done.stderr == "The server cannot reach its store just now. Nothing was changed; try again.\n"

    loops.run(work())


def test_if_asyncssh_let_somebody_in_without_a_signature_they_would_be_nobody(served: Served) -> None:
    async def work() -> None:
        async with served.serving(SshLimits()) as (port, server), await Raw.to(port) as raw:
            (connection,) = server._connections
            await connection.send_userauth_success()
            assert await raw.answer() == SUCCESS
            assert await raw.answer() == 0
            assert "Nothing was proven" in raw.why

    loops.run(work())


def test_the_server_stops_cleanly_with_sessions_open(served: Served) -> None:
    async def work() -> None:
        async with (
            served.serving(SshLimits()) as (port, server),
            served.connect(port) as idle,
            served.connect(port) as busy,
        ):
            process = await busy.create_process(f"git-receive-pack '{served.app}.git'")
            await process.stdout.read(4)
            await server.stop(0.1)
            done = await asyncio.wait_for(process.wait(), 30)
            assert (done.exit_status, done.stderr) == (1, "the server stops; try again in a moment\n")
            await asyncio.wait_for(idle.wait_closed(), 30)
            await asyncio.wait_for(busy.wait_closed(), 30)
            assert not server._connections
            assert not server._tasks

    loops.run(work())
