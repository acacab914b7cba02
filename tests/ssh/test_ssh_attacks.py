"""Whose key it was: every way to be taken for somebody else, or to get in as nobody."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING

import asyncssh
import pytest
from asyncssh.packet import Boolean, String
from tests.support import loops
from tests.support.gits import pusher
from tests.support.raw_ssh import FAILURE, KNOWN, SUCCESS, Raw
from tests.support.sshs import Key, SshPusher, add, make_key, port_of, remove, ssh_pusher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.conftest import Server


@pytest.fixture
def eve(ssh_server: Server, tmp_path: Path) -> SshPusher:
    """Somebody else, with a key of an account too."""
    return ssh_pusher(ssh_server, tmp_path / "eve")


def private(somebody: SshPusher) -> asyncssh.SSHKey:
    return asyncssh.read_private_key(str(somebody.key.file))


def public(somebody: SshPusher) -> asyncssh.SSHKey:
    return asyncssh.read_public_key(str(somebody.key.file) + ".pub")


def attack(port: int, steps: Callable[[Raw], Awaitable[None]], **options: object) -> None:
    """Connects and runs the steps."""

    async def work() -> None:
        async with await Raw.to(port, **options) as raw:
            await steps(raw)

    loops.run(work())


def test_who_shows_anothers_key_and_signs_with_their_own_is_themselves(ada: SshPusher, eve: SshPusher) -> None:
    async def steps(raw: Raw) -> None:
        raw.ask(raw.request(public(ada)))
        assert await raw.answer() == KNOWN
        raw.ask(raw.request(public(eve), signed_by=private(eve)))
        assert await raw.answer() == SUCCESS
        assert f"You are {eve.who.account.email}" in await raw.says()

    attack(ada.port, steps)


def test_showing_anothers_key_right_after_signing_changes_nothing(ada: SshPusher, eve: SshPusher) -> None:
    async def steps(raw: Raw) -> None:
        raw.ask(raw.request(public(eve), signed_by=private(eve)), raw.request(public(ada)), raw.request(public(ada)))
        while (answered := await raw.answer()) != SUCCESS:
            assert answered == KNOWN
        assert f"You are {eve.who.account.email}" in await raw.says()

    attack(ada.port, steps)


def test_showing_anothers_key_on_both_sides_of_a_signature_all_at_once(ada: SshPusher, eve: SshPusher) -> None:
    async def steps(raw: Raw) -> None:
        mine, theirs = raw.request(public(eve), signed_by=private(eve)), raw.request(public(ada))
        raw.ask(theirs, mine, theirs, mine, theirs)
        while await raw.answer() != SUCCESS:
            pass
        assert f"You are {eve.who.account.email}" in await raw.says()

    attack(ada.port, steps)


@pytest.mark.parametrize("user", ["", "root", "ada", "git\N{COMBINING ACUTE ACCENT}"])
def test_whatever_the_user_name_it_is_whoever_signed(ada: SshPusher, eve: SshPusher, user: str) -> None:
    async def steps(raw: Raw) -> None:
        raw.ask(raw.request(public(ada), user=ada.who.account.email))
        assert await raw.answer() == KNOWN
        raw.ask(raw.request(public(eve), signed_by=private(eve), user=user))
        assert await raw.answer() == SUCCESS
        assert f"You are {eve.who.account.email}" in await raw.says()

    attack(ada.port, steps)


def test_changing_the_user_name_between_showing_and_signing_lets_nobody_in(ada: SshPusher, eve: SshPusher) -> None:
    async def steps(raw: Raw) -> None:
        for user in ("a", "b", "a", ""):
            raw.ask(raw.request(public(ada), signed_by=private(eve), user=user))
            assert await raw.answer() == FAILURE

    attack(ada.port, steps)


def test_a_signature_by_another_key_is_none(ada: SshPusher, eve: SshPusher) -> None:
    async def steps(raw: Raw) -> None:
        raw.ask(raw.request(public(ada), signed_by=private(eve)))
        assert await raw.answer() == FAILURE
        raw.ask(raw.request(public(ada))[:-1] + b"x")
        assert await raw.answer() in (FAILURE, 0)

    attack(ada.port, steps)


def test_a_signature_for_another_connection_is_none(ada: SshPusher) -> None:
    async def work() -> None:
        async with await Raw.to(ada.port) as first, await Raw.to(ada.port) as second:
            heard = first.request(public(ada), signed_by=private(ada))
            second.ask(heard)
            assert await second.answer() == FAILURE
            first.ask(heard)
            assert await first.answer() == SUCCESS

    loops.run(work())


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("none", ()),
        ("password", (Boolean(False), String("tall oaks"))),
        ("password", (Boolean(True), String("tall oaks"), String("short"))),
        ("keyboard-interactive", (String(""), String(""))),
        ("hostbased", (String("ssh-ed25519"), String(b""), String("host"), String("root"), String(b""))),
        ("gssapi-with-mic", (b"\0\0\0\0",)),
        ("nonsense", ()),
    ],
)
def test_no_other_way_in(ada: SshPusher, method: str, more: tuple[bytes, ...]) -> None:
    async def steps(raw: Raw) -> None:
        raw.ask_otherwise(method, *more)
        kind, payload = await raw.answers.get()
        assert kind == FAILURE
        assert payload.startswith(String("publickey") + b"\0")  # the only way that is named

    attack(ada.port, steps)


def test_sha_1_is_not_a_signature(ssh_server: Server, tmp_path: Path) -> None:
    somebody = ssh_pusher(ssh_server, tmp_path / "rsa", "rsa", "-b", "2048")

    async def steps(raw: Raw) -> None:
        raw.ask(raw.request(public(somebody), signed_by=private(somebody), algorithm="ssh-rsa"))
        assert await raw.answer() == FAILURE
        raw.ask(raw.request(public(somebody), signed_by=private(somebody), algorithm="rsa-sha2-256"))
        assert await raw.answer() == SUCCESS

    attack(somebody.port, steps)


def test_a_security_key_signs_when_it_is_touched_and_only_then(ssh_server: Server, tmp_path: Path) -> None:
    who, inner = pusher(ssh_server), asyncssh.generate_private_key("ssh-ed25519")
    public_half = inner.public_data[-32:]
    kind, place = "sk-ssh-ed25519@openssh.com", b"ssh:"
    blob = String(kind) + String(public_half) + String(place)  # OpenSSH, PROTOCOL.u2f
    file = tmp_path / "sk"
    file.with_suffix(".pub").write_text(f"{kind} {base64.b64encode(blob).decode()} token")
    add(who, Key(file))

    def request(raw: Raw, flags: bytes) -> bytes:
        body = b"".join(map(String, ("git", "ssh-connection", "publickey"))) + b"\1" + String(kind) + String(blob)
        told = hashlib.sha256(String(raw._session_id) + b"\x32" + body).digest()
        counted = flags + bytes(4)
        signed = inner.sign(hashlib.sha256(place).digest() + counted + told, b"ssh-ed25519")
        return body + String(String(kind) + signed[-68:] + counted)

    async def steps(raw: Raw) -> None:
        raw.ask(request(raw, b"\0"))
        assert await raw.answer() == FAILURE
        raw.ask(request(raw, b"\1"))
        assert await raw.answer() == SUCCESS
        assert f"You are {who.account.email}" in await raw.says()

    attack(port_of(ssh_server), steps)


def test_a_certificate_of_a_known_key_is_not_that_key(ada: SshPusher, eve: SshPusher) -> None:
    certificate = private(eve).generate_user_certificate(public(eve), "ada", principals=["git", "ada"])

    async def steps(raw: Raw) -> None:
        request = raw.request(
            public(eve),
            blob=certificate.public_data,
            algorithm="ssh-ed25519-cert-v01@openssh.com",
            signed_by=private(eve),
        )
        raw.ask(request)
        assert await raw.answer() == FAILURE

    attack(ada.port, steps)


def test_a_key_that_nobody_has_learns_nothing(ssh_server: Server, tmp_path: Path) -> None:
    key = make_key(tmp_path / "stranger")
    known, own = (asyncssh.read_private_key(str(key.file)) for _ in range(2))

    async def steps(raw: Raw) -> None:
        for signed_by in (None, own):
            raw.ask(raw.request(known, signed_by=signed_by))
            assert await raw.answer() == FAILURE

    attack(port_of(ssh_server), steps)


def test_a_dead_key_learns_why_only_after_it_has_signed(ada: SshPusher) -> None:
    remove(ada.who, ada.key)

    async def steps(raw: Raw) -> None:
        raw.ask(raw.request(public(ada)))
        assert await raw.answers.get() == (KNOWN, String("ssh-ed25519") + String(public(ada).public_data))
        raw.ask(raw.request(public(ada), signed_by=private(ada)))
        assert await raw.answer() == SUCCESS
        assert "was revoked by its owner" in await raw.says()

    attack(ada.port, steps)


def test_two_keys_of_two_accounts_on_one_connection_the_first_that_signs_counts(ada: SshPusher, eve: SshPusher) -> None:
    async def steps(raw: Raw) -> None:
        raw.ask(raw.request(public(eve), signed_by=private(eve)), raw.request(public(ada), signed_by=private(ada)))
        assert await raw.answer() == SUCCESS
        for _ in range(2):
            assert f"You are {eve.who.account.email}" in await raw.says()

    attack(ada.port, steps)


def test_nobody_can_authenticate_a_second_time_as_another(ada: SshPusher, eve: SshPusher) -> None:
    async def steps(raw: Raw) -> None:
        raw.ask(raw.request(public(eve), signed_by=private(eve)))
        assert await raw.answer() == SUCCESS
        assert eve.who.account.email in await raw.says()
        raw.ask(raw.request(public(ada), signed_by=private(ada)))
        assert await raw.answer() == 0  # hung up

    attack(ada.port, steps)


def test_after_too_many_tries_the_server_hangs_up(ada: SshPusher, tmp_path: Path) -> None:
    key = asyncssh.read_private_key(str(make_key(tmp_path / "stranger").file))

    async def steps(raw: Raw) -> None:
        raw.ask_otherwise("none")
        for _ in range(6):
            raw.ask(raw.request(key))
        answered = [await raw.answer() for _ in range(7)]
        assert answered == [FAILURE] * 6 + [0]
        assert "Too many keys were refused" in raw.why

    attack(ada.port, steps)


def test_before_a_key_is_proven_no_session_opens(ada: SshPusher) -> None:
    async def steps(raw: Raw) -> None:
        raw._auth_complete = True  # says the client; the server knows better
        with pytest.raises((asyncssh.Error, OSError)):
            await asyncio.wait_for(raw.run(None), 30)

    attack(ada.port, steps)


def test_a_flood_of_packets_before_a_key_is_proven_ends_the_connection(ada: SshPusher) -> None:
    async def steps(raw: Raw) -> None:
        for _ in range(40):
            raw.send_packet(2, String(bytes(8 * 1024)))  # SSH_MSG_IGNORE
        assert await raw.answer() == 0

    attack(ada.port, steps)


def test_old_algorithms_are_not_spoken(ada: SshPusher) -> None:
    for name, value in (
        ("kex_algs", "diffie-hellman-group14-sha1"),
        ("mac_algs", "hmac-sha1"),
        ("encryption_algs", "aes128-cbc"),
        ("compression_algs", "zlib@openssh.com"),
        ("server_host_key_algs", "ssh-rsa"),
    ):
        more = {"encryption_algs": "aes128-ctr"} if name == "mac_algs" else {}

        async def work(options: dict[str, str]) -> None:
            with pytest.raises((ConnectionError, asyncssh.Error)):
                async with await Raw.to(ada.port, **options):
                    pass

        loops.run(work({name: value, **more}))


def test_keys_that_are_too_weak_cannot_be_anybodys(ssh_server: Server, tmp_path: Path) -> None:
    who = pusher(ssh_server)
    with pytest.raises(Exception, match="2048"):
        add(who, make_key(tmp_path, "rsa", "weak", "-b", "1024"))
    key = asyncssh.generate_private_key("ssh-dss")
    file = tmp_path / "dsa"
    key.write_private_key(str(file))
    key.write_public_key(str(file) + ".pub")
    with pytest.raises(Exception, match="DSA"):
        add(who, type(make_key(tmp_path))(file))
