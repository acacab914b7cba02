"""Law: a life is given in seconds or words, changed, made alike and let overlap; the dead stay listed with what ended them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.dialogue import ended

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal
    from tests.conftest import Account, Cli


def made(keyturn: Cli, *words: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(keyturn("authorizations:create", "--json", *words).out)
    return body


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5400", 5400), ("90m", 5400), ("24h", 86400), ("30d", 30 * 86400), ("2w", 14 * 86400), ("never", None)],
)
def test_spans_are_given_in_seconds_or_words(text: str, seconds: int | None, logged_in: Cli) -> None:
    assert made(logged_in, "-e", text)["access_token"]["expires_in"] == seconds


@pytest.mark.parametrize("text", ["0", "-5", "0d", "d", "1.5h", "1y", "٣d", "9" * 40, "soon"])
def test_others_are_2_with_what_can_be_given(text: str, logged_in: Cli) -> None:
    for words in (
        ["authorizations:create", f"-e={text}"],
        ["authorizations:rotate", "~", f"--overlap={text}"],
        ["login", f"-e={text}"],
    ):
        done = logged_in(*words)
        assert (done.out, done.code) == ("", 2)
        assert "give seconds, or 90m, 24h, 30d" in done.err


def test_a_life_is_changed_and_told_in_words(logged_in: Cli) -> None:
    one = made(logged_in, "-d", "to change")
    done = logged_in("authorizations:update", one["id"], "-e", "24h")
    assert done.code == 0
    assert " ›   It expires in 1 day (" in done.err
    shown = json.loads(logged_in("authorizations:info", one["id"], "--json").out)
    left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(days=1)
    done = logged_in("authorizations:update", one["id"], "--expires-in", "never", "-d", "changed")
    assert " ›   It never expires; " in done.err
    assert json.loads(logged_in("authorizations:info", one["id"], "--json").out)["description"] == "changed"


def test_every_mint_tells_the_life_in_words(logged_in: Cli) -> None:
    assert "Life:        never expires; ends if you revoke it" in logged_in("authorizations:create").out
    assert " ›   This token expires in 30 days (" in logged_in("authorizations:create", "-S", "-e", "30d").err
    one = made(logged_in)
    assert "Life:        never expires; ends if you revoke it" in logged_in("authorizations:rotate", one["id"]).out


def test_one_is_made_like_another_be_it_dead(logged_in: Cli) -> None:
    like = made(logged_in, "-d", "weekly", "-s", "read,write-protected", "-e", "30d")
    for _ in ("alive", "dead"):
        new = made(logged_in, "--like", like["id"])
        assert [new[name] for name in ("description", "scope")] == [like[name] for name in ("description", "scope")]
        assert new["access_token"]["expires_in"] == 30 * 86400
        assert new["id"] != like["id"]
        logged_in("authorizations:revoke", like["id"])
    other = made(logged_in, "--like", like["id"], "-d", "mine", "-s", "identity", "-e", "never")
    assert (other["description"], other["scope"], other["expires_at"]) == ("mine", ["identity"], None)
    assert made(logged_in, "--like", other["id"])["expires_at"] is None
    assert logged_in("authorizations:create", "--like", "nothing").code == 1


def test_a_rotation_with_overlap_lets_the_old_one_go_on(logged_in: Cli, account: Account) -> None:
    one = made(logged_in, "-d", "rolling")
    old = {"HEROKU_API_KEY": one["access_token"]["token"]}
    done = logged_in("authorizations:rotate", one["id"], "--overlap", "24h", "--idle", "2h")
    assert done.code == 0
    assert "or when it was unused for 2 hours" in done.out
    assert "The old token goes on until " in done.err
    still = logged_in("whoami", env=old)
    assert still.out == f"{account.email}\n"
    assert still.err.count("this token was rotated and ends on ") == 1
    lines = logged_in("authorizations").out.splitlines()
    at = next(number for number, line in enumerate(lines) if one["id"] in line)
    assert lines[at + 1].startswith("  its old token")
    assert "in overlap" in lines[at + 1]
    assert one["access_token"]["token"] not in "\n".join(lines)
    assert logged_in("authorizations:rotate", one["id"], "--idle", "2h").code == 2


def test_an_overlap_beyond_the_policy_changes_nothing(logged_in: Cli) -> None:
    one = made(logged_in)
    done = logged_in("authorizations:rotate", one["id"], "--overlap", "5000d")
    assert (done.out, done.code) == ("", 1)
    assert logged_in("whoami", env={"HEROKU_API_KEY": one["access_token"]["token"]}).code == 0


def test_the_dead_are_listed_with_what_ended_them(logged_in: Cli, account: Account, terminal: Terminal) -> None:
    one = made(logged_in, "-d", "gone")
    logged_in("authorizations:revoke", one["id"])
    assert one["id"] not in logged_in("authorizations").out
    line = next(line for line in logged_in("authorizations", "--all").out.splitlines() if one["id"] in line)
    assert "revoked by owner, today at " in line
    assert line.endswith(f", by {account.email}")
    listed = json.loads(logged_in("authorizations", "--all", "--json").out)
    assert [item["reason"] for item in listed if item["id"] == one["id"]] == ["revoked_by_owner"]
    assert one["id"] in logged_in("authorizations:info", one["id"]).out
    seen, code = ended(terminal("authorizations", "--all"))
    assert code == 0
    assert "\x1b[2mDescription: gone" in seen or "\x1b[2mgone" in seen  # dimmed, as a record or in a table


def test_ended_sessions_are_listed_likewise(keyturn: Cli, account: Account) -> None:
    keyturn.log_in(account)
    keyturn("logout")
    keyturn.log_in(account)
    assert "logged out" not in keyturn("sessions").out
    done = keyturn("sessions", "--all")
    assert done.code == 0
    assert "logged out, today at " in done.out
