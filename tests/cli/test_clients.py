"""Law: OAuth clients are registered, shown, changed, rotated and removed; a secret is printed only when it is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import ended
from tests.client.stub import Stub, answer

from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Terminal
    from tests.conftest import Cli

TOKEN = grammar.make("login", lambda count: b"c" * count)
HOME = "https://board.example/callback"


def assignments(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def test_from_birth_to_removal(logged_in: Cli) -> None:
    assert logged_in("clients").out == "No OAuth clients.\n"
    done = logged_in("clients:create", "Status board", HOME)
    assert done.code == 0
    assert "The secret is not shown again" in done.err
    new = assignments(done.out)
    identity, secret = new["HEROKU_OAUTH_ID"], new["HEROKU_OAUTH_SECRET"]
    assert logged_in("clients").out.splitlines()[2].split() == ["Status", "board", identity, HOME]
    assert f"Redirect URI: {HOME}\n" in logged_in("clients:info", identity).out
    for words in (["clients"], ["clients", "--json"], ["clients:info", identity], ["clients:info", identity, "--json"]):
        assert secret not in logged_in(*words).out
    changed = logged_in("clients:update", identity, "-n", "Board", "--url", f"{HOME}/2", "--json")
    assert [json.loads(changed.out)[name] for name in ("name", "redirect_uri")] == ["Board", f"{HOME}/2"]
    rotated = assignments(logged_in("clients:rotate", identity, "-s").out)
    assert rotated["HEROKU_OAUTH_ID"] == identity
    assert rotated["HEROKU_OAUTH_SECRET"] != secret
    dry = logged_in("clients:destroy", identity, "--dry-run")
    assert (dry.out, dry.code) == ("Nothing of yours would end.\n", 0)
    assert json.loads(logged_in("clients:destroy", identity, "--dry-run", "--json").out)["event"] == "client_removed"
    gone = logged_in("clients:destroy", identity)
    assert (gone.out, gone.err, gone.code) == ("", f"Destroying {identity}... done\n", 0)
    assert logged_in("clients:info", identity).code == 1
    assert logged_in("clients:destroy", identity).code == 1


def test_what_ends_with_it_is_shown_and_asked_about(keyturn_at: Callable[[str], Cli], terminal: Terminal) -> None:
    item = {"id": "t", "kind": "oauth_access", "description": "Board", "ends_because": "client_removed", "uses": []}
    preview = {"event": "client_removed", "ends": [item], "ends_of_others": {"credentials": 3, "accounts": 2}}
    for reply, code in (("n", 1), ("y", 0)):
        server = Stub(answer({"event": "logout_all", "ends": [], "lives": []}), answer(preview), answer({"id": "c"}))
        try:
            asked = terminal("clients:destroy", "c", cli=keyturn_at(server.url), env={"HEROKU_API_KEY": TOKEN})
            asked.expect_exact("1 would end:")
            asked.expect_exact("client removed")
            asked.expect_exact("3 more would end, of 2 other accounts.")
            asked.expect_exact("Remove the client, and end all that? [y/N] ")
            asked.sendline(reply)
            assert ended(asked)[1] == code
            paths = [path for method, path, *_ in server.seen if method == "DELETE"]
            assert paths == ["/oauth/clients/c?dry_run=true", *(["/oauth/clients/c"] if code == 0 else [])]
        finally:
            server.shutdown()
            server.server_close()


@pytest.mark.parametrize("uri", ["http://far.example/", "no address", "javascript:alert(1)", ""])
def test_an_address_that_cannot_be_is_1(uri: str, logged_in: Cli) -> None:
    done = logged_in("clients:create", "Bad", uri)
    assert (done.out, done.code) == ("", 1)
    assert "redirect_uri" in done.err


@pytest.mark.parametrize(
    "words",
    [["clients:create", "name"], ["clients:update", "ID"], ["clients:rotate"], ["clients:rotate", "ID", "-s", "-j"]],
)
def test_misuse_is_2(words: list[str], logged_in: Cli) -> None:
    done = logged_in(*words)
    assert (done.out, done.code) == ("", 2)
    assert "next: keyturn clients:" in done.err
