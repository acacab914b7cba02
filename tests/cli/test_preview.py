"""Law: a preview shows what an event would end, of what reason, and what lives on; and nothing happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keyturn.client import Client, netrc

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Account, Cli, Server


@pytest.fixture(scope="module")
def stocked(server: Server) -> tuple[Account, str, dict[str, str]]:
    """An account with a login, an API key and an authorization; its login's token, and the ids."""
    account = server.new_account()
    token = server.token(account)
    with Client(server.url, token) as client:
        made = client.authorizations.create("a tool")
        key = client.authorizations.rotate("~")
        login = next(one for one in client.authorizations.list() if one.current)
    return account, token, {"authorization": made.id, "api_key": key.id, "login": login.id}


@pytest.fixture
def keyturn(keyturn: Cli, stocked: tuple[Account, str, dict[str, str]], server: Server, home: Path) -> Cli:
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}"], stocked[0].email, stocked[1])
    return keyturn


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        (["password-change"], {"api_key": "password_changed"}),
        (["password-reset"], {"api_key": "password_reset", "login": "password_reset"}),
        (["logout"], {"login": "logged_out"}),
        (["logout-all"], {"login": "logged_out"}),
        (["sso-on"], dict.fromkeys(("api_key", "login", "authorization"), "sso_enabled")),
        (["revoke", "{authorization}"], {"authorization": "revoked_by_owner"}),
        (["revoke", "~"], {"api_key": "revoked_by_owner"}),
    ],
)
def test_each_event(
    words: list[str], ends: dict[str, str], keyturn: Cli, stocked: tuple[Account, str, dict[str, str]]
) -> None:
    ids = stocked[2]
    asked = [word.format(**ids) for word in words]
    preview = json.loads(keyturn("auth:preview", *asked, "--json").out)
    assert {item["id"]: item["ends_because"] for item in preview["ends"]} == {
        ids[name]: why for name, why in ends.items()
    }
    assert {item["id"] for item in preview["lives"]} == {ids[name] for name in ids.keys() - ends.keys()}
    shown = keyturn("auth:preview", *asked)
    assert shown.code == 0
    before, _, after = shown.out.partition("would live on:")
    for name, identity in ids.items():
        assert (identity in before, identity in after) == (name in ends, name not in ends)
    for reason in ends.values():
        assert reason.replace("_", " ") in before
    assert all(json.loads(keyturn("auth:why", "--id", identity, "--json").out)["alive"] for identity in ids.values())


def test_what_is_made_anew_is_said(keyturn: Cli) -> None:
    assert "password changed; a new one is made" in keyturn("auth:preview", "password-change").out


def test_a_suspension_is_for_administrators(keyturn: Cli, server: Server, account: Account, home: Path) -> None:
    done = keyturn("auth:preview", "suspend", account.email)
    assert (done.out, done.code) == ("", 4)
    admin = server.create_account("admin-of-previews@example.com", "tall oaks from little acorns", admin=True)
    known = server.token(account)
    env = {"HEROKU_API_KEY": server.token(admin)}
    done = keyturn("auth:preview", "suspend", account.email, env=env)
    assert done.code == 0
    assert "owner suspended" in done.out
    assert keyturn("auth:preview", "suspend", "nobody@example.com", env=env).code == 1
    with Client(server.url, known) as client:
        assert client.account().email == account.email


@pytest.mark.parametrize("words", [[], ["revoke"], ["suspend"], ["logout", "x"], ["a-flood"], ["revoke", "a", "b"]])
def test_misuse_is_2(words: list[str], keyturn: Cli) -> None:
    done = keyturn("auth:preview", *words)
    assert (done.out, done.code) == ("", 2)
    assert "next: keyturn auth:preview --help" in done.err


def test_an_id_that_names_none_is_1(keyturn: Cli) -> None:
    assert keyturn("auth:preview", "revoke", "nothing").code == 1
