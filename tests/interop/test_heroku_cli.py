"""The real Heroku CLI, unmodified, from login to logout."""

from __future__ import annotations

import json
import netrc
import subprocess
from typing import TYPE_CHECKING

import pexpect
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Account, Cli, Server
    from tests.interop.conftest import Heroku, Window

pytestmark = pytest.mark.interop


def stored_token(heroku: Heroku) -> str:
    entry = netrc.netrc(heroku.netrc).authenticators(heroku.url.removeprefix("http://"))
    assert entry is not None
    return entry[2]


def ended(terminal: pexpect.spawn[str]) -> tuple[str, int | None]:
    terminal.expect(pexpect.EOF)
    terminal.close()
    return terminal.before or "", terminal.exitstatus


def begin_in_browser(heroku: Heroku) -> tuple[pexpect.spawn[str], str]:
    """Start `heroku login`, let it open the browser, and read the address that it prints."""
    terminal = heroku.on_terminal("login")
    terminal.expect("Press any key to open up the browser")
    terminal.send(" ")
    terminal.expect(rf"{heroku.url}/auth/browser/[^\s\x1b]+")
    return terminal, str(terminal.after)


def log_in_with_password(heroku: Heroku, account: Account) -> tuple[str, int | None]:
    terminal = heroku.on_terminal("login", "-i")
    terminal.expect("Email")
    terminal.send(f"{account.email}\r")
    terminal.expect("Password")
    terminal.send(f"{account.password}\r")
    return ended(terminal)


@pytest.fixture
def logged_in(heroku: Heroku, keyturn: Cli, account: Account) -> Heroku:
    """The Heroku CLI, logged in by ours: both read the same netrc."""
    keyturn.log_in(account)
    return heroku


def test_a_login_in_the_browser_is_approved_there_and_goes_on_in_the_terminal(
    heroku: Heroku, account: Account, window: Window
) -> None:
    terminal, address = begin_in_browser(heroku)
    window.page.goto(address)
    window.sign_in(account.email, account.password)
    window.page.get_by_role("button", name="Approve login").click()
    window.page.get_by_role("heading", name="logged in").wait_for()
    terminal.expect(f"Logged in as {account.email}")
    assert ended(terminal)[1] == 0
    whoami = heroku("auth:whoami")
    assert (whoami.out.strip(), whoami.code) == (account.email, 0), whoami


def test_a_login_denied_in_the_browser_ends_in_the_terminal_and_stores_nothing(
    heroku: Heroku, account: Account, window: Window
) -> None:
    terminal, address = begin_in_browser(heroku)
    window.page.goto(address)
    window.sign_in(account.email, account.password)
    window.page.get_by_role("button", name="Deny").click()
    window.page.get_by_role("heading", name="Login denied").wait_for()
    said, code = ended(terminal)
    assert "The login was denied in the browser." in said
    assert code == 2
    assert not heroku.netrc.exists()


def test_a_login_with_the_password_stores_a_token_and_not_the_password(heroku: Heroku, account: Account) -> None:
    said, code = log_in_with_password(heroku, account)
    assert f"Logged in as {account.email}" in said
    assert code == 0
    assert heroku("whoami").out.strip() == account.email
    assert account.password not in heroku.netrc.read_text()


def test_a_login_with_a_wrong_password_says_so_and_stores_nothing(heroku: Heroku, account: Account) -> None:
    said, code = log_in_with_password(heroku, type(account)(account.email, "not the password of anybody"))
    assert "the e-mail or the password is wrong" in said
    assert "unauthorized" in said
    assert code == 2
    assert not heroku.netrc.exists()


def test_auth_token_prints_the_token_alone_and_warns_of_its_end(heroku: Heroku, account: Account) -> None:
    assert log_in_with_password(heroku, account)[1] == 0
    shown = heroku("auth:token")
    assert shown.out.strip() == stored_token(heroku)
    assert "token will expire" in shown.err
    assert "authorizations:create" in shown.err


def test_our_own_login_serves_the_heroku_cli_too(logged_in: Heroku, account: Account) -> None:
    shown = logged_in("whoami")
    assert (shown.out.strip(), shown.code) == (account.email, 0), shown


def test_an_authorization_lives_from_its_creation_to_its_revocation(logged_in: Heroku, server: Server) -> None:
    made = logged_in("authorizations:create", "-d", "nightly build", "-s", "read", "-e", "3600", "--json")
    assert made.code == 0, made
    authorization = json.loads(made.out)
    identity, token = authorization["id"], authorization["access_token"]["token"]
    assert authorization["scope"] == ["read"]
    assert 3500 < authorization["access_token"]["expires_in"] <= 3600
    assert server.call("GET", "/account", token).status_code == 200

    listed = logged_in("authorizations")
    assert "nightly build" in listed.out
    assert identity in listed.out
    assert token not in listed.out
    assert identity in {one["id"] for one in json.loads(logged_in("authorizations", "--json").out)}

    info = json.loads(logged_in("authorizations:info", identity, "--json").out)
    assert (info["id"], info["description"]) == (identity, "nightly build")
    assert "nightly build" in logged_in("authorizations:info", identity).out

    updated = logged_in("authorizations:update", identity, "-d", "weekly build")
    assert updated.code == 0, updated
    assert "weekly build" in logged_in("authorizations").out

    rotated = logged_in("authorizations:rotate", identity)
    assert rotated.code == 0, rotated
    refused = server.call("GET", "/account", token)
    assert (refused.status_code, refused.json()["reason"]) == (401, "rotated")

    revoked = logged_in("authorizations:revoke", identity)
    assert "done, revoked authorization from weekly build" in revoked.out + revoked.err
    assert identity not in logged_in("authorizations").out


def test_an_authorization_printed_short_is_the_token_alone(logged_in: Heroku, server: Server, account: Account) -> None:
    token = logged_in("authorizations:create", "-S").out.strip()
    assert server.call("GET", "/account", token).json()["email"] == account.email


def test_the_warnings_of_answers_are_shown_to_whoever_uses_the_heroku_cli(
    logged_in: Heroku, server: Server, account: Account
) -> None:
    token = server.token(account)
    made = server.call("POST", "/oauth/authorizations", token, json={"description": "nightly build"}).json()
    path = f"/oauth/authorizations/{made['id']}/actions/regenerate-tokens"
    assert server.call("POST", path, token, json={"overlap": 3600}).ok
    logged_in.netrc.write_text(
        logged_in.netrc.read_text().replace(stored_token(logged_in), made["access_token"]["token"])
    )
    shown = logged_in("keys")
    assert "this token was rotated and ends on" in " ".join(shown.err.split()).replace(" › ", " "), shown


def test_sessions_are_listed_and_destroyed(logged_in: Heroku, server: Server, account: Account) -> None:
    elsewhere = server.call(
        "POST",
        "/oauth/authorizations",
        auth=(account.email, account.password),
        json={"description": "Heroku CLI login from elsewhere"},
    ).json()
    assert "Heroku CLI login from elsewhere" in logged_in("sessions").out
    sessions = json.loads(logged_in("sessions", "--json").out)
    identity = next(one["id"] for one in sessions if one["description"] == "Heroku CLI login from elsewhere")
    destroyed = logged_in("sessions:destroy", identity)
    assert destroyed.code == 0, destroyed
    refused = server.call("GET", "/account", elsewhere["access_token"]["token"])
    assert (refused.status_code, refused.json()["reason"]) == (401, "logged_out")
    assert logged_in("whoami").code == 0


def test_ssh_keys_are_added_listed_removed_and_cleared(logged_in: Heroku, tmp_path: Path) -> None:
    for name in ("laptop", "desktop", "tablet"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"me@{name}", "-f", str(tmp_path / name)], check=True
        )
        added = logged_in("keys:add", str(tmp_path / f"{name}.pub"))
        assert added.code == 0, added
    listed = logged_in("keys")
    assert all(f"me@{name}" in listed.out for name in ("laptop", "desktop", "tablet")), listed
    removed = logged_in("keys:remove", "me@laptop")
    assert removed.code == 0, removed
    comments = {one["comment"] for one in json.loads(logged_in("keys", "--json").out)}
    assert comments == {"me@desktop", "me@tablet"}
    cleared = logged_in("keys:clear")
    assert cleared.code == 0, cleared
    assert "You have no SSH keys" in "".join((logged_in("keys").out, logged_in("keys").err))


@pytest.mark.parametrize("way", ["browser", "password"])
def test_logging_out_ends_the_token_at_the_server(
    heroku: Heroku, server: Server, account: Account, window: Window, way: str
) -> None:
    if way == "password":
        assert log_in_with_password(heroku, account)[1] == 0
    else:
        terminal, address = begin_in_browser(heroku)
        window.page.goto(address)
        window.sign_in(account.email, account.password)
        window.page.get_by_role("button", name="Approve login").click()
        assert ended(terminal)[1] == 0
    token = stored_token(heroku)
    other = server.token(account)
    out = heroku("logout")
    assert out.code == 0, out
    assert "localhost" not in heroku.netrc.read_text()
    refused = server.call("GET", "/account", token)
    assert (refused.status_code, refused.json()["reason"]) == (401, "logged_out")
    assert server.call("GET", "/account", other).status_code == 200, (
        "logging out ended a login that it was not asked to"
    )
    assert heroku("whoami").code == 100
