"""The real Heroku CLI at an account with two-factor authentication: it asks for the code where it is wanted, and passes it on."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.interop.conftest import Heroku
from tests.interop.test_heroku_cli import ended, stored_token
from tests.support.app_codes import App, turn_on

from keyturn.client import Client

if TYPE_CHECKING:
    from pathlib import Path

    import pexpect
    from tests.conftest import Account, Server

pytestmark = pytest.mark.interop


class Oathtool(App):
    """An app whose codes somebody else's program computes: RFC 6238 as oathtool understands it."""

    def code(self) -> str:
        ours = super().code()
        moment = f"@{self._last * 30}"
        done = subprocess.run(
            ["oathtool", "--totp", "--now", moment, "-"],
            input=self.seed.hex(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == ours
        return done.stdout.strip()


@dataclass
class Proven:
    """An account with two-factor authentication, an authorization of it, and its app."""

    account: Account
    token: str
    app: Oathtool
    recovery_codes: tuple[str, ...]


@pytest.fixture(scope="module")
def proven(server: Server) -> Proven:
    assert shutil.which("oathtool"), "oathtool is not installed: run `make test`"
    account = server.new_account()
    with Client(server.url, server.token(account)) as client:
        made = client.authorizations.create("a script")
    assert made.access_token is not None
    app, codes = turn_on(server.url, made.access_token.token, account.password, Oathtool)
    return Proven(account, made.access_token.token, app, codes)


def begin_login(heroku: Heroku, account: Account) -> pexpect.spawn[str]:
    """Starts `heroku login -i`, up to the question for the code."""
    terminal = heroku.on_terminal("login", "-i")
    terminal.expect("Email")
    terminal.send(f"{account.email}\r")
    terminal.expect("Password")
    terminal.send(f"{account.password}\r")
    terminal.expect("Two-factor code")
    return terminal


@dataclass(frozen=True)
class WithKey(Heroku):
    """The CLI with a token in HEROKU_API_KEY."""

    token: str = ""

    def env(self) -> dict[str, str]:
        return super().env() | {"HEROKU_API_KEY": self.token}


@pytest.fixture
def with_key(heroku: Heroku, proven: Proven) -> WithKey:
    """With the account's authorization, which is asked for a code each time."""
    return WithKey(heroku.url, heroku.home, proven.token)


def new_key(folder: Path) -> str:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", folder.name, "-f", str(folder / "id")], check=True
    )
    return str(folder / "id.pub")


def test_a_login_with_the_password_takes_the_code(heroku: Heroku, proven: Proven) -> None:
    terminal = begin_login(heroku, proven.account)
    right = proven.app.code()
    terminal.send(f"{right}\r")
    terminal.expect(f"Logged in as {proven.account.email}")
    assert right not in str(terminal.before)
    assert ended(terminal)[1] == 0
    assert stored_token(heroku).startswith("ktl_")
    for words in (["auth:2fa"], ["2fa"], ["twofactor"]):
        shown = heroku(*words)
        assert (shown.out.strip(), shown.code) == ("Two-factor authentication is enabled", 0), shown


def test_a_login_takes_a_recovery_code_as_well(heroku: Heroku, proven: Proven) -> None:
    terminal = begin_login(heroku, proven.account)
    terminal.send(f"{proven.recovery_codes[0]}\r")
    terminal.expect(f"Logged in as {proven.account.email}")
    assert ended(terminal)[1] == 0


def test_a_login_with_a_wrong_code_says_so_and_stores_nothing(heroku: Heroku, proven: Proven) -> None:
    terminal = begin_login(heroku, proven.account)
    terminal.send(f"{proven.app.wrong()}\r")
    said, code = ended(terminal)
    assert "That code is wrong, or was used already." in " ".join(said.replace("›", " ").split())
    assert "two_factor" in said
    assert code == 2
    assert not heroku.netrc.exists()


def test_a_sensitive_call_by_an_authorization_is_asked_for_a_code_until_it_is_right(
    with_key: WithKey, proven: Proven, tmp_path: Path
) -> None:
    terminal = with_key.on_terminal("keys:add", new_key(tmp_path))
    terminal.expect("Two-factor code")
    terminal.send(f"{proven.app.wrong()}\r")
    terminal.expect("Two-factor code")
    terminal.send(f"{proven.app.code()}\r")
    said, code = ended(terminal)
    assert code == 0, said
    shown = with_key("keys")
    assert tmp_path.name in shown.out, shown


def test_without_a_terminal_a_sensitive_call_changes_nothing(
    with_key: WithKey, proven: Proven, server: Server, tmp_path: Path
) -> None:
    refused = with_key("keys:add", new_key(tmp_path))
    assert refused.code == 1
    assert "Two-factor authentication requires an interactive terminal" in refused.err
    with Client(server.url, proven.token) as client:
        assert tmp_path.name not in {key.comment for key in client.keys.list()}


def test_a_login_that_just_gave_its_code_is_not_asked_again(heroku: Heroku, proven: Proven, tmp_path: Path) -> None:
    terminal = begin_login(heroku, proven.account)
    terminal.send(f"{proven.app.code()}\r")
    terminal.expect(f"Logged in as {proven.account.email}")
    assert ended(terminal)[1] == 0
    added = heroku("keys:add", new_key(tmp_path))
    assert added.code == 0, added


def test_an_account_without_it_is_told_that_it_is_not_enabled(heroku: Heroku, account: Account, server: Server) -> None:
    shown = WithKey(heroku.url, heroku.home, server.token(account))("auth:2fa")
    assert (shown.out.strip(), shown.code) == ("Two-factor authentication is not enabled", 0), shown
