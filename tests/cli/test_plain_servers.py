"""Law: at a Heroku-compatible server that knows nothing of ours, commands work as far as they can, and say how far."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import ended
from tests.cli.plain import EMAIL, TOKEN, Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Terminal
    from tests.conftest import Cli

ALIVE = {"HEROKU_API_KEY": TOKEN}
DEAD = {"HEROKU_API_KEY": "HRKU-dead"}


@pytest.fixture
def plain() -> Iterator[Plain]:
    server = Plain()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def keyturn(plain: Plain, keyturn_at: Callable[[str], Cli]) -> Cli:
    return keyturn_at(plain.url)


def test_why_falls_back_to_the_account_and_says_what_is_not_told(keyturn: Cli, plain: Plain) -> None:
    done = keyturn("auth:why", env=ALIVE)
    assert (done.out, done.code) == (f"This token is alive, for {EMAIL}.\n", 0)
    assert "does not tell its kind, its scope, when it ends, or where it was used" in done.err
    assert plain.seen == [("GET", "/credentials/why"), ("GET", "/account")]


def test_why_of_a_refused_token_says_that_the_reason_is_not_told(keyturn: Cli) -> None:
    done = keyturn("auth:why", env=DEAD)
    assert done.code == 4
    assert done.out == "Invalid credentials provided.\nNext: keyturn login\n"
    assert "does not tell whether it expired, was revoked, or never was one" in done.err


def test_why_cannot_judge_a_request_there(keyturn: Cli) -> None:
    done = keyturn("auth:why", "GET", "/account", env=ALIVE)
    assert done.code == 1
    assert "only trying it shows" in done.err
    assert json.loads(keyturn("auth:why", "GET", "/account", "--json", env=ALIVE).out)["verdict"] == "unknown"


def test_a_preview_there_is_said_to_be_impossible(keyturn: Cli, plain: Plain) -> None:
    for words in (["auth:preview", "logout-all"], ["authorizations:revoke", "one", "--dry-run"],
                  ["logout", "--all"], ["clients:destroy", "c", "--dry-run"]):  # fmt: skip
        done = keyturn(*words, env=ALIVE)
        assert (done.out, done.code) == ("", 1), words
        assert "next: keyturn " in done.err
    assert {method for method, _ in plain.seen} == {"GET"}  # for a server would take an unknown dry_run for the deed


def test_a_revoke_there_is_asked_about_at_a_terminal_and_goes_on_in_a_script(
    keyturn: Cli, plain: Plain, terminal: Terminal
) -> None:
    asked = terminal("authorizations:revoke", "one", cli=keyturn, env=ALIVE)
    asked.expect_exact("does not tell who still uses it")
    asked.expect_exact("Revoke it? [y/N] ")
    asked.sendline("n")
    assert ended(asked)[1] == 1
    assert ("DELETE", "/oauth/authorizations/one") not in plain.seen
    assert keyturn("authorizations:revoke", "one", env=ALIVE).code == 0
    assert ("DELETE", "/oauth/authorizations/one") in plain.seen


def test_an_overlap_is_not_asked_of_a_server_that_would_end_the_old_token_at_once(keyturn: Cli, plain: Plain) -> None:
    done = keyturn("authorizations:rotate", "one", "--overlap", "24h", env=ALIVE)
    assert done.code == 1
    assert "cannot rotate with an overlap; nothing was changed" in done.err
    assert {method for method, _ in plain.seen} == {"GET"}
    assert keyturn("authorizations:rotate", "one", env=ALIVE).code == 0


def test_an_expiry_that_may_not_have_changed_is_warned_of(keyturn: Cli) -> None:
    done = keyturn("authorizations:update", "one", "-e", "30d", env=ALIVE)
    assert done.code == 0
    assert "may not have changed the expiry" in done.err


def test_lists_leave_out_what_is_not_told(keyturn: Cli) -> None:
    line = keyturn("authorizations", "--all", env=ALIVE).out.splitlines()[2]
    assert line.split() == ["a", "tool", "one", "global", "never"]
    assert keyturn("sessions", env=ALIVE).code == 0
    assert keyturn("logout", "--device", "s", "--yes", env=ALIVE).code == 0


def test_doctor_says_what_is_not_told(keyturn: Cli) -> None:
    done = keyturn("auth:doctor", env=ALIVE)
    assert done.code == 0, done
    assert "the server accepts the token in use" in done.out
    assert "does not tell its kind" in done.out
    done = keyturn("auth:doctor", env=DEAD)
    assert done.code == 1
    assert "does not tell whether it expired, was revoked, or never was one" in done.out
    assert json.loads(keyturn("auth:status", "--check", "--json", env=ALIVE).out)["check"]["email"] == EMAIL


@pytest.mark.parametrize("header", ["Warning-Message", "X-Heroku-Warning"])
def test_what_a_server_warns_of_is_said_once_a_run(header: str, keyturn_at: Callable[[str], Cli]) -> None:
    server = Plain(headers={header: "Maintenance tonight."})
    try:
        for words in (["whoami"], ["authorizations:revoke", "one"], ["auth:why"], ["auth:doctor"]):
            assert keyturn_at(server.url)(*words, env=ALIVE).err.count("Maintenance tonight.") == 1, words
        assert len(server.seen) > 4
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("date", "way"), [("Sun, 06 Nov 1994 08:49:37 GMT", "ahead of"), ("Fri, 31 Dec 2999 00:00:00 GMT", "behind")]
)
def test_doctor_compares_the_clocks(date: str, way: str, keyturn_at: Callable[[str], Cli]) -> None:
    server = Plain(date=date)
    try:
        report = json.loads(keyturn_at(server.url)("auth:doctor", "--json", env=ALIVE).out)
    finally:
        server.shutdown()
        server.server_close()
    assert [finding["id"] for finding in report["findings"]] == ["clock-skew"]
    assert f"seconds {way} the server's" in report["findings"][0]["what"]


def test_a_stored_expiry_that_is_near_is_warned_of_where_the_server_does_not(
    keyturn: Cli, plain: Plain, keyturn_env: None
) -> None:
    done = keyturn("whoami")
    assert done.code == 0
    assert done.err.count("this login ends ") == 1


@pytest.fixture
def keyturn_env(plain: Plain) -> None:
    import os
    import time

    from keyturn.client import netrc, state

    netrc.write(netrc.path(os.environ), [f"localhost:{plain.server_port}"], EMAIL, TOKEN)
    state.remember(os.environ, plain.url, TOKEN, email=EMAIL, expires_at=int(time.time()) + 3600)
