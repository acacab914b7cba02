"""An SSH client that sends what it is told to, packet by packet: what no honest client would."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncssh
from asyncssh.packet import Boolean, Byte, SSHPacket, String

if TYPE_CHECKING:
    from types import TracebackType

REQUEST, FAILURE, SUCCESS, BANNER, KNOWN = 50, 51, 52, 53, 60


class Raw(asyncssh.SSHClientConnection):
    """Connected and past the exchange of keys; nobody yet. ``async with await Raw.to(port) as raw``."""

    @classmethod
    async def to(cls, port: int, **options: Any) -> Raw:
        """Connects. Raises OSError, and what asyncssh raises when the server hangs up."""
        loop = asyncio.get_running_loop()
        made = asyncssh.SSHClientConnectionOptions(
            known_hosts=None, client_keys=None, agent_path=None, config=None, username="git", host="localhost",
            gss_host=None, **options,
        )  # fmt: skip
        _, protocol = await loop.create_connection(lambda: cls(loop, made), "localhost", port)
        await asyncio.wait_for(protocol.ready.wait(), 30)
        if protocol.lost:
            raise ConnectionError(protocol.why)
        return protocol

    def __init__(self, loop: asyncio.AbstractEventLoop, options: asyncssh.SSHClientConnectionOptions) -> None:
        super().__init__(loop, options)
        self.ready = asyncio.Event()
        self.answers: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()
        self.lost, self.why = False, ""

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.abort()
        await self.wait_closed()
        return False

    def try_next_auth(self, *, next_method: bool = False) -> None:  # noqa: ARG002
        """It may begin."""
        self._auth = self  # type: ignore[assignment]
        self.ready.set()

    def auth_succeeded(self) -> None:
        """asyncssh asks its own."""

    def cancel(self) -> None:
        """The same."""

    def process_packet(self, pkttype: int, pktid: int, packet: SSHPacket) -> Any:
        """Remembers the answers."""
        if pkttype in (FAILURE, SUCCESS, BANNER, KNOWN):
            self.answers.put_nowait((pkttype, packet.get_remaining_payload()))
            if pkttype != SUCCESS:
                return True
        return super().process_packet(pkttype, pktid, packet)

    def disconnected(self, why: str) -> None:
        """The server hung up."""
        self.lost, self.why = True, self.why or why
        self.ready.set()
        self.answers.put_nowait((0, why.encode()))

    def connection_lost(self, exc: Exception | None = None) -> None:
        """It is over."""
        super().connection_lost(exc)
        self.disconnected(str(exc))

    def _force_close(self, exc: Exception | None) -> None:
        super()._force_close(exc)
        self.disconnected(str(exc))

    def request(
        self, key: asyncssh.SSHKey, *, signed_by: asyncssh.SSHKey | None = None, algorithm: str = "", user: str = "git",
        blob: bytes = b"",
    ) -> bytes:  # fmt: skip
        """A request for authentication by a key: a probe, or with a signature of it or of another."""
        named = (algorithm or key.sig_algorithms[0].decode()).encode()
        body = b"".join(
            (
                String(user), String("ssh-connection"), String("publickey"), Boolean(signed_by is not None), String(named),
                String(blob or key.public_data),
            )
        )  # fmt: skip
        if signed_by is not None:
            data = String(self._session_id) + Byte(REQUEST) + body
            how = named if named in signed_by.all_sig_algorithms else signed_by.sig_algorithms[0]
            body += String(signed_by.sign(data, how))
        return body

    def ask(self, *bodies: bytes) -> None:
        """Sends requests, one right after the other."""
        for body in bodies:
            self.send_packet(REQUEST, body)

    def ask_otherwise(self, method: str, *more: bytes, user: str = "git") -> None:
        """A request by another method."""
        self.ask(b"".join((String(user), String("ssh-connection"), String(method), *more)))

    async def answer(self) -> int:
        """The type of the next answer; 0: the server hung up."""
        return (await asyncio.wait_for(self.answers.get(), 30))[0]

    async def says(self) -> str:
        """What it is greeted by."""
        done = await asyncio.wait_for(self.run(None), 30)
        return str(done.stderr)
