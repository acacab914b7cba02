"""Law: whatever a token died of, `auth:why` says it with the command that mends it; one typed on the command line is refused."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import ended

from keyturn.client import Client, netrc
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Terminal
    from tests.conftest import Account, Cli, Server

PATIENCE = 30


def authorization(client: Client, **more: object) -> tuple[str, str]:
    made = client.authorizations.create("a tool", **more)  # type: ignore[arg-type]
    assert made.access_token
    return made.id, made.access_token.token


def test_a_living_one_shows_what_it_is_and_can_do(logged_in: Cli, account: Account) -> None:
    done = logged_in("auth:why")
    assert (done.err, done.code) == ("", 0)
    lines = done.out.splitlines()
    assert lines[0] == "This login “Keyturn CLI login from the tests” is alive."
    fields = dict(line.split(":", 1) for line in lines[1:])
    assert {name: fields[name].strip() for name in ("Account", "Kind", "Scope")} == {
        "Account": account.email, "Kind": "login", "Scope": "global",
    }  # fmt: skip
    assert fields["Life"].strip().startswith("expires in ")


def test_a_request_is_judged_with_the_scope_that_it_needs(logged_in: Cli, server: Server, token: str) -> None:
    with Client(server.url, token) as client:
        _, reader = authorization(client, scope=["read"])
    allowed = logged_in("auth:why", "-", "GET", "/account", input=reader)
    assert allowed.code == 0
    assert "GET /account: allowed (account:read)" in allowed.out
    refused = logged_in("auth:why", "-", "patch", "/account", input=f"{reader}\n")
    assert refused.code == 4
    assert (
        "PATCH /account: refused with 403: This token's scope (read) does not allow this: it takes global."
        in refused.out
    )
    assert "keyturn authorizations:create --scope global" in refused.out
    assert logged_in("auth:why", "PATCH", "/account").code == 0
    missing = logged_in("auth:why", "GET", "/nowhere", "--json")
    assert (json.loads(missing.out)["status"], missing.code) == (404, 4)


def _logout(client: Client, server: Server, account: Account) -> str:
    dying = server.token(account)
    with Client(server.url, dying) as leaving:
        leaving.sessions.logout()
    return dying


def _revoked(client: Client, server: Server, account: Account) -> str:
    identity, dying = authorization(client)
    client.authorizations.revoke(identity)
    return dying


def _rotated(client: Client, server: Server, account: Account) -> str:
    identity, dying = authorization(client)
    client.authorizations.rotate(identity)
    return dying


def _expired(client: Client, server: Server, account: Account) -> str:
    _, dying = authorization(client, expires_in=1)
    deadline = time.monotonic() + PATIENCE
    with Client(server.url, dying) as expiring:
        while expiring.why().alive and time.monotonic() < deadline:
            time.sleep(0.2)
    return dying


def _password_changed(client: Client, server: Server, account: Account) -> str:
    dying = server.token(account)
    client.change_password(account.password, account.password + " anew")
    return dying


@pytest.mark.parametrize(
    ("die", "reason", "sentence"),
    [
        (_logout, "logged_out", "was logged out on"),
        (_revoked, "revoked_by_owner", "was revoked by its owner on"),
        (_rotated, "rotated", "has a newer token"),
        (_expired, "expired", "expired on"),
        (_password_changed, "password_changed", "when the account's password was changed"),
    ],
)
def test_each_death_is_explained(
    die: Callable[[Client, Server, Account], str], reason: str, sentence: str, keyturn: Cli, server: Server
) -> None:
    account = server.new_account()
    with Client(server.url, server.token(account)) as client:
        dead = die(client, server, account)
    done = keyturn("auth:why", "-", input=dead)
    assert done.code == 4
    assert sentence in done.out.splitlines()[0]
    assert "\nNext: " in done.out
    told = json.loads(keyturn("auth:why", "-", "--json", input=dead).out)
    assert (told["reason"], told["alive"]) == (reason, False)
    refused = keyturn("whoami", env={"HEROKU_API_KEY": dead})  # and the 401 says the same
    assert refused.code == 4
    assert told["message"] in refused.err
    assert dead not in done.out + done.err + refused.err


def test_one_that_was_listed_is_explained_by_its_id(
    logged_in: Cli, server: Server, token: str, account: Account
) -> None:
    with Client(server.url, token) as client:
        identity, _ = authorization(client)
        assert logged_in("auth:why", "--id", identity).code == 0
        client.authorizations.revoke(identity)
    done = logged_in("auth:why", "--id", identity)
    assert done.code == 4
    assert f"by {account.email}" in done.out
    assert f"keyturn authorizations:create --like {identity}" in done.out
    assert logged_in("auth:why", "--id", "nothing").code == 1


def test_a_dead_stored_login_is_explained_without_logging_in_again(
    keyturn: Cli, account: Account, server: Server, home: Path
) -> None:
    dead = server.token(account)
    with Client(server.url, dead) as client:
        client.sessions.logout()
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}"], account.email, dead)
    done = keyturn("auth:why")
    assert done.code == 4
    assert "was logged out on" in done.out


@pytest.mark.parametrize(
    "words", [["{}"], ["GET", "{}"], ["--token={}"], ["-", "{}"], ["--token", "{}"], ["'{}'"], ["TOKEN={}"]]
)
def test_a_token_typed_as_an_argument_is_refused_and_never_echoed(words: list[str], keyturn: Cli) -> None:
    secret = grammar.make("login", lambda count: b"a" * count)
    done = keyturn("auth:why", *(word.format(secret) for word in words), input="")
    assert (done.out, done.code) == ("", 2)
    assert "a token is not taken from the command line: other users of this machine can see it there" in done.err
    assert "next: keyturn auth:why --ask" in done.err
    assert secret not in done.err


@pytest.mark.parametrize(
    "words", [["GET"], ["GET", "account"], ["FETCH", "/account"], ["a", "b", "c"], ["--what"], ["-", "--id", "x"]]
)
def test_other_misuse_is_2(words: list[str], keyturn: Cli) -> None:
    done = keyturn("auth:why", *words)
    assert (done.out, done.code) == ("", 2)
    assert "next: keyturn auth:why --help" in done.err


def test_nothing_on_stdin_is_said(keyturn: Cli) -> None:
    assert keyturn("auth:why", "-", input="").code == 1
    assert keyturn("auth:why").code == 4
    assert "keyturn auth:why - < FILE" in keyturn("auth:why", "--ask").err


@pytest.mark.parametrize("how", ["--ask", "-"])
def test_one_is_asked_for_without_being_shown(how: str, keyturn: Cli, token: str, terminal: Terminal) -> None:
    asked = terminal("auth:why", how)
    asked.expect_exact("Token: ")
    asked.sendline(token)
    rest, code = ended(asked)
    assert code == 0
    assert "is alive." in rest
    assert token not in rest


def test_an_unknown_token_learns_nothing(keyturn: Cli) -> None:
    done = keyturn("auth:why", "-", "--json", input=grammar.make("login", lambda count: b"u" * count))
    told = json.loads(done.out)
    assert (done.code, told["reason"], told["credential"]) == (4, "unknown", None)
