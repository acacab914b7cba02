"""Law: a command that needs a login begins one at a terminal and goes on; elsewhere it ends with 4 and says which to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import decide, ended
from tests.cli.test_login_browser import address_in

from keyturn.client import Client
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Terminal
    from tests.conftest import Account, Cli, Server

DEAD = grammar.make("login", lambda count: b"d" * count)


@pytest.mark.parametrize("words", [["whoami"], ["auth:token"], ["keys"]])
def test_at_a_terminal_the_command_logs_in_and_goes_on(
    words: list[str], terminal: Terminal, account: Account, keyturn: Cli
) -> None:
    command = terminal(*words)
    decide(address_in(command), account)
    command.expect_exact(f"Logged in as {account.email}")
    rest, code = ended(command)
    assert code == 0
    expected = {
        "whoami": account.email,
        "auth:token": keyturn("auth:token").out.strip(),
        "keys": "You have no SSH keys",
    }
    assert expected[words[0]] in rest


def test_at_a_terminal_a_dead_login_is_explained_and_replaced(
    terminal: Terminal, account: Account, keyturn: Cli, server: Server, stored: Callable[[], str]
) -> None:
    keyturn.log_in(account)
    with Client(server.url, stored()) as client:
        client.sessions.logout()
    command = terminal("whoami")
    command.expect_exact("was logged out on")
    decide(address_in(command), account)
    rest, code = ended(command)
    assert code == 0
    assert rest.rstrip().endswith(account.email)


@pytest.mark.parametrize(
    "words",
    [
        ["whoami"], ["authorizations"], ["authorizations:create"], ["authorizations:info", "x"],
        ["authorizations:rotate", "x"], ["authorizations:revoke", "x"],
        ["authorizations:update", "x", "-d", "y"], ["sessions"], ["sessions:destroy", "x"], ["keys"],
        ["keys:remove", "x"], ["keys:clear", "-y"],
    ],
)  # fmt: skip
def test_without_a_terminal_it_is_4_and_the_command_to_run(words: list[str], keyturn: Cli) -> None:
    done = keyturn(*words)
    assert (done.out, done.code) == ("", 4)
    assert "not logged in to localhost" in done.err
    assert "next: keyturn login" in done.err


def test_without_a_terminal_a_dead_login_is_4_with_the_servers_reason(
    keyturn: Cli, account: Account, server: Server, stored: Callable[[], str]
) -> None:
    keyturn.log_in(account)
    with Client(server.url, stored()) as client:
        client.sessions.logout()
    done = keyturn("whoami")
    assert (done.out, done.code) == ("", 4)
    assert "was logged out on" in done.err
    assert "keyturn login" in done.err


def test_a_dead_token_in_the_variable_begins_no_login_even_at_a_terminal(terminal: Terminal) -> None:
    command = terminal("whoami", env={"HEROKU_API_KEY": DEAD})
    command.expect_exact("next: unset HEROKU_API_KEY; keyturn login")
    command.expect_exact("the token came from HEROKU_API_KEY, which wins over any login")
    rest, code = ended(command)
    assert code == 4
    assert "Waiting for login" not in rest


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (DEAD[:-4], "it was cut"),
        (f"Bearer {DEAD}", "it still begins with the word"),
        ("hunter2 hunter2", "white space"),
    ],
)
def test_a_pasted_mistake_is_explained(token: str, said: str, keyturn: Cli) -> None:
    done = keyturn("whoami", env={"HEROKU_API_KEY": token})
    assert done.code == 4
    assert said in done.err
    assert token not in done.err


def test_a_token_without_the_right_is_4_with_the_scope_it_needs(keyturn: Cli, account: Account) -> None:
    keyturn.log_in(account)
    narrow = keyturn("authorizations:create", "-S", "-s", "identity").out.strip()
    done = keyturn("keys", env={"HEROKU_API_KEY": narrow})
    assert done.code == 4
    assert "identity" in done.err
    assert "keyturn authorizations:create --scope" in done.err


def test_a_server_that_is_not_there_is_1_and_said_so(keyturn: Cli, account: Account) -> None:
    done = keyturn("whoami", env={"HEROKU_HOST": "http://localhost:9", "HEROKU_API_KEY": DEAD})
    assert done.code == 1
    assert "nothing answers at http://localhost:9" in done.err


@pytest.mark.parametrize(
    "words",
    [["whoami"], ["login", "-i"], ["git:credentials", "--install"], ["policy"], ["auth:token"], ["auth:status"]],
)
def test_where_no_server_was_chosen_the_default_is_named_with_how_to_choose(
    keyturn_at: Callable[[str], Cli], words: list[str]
) -> None:
    env = {"HTTPS_PROXY": "http://localhost:9"}  # nothing leaves this machine
    key = {"HEROKU_API_KEY": DEAD} if words == ["whoami"] else {}
    done = keyturn_at("")(*words, input="me@example.com\nno password of mine\n", env=env | key)
    said = " ".join(done.err.split())
    assert "no server was chosen, so" in said
    assert "heroku.com" in said
    assert "keyturn login --host HOST" in said
    chosen = keyturn_at("")(*words, "--host", "heroku.com", input="x\nx\n", env=env | key)
    assert "no server was chosen" not in chosen.err
    assert chosen.code == done.code
