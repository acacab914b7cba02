"""Git over SSH: what a handshake costs the server and what an idle connection holds, beside OpenSSH's sshd.

A section of the report; ``python -m bench.ssh`` shows it alone. A handshake is a connection, the exchange of keys and the proof of
an Ed25519 key, all by the same client. sshd has the key in a file, which is its quickest way; ours looks it up in its store. The
processor time is the kernel's, with that of the processes that sshd starts for each connection.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import asyncssh

from bench import machine
from bench.running import Running, free_port, running
from bench.tables import table
from keyturn import settings
from keyturn.actions import accounts, grants, keys
from keyturn.actions.env import By
from keyturn.core.credential import Principal
from keyturn.core.policy import Kind
from keyturn.environment import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

HANDSHAKES = 200
AT_ONCE = 8
IDLE = 1000
PLACES = 20
"""Addresses that the idle connections come from: the server lets no more than 100 come from one."""
ROUNDS = 3
TO_REACH = 4
"""Times our processor time that sshd takes for a handshake."""
IDLE_KB = 20
"""The most that an idle connection may hold."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Handshake:
    """What one took: seconds of the server's processor, and how many there were a second."""

    cost: float
    rate: float


@dataclass(frozen=True, slots=True)
class Found:
    """Of each server, by name."""

    handshakes: dict[str, Handshake]
    idle: float
    """Bytes of our memory that an idle connection holds."""
    whole: float
    """Megabytes of our worker with all of them."""

    @property
    def ratio(self) -> float:
        """How many times our processor time sshd takes for a handshake."""
        return self.handshakes["sshd"].cost / self.handshakes["keyturn"].cost


def measure(work: Path, rounds: int = ROUNDS) -> Found:
    """Everything, the servers taking turns. Raises OSError where there is no sshd."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment="bench")
    with _keyturn(work, key) as ours, _sshd(work, key) as theirs:
        servers = {"keyturn": ours, "sshd": theirs}
        for each in servers.values():
            asyncio.run(_shake(each[1], key, 10))
        taken: dict[str, list[Handshake]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, (process, port) in servers.items():
                before, began = _cpu(process.pid), time.monotonic()
                asyncio.run(_shake(port, key, HANDSHAKES))
                rate = HANDSHAKES / (time.monotonic() - began)
                time.sleep(0.2)  # until sshd has reaped its last child
                taken[name].append(Handshake((_cpu(process.pid) - before) / HANDSHAKES, rate))
        before_memory = ours[0].memory()["own"]
        after = asyncio.run(_hold(ours[0], ours[1], key))
    middle = {
        name: Handshake(median(one.cost for one in some), median(one.rate for one in some))
        for name, some in taken.items()
    }
    return Found(middle, (after["own"] - before_memory) * 1e6 / IDLE, after["whole"])


def section(found: Found) -> list[str]:
    """Its part of the report, in Markdown: a table, and a line on memory."""
    rows = [(name, f"{one.cost * 1000:.2f}", f"{one.rate:.0f}") for name, one in found.handshakes.items()]
    said = (
        f"sshd takes {found.ratio:.1f} times the CPU of ours for one. {IDLE} idle connections hold {found.idle / 1000:.1f} kB "
        f"each; the worker has {found.whole:.0f} MB with them."
    )
    return [*table(("server", "CPU ms/handshake", "handshakes/s"), rows), "", said]


async def _connect(port: int, key: asyncssh.SSHKey, source: str = "127.0.0.1") -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1", port, username=getpass.getuser(), client_keys=[key], known_hosts=None, agent_path=None, config=None,
        local_addr=(source, 0), gss_host=None, encryption_algs=["aes128-gcm@openssh.com"], kex_algs=["curve25519-sha256"],
    )  # fmt: skip


async def _shake(port: int, key: asyncssh.SSHKey, count: int) -> None:
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            client = await _connect(port, key)
            client.close()
            await client.wait_closed()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def _hold(server: Running, port: int, key: asyncssh.SSHKey) -> dict[str, float]:
    held = []
    for number in range(IDLE):
        held.append(await _connect(port, key, f"127.0.1.{1 + number % PLACES}"))  # noqa: PERF401 - one after the other
    memory = server.memory()
    for client in held:
        client.abort()
    return memory


def _cpu(pid: int) -> float:
    """Seconds of a process and of those that it started and that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[at]) for at in range(11, 15)) / _TICKS


@contextmanager
def _keyturn(work: Path, key: asyncssh.SSHKey) -> Iterator[tuple[Running, int]]:
    data, port, ssh_port = work / "ssh-data", free_port(), free_port()
    shutil.rmtree(data, ignore_errors=True)
    program = str(Path(sys.executable).parent / "keyturn")
    command = [
        program, "serve", "--data", str(data), "--port", str(port), "--ssh-port", str(ssh_port), "--ssh-bind", "127.0.0.1"
    ]  # fmt: skip
    with running(command, port, work / "ssh-keyturn.log") as server:
        env = environment(settings.database_url(data))
        account = accounts.create(
            env, By(), email="ada@example.com", new_password=f"four brown owls {secrets.token_hex(4)}"
        )
        with env.store.writing() as tx:
            made = grants.mint(env, tx, By(), account, Kind.LOGIN, scopes=("global",), description="bench", asked=None)
        grant = made.grant
        who = Principal(
            account.id, account.email, grant.id, made.token.id, grant.kind, grant.scopes, grant.description,
            grant.expires_at, grant.created_at,
        )  # fmt: skip
        keys.add(env, By(who), who, key.export_public_key().decode())
        env.store.close()
        yield server, ssh_port


@contextmanager
def _sshd(work: Path, key: asyncssh.SSHKey) -> Iterator[tuple[Running, int]]:
    program = machine.program("sshd")
    if program is None:
        raise FileNotFoundError("there is no sshd to measure against; install it with: apt-get install openssh-server")
    folder, port = work / "ssh-sshd", free_port()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host")], check=True)
    (folder / "authorized").write_bytes(key.export_public_key())
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile {folder / 'pid'}\nUsePAM no\n"
        f"AuthorizedKeysFile {folder / 'authorized'}\nPasswordAuthentication no\nStrictModes no\nMaxStartups 1000\n"
        "PermitRootLogin prohibit-password\nUseDNS no\nLogLevel ERROR\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with running([program, "-D", "-e", "-f", str(folder / "config")], port, work / "ssh-sshd.log") as server:
        yield server, port


def main() -> int:
    """Returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="bench-ssh-") as work:
        try:
            found = measure(Path(work))
        except (OSError, RuntimeError) as fault:
            print(f"bench: {re.sub(work, 'its folder', str(fault))}", file=sys.stderr)
            return 1
    print(f"{machine.facts()['processor']}; busy before: {machine.busy():.1f}\n")
    print("\n".join(section(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
