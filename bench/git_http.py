"""What `info/refs` costs the server beside `git upload-pack` itself: processor time a request, git's own included. While
the repository is as it was at the request before, which the server notices; after each change of
a branch; and where it has to ask git (the first time, after a large push, with other settings).

A section of the report; `python -m bench.git_http` shows it alone. The server and git run on the first core, who asks on the
last; they take turns, round after round, so that all meet the same noise.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from bench import machine, servers
from bench.tables import table
from keyturn.actions import accounts, apps, grants
from keyturn.actions.authenticate import authenticate
from keyturn.actions.env import By, Env
from keyturn.adapters.git import Git
from keyturn.adapters.passwords import Argon2Passwords
from keyturn.core.credential import Principal
from keyturn.core.policy import Kind
from keyturn.store import migrate, sql

if TYPE_CHECKING:
    from bench.running import Running

REFS: Final = (1, 1000)
TO_REACH: Final = 1.3
"""Times git's own, where the server need not ask git."""
_PASSWORD: Final = "four brown owls at noon"


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of processor time: of the server's own, with its git, and of git started by hand."""

    own: float
    whole: float
    git: float

    @property
    def ratio(self) -> float:
        """How many times what git takes by itself."""
        return self.whole / self.git


@dataclass(frozen=True, slots=True)
class _Asked:
    name: str
    service: str
    version: int
    changed: bool = False
    """A branch moves before each request."""
    anew: bool = False
    """Before each request something happens of which only git can tell what it means."""


@dataclass(frozen=True, slots=True)
class _Repository:
    name: str
    """Of its app."""
    path: Path
    commits: tuple[str, str]


_ASKED: Final = (
    _Asked("fetch, protocol 2 (what git asks by itself)", "upload-pack", 2),
    _Asked("fetch, protocol 0", "upload-pack", 0),
    _Asked("push", "receive-pack", 0),
    _Asked("fetch, protocol 0, after a change", "upload-pack", 0, changed=True),
    _Asked("push, after a change", "receive-pack", 0, changed=True),
    _Asked("push, asked of git anew", "receive-pack", 0, anew=True),
)


def measure(work: Path, rounds: int = 5, times: int = 200) -> dict[str, Cost]:
    """What is asked -> its cost, the median of the rounds."""
    data = work / "git"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    token, repositories = _platform(data)
    found: dict[str, list[Cost]] = {}
    with servers.keyturn(data, work) as server:
        for number in range(rounds + 1):
            for count, repository in repositories.items():
                for asked in _ASKED:
                    cost = _compare(server, token, repository, asked, times)
                    if number:  # the first warms up
                        found.setdefault(f"{asked.name}, {count} refs", []).append(cost)
    return {
        what: Cost(*(median(getattr(cost, part) for cost in costs) for part in ("own", "whole", "git")))
        for what, costs in found.items()
    }


def worst(found: dict[str, Cost]) -> float:
    """The largest ratio to git's own, while nothing or only refs changed."""
    anew = tuple(asked.name for asked in _ASKED if asked.anew)
    return max(cost.ratio for what, cost in found.items() if not what.startswith(anew))


def section(found: dict[str, Cost]) -> list[str]:
    """Its part of the report: a table in Markdown."""
    head = ("`info/refs`", "server's own ms", "with its git", "git alone", "of git's")
    return table(head, [
        (what, f"{cost.own:.2f}", f"{cost.whole:.2f}", f"{cost.git:.2f}", f"{cost.ratio:.2f}x")
        for what, cost in found.items()
    ])  # fmt: skip


def _platform(data: Path) -> tuple[str, dict[int, _Repository]]:
    """A store with one account: its token, and by the number of their refs its apps."""
    engine = sql.engine_for(f"sqlite:///{data / 'keyturn.db'}")
    migrate.migrate(engine)
    store, git = sql.SqlStore(engine), Git(data / "repositories")
    env = Env(store, lambda: datetime.now(UTC), secrets.token_bytes, Argon2Passwords(1, 8, 1), repositories=git)
    account = accounts.create(env, By(), email="ada@example.com", new_password=_PASSWORD)
    with env.store.writing() as tx:
        token = grants.mint(env, tx, By(), account, Kind.AUTHORIZATION, scopes=("global",), description="bench").secret
    assert token is not None
    who = authenticate(env, token)
    assert isinstance(who, Principal)
    made = {}
    for count in REFS:
        app = apps.create(env, By(who), who, name=f"refs-{count}").app
        path = git.path(app.id)
        made[count] = _Repository(app.name, path, _fill(path, count))
    store.close()
    return token, made


def _fill(repository: Path, count: int) -> tuple[str, str]:
    """Makes its refs; two commits between which a branch can move."""
    git = ["git", "--git-dir", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.com"]

    def run(*words: str, given: str = "") -> str:
        return subprocess.run([*git, *words], input=given, capture_output=True, text=True, check=True).stdout.strip()

    commit, other = (run("commit-tree", run("mktree"), "-m", message) for message in ("one", "two"))
    names = ["refs/heads/main", *(f"refs/tags/t{number}" for number in range(count - 1))]
    run("update-ref", "--stdin", given="".join(f"create {name} {commit}\n" for name in names))
    run("pack-refs", "--all")
    return commit, other


def _compare(server: Running, token: str, repository: _Repository, asked: _Asked, times: int) -> Cost:
    line = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"Authorization": f"Bearer {token}"} | ({"Git-Protocol": "version=2"} if asked.version else {})
    branch = repository.path / "refs/heads/main"
    branch.write_text(repository.commits[0] + "\n")
    for file in (branch, repository.path / "config"):
        os.utime(file, (0, 0))  # long ago, so that what is asked next may be kept
    own, below = _used(server.pid)
    for number in range(times):
        if asked.changed:
            moved = branch.with_suffix(".lock")  # as git itself moves one
            moved.write_text(repository.commits[number % 2] + "\n")
            moved.rename(branch)
        if asked.anew:
            os.utime(repository.path / "config")
        line.request("GET", f"/{repository.name}.git/info/refs?service=git-{asked.service}", headers=headers)
        answer = line.getresponse()
        if answer.status != 200 or not answer.read():
            raise RuntimeError(f"info/refs was answered {answer.status}")
    own_after, below_after = _used(server.pid)
    line.close()
    own, below = (own_after - own) / times * 1e3, (below_after - below) / times * 1e3
    return Cost(own, own + below, _git_alone(repository.path, asked, times))


def _git_alone(repository: Path, asked: _Asked, times: int) -> float:
    """Milliseconds of processor time of git started by hand, with the settings that the server gives it."""
    program, core = shutil.which("git"), str(machine.cores()[0])
    assert program is not None
    home = str(repository.parent / ".keyturn" / "home")
    env = {"PATH": os.environ["PATH"], "HOME": home, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    env |= {"GIT_PROTOCOL": f"version={asked.version}"} if asked.version else {}
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    command = [program, asked.service, "--stateless-rpc", "--advertise-refs", str(repository)]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(core)})
    used = 0.0
    try:
        for _ in range(times):
            pid = os.posix_spawn(program, command, env, file_actions=quiet)
            _, status, spent = os.wait4(pid, 0)
            if status:
                raise RuntimeError("git ended with an error")
            used += spent.ru_utime + spent.ru_stime
    finally:
        os.sched_setaffinity(0, before)
    return used / times * 1e3


def _used(pid: int) -> tuple[float, float]:
    """Seconds of processor time of a process, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, (int(fields[13]) + int(fields[14])) / ticks


def main() -> int:
    """Measures, and shows it."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder))
    print("\n".join(section(found)))
    print(f"\nto reach while nothing or only refs changed: {TO_REACH}x of git's; measured at most: {worst(found):.2f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
