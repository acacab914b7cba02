"""The server process: its flags, its host keys, its workers, and its end."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.conftest import BIN, Server, environment, run
from tests.support import loops
from tests.support.gits import checkout, gits, pusher
from tests.support.raw_ssh import Raw
from tests.support.sshs import port_of, ssh_pusher

if TYPE_CHECKING:
    from pathlib import Path


def serve(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Starts a server that ought not to start."""
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [str(BIN / "keyturn"), "serve", "--data", str(folder / "data"), "--port", "0", *words],
        env=environment(folder), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_without_the_flag_there_is_no_ssh(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.stop()
    assert "SSH" not in server.log()
    assert not (server.data / "ssh").exists()


def test_where_ssh_is_stands_before_the_line_that_says_ready(ssh_server: Server) -> None:
    lines = ssh_server.log().splitlines()
    assert lines[-2:] == [
        f"git over SSH is at ssh://git@localhost:{port_of(ssh_server)}",
        f"keyturn is ready at {ssh_server.url}",
    ]


def test_an_app_says_where_ssh_is(ssh_server: Server, tmp_path: Path) -> None:
    ours = ssh_pusher(ssh_server, tmp_path / "ours").who
    told = ssh_server.call("GET", f"/apps/{ours.app.name}", ours.token).json()
    assert told["ssh_url"] == f"ssh://git@localhost:{port_of(ssh_server)}/{ours.app.name}.git"


def test_where_ssh_is_can_be_elsewhere_than_the_port(tmp_path: Path) -> None:
    server = Server(tmp_path, "--ssh-url", "ssh://git@git.example.com/")  # as with OpenSSH's server, and none of ours
    try:
        ours = pusher(server)
        told = server.call("GET", f"/apps/{ours.app.name}", ours.token).json()
        assert told["ssh_url"] == f"ssh://git@git.example.com/{ours.app.name}.git"
    finally:
        server.stop()


@pytest.mark.parametrize(
    "url", ["git.example.com", "ssh://ada@git.example.com", "ssh://git@x/path", "ssh://git@-x", "https://git@x"]
)
def test_an_address_of_ssh_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    done = serve(tmp_path, "--ssh-url", url)
    assert done.returncode == 2
    assert "is not a URL like ssh://git@keyturn.example.com:2222" in done.stderr


def test_a_port_that_is_taken_is_named_with_the_flag(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = serve(tmp_path, "--ssh-port", str(port), "--ssh-bind", "127.0.0.1")
    assert done.returncode == 1
    assert done.stderr == (
        f"keyturn serve: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --ssh-port "
        "or --ssh-bind\n"
    )


@pytest.mark.parametrize("what", ["readable", "garbage", "a pipe", "another type", "encrypted"])
def test_a_host_key_that_cannot_be_used_stops_the_start_and_says_what_to_do(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "data" / "ssh"
    folder.mkdir(parents=True, mode=0o700)
    file = folder / "host_ed25519"
    kind = "ecdsa" if what == "another type" else "ed25519"
    secret = "secret" if what == "encrypted" else ""
    run(["ssh-keygen", "-q", "-t", kind, "-N", secret, "-f", str(file)], None, gits())
    before = file.read_bytes()
    expected = {
        "readable": "others can read this key",
        "garbage": "no private key",
        "a pipe": "no file",
        "another type": "the key is of type ecdsa-sha2-nistp256, not ssh-ed25519",
        "encrypted": "the key is encrypted",
    }
    if what == "readable":
        file.chmod(0o640)
    elif what == "garbage":
        file.write_text("x")
    elif what == "a pipe":
        file.unlink()
        os.mkfifo(file, 0o600)
    done = serve(tmp_path, "--ssh-port", "0")
    assert done.returncode == 1
    assert done.stderr.startswith(f"keyturn serve: {file}: {expected[what]}"), done.stderr
    if what in ("readable", "another type", "encrypted"):
        assert file.read_bytes() == before


def test_a_key_of_the_operators_own_stays(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "ssh"
    folder.mkdir(parents=True, mode=0o700)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host_ed25519")], None, gits())
    public = (folder / "host_ed25519.pub").read_text().split()[1]
    server = Server(tmp_path, "--ssh-port", "0")
    found = run(["ssh-keyscan", "-t", "ed25519", "-p", str(port_of(server)), "127.0.0.1"], None, gits()).out
    server.stop()
    assert public in found


def test_several_workers_take_turns_on_the_port_and_stop_with_connections_open(tmp_path: Path) -> None:
    server = Server(tmp_path / "server", "--ssh-port", "0", "--workers", "2")
    ada = ssh_pusher(server, tmp_path / "keys")
    work = checkout(tmp_path / "work")
    work.more |= ada.git()
    for number in range(6):
        work.git("push", "-q", ada.url, f"main:refs/heads/b{number}")
    assert len(ada.who.refs()) == 6

    async def with_connections_open() -> None:
        opened = [await Raw.to(ada.port) for _ in range(6)]
        await asyncio.to_thread(server.stop)
        for raw in opened:
            assert await raw.answer() == 0
            raw.abort()

    loops.run(with_connections_open())


def test_a_push_under_way_when_the_server_stops_is_finished_and_its_pusher_told(tmp_path: Path) -> None:
    server = Server(tmp_path / "server", "--ssh-port", "0")
    ada = ssh_pusher(server, tmp_path / "keys")
    work = checkout(tmp_path / "work")
    # git's own hook stops the server after it was let in, and before it sends a byte
    hook = work.folder / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ncat >/dev/null\nkill -TERM {server.process.pid}\nsleep 2\n")
    hook.chmod(0o700)
    work.more |= ada.git()
    done = work.git("push", ada.url, "main")
    assert f"Pushed to {ada.who.app.name}" in done.err
    server.process.wait(30)
    server.stop()
    assert ada.who.refs() == {"refs/heads/main": work.head()}
    ada.who.fsck()
    assert [event.outcome for event in ada.who.audit()] == ["ok"]
