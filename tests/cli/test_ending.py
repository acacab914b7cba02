"""Law: before anything that somebody uses is ended, the terminal shows who, and asks; scripts are told who, and go on."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import ended

from keyturn.client import Client, netrc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Terminal
    from tests.conftest import Account, Cli, Server

    One = tuple[str, str]
PATIENCE = 60  # uses are written every 15 seconds


@pytest.fixture(scope="module")
def used(server: Server, account: Account, token: str) -> dict[str, list[One]]:
    """Authorizations and logins that curl has just used, by kind: each test takes as many as it ends."""
    made: list[One] = []
    with Client(server.url, token) as client:
        for _ in range(3):
            one = client.authorizations.create("nightly")
            assert one.access_token
            made.append((one.id, one.access_token.token))
        made += [("", server.token(account)) for _ in range(2)]
        for _, secret in made:
            assert server.call("GET", "/account", secret, headers={"User-Agent": "curl/8.14"}).status_code == 200
        deadline = time.monotonic() + PATIENCE
        while not all(server_side(server, secret).get("uses") for _, secret in made):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    found = [(str(server_side(server, secret)["id"]), secret) for _, secret in made]
    return {"authorization": found[:3], "login": found[3:]}


def server_side(server: Server, secret: str) -> dict[str, object]:
    found = server.call("GET", "/credentials/why", secret, headers={"User-Agent": "curl/8.14"}).json()["credential"]
    assert isinstance(found, dict)
    return found


def alive(server: Server, secret: str) -> bool:
    return server.call("GET", "/credentials/why", secret).json()["alive"] is True


def test_a_revoke_at_a_terminal_shows_who_and_asks(
    used: dict[str, list[One]], logged_in: Cli, server: Server, terminal: Terminal
) -> None:
    identity, secret = used["authorization"].pop()
    listed = logged_in("authorizations").out
    assert "just now, 127.0.0.1" in next(line for line in listed.splitlines() if identity in line)
    shown = logged_in("authorizations:info", identity).out
    assert "curl/8.14 at 127.0.0.1, just now" in shown
    for verb, question in (
        ("revoke", "Revoke it? [y/N] "),
        ("rotate", "Rotate it? Its old token ends at once. [y/N] "),
    ):
        asked = terminal(f"authorizations:{verb}", identity)
        asked.expect_exact("1 would end:")
        asked.expect_exact(identity)
        asked.expect_exact("still in use: authorization “nightly” by curl/8.14 at 127.0.0.1, just now")
        asked.expect_exact(question)
        asked.sendline("")
        rest, code = ended(asked)
        assert code == 1
        assert "nothing was ended" in rest
    assert alive(server, secret)
    dry = logged_in("authorizations:revoke", identity, "--dry-run")
    assert (dry.err, dry.code) == ("", 0)
    assert identity in dry.out
    assert json.loads(logged_in("authorizations:rotate", identity, "--dry-run", "--json").out)["event"] == "rotation"
    assert alive(server, secret)
    asked = terminal("authorizations:revoke", identity)
    asked.expect_exact("[y/N] ")
    asked.sendline("y")
    assert ended(asked)[1] == 0
    assert not alive(server, secret)


def test_a_script_is_told_who_used_it_and_goes_on(used: dict[str, list[One]], logged_in: Cli, server: Server) -> None:
    for verb in ("revoke", "rotate"):
        identity, secret = used["authorization"].pop()
        done = logged_in(f"authorizations:{verb}", identity)
        assert done.code == 0
        assert "the authorization “nightly” was in use: curl/8.14 at 127.0.0.1, just now" in done.err
        assert not alive(server, secret)


def test_a_login_elsewhere_is_asked_about_likewise(
    used: dict[str, list[One]], logged_in: Cli, server: Server, terminal: Terminal
) -> None:
    for command in (["sessions:destroy"], ["logout", "--device"]):
        identity, secret = used["login"].pop()
        assert identity in logged_in(*command, identity, "--dry-run").out
        asked = terminal(*command, identity)
        asked.expect_exact("still in use: login “Heroku CLI login from a test” by curl/8.14")
        asked.expect_exact("End it? [y/N] ")
        asked.sendline("n")
        assert ended(asked)[1] == 1
        assert alive(server, secret)
        done = logged_in(*command, identity, "--yes")
        assert done.code == 0
        assert "in use" not in done.err
        assert not alive(server, secret)


def test_what_nobody_uses_is_ended_without_a_question(
    logged_in: Cli, server: Server, token: str, terminal: Terminal
) -> None:
    with Client(server.url, token) as client:
        one = client.authorizations.create("idle")
    done = terminal("authorizations:revoke", one.id)
    rest, code = ended(done)
    assert code == 0
    assert "[y/N]" not in rest


def test_all_logins_end_once_that_is_meant(
    keyturn: Cli, server: Server, home: Path, terminal: Terminal, stored: Callable[[], str]
) -> None:
    account = server.new_account()
    elsewhere = server.token(account)
    keyturn.log_in(account)
    with Client(server.url, elsewhere) as client:
        tool = client.authorizations.create("a tool").access_token
    assert tool
    here = stored()
    done = keyturn("logout", "--all")
    assert (done.out, done.code) == ("", 2)
    assert "next: keyturn logout --all --yes" in done.err
    assert "2 would end:" in keyturn("logout", "--all", "--dry-run").out
    assert "1 would end:" in keyturn("logout", "--dry-run").out
    asked = terminal("logout", "--all")
    asked.expect_exact("2 would end:")
    asked.expect_exact("End all these logins? [y/N] ")
    asked.sendline("n")
    assert ended(asked)[1] == 1
    assert alive(server, elsewhere)
    done = keyturn("logout", "--all", "-y")
    assert done.code == 0
    assert "Logging out everywhere... done, 2 logins ended" in done.err
    assert [alive(server, secret) for secret in (here, elsewhere, tool.token)] == [False, False, True]
    assert netrc.read(str(home / ".netrc")) == []
    assert keyturn("logout", "--all", "--device", "x").code == 2


def test_a_logout_of_all_ends_nothing_out_of_reach_and_says_so(keyturn_at: Callable[[str], Cli], token: str) -> None:
    done = keyturn_at("http://localhost:9")("logout", "--all", "--yes", env={"HEROKU_API_KEY": token})
    assert done.code == 1
    assert "nothing was ended: unlike a plain keyturn logout, this is not kept for later" in done.err


def test_the_stored_token_that_is_no_login_outlives_it(
    keyturn: Cli, server: Server, home: Path, stored: Callable[[], str]
) -> None:
    account = server.new_account()
    with Client(server.url, server.token(account)) as client:
        tool = client.authorizations.create("a tool").access_token
    assert tool
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}"], account.email, tool.token)
    done = keyturn("logout", "--all", "--yes")
    assert done.code == 0
    assert "what is stored on this machine is no login, and still works" in done.err
    assert stored() == tool.token
