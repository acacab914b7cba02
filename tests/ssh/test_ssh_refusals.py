"""What is refused, in the words that the person at the keyboard reads."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncssh
import pexpect
import pytest
from tests.conftest import Server, run
from tests.support import loops
from tests.support.gits import env_of, gits, principal
from tests.support.raw_ssh import SUCCESS, Raw
from tests.support.sshs import SshPusher, add, make_key, options, remove, ssh_pusher

from keyturn.actions import accounts, apps
from keyturn.actions.env import By

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.gits import Checkout

GIT_ALONE = "There is no shell here; git push and git clone work.\n"


def no_shell(ada: SshPusher) -> str:
    """What whoever asks for something else is told."""
    return f"Hi {ada.who.account.email}, there is no shell here; git push and git clone work.\n"


TAIL = [
    "fatal: Could not read from remote repository.",
    "",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
]


def read_by(work: Checkout, *words: str) -> list[str]:
    """What git prints when it is refused, before its own words."""
    done = work.git(*words, check=False)
    assert done.code == 128, done
    lines = [line.rstrip() for line in done.err.splitlines()]
    assert lines[-4:] == TAIL
    return lines[:-4]


def test_without_a_command_one_is_greeted(ada: SshPusher) -> None:
    done = ada.ssh("-T")
    assert (done.out, done.code) == ("", 1)
    email, shown = ada.who.account.email, ada.key.sha256
    assert done.err == f"Hi! You are {email}, by the SSH key ada@laptop ({shown}).\n{GIT_ALONE}"


@pytest.mark.parametrize(
    "command",
    [
        "ls", "sh -c id", "git-shell", "scp -t /tmp", "git-upload-archive 'x.git'", "git-receive-pack", "git-upload-pack ''",
        "git-upload-pack '../../etc'", "git-upload-pack '/etc/passwd'", "git-upload-pack '--upload-pack=id'",
        "git-upload-pack 'x.git' 'y.git'", "git-upload-pack 'x.git'; id", "git-upload-pack 'x.git' && id",
        "git-upload-pack '$(id)'", "git-upload-pack `id`", "git-upload-pack x.git\nid", "GIT-UPLOAD-PACK 'x.git'",
        "git-upload-pack 'x.git'\x00", "git upload-pack --strict 'x.git'", "\u202egit-upload-pack 'x.git'", "x" * 100_000,
    ],
)  # fmt: skip
def test_any_other_command_gets_one_polite_sentence(ada: SshPusher, command: str) -> None:
    async def work() -> None:
        async with connected(ada) as client:
            done = await client.run(command)
            assert (done.exit_status, done.stdout, done.stderr) == (1, "", no_shell(ada))

    loops.run(work())


def connected(ada: SshPusher) -> asyncssh.misc._ACMWrapper[asyncssh.SSHClientConnection]:
    return asyncssh.connect(
        "localhost",
        ada.port,
        username="git",
        client_keys=[str(ada.key.file)],
        known_hosts=None,
        agent_path=None,
        config=None,
    )


def test_nothing_but_sessions(ada: SshPusher, tmp_path: Path) -> None:
    async def work() -> None:
        async with connected(ada) as client:
            for opening in (
                client.open_connection("localhost", ada.port),
                client.open_unix_connection("/run/x"),
                client.create_tun(asyncssh.SSHTunTapSession),
                client.create_tap(asyncssh.SSHTunTapSession),
            ):
                with pytest.raises(asyncssh.ChannelOpenError):
                    await opening
            for listening in (
                client.create_server(lambda *_: False, "", 0),
                client.create_unix_server(lambda *_: False, str(tmp_path / "x")),
            ):
                with pytest.raises(asyncssh.ChannelListenError):
                    await listening
            with pytest.raises(asyncssh.ChannelOpenError):
                await client.run(None, x11_forwarding=True, x11_display="localhost:0")
            with pytest.raises(asyncssh.ChannelOpenError):
                await client.run(None, term_type="xterm", request_pty="force")
            done = await client.run(None, subsystem="sftp")
            assert (done.exit_status, done.stderr) == (1, no_shell(ada))

    loops.run(work())


def test_on_a_terminal_one_is_greeted_too(ada: SshPusher) -> None:
    line = ["ssh", *options(ada.key), "-p", str(ada.port), "git@localhost"]
    terminal = pexpect.spawn(line[0], line[1:], env=gits(), encoding="utf-8", timeout=60)
    said = terminal.read()
    terminal.close()
    assert f"You are {ada.who.account.email}" in said
    assert GIT_ALONE.strip() in said
    assert terminal.exitstatus == 1


def test_the_real_ssh_forwards_nothing(ada: SshPusher) -> None:
    done = ada.ssh("-A", "-X")
    assert (done.out, done.code) == ("", 1)
    assert GIT_ALONE in done.err
    refused = ada.ssh("-N", "-oExitOnForwardFailure=yes", "-R0:localhost:1")
    assert refused.code == 255
    assert "remote port forwarding failed" in refused.err


def test_the_real_clients_of_files_get_the_same_sentence(ada: SshPusher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for program in (["scp", "-O"], ["scp"], ["sftp"]):
        words = [*program, *options(ada.key), "-P", str(ada.port)]
        words += [str(tmp_path / "file"), "git@localhost:file"] if program[0] == "scp" else ["git@localhost"]
        done = run(words, "ls\n", gits())
        assert done.code != 0
        assert no_shell(ada).strip() in done.err, done


def test_no_variable_reaches_git_but_the_protocols_version(ada: SshPusher, work: Checkout) -> None:
    work.git("push", "-q", "origin", "main")
    work.more |= {"GIT_TRACE": "/tmp/never", "GIT_EXEC_PATH": "", "LD_PRELOAD": "x.so"}
    name = f"git-upload-pack '{ada.who.app.name}.git'"

    async def work_() -> None:
        async with connected(ada) as client:
            env = {"GIT_TRACE": "2", "GIT_TRACE_PACKET": "2", "LD_PRELOAD": "x", "GIT_PROTOCOL": "version=2:x=`id`"}
            done = await client.run(name, env=env, input="0000")
            assert done.stderr == ""
            assert "version 2" in str(done.stdout)
            done = await client.run(name, env={"GIT_PROTOCOL": "version=3"}, input="0000")
            assert "refs/heads/main" in str(done.stdout)

    loops.run(work_())


def test_a_key_that_was_removed(ada: SshPusher, work: Checkout) -> None:
    remove(ada.who, ada.key)
    for words in (("push", "origin", "main"), ("ls-remote", "origin")):
        first, following = read_by(work, *words)
        assert first.startswith("This SSH key “ada@laptop” was revoked by its owner on ")
        assert following == "Next: keyturn keys:add"


def test_a_key_that_expired(ada: SshPusher, work: Checkout, tmp_path: Path) -> None:
    key = add(ada.who, make_key(tmp_path / "short", comment="for a day"), expires_in=3600)
    work.more |= ada.git(key)
    work.git("push", "-q", "origin", "main")
    with env_of(ada.who.server) as env, env.store.writing() as tx:
        tx.change_grant(key.id, expires_at=env.clock() - timedelta(seconds=1))
    first, following = read_by(work, "push", "origin", "main")
    assert first.startswith("This SSH key “for a day” expired on ")
    assert following == "Next: keyturn keys:add"


def test_a_key_of_a_suspended_account(ada: SshPusher, work: Checkout) -> None:
    with env_of(ada.who.server) as env:
        accounts.suspend(env, By(), ada.who.account.email)
    first, following = read_by(work, "push", "origin", "main")
    assert "its account was suspended on" in first
    assert following == "Next: ask your administrator"


def test_a_key_that_nobody_has(ada: SshPusher, work: Checkout, tmp_path: Path) -> None:
    work.more |= ada.git(make_key(tmp_path / "strange"))
    assert read_by(work, "push", "origin", "main") == ["git@localhost: Permission denied (publickey)."]


def test_an_app_of_others_and_one_that_there_is_not_look_the_same(
    ada: SshPusher, work: Checkout, ssh_server: Server, tmp_path: Path
) -> None:
    eve = ssh_pusher(ssh_server, tmp_path / "eve")
    for url in (eve.url, eve.url.replace(eve.who.app.name, "no-such-app")):
        assert read_by(work, "push", url, "main") == ["Couldn't find that app.", "Next: keyturn apps"]


def test_who_may_only_view_fetches_and_does_not_push(
    ada: SshPusher, work: Checkout, ssh_server: Server, tmp_path: Path
) -> None:
    work.git("push", "-q", "origin", "main")
    eve = ssh_pusher(ssh_server, tmp_path / "eve")
    with env_of(ssh_server) as env:
        owner = principal(env, ada.who.token)
        apps.add_member(env, By(owner), owner, ada.who.app.name, who=eve.who.account.email, permissions=["view"])
    work.more |= eve.git()
    work.git("fetch", "-q", "origin")
    first, following = read_by(work, "push", "origin", "main:other")
    assert first == f"{eve.who.account.email} may fetch the code of {ada.who.app.name}, but not push to it."
    assert following == f"Next: ask {ada.who.account.email}, who owns the app, for the permission to deploy"


def test_a_key_that_dies_after_the_handshake_pushes_nothing_more(ada: SshPusher, work: Checkout) -> None:
    async def steps() -> None:
        async with connected(ada) as client:
            name = f"git-receive-pack '{ada.who.app.name}.git'"
            assert (await client.run(name, input="0000")).exit_status == 0
            remove(ada.who, ada.key)
            done = await client.run(name, stdin=asyncssh.DEVNULL)  # it may be refused before anything could be sent
            assert done.exit_status == 1
            assert "was revoked by its owner" in str(done.stderr)

    loops.run(steps())


def test_a_key_that_dies_during_a_push_changes_no_ref(ada: SshPusher, work: Checkout) -> None:
    work.git("push", "-q", "origin", "main")
    before, old, new = ada.who.refs(), work.head(), work.commit()
    pack = work.folder / "pack"
    listed = run(["git", "-C", str(work.folder), "rev-list", "--objects", f"{old}..{new}"], None, gits()).out
    stem = work.git("pack-objects", "-q", str(pack), input=listed).out.strip()
    packed = (work.folder / f"pack-{stem}.pack").read_bytes()

    async def steps() -> None:
        async with connected(ada) as client:
            process = await client.create_process(f"git-receive-pack '{ada.who.app.name}.git'", encoding=None)
            line = f"{old} {new} refs/heads/main\0 report-status side-band-64k".encode()
            process.stdin.write(b"%04x%b0000" % (len(line) + 4, line))
            process.stdin.write(packed[:40])
            await process.stdout.read(4)  # it was let in
            await asyncio.to_thread(remove, ada.who, ada.key)
            process.stdin.write(packed[40:])
            process.stdin.write_eof()
            told = await process.stdout.read()
            assert b"was revoked by its owner" in told
            assert b"pre-receive hook declined" in told

    loops.run(steps())
    assert ada.who.refs() == before
    ada.who.fsck()


def test_too_many_sessions_on_a_connection_are_refused(ada: SshPusher) -> None:
    async def steps() -> None:
        async with connected(ada) as client:
            name = f"git-receive-pack '{ada.who.app.name}.git'"
            opened = [await client.create_process(name) for _ in range(10)]
            with pytest.raises(asyncssh.ChannelOpenError):
                await client.create_process(name)
            for process in opened:
                process.stdin.write("0000")
                process.stdin.write_eof()
            assert [(await process.wait()).exit_status for process in opened] == [0] * 10

    loops.run(steps())


def test_a_flood_that_is_not_gits_ends_the_connection(ada: SshPusher) -> None:
    async def steps() -> None:
        raw = await Raw.to(ada.port)
        async with raw:
            key = asyncssh.read_private_key(str(ada.key.file))
            raw.ask(raw.request(key, signed_by=key))
            assert await raw.answer() == SUCCESS
            await raw.says()
            for _ in range(250):
                raw._send_global_request(b"x" * 8192)
            assert await raw.answer() == 0

    loops.run(steps())


def test_the_use_of_a_key_is_noted_like_a_tokens(tmp_path: Path) -> None:
    server = Server(tmp_path / "server", "--ssh-port", "0", "--workers", "2")
    somebody = ssh_pusher(server, tmp_path / "keys")
    for _ in range(3):
        assert somebody.who.account.email in somebody.ssh().err
    server.stop()
    with env_of(server) as env, env.store.reading() as tx:
        (token,) = tx.tokens_of(somebody.key.id)
        uses = tx.uses([token.id])[token.id]
    assert sum(use.count for use in uses) == 3
    assert {use.agent[:8] for use in uses} == {"OpenSSH_"}
    assert {use.address for use in uses} <= {"127.0.0.1", "::1"}
