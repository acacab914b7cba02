"""Law: the address is printed before any browser is opened, nothing hangs, and the token is there once it is approved."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import decide, ended

from keyturn.cli import browser

if TYPE_CHECKING:
    from pathlib import Path

    import pexpect
    from tests.cli.conftest import Terminal
    from tests.conftest import Account, Cli

ADDRESS = re.compile(r"http://localhost:\d+/auth/browser/ktb_\w+")
PROMPT = "keyturn: Press any key to open up the browser to login or q to exit: "


@pytest.fixture
def opened(home: Path) -> Path:
    """What the browser was called with; the browser is as noisy as some are."""
    script = home / "browser"
    script.write_text(
        '#!/bin/sh\necho NOISE; echo NOISE >&2\nprintf %s "$*" > "$HOME/opened.new" && mv "$HOME/opened.new" "$HOME/opened"\n'
    )
    script.chmod(0o755)
    return home / "opened"


def with_browser(opened: Path) -> dict[str, str]:
    return {"BROWSER": str(opened.with_name("browser"))}


def address_in(login: pexpect.spawn[str]) -> str:
    login.expect(ADDRESS)
    assert isinstance(login.after, str)
    return login.after


def test_the_dialogue_of_a_login(terminal: Terminal, keyturn: Cli, account: Account, opened: Path) -> None:
    login = terminal("login", env=with_browser(opened))
    login.logfile_read = heard = io.StringIO()
    login.expect_exact(PROMPT)
    assert not opened.exists()
    login.send("x")
    login.expect_exact("Warning:")
    login.expect_exact("If browser does not open, visit")
    address = address_in(login)
    login.expect_exact("keyturn: Waiting for login... ")
    while not opened.exists():
        time.sleep(0.01)
    decide(address, account)
    login.expect_exact("done")
    login.expect_exact("Logging in... done")
    login.expect_exact(f"Logged in as {account.email}")
    rest, code = ended(login)
    assert code == 0
    assert "This login expires in 365 days" in rest
    assert opened.read_text() == address
    assert "NOISE" not in heard.getvalue()
    assert keyturn("whoami").out == f"{account.email}\n"


@pytest.mark.parametrize(
    ("key", "code", "said"),
    [("q", 1, "login cancelled"), ("\x1b", 1, "login cancelled"), ("\x04", 1, "login cancelled"), ("\x03", 130, "")],
)
def test_a_login_is_cancelled_by_a_key(key: str, code: int, said: str, terminal: Terminal, opened: Path) -> None:
    login = terminal("login", env=with_browser(opened))
    login.expect_exact(PROMPT)
    login.send(key)
    rest, ended_with = ended(login)
    assert ended_with == code
    assert said in rest
    assert not opened.exists()


@pytest.mark.parametrize("how", ["q", "\x03", "x", "terminate"])
def test_the_terminal_is_as_before_however_the_question_ends(how: str, terminal: Terminal, opened: Path) -> None:
    login = terminal("login", env=with_browser(opened))
    keeper = os.dup(login.child_fd)  # of the other end, which shows the same settings
    try:
        before = termios.tcgetattr(keeper)
        login.expect_exact(PROMPT)
        assert termios.tcgetattr(keeper)[3] != before[3]
        if how == "terminate":
            login.kill(15)
        else:
            login.send(how)
        login.expect_exact("visit" if how == "x" else "\n")
        if how != "x":
            ended(login)
        assert termios.tcgetattr(keeper) == before
    finally:
        os.close(keeper)


def test_a_login_is_interrupted_while_it_waits(terminal: Terminal) -> None:
    login = terminal("login")
    login.expect_exact("Waiting for login... ")
    login.sendintr()
    assert ended(login)[1] == 130


def test_without_a_display_the_address_alone_is_given(terminal: Terminal, account: Account) -> None:
    login = terminal("login")
    login.expect_exact("open this address in a browser, on any machine")
    decide(address_in(login), account)
    login.expect_exact(f"Logged in as {account.email}")
    assert ended(login)[1] == 0


def test_without_a_terminal_the_address_is_printed_and_waited_for(keyturn: Cli, account: Account, opened: Path) -> None:
    env = keyturn.env(with_browser(opened))
    with subprocess.Popen(
        [sys.executable, "-m", "keyturn", "login"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as login:
        assert login.stderr
        assert login.stdout
        said = ""
        while not (found := ADDRESS.search(said)):
            said += login.stderr.readline()
        decide(found[0], account)
        assert login.stdout.read() == f"Logged in as {account.email}\n"
        assert "NOISE" not in login.stderr.read()
    assert login.returncode == 0
    assert not opened.exists()


def test_a_denied_login_says_so_and_stores_nothing(terminal: Terminal, account: Account, home: Path) -> None:
    login = terminal("login")
    decide(address_in(login), account, "deny")
    login.expect(r"Error:[^\r\n]* The login was denied in the browser\.\r\n[^\r\n]*next: keyturn login\r\n")
    assert ended(login)[1] == 1
    assert not (home / ".netrc").exists()


def test_a_browser_that_cannot_be_started_does_no_harm(terminal: Terminal, account: Account) -> None:
    login = terminal("login", env={"BROWSER": "/no/such/browser"})
    login.expect_exact(PROMPT)
    login.send("x")
    address = address_in(login)
    login.expect_exact("cannot open a browser with /no/such/browser")
    decide(address, account)
    login.expect_exact(f"Logged in as {account.email}")
    assert ended(login)[1] == 0


@pytest.mark.parametrize(
    ("environ", "platform", "command"),
    [
        ({}, "linux", None),
        ({"DISPLAY": ":0", "PATH": ""}, "linux", None),
        ({"BROWSER": "firefox -P 'my profile'"}, "linux", ["firefox", "-P", "my profile", "%s"]),
        ({"BROWSER": "lynx %s --quiet"}, "linux", ["lynx", "%s", "--quiet"]),
        ({"BROWSER": " "}, "linux", None),
        ({}, "darwin", ["open", "%s"]),
        ({}, "win32", ["rundll32", "url.dll,FileProtocolHandler", "%s"]),
        ({"BROWSER": r"C:\Programs\firefox.exe"}, "win32", [r"C:\Programs\firefox.exe", "%s"]),
    ],
)
def test_a_browser_is_looked_for_where_there_can_be_one(
    environ: dict[str, str], platform: str, command: list[str] | None
) -> None:
    assert browser.opener(environ, platform) == command
