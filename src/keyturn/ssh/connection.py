"""One connection: what is spoken, whose key has signed, and how much a client may send that is not git's.

Only what asyncssh declares public is overridden, and where one of these were no longer called, nobody would get in:
asyncssh itself never says which of the keys that were shown has signed, and asks about unsigned ones too.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Any, Final, cast

import asyncssh

from keyturn.ssh import auth
from keyturn.ssh.session import WINDOW, Session
from keyturn.store.interface import Unavailable

if TYPE_CHECKING:
    from keyturn.ssh.face import SshFace
    from keyturn.ssh.server import SshServer

SIGNATURES: Final = (
    b"ssh-ed25519",
    b"sk-ssh-ed25519@openssh.com",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"sk-ecdsa-sha2-nistp256@openssh.com",
    b"rsa-sha2-512",
    b"rsa-sha2-256",
)
"""What a key may sign with: nothing with SHA-1 [RFC 8332]."""
HOST_SIGNATURES: Final = (b"ssh-ed25519", b"rsa-sha2-512", b"rsa-sha2-256")

PIECE: Final = 32 * 1024
"""Bytes handed on at once: asyncssh copies the rest of them for every packet."""
AHEAD: Final = 256 * 1024
"""Bytes that may wait for a client that is slow, or that is exchanging keys."""
HELD: Final = 256 * 1024
"""Bytes that wait for git before no more are read. asyncssh's own way, by channel, grants a client that waits more and
more: its window is filled up with every piece that is taken, whatever lies there still."""
PACKET: Final = 64
"""Bytes of a packet besides what it carries."""


def options(face: SshFace, keys: list[asyncssh.SSHKey]) -> asyncssh.SSHServerConnectionOptions:
    """What is offered and allowed. Without compression: packs are compressed, and it costs memory before anybody is known."""
    made = asyncssh.SSHServerConnectionOptions(
        server_factory=Owner,
        server_version="Keyturn",
        server_host_keys=keys,
        config=None,
        kex_algs=[
            "mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256",
            "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256",
        ],
        encryption_algs=[
            "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr",
            "aes192-ctr", "aes256-ctr",
        ],
        mac_algs=["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"],
        compression_algs=["none"],
        signature_algs=[name.decode() for name in SIGNATURES],
        host_based_auth=False, password_auth=False, kbdint_auth=False, public_key_auth=True, gss_host=None,
        gss_kex=False, gss_auth=False, x509_trusted_certs=None, authorized_client_keys=None,
        allow_pty=False, agent_forwarding=False, x11_forwarding=False, allow_scp=False, rdns_lookup=False,
        line_editor=False, encoding=None, window=WINDOW,
        login_timeout=face.limits.grace, keepalive_interval=face.limits.alive, keepalive_count_max=3,
    )  # fmt: skip
    # Dropbear sends its half of an exchange of keys before it knows which; this says that both of us judge alike whether it
    # guessed right: by what is chosen [RFC 4253 7.1 says by what each side likes best, and asyncssh does otherwise].
    made.kex_algs = [*made.kex_algs, b"kexguess2@matt.ucc.asn.au"]
    # A key object remembers how it is to sign, for all connections: so each way of signing has one of its own.
    by_name = {name: key for key in keys for name in asyncssh.load_keypairs([key])[0].host_key_algorithms}
    made.server_host_keys.clear()
    for name in HOST_SIGNATURES:
        (made.server_host_keys[name],) = asyncssh.load_keypairs([by_name[name]])
    return made


class _Meter:
    """A transport that says how much it is given."""

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport, self._connection = transport, connection

    def write(self, data: bytes) -> None:
        self._transport.write(data)
        self._connection.sent(len(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(asyncssh.SSHServerConnection):
    """asyncssh's, with bounds, and with a memory of the key whose signature was good."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        made: asyncssh.SSHServerConnectionOptions,
        server: SshServer,
        address: str,
    ) -> None:
        super().__init__(loop, made)
        self.server, self.face, self.address = server, server.face, address
        self.proven: bytes | None = None
        """The SHA-256 of the public key that is authenticated."""
        self.sessions: set[Session] = set()
        self.last = time.monotonic()
        """When git was at work, or the connection began."""
        self.room = asyncio.Event()
        """Set while the client takes what it is sent."""
        self.room.set()
        self._asked: bytes | None = None
        self._signed: bytes | None = None
        self._failures = -1  # the first is the question of what there is, by which every client begins
        self._chatter = 0
        self._paused, self._waiting = False, 0
        self._held, self._holding = 0, False

    # what comes and goes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there."""
        self._socket = cast("asyncio.Transport", transport)
        super().connection_made(cast("asyncio.BaseTransport", _Meter(self._socket, self)))

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        """Takes what came from the socket."""
        most = self.face.limits.chatter // (1 if self.proven else 2)
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            self._chatter += len(piece)
            super().data_received(piece, datatype)
            if self._chatter > most + self._held:
                self.disconnect(asyncssh.DISC_PROTOCOL_ERROR, "Too much came that is not git's")
                return

    def hold(self, size: int) -> None:
        """A packet came with so many bytes for git, which has to take them before much more is read."""
        self._held += size
        self._chatter -= PACKET
        if self._held > HELD and not self._holding and not self._socket.is_closing():
            self._holding = True
            self._socket.pause_reading()

    def taken(self, size: int) -> None:
        """git has taken so many of them."""
        self._held -= size
        self._chatter = max(-WINDOW, self._chatter - size)
        if self._held <= HELD // 2 and self._holding:
            self._holding = False
            if not self._socket.is_closing():
                self._socket.resume_reading()

    def done(self, size: int) -> None:
        """git is done, with so many bytes left; what its client has sent ahead is dropped."""
        self.taken(size)
        self._chatter = max(-WINDOW, self._chatter - WINDOW)

    def sent(self, size: int) -> None:
        """So many bytes went to the socket; a client asks for more by a packet now and then."""
        self._waiting = max(0, self._waiting - size)
        self._chatter = max(min(0, self._chatter), self._chatter - size // 256)
        self._look_for_room()

    def sending(self, size: int) -> None:
        """So many bytes of git's are on their way; during an exchange of keys they wait in memory."""
        self._waiting += size
        self._look_for_room()

    def pause_writing(self) -> None:
        """The socket is full."""
        self._paused = True
        self._look_for_room()

    def resume_writing(self) -> None:
        """It is not any more."""
        self._paused = False
        self._look_for_room()

    def _look_for_room(self) -> None:
        if self._paused or self._waiting > AHEAD:
            self.room.clear()
        else:
            self.room.set()

    # who it is

    async def reload_config(self) -> None:
        """There is nothing to read anew for another user name."""

    async def validate_public_key(self, username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        """Whether the key is known, living or dead, and has signed, where there is a signature: only who holds the key
        learns why it died.
        """
        try:
            if not auth.is_known(auth.look_up(self.face.env, key_data)):
                return False
        except Unavailable:
            self.disconnect(asyncssh.DISC_SERVICE_NOT_AVAILABLE, "The server cannot reach its store; try again")
            return False
        if msg and _first(signature) not in SIGNATURES:
            return False
        self._asked = key_data
        good = await super().validate_public_key(username, key_data, msg, signature)
        if good and msg:
            self._signed = hashlib.sha256(key_data).digest()
        return good

    def is_asked(self, key: asyncssh.SSHKey) -> bool:
        """Whether it is the key that is being looked at."""
        return key.public_data == self._asked

    def authenticated(self) -> None:
        """asyncssh has let somebody in: whoever signed, and nobody if nobody did."""
        if self._signed is None:
            self.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Nothing was proven")
            return
        self.proven, self._signed = self._signed, None
        self._chatter, self.last = 0, time.monotonic()
        self.server.proven(self)

    def send_userauth_failure(self, partial_success: bool) -> None:
        """Refuses one try, and the whole connection after some."""
        self._failures += 1
        if self._failures < self.face.limits.tries:
            super().send_userauth_failure(partial_success)
        else:
            self.disconnect(
                asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE,
                "Too many keys were refused; offer the right one alone: ssh -o IdentitiesOnly=yes -i KEY",
            )

    @property
    def working(self) -> bool:
        """Whether git is at work, or something is being said."""
        return any(session.working for session in self.sessions)


def _first(packed: bytes) -> bytes:
    """The first string of several [RFC 4251 5]."""
    return packed[4 : 4 + int.from_bytes(packed[:4], "big")]


class Owner(asyncssh.SSHServer):
    """What asyncssh asks about a connection. Whatever is not answered here, it refuses: forwarding of every kind."""

    _connection: Connection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """It begins."""
        assert isinstance(conn, Connection)
        self._connection = conn

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It is over."""
        self._connection.server.lost(self._connection)

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        """Always: False would let in whoever comes. The name does not matter, the key says who it is."""
        return True

    def public_key_auth_supported(self) -> bool:
        """It is the only way in."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        """Only what ``Connection.validate_public_key`` has let pass."""
        return self._connection.is_asked(key)

    def auth_completed(self) -> None:
        """Somebody is in."""
        self._connection.authenticated()

    def session_requested(self) -> Session | bool:
        """A session, for git."""
        connection = self._connection
        if connection.server.stopping or len(connection.sessions) >= connection.face.limits.sessions:
            return False
        return Session(connection)
