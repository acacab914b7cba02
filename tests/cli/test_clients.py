"""Law: OAuth clients are registered, shown, changed, rotated and removed; a secret is printed only when it is made."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Cli

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
