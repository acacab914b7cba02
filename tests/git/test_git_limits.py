"""Time, memory, disk and slow clients: what one fetch or push may take from the others."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shlex
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from tests.conftest import Server
from tests.support.gits import Checkout, checkout, gits, pusher

from keyturn.core import push
from keyturn.web.limits import PUSH_FILE, Limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.gits import Pusher


@pytest.fixture
def work(tmp_path: Path) -> Checkout:
    return checkout(tmp_path / "work")


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with little time and few processes, whose rule never comes to an end."""
    rule = shlex.join([sys.executable, "-c", "import time; time.sleep(600)"])
    folder = tmp_path_factory.mktemp("hasty") / "server"
    running = Server(folder, "--git-seconds", "3", "--git-processes", "4", "--pre-receive", rule)
    yield running
    running.stop()


def test_a_push_that_takes_too_long_is_told_and_changes_nothing(hasty: Server, work: Checkout) -> None:
    ada = pusher(hasty)
    done = work.git("push", ada.url(), "main", check=False)
    assert done.code != 0
    assert "git had no more than 3 seconds for this" in done.err, done.err
    assert ada.refs() == {}
    ada.fsck()


def test_a_server_that_ends_waits_for_no_rule(tmp_path: Path, work: Checkout) -> None:
    began = tmp_path / "began"
    rule = shlex.join([sys.executable, "-c", f"import time; open({str(began)!r}, 'w').close(); time.sleep(600)"])
    running = Server(tmp_path / "server", "--pre-receive", rule)
    ada = pusher(running)
    pushing = work.start("push", ada.url(), "main")
    while not began.exists():
        assert pushing.poll() is None
        time.sleep(0.02)
    running.stop()  # fails unless it is gone within seconds
    out, _ = pushing.communicate(timeout=60)
    assert "the server is being stopped; try again in a minute" in out, out
    assert pushing.returncode != 0
    assert ada.refs() == {}
    ada.fsck()


def slow_fetch(ada: Pusher) -> socket.socket:
    """A fetch whose request never ends."""
    line = socket.create_connection(("localhost", ada.server.port))
    line.sendall(
        f"POST /{ada.app.name}.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.token}\r\n"
        f"Content-Type: application/x-git-upload-pack-request\r\nContent-Length: 900\r\n\r\n0014".encode()
    )
    return line


def test_slow_clients_of_one_account_do_not_keep_another_from_fetching(hasty: Server, work: Checkout) -> None:
    ada, bob = pusher(hasty), pusher(hasty)
    lines = [slow_fetch(ada) for _ in range(8)]
    try:
        done = work.git("ls-remote", bob.url())
        assert done.out == ""
    finally:
        for line in lines:
            line.close()


def memory(pid: int) -> int:
    """The most bytes that a process ever had in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def memory_below(pid: int) -> list[int]:
    """Of its children, and theirs."""
    found = []
    try:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [memory(int(child)), *memory_below(int(child))]
    except (OSError, IndexError):  # one has just ended
        pass
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_repository_of_200_mb_takes_no_memory_of_the_server(tmp_path: Path) -> None:
    running = Server(tmp_path / "server")
    try:
        ada, work = pusher(running), checkout(tmp_path / "work")
        noise = random.Random(1)
        for number in range(25):
            (work.folder / f"noise{number}").write_bytes(noise.randbytes(8 << 20))
        work.git("-c", "core.compression=0", "add", ".")
        work.git("-c", "core.compression=0", "commit", "-q", "-m", "noise")
        work.git("ls-remote", ada.url())
        before = memory(running.process.pid)
        children: list[int] = []
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.05):
                children.extend(memory_below(running.process.pid))

        watching = threading.Thread(target=watch)
        watching.start()
        work.git("-c", "core.compression=0", "-c", "pack.window=0", "push", "-q", ada.url(), "main")
        after_push = memory(running.process.pid)
        work.git("-c", "core.compression=0", "clone", "-q", "--bare", ada.url(), str(tmp_path / "copy"))
        stop.set()
        watching.join()
        after = memory(running.process.pid)
        size = sum(file.stat().st_size for file in ada.repository.rglob("*") if file.is_file())
        print(
            f"{size / 1e6:.0f} MB: server {before / 1e6:.0f} MB before, {after_push / 1e6:.0f} after the push, "
            f"{after / 1e6:.0f} after the clone; the largest git {max(children, default=0) / 1e6:.0f} MB"
        )
        assert size > 200e6
        assert after - before < 24e6
        assert Checkout(tmp_path / "copy").head() == work.head()
    finally:
        running.stop()


def bomb_of_a_commit(size: int) -> bytes:
    """A pack of one commit whose message is that long: git streams large files, and keeps all else in memory."""
    text = f"tree {'4b825dc642cb6eb9a060e54bf8d69288fbee4904'}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\n".encode()
    length = len(text) + size
    head, length = [(1 << 4) | (length & 15)], length >> 4
    while length:
        head[-1] |= 0x80
        head.append(length & 0x7F)
        length >>= 7
    body = zlib.compressobj(9)
    squeezed = body.compress(text) + b"".join(body.compress(bytes(1 << 20)) for _ in range(size >> 20)) + body.flush()
    pack = b"PACK" + struct.pack(">II", 2, 1) + bytes(head) + squeezed
    return pack + hashlib.sha1(pack).digest()


@pytest.mark.skipif(sys.platform != "linux", reason="what a process may have is bounded on Linux alone")
@pytest.mark.parametrize("objects", [1, 200])
def test_a_bomb_of_a_commit_takes_no_more_memory_than_git_may_have(
    tmp_path: Path, work: Checkout, objects: int
) -> None:
    """A push of half a megabyte, unpacked by either of git's programs for it."""
    running = Server(tmp_path / "server", "--git-memory-mb", "128")
    try:
        ada = pusher(running)
        work.git("push", "-q", ada.url(), "main")  # what is honest goes through
        pack = bomb_of_a_commit(500 << 20)
        if (
            objects > 1
        ):  # from a hundred on git keeps the pack; it has read the number, and dies before it misses the rest
            pack = pack[:8] + struct.pack(">I", objects) + pack[12:]
        commands = f"{'0' * 40} {'1' * 40} refs/heads/x\0 report-status side-band-64k".encode()
        children: list[int] = []
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.01):
                children.extend(memory_below(running.process.pid))

        watching = threading.Thread(target=watch)
        watching.start()
        done = requests.post(
            ada.url(None) + "/git-receive-pack", b"%04x%b0000%b" % (len(commands) + 4, commands, pack), timeout=120,
            headers={"Content-Type": "application/x-git-receive-pack-request", "Authorization": f"Bearer {ada.token}"},
        )  # fmt: skip
        stop.set()
        watching.join()
        assert b"ut of memory" in done.content, done.content
        assert max(children) < 256e6
        assert ada.refs() == {"refs/heads/main": work.head()}
        ada.fsck()
    finally:
        running.stop()


def test_an_account_pushes_so_often_an_hour_and_no_more(server: Server, work: Checkout) -> None:
    ada, bob = pusher(server), pusher(server)
    later = time.time() + 600  # the limit is a bucket that runs empty
    counted = Limit(push.AN_HOUR, file=server.data / PUSH_FILE)
    while not counted.take(ada.app.owner_id, later)[1]:
        pass
    done = work.git("push", ada.url(), "main", check=False)
    assert "remote: Your account has pushed too often: 3600 pushes an hour are the most. Try again in " in done.err
    assert ada.refs() == {}
    assert work.git("ls-remote", ada.url()).out == ""
    work.git("push", "-q", bob.url(), "main")


def test_a_push_of_many_long_names_writes_little_into_the_audit_trail(server: Server, work: Checkout) -> None:
    ada = pusher(server)
    names = [f"main:refs/heads/{'/'.join(['x' * 100, 'y' * 100, str(n)])}" for n in range(200)]
    work.git("push", "-q", ada.url(), "main")
    work.git("push", "-q", ada.url(), *names)
    work.git("push", "-q", ada.url(), *[name.removeprefix("main") for name in names])
    for event in ada.audit()[:2]:
        assert event.details["refs_count"] == 200
        assert 16 <= len(event.details["refs"]) <= 20
        assert len(json.dumps(event.details)) < 8192


def mounted(folder: Path, size: str) -> bool:
    """Whether a small file system of its own could be put there."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def fill(file: Path) -> None:
    """Takes all the room that there is."""
    with file.open("wb", buffering=0) as opened, suppress(OSError):
        while opened.write(bytes(4096)):
            pass


def test_a_full_disk_is_told_and_nothing_is_broken(tmp_path: Path, work: Checkout) -> None:
    running = Server(tmp_path / "server")
    running.stop()
    repositories = running.data / "repositories"
    for left in (repositories / ".keyturn").rglob("*"):
        assert left.exists()
    repositories.rename(tmp_path / "before")
    if not mounted(repositories, "4m"):
        pytest.skip("file systems cannot be mounted here")
    try:
        running.start()
        ada = pusher(running)
        work.git("push", "-q", ada.url(), "main")
        before = ada.refs()
        (work.folder / "noise").write_bytes(os.urandom(9_000_000))
        work.git("add", "noise")
        work.git("commit", "-q", "-m", "noise")
        done = work.git("push", ada.url(), "main", check=False)
        assert done.code == 1
        assert "No space left on device" in done.err, done.err
        assert ada.refs() == before
        ada.fsck()
        work.git("reset", "-q", "--hard", "HEAD~1")
        head = work.commit("small")
        work.git("push", "-q", ada.url(), "main")
        assert ada.refs() == {"refs/heads/main": head}
        work.git("push", "-q", ada.url(), "main:other")
        fill(repositories / "filler")
        done = work.git("push", ada.url(), ":other", check=False)  # without objects: only the note takes room
        assert "remote: The server's disk is full. Nothing was changed; tell its operator." in done.err
        assert set(ada.refs()) == {"refs/heads/main", "refs/heads/other"}
        (repositories / "filler").unlink()
        work.git("push", "-q", ada.url(), ":other")
        running.stop()
    finally:
        subprocess.run(["umount", "-l", str(repositories)], check=False, env=gits())
