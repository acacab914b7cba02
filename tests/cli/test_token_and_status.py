"""Law: the token that counts is known without asking anybody, and every source of one is explained."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pexpect
import pytest

from keyturn.client import Client, state
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Account, Cli, Server

NOWHERE = "http://localhost:9"
TOKEN = grammar.make("login", lambda count: b"t" * count)


@pytest.fixture
def keyturn_nowhere(keyturn_at: Callable[[str], Cli], home: Path) -> Cli:
    """Logged in to a server that does not run."""
    (home / ".netrc").write_text(f"machine localhost:9 login me@example.com password {TOKEN}\n")
    return keyturn_at(NOWHERE)


def known(token: str, expires_in: int) -> None:
    state.remember(
        __import__("os").environ, NOWHERE, token, email="me@example.com", expires_at=int(time.time()) + expires_in
    )


def test_stdout_is_the_token_alone(keyturn_nowhere: Cli) -> None:
    known(TOKEN, 3600)
    done = keyturn_nowhere("auth:token")
    assert (done.out, done.code) == (f"{TOKEN}\n", 0)
    assert done.err.startswith(" ›   Warning: token will expire ")
    assert done.err.endswith(" ›   For production, use a token of its own: keyturn authorizations:create\n")


@pytest.mark.parametrize(
    ("token", "expires_in", "said"),
    [
        (TOKEN, 365 * 24 * 3600, "token will expire on "),
        (TOKEN, -3600, "token expired "),
        (TOKEN, 400 * 24 * 3600, ""),
        (TOKEN[:-1] + "x", 3600, ""),
    ],
)
def test_the_warning_is_about_this_very_token_and_a_short_life(
    token: str, expires_in: int, said: str, keyturn_nowhere: Cli
) -> None:
    known(token, expires_in)
    done = keyturn_nowhere("auth:token")
    assert (done.out, done.code) == (f"{TOKEN}\n", 0)
    assert said in done.err
    assert bool(said) == bool(done.err)


def test_no_login_is_4_with_the_command_for_that_very_server(keyturn_nowhere: Cli) -> None:
    for words in (
        ["auth:token", "--host", "other.example"],
        ["whoami", "--host", "other.example"],
        ["auth:status", "--host", "other.example"],
    ):
        done = keyturn_nowhere(*words)
        assert done.code == 4
        assert "not logged in to other.example" in done.err
        assert "keyturn login --host other.example" in done.err
    assert keyturn_nowhere("auth:token", "--host", "other.example").out == ""


def test_the_variable_that_is_often_meant_is_told_of(keyturn_at: Callable[[str], Cli]) -> None:
    done = keyturn_at(NOWHERE)("auth:token", env={"HEROKU_API_TOKEN": TOKEN})
    assert done.code == 4
    assert "HEROKU_API_TOKEN is set; the name that counts is HEROKU_API_KEY" in done.err
    assert TOKEN not in done.err


def test_a_pipe_is_never_given_a_dialogue(keyturn_at: Callable[[str], Cli], home: Path) -> None:
    shell = keyturn_at(NOWHERE)
    script = home / "caller"
    script.write_text('#!/bin/sh\ntoken=$(keyturn auth:token); echo "code $? token <$token>"\n')
    caller = pexpect.spawn("/bin/sh", [str(script)], env=shell.env(), encoding="utf-8", timeout=30)
    caller.expect_exact("not logged in to localhost:9")
    caller.expect_exact("code 4 token <>")
    caller.close()


def test_output_that_cannot_be_written_is_a_failure(keyturn_nowhere: Cli) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "keyturn", "auth:token"],
            env=keyturn_nowhere.env(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


# auth:status


def sources(keyturn: Cli, **env: str) -> list[tuple[str, str]]:
    report = json.loads(keyturn("auth:status", "--json", env=env).out)
    return [(str(source["source"]).rpartition("/")[2], source["why"]) for source in report["sources"]]


def test_status_explains_every_source(keyturn_at: Callable[[str], Cli], home: Path) -> None:
    keyturn = keyturn_at(NOWHERE)
    assert sources(keyturn) == [(".netrc", "there is no such file")]
    (home / ".netrc").write_text("machine other login a password b\n")
    assert sources(keyturn) == [(".netrc", "it has no machine localhost:9 or localhost")]
    (home / ".netrc").write_text(
        f"machine localhost:9 login a password {TOKEN}\nmachine localhost login a password {TOKEN}\n"
        "machine localhost:9 password x\n"
    )
    assert sources(keyturn, HEROKU_API_KEY="") == [
        ("HEROKU_API_KEY", "it is set but empty, and counts as not set"),
        (".netrc: machine localhost:9", "wins"),
        (".netrc: machine localhost:9", "an earlier entry of the same machine counts"),
        (".netrc: machine localhost", "for curl and git, which ignore ports; the same token"),
    ]
    assert sources(keyturn, HEROKU_API_KEY="given")[:2] == [
        ("HEROKU_API_KEY", "wins"),
        (".netrc: machine localhost:9", "HEROKU_API_KEY overrides it"),
    ]


def test_status_tells_an_api_entry_from_a_git_entry_that_differs(keyturn_at: Callable[[str], Cli], home: Path) -> None:
    (home / ".netrc").write_text(
        "machine api.example.com login a password one\nmachine git.example.com login a password two\n"
    )
    assert [why for _, why in sources(keyturn_at("example.com"))] == [
        "wins",
        "for git; another token than the API's: keyturn login makes them one",
    ]


def test_status_tells_of_another_servers_token_on_the_same_name(keyturn_at: Callable[[str], Cli], home: Path) -> None:
    (home / ".netrc").write_text(
        f"machine localhost:8 login a password {TOKEN}\nmachine localhost login a password {TOKEN}\n"
    )
    assert sources(keyturn_at(NOWHERE)) == [
        (".netrc: machine localhost", "it holds the token of a server on another port")
    ]
    assert keyturn_at(NOWHERE)("auth:status").code == 4


def test_status_tells_of_a_netrc_that_cannot_be_read(keyturn_at: Callable[[str], Cli], home: Path) -> None:
    (home / ".netrc").mkdir()
    done = keyturn_at(NOWHERE)("auth:status", env={"HEROKU_API_KEY": "given"})
    assert done.code == 0
    assert "HEROKU_API_KEY does not need it" in done.out
    done = keyturn_at(NOWHERE)("auth:status")
    assert (done.out, done.code) == ("", 1)
    assert ".netrc" in done.err


def test_status_never_shows_a_token(keyturn_nowhere: Cli) -> None:
    known(TOKEN, 3600)
    env = {"HEROKU_API_KEY": "plain-secret"}
    for words in (["auth:status"], ["auth:status", "--json"]):
        done = keyturn_nowhere(*words, env=env)
        assert done.code == 0
        assert TOKEN not in done.out + done.err
        assert "plain-secret" not in done.out + done.err
        assert grammar.mask(TOKEN) in done.out


def test_status_with_check_asks_the_server(
    keyturn: Cli, account: Account, server: Server, stored: Callable[[], str]
) -> None:
    keyturn.log_in(account)
    done = keyturn("auth:status", "--check")
    assert done.code == 0
    assert f"the server accepts it, for {account.email}" in done.out
    with Client(server.url, stored()) as client:
        client.sessions.logout()
    done = keyturn("auth:status", "--check", "--json")
    assert done.code == 4
    check = json.loads(done.out)["check"]
    assert (check["alive"], check["reason"], check["next"]) == (False, "logged_out", "keyturn login")
    assert keyturn("auth:status").code == 0
