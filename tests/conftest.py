"""What every test stands on: a home of its own, a real server, accounts, and our command line in a process.

No test sees the home, the credentials, the display or the proxies of whoever runs it, nor may it leave anything there.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Whoever started the tests in the background had SIGINT ignored, which every child would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

BIN = Path(sys.executable).parent
START_SECONDS = 60  # how long a server may take on a machine that is busy with other tests
STOP_SECONDS = 20
_FOREIGN = re.compile(
    r"(HEROKU|KEYTURN|GIT|XDG|SSH|GPG|SSL_CERT|CURL|NPM_CONFIG|NODE)_.*|NETRC|BROWSER|EDITOR|VISUAL|DISPLAY|WAYLAND_DISPLAY"
    r"|TERM|COLUMNS|LINES|NO_COLOR|FORCE_COLOR|.*_PROXY|REQUESTS_CA_BUNDLE|PYTHONPATH|PYTHONWARNINGS",
    re.IGNORECASE,
)


def environment(home: Path) -> dict[str, str]:
    """The environment of a newcomer whose home folder is `home`: nothing of the caller's but PATH, language and temp."""
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.fullmatch(name)}
    path = os.pathsep.join(dict.fromkeys([str(BIN), *os.environ.get("PATH", os.defpath).split(os.pathsep)]))
    return kept | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "APPDATA": str(home / "AppData" / "Roaming"),
        "LOCALAPPDATA": str(home / "AppData" / "Local"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_STATE_HOME": str(home / ".local" / "state"),
        "XDG_RUNTIME_DIR": str(home / ".run"),
        "PATH": path,
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture(autouse=True)
def home() -> Iterator[Path]:
    """An empty home folder, in whose environment the whole test runs; what it makes has the modes that it gives."""
    before, mask = dict(os.environ), os.umask(0o022)
    folder = Path(tempfile.mkdtemp(prefix="keyturn-home-"))
    os.environ.clear()
    os.environ.update(environment(folder))
    try:
        yield folder
    finally:
        os.umask(mask)  # operator commands that ran in this process have changed it
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Account:
    """An account of the server, with its password."""

    email: str
    password: str


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    out: str
    err: str
    code: int


class Server:
    """A real `keyturn serve` over a folder of its own, on a port that the system chose."""

    def __init__(
        self, folder: Path, *options: str, variables: Mapping[str, str] | None = None, descriptors: int | None = None
    ) -> None:
        """`descriptors`: that it may have, where the test's own number is not to count."""
        self.variables = dict(variables or {})
        self._through = ["sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh"] if descriptors else []
        self.data = folder / "data"
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log"
        self._options = options
        self.start()

    def start(self, port: int = 0) -> None:
        """Start it, again after `stop` perhaps, and wait until it says that it is ready."""
        command = [
            *self._through, str(BIN / "keyturn"), "serve", "--data", str(self.data), "--port", str(port), *self._options
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self.environment()
            )
        deadline = time.monotonic() + START_SECONDS
        while not (ready := re.search(r"keyturn is ready at (https?://\S+)", self.log())):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"keyturn serve did not get ready; it ended with {self.process.wait()}:\n{self.log()}")
            time.sleep(0.02)
        self.port = int(ready[1].rstrip("/").rpartition(":")[2])
        self.url = f"http://localhost:{self.port}"

    def environment(self) -> dict[str, str]:
        """What it runs in: a newcomer's, and the variables that the test gives."""
        return environment(self.home) | self.variables

    def log(self) -> str:
        """All that it has printed since its start."""
        return self._log.read_text()

    def stop(self) -> None:
        """End it as an operator does; fails the test unless it goes in peace, within seconds."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        if code != 0 or "Traceback" in self.log():
            ended = f"ended with {code}" if code is not None else f"was still there after {STOP_SECONDS} seconds"
            pytest.fail(f"keyturn serve {ended}:\n{self.log()}")

    def admin(self, *words: str, input: str = "") -> Result:  # noqa: A002
        """Run `keyturn admin` over its data."""
        return run([str(BIN / "keyturn"), "admin", "--data", str(self.data), *words], input, self.environment())

    def create_account(self, email: str, password: str, *, admin: bool = False) -> Account:
        """Make an account, as its operator."""
        options = ["--admin"] if admin else []
        made = self.admin("accounts:create", email, "--password-stdin", *options, input=f"{password}\n")
        assert made.code == 0, made
        return Account(email, password)

    def new_account(self) -> Account:
        """Make an account that no other test knows."""
        return self.create_account(f"{secrets.token_hex(5)}@example.com", f"tall oaks from {secrets.token_hex(4)} grow")

    def call(self, method: str, path: str, token: str | None = None, **options: object) -> requests.Response:
        """Send a request, with a token perhaps, and with nothing that the surroundings add (netrc, proxies)."""
        with requests.Session() as session:
            session.trust_env = False
            if token is not None:
                session.headers["Authorization"] = f"Bearer {token}"
            return session.request(method, self.url + path, timeout=60, **options)  # type: ignore[arg-type]

    def token(self, account: Account) -> str:
        """Log in over the API, as a command line does, for a token."""
        asked = {"description": "Heroku CLI login from a test"}
        made = self.call("POST", "/oauth/authorizations", auth=(account.email, account.password), json=asked)
        assert made.status_code == 201, made.text
        return str(made.json()["access_token"]["token"])


def run(command: list[str], input: str | None, env: Mapping[str, str]) -> Result:  # noqa: A002
    """Run a command without a terminal, to its end."""
    done = subprocess.run(
        command, input=input or "", capture_output=True, encoding="utf-8", env=env, timeout=90, check=False
    )
    return Result(done.stdout, done.stderr, done.returncode)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a worker: use an account of your own, and no server-wide setting."""
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    """A server with an empty store, for this test alone."""
    running = Server(tmp_path / "server")
    yield running
    running.stop()


@pytest.fixture
def account(server: Server) -> Account:
    """A new account at `server`."""
    return server.new_account()


@dataclass(frozen=True)
class Cli:
    """Our command line, in a process, with the test's home and `HEROKU_HOST` naming the test's server."""

    url: str
    home: Path

    def env(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment that it runs in."""
        return environment(self.home) | {"HEROKU_HOST": self.url} | dict(more or {})

    def __call__(self, *words: str, input: str | None = None, env: Mapping[str, str] | None = None) -> Result:  # noqa: A002
        return run([str(BIN / "keyturn"), *words], input, self.env(env))

    def log_in(self, account: Account, *words: str) -> None:
        """Log in with the password, so that netrc holds a token."""
        done = self("login", "-i", *words, input=f"{account.email}\n{account.password}\n")
        assert done.code == 0, done


@pytest.fixture
def keyturn_at(home: Path) -> Callable[[str], Cli]:
    """Our command line, for a server whose URL the test gives."""
    return lambda url: Cli(url, home)


@pytest.fixture
def keyturn(server: Server, keyturn_at: Callable[[str], Cli]) -> Cli:
    """Our command line, for `server`."""
    return keyturn_at(server.url)
