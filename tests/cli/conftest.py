"""For the command line's tests: a terminal to type at."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import pexpect
import pytest
from tests.support.gits import gits

from keyturn.client import netrc
from keyturn.client.transport import Transport, basic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.conftest import Account, Cli, Server

TERMINAL_SECONDS = 30


class Terminal(Protocol):
    """Starts `keyturn` on a pseudo-terminal."""

    def __call__(
        self, *words: str, env: Mapping[str, str] | None = None, cli: Cli | None = None
    ) -> pexpect.spawn[str]: ...


@pytest.fixture
def terminal(keyturn: Cli) -> Iterator[Terminal]:
    """`keyturn` on a pseudo-terminal of its own."""
    spawned: list[pexpect.spawn[str]] = []

    def start(*words: str, env: Mapping[str, str] | None = None, cli: Cli | None = None) -> pexpect.spawn[str]:
        command = ["-c", "import sys; from keyturn.cli.main import main; sys.exit(main())", *words]
        spawned.append(
            pexpect.spawn(
                sys.executable,
                command,
                env=(cli or keyturn).env(env),
                encoding="utf-8",
                timeout=TERMINAL_SECONDS,
                dimensions=(40, 200),
            )
        )
        return spawned[-1]

    yield start
    for process in spawned:
        process.close(force=True)


@pytest.fixture(scope="module")
def account(server: Server) -> Account:
    """One account for the tests of a file, for each takes a while to make; who counts things makes one of their own."""
    return server.new_account()


@pytest.fixture(scope="module")
def token(server: Server, account: Account) -> str:
    """A login of that account, made once; who ends it makes one of their own."""
    asked = {"description": "Keyturn CLI login from the tests"}
    with Transport(server.url) as asking:
        made = asking.request(
            "POST", "/oauth/authorizations", asked, authorization=basic(account.email, account.password)
        )
    return str(made.body["access_token"]["token"])


@pytest.fixture
def logged_in(keyturn: Cli, server: Server, account: Account, token: str, home: Path) -> Cli:
    """Our command line, with that login in netrc."""
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}", "localhost"], account.email, token)
    return keyturn


@pytest.fixture
def stored(keyturn: Cli) -> Callable[[], str]:
    """The token that the command line would use now."""

    def read() -> str:
        done = keyturn("auth:token")
        assert done.code == 0, done
        return done.out.strip()

    return read


def unused() -> str:
    """A name that no app has."""
    return f"app-{secrets.token_hex(6)}"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Git, in an empty repository in which the commands run."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], capture_output=True, text=True, env=gits(), check=True)
        return done.stdout.strip()

    git("init", "-q")
    return git


@pytest.fixture
def app(logged_in: Cli, repository: Callable[..., str]) -> str:
    """A new app, and the folder of a repository without remotes."""
    done = logged_in("apps:create", unused(), "--no-remote", "--json")
    assert done.code == 0, done
    return str(json.loads(done.out)["name"])
