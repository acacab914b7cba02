"""Law: a server that asks for a second factor gets it, one that lies about addresses opens nothing, and none steers a terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import ended
from tests.client.stub import Stub, answer

from keyturn.client import netrc
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Terminal
    from tests.client.stub import Reply
    from tests.conftest import Cli

TOKEN = grammar.make("login", lambda count: b"s" * count)
TWO_FACTOR = answer({"id": "two_factor", "message": "Two-factor code required."}, 403)
MINTED = answer({"access_token": {"token": TOKEN, "expires_in": 60}, "user": {"email": "me@example.com"}}, 201)


@pytest.fixture
def stub() -> Iterator[Callable[..., Stub]]:
    running: list[Stub] = []

    def start(*replies: Reply | None) -> Stub:
        running.append(Stub(*replies))
        return running[-1]

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def test_a_second_factor_is_asked_for_at_a_login(
    stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli], terminal: Terminal
) -> None:
    server = stub(TWO_FACTOR, MINTED)
    login = terminal("login", "-i", "-e", "60", cli=keyturn_at(server.url))
    login.expect_exact("Email: ")
    login.sendline("me@example.com")
    login.expect_exact("Password: ")
    login.sendline("correct horse")
    login.expect_exact("Two-factor code: ")
    login.sendline("123456")
    login.expect_exact("Logged in as me@example.com")
    rest, code = ended(login)
    assert code == 0
    assert "This login ends today at" in rest or "This login ends on" in rest
    first, second = server.seen
    assert "heroku-two-factor-code" not in first[2]
    assert second[2]["heroku-two-factor-code"] == "123456"
    assert first[3] == second[3]
    asked = json.loads(first[3])
    assert (asked["expires_in"], asked["scope"]) == (60, ["global"])
    assert asked["description"].startswith("Keyturn CLI login from ")


def test_a_second_factor_is_asked_for_by_any_command(
    stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli], terminal: Terminal
) -> None:
    server = stub(TWO_FACTOR, answer({"email": "me@example.com"}))
    whoami = terminal("whoami", cli=keyturn_at(server.url), env={"HEROKU_API_KEY": TOKEN})
    whoami.expect_exact("Two-factor code: ")
    whoami.sendline("123456")
    whoami.expect_exact("me@example.com")
    assert ended(whoami)[1] == 0
    assert server.seen[1][2]["heroku-two-factor-code"] == "123456"
    done = keyturn_at(stub(TWO_FACTOR).url)("whoami", env={"HEROKU_API_KEY": TOKEN})
    assert done.code == 4
    assert "Two-factor code required" in done.err


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "/a b",
        "/x\x1b[2J",
        "/$(id)",
        "/`id`",
        "/x;id",
        "",
        None,
    ],
)
def test_an_address_that_is_not_the_servers_own_is_never_opened(
    address: str | None, stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli], home: Path
) -> None:
    browser = home / "browser"
    browser.write_text('#!/bin/sh\ntouch "$HOME/opened"\n')
    browser.chmod(0o755)
    server = stub(answer({"browser_url": address, "cli_url": "/auth/cli/1", "token": "ktc_x"}, 201))
    done = keyturn_at(server.url)("login", env={"BROWSER": str(browser)})
    assert done.code == 1
    assert "did not answer as a login server does" in done.err
    assert "\x1b" not in done.err
    assert not (home / "opened").exists()
    assert len(server.seen) == 1


@pytest.mark.parametrize("said", [{}, {"access_token": ""}, {"access_token": 5}, [], {"error": "Nobody came.\x1b[2J"}])
def test_a_login_without_a_token_is_no_login(
    said: object, stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli], home: Path
) -> None:
    server = stub(answer({"browser_url": "/b", "cli_url": "/c", "token": "ktc_x"}, 201), answer(said))
    done = keyturn_at(server.url)("login")
    assert done.code == 1
    assert "next: keyturn login" in done.err
    assert "\x1b" not in done.err
    assert server.seen[1][2]["authorization"] == "Bearer ktc_x"
    assert not (home / ".netrc").exists()


def test_herokus_own_short_answer_is_a_login(
    stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli], home: Path
) -> None:
    token = "HRKU-01234567-89ab-cdef-0123-456789abcdef"
    begun = answer({"browser_url": "/b", "cli_url": "/c", "token": "poll"}, 201)
    server = stub(begun, answer({"access_token": token}), answer({"email": "me@example.com"}))
    done = keyturn_at(server.url)("login")
    assert (done.out, done.code) == ("Logged in as me@example.com\n", 0)
    assert netrc.read(str(home / ".netrc"))[0].password == token
    assert token not in (home / ".config" / "keyturn" / "hosts").read_text()


def test_a_server_without_a_browser_login_points_to_the_password(
    stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli]
) -> None:
    done = keyturn_at(stub(answer({"id": "not_found", "message": "no"}, 404)).url)("login")
    assert done.code == 1
    assert "next: keyturn login -i" in done.err


def test_a_login_in_the_clear_to_another_machine_is_warned_of(
    stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli]
) -> None:
    proxy, typed = stub(MINTED), "me@example.com\ncorrect horse\n"
    done = keyturn_at("http://far.example")("login", "-i", input=typed, env={"http_proxy": proxy.url})
    assert done.code == 0
    assert "http://far.example is not https" in done.err
    assert "is not https" not in keyturn_at(stub(MINTED).url)("login", "-i", input=typed).err


def test_nothing_that_a_server_says_steers_the_terminal(
    stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli]
) -> None:
    hostile = "\x1b]0;owned\x07\x9b2J"
    env = {"HEROKU_API_KEY": TOKEN}
    items = [{"id": hostile, "description": hostile, "scope": [hostile], "kind": hostile, "expires_at": hostile}]
    replies = {
        "whoami": answer({"email": hostile}),
        "authorizations": answer(items),
        "sessions": answer(items),
        "keys": answer([{"email": hostile, "public_key": f"{hostile} {hostile}", "comment": hostile}]),
        "authorizations --json": answer(items),
        "logout": answer({"message": hostile, "next": hostile}, 500),
        "keys:remove x": answer({"message": hostile, "next": hostile}, 422),
    }
    for command, reply in replies.items():
        done = keyturn_at(stub(reply).url)(*command.split(), env=env)
        assert not {"\x1b", "\x07", "\x9b"} & set(done.out + done.err), command


def test_a_limit_is_told_with_its_end(stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli]) -> None:
    server = stub(answer({"id": "rate_limit", "message": "Too many requests."}, 429, Retry_After="7"))
    done = keyturn_at(server.url)("whoami", env={"HEROKU_API_KEY": TOKEN})
    assert done.code == 1
    assert "try again in 7 seconds" in done.err


def test_a_fault_is_told_with_the_servers_name_for_the_request(
    stub: Callable[..., Stub], keyturn_at: Callable[[str], Cli]
) -> None:
    server = stub(answer({"id": "internal", "message": "It broke."}, 500, Request_Id="r-17"))
    done = keyturn_at(server.url)("whoami", env={"HEROKU_API_KEY": TOKEN})
    assert done.code == 1
    assert "the server's log knows this request as r-17" in done.err
