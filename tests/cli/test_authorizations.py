"""Law: authorizations are made, shown, rotated and revoked, and a token is printed whole only when it is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keyturn.client import Client, Unauthorized, netrc
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Account, Cli, Server


def made(keyturn: Cli, *words: str) -> dict[str, str]:
    """A new authorization's id and token."""
    body = json.loads(keyturn("authorizations:create", "--json", *words).out)
    return {"id": body["id"], "token": body["access_token"]["token"]}


def reason(server: Server, token: str) -> str | None:
    with Client(server.url, token) as client, pytest.raises(Unauthorized) as refused:
        client.account()
    return refused.value.reason


def test_a_new_one_shows_its_token_once(logged_in: Cli, account: Account) -> None:
    done = logged_in("authorizations:create", "-d", "backup job", "-s", "read,write", "-e", "86400")
    assert done.code == 0
    assert done.err.startswith("Creating OAuth Authorization... done\n")
    fields = dict(line.split(":", 1) for line in done.out.splitlines())
    assert {name: fields[name].strip() for name in ("Client", "Description", "Scope", "Kind")} == {
        "Client": "<none>", "Description": "backup job", "Scope": "read,write", "Kind": "authorization",
    }  # fmt: skip
    token, identity = fields["Token"].strip(), fields["ID"].strip()
    assert grammar.kind_of(token) == "authorization"
    assert "never" not in fields["Expires at"]
    assert logged_in("whoami", env={"HEROKU_API_KEY": token}).out == f"{account.email}\n"
    for words in (
        ["authorizations"],
        ["authorizations", "--json"],
        ["authorizations:info", identity],
        ["authorizations:info", identity, "--json"],
    ):
        shown = logged_in(*words)
        assert shown.code == 0
        assert identity in shown.out
        assert token not in shown.out + shown.err


def test_short_prints_the_token_alone(logged_in: Cli, account: Account) -> None:
    done = logged_in("authorizations:create", "-S")
    assert grammar.is_token(done.out.removesuffix("\n"))
    assert logged_in("whoami", env={"HEROKU_API_KEY": done.out}).out == f"{account.email}\n"


def test_the_list_is_a_table_by_description(keyturn: Cli, server: Server) -> None:
    account = server.new_account()
    keyturn.log_in(account)
    for description in ("beta", "Alpha"):
        made(keyturn, "-d", description)
    lines = keyturn("authorizations").out.splitlines()
    assert lines[0].split() == ["Description", "ID", "Scope", "Kind", "Last", "used", "Expires"]
    assert [line.split()[0] for line in lines[2:]] == ["Alpha", "beta", "Keyturn"]
    assert [line.split()[-1] for line in lines[2:4]] == ["never", "never"]
    assert len({len(line.split("  ")[0]) for line in lines[1:2]}) == 1


def test_one_is_described_otherwise(logged_in: Cli) -> None:
    one = made(logged_in, "-d", "old")
    done = logged_in("authorizations:update", one["id"], "-d", "new\x1b[31m words")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert json.loads(logged_in("authorizations:info", one["id"], "--json").out)["description"].startswith("new")


def test_one_is_rotated(logged_in: Cli, account: Account, server: Server) -> None:
    old = made(logged_in, "-d", "rotated")
    done = logged_in("authorizations:rotate", old["id"], "-S")
    assert grammar.is_token(done.out.strip())
    assert logged_in("whoami", env={"HEROKU_API_KEY": done.out}).out == f"{account.email}\n"
    assert reason(server, old["token"]) == "rotated"


def test_the_api_key_is_made_by_rotating_it(keyturn: Cli, server: Server) -> None:
    account = server.new_account()
    keyturn.log_in(account)
    done = keyturn("authorizations:rotate", "~", "-S")
    assert grammar.kind_of(done.out) == "api_key"
    assert keyturn("whoami", env={"HEROKU_API_KEY": done.out}).out == f"{account.email}\n"


def use(home: Path, server: Server, account: Account, token: str) -> None:
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}", "localhost"], account.email, token)


def test_rotating_the_one_in_use_keeps_this_machine_logged_in(
    logged_in: Cli, account: Account, server: Server, home: Path, stored: Callable[[], str]
) -> None:
    one = made(logged_in, "-d", "in use")
    use(home, server, account, one["token"])
    done = logged_in("authorizations:rotate", one["id"], "-S")
    assert done.code == 0
    assert stored() == done.out.strip() != one["token"]
    assert [entry.password for entry in netrc.read(str(home / ".netrc"))] == [done.out.strip()] * 2
    assert logged_in("whoami").out == f"{account.email}\n"


def test_one_is_revoked_at_once(logged_in: Cli, server: Server) -> None:
    one = made(logged_in, "-d", "leaked")
    for verb in ("authorizations:revoke", "authorizations:destroy"):
        done = logged_in(verb, one["id"])
        if verb == "authorizations:revoke":
            assert (done.out, done.code) == ("", 0)
            assert done.err == "Revoking OAuth Authorization... done, revoked authorization from leaked\n"
        else:
            assert done.code == 1
            assert done.err.startswith("Revoking OAuth Authorization... !\n")
    assert reason(server, one["token"]) == "revoked_by_owner"


def test_revoking_the_one_in_use_logs_this_machine_out(
    logged_in: Cli, account: Account, server: Server, home: Path
) -> None:
    one = made(logged_in, "-d", "in use")
    use(home, server, account, one["token"])
    done = logged_in("authorizations:revoke", one["id"])
    assert done.code == 0
    assert "you are logged out now. To log in: keyturn login" in done.err
    assert netrc.read(str(home / ".netrc")) == []


@pytest.mark.parametrize("identity", ["no-such-id", "../../account", "a b?c#d", "é"])
def test_an_id_that_names_none_is_1(identity: str, logged_in: Cli) -> None:
    for verb in ("info", "revoke", "rotate"):
        done = logged_in(f"authorizations:{verb}", identity)
        assert done.code == 1
        assert "Error: " in done.err
    assert logged_in("whoami").code == 0


def test_an_unknown_scope_is_refused_with_the_ones_there_are(logged_in: Cli) -> None:
    done = logged_in("authorizations:create", "-s", "everything")
    assert (done.out, done.code) == ("", 1)
    assert "write-protected" in done.err
