"""Law: `login -i` trades a password, which never shows, for a token that curl, git and the Heroku CLI find in netrc."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import ended

from keyturn.client import netrc
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Terminal
    from tests.conftest import Account, Cli, Server


def test_two_lines_of_input_log_a_script_in(keyturn: Cli, account: Account, home: Path, server: Server) -> None:
    done = keyturn("login", "-i", input=f"{account.email}\n{account.password}\n")
    assert (done.out, done.code) == (f"Logged in as {account.email}\n", 0)
    assert done.err.startswith("Logging in... done\n")
    assert "expires in 365 days" in done.err
    assert account.password not in done.out + done.err
    entries = netrc.read(str(home / ".netrc"))
    assert [entry.machine for entry in entries] == [f"localhost:{server.port}", "localhost"]
    assert {(entry.login, entry.password) for entry in entries} == {(account.email, entries[0].password)}
    assert grammar.kind_of(entries[0].password or "") == "login"
    assert stat.S_IMODE((home / ".netrc").stat().st_mode) == 0o600
    assert keyturn("whoami").out == f"{account.email}\n"


def test_the_password_is_typed_without_an_echo(terminal: Terminal, account: Account) -> None:
    login = terminal("login", "-i")
    login.expect_exact("keyturn: Enter your login credentials")
    login.expect_exact("Email: ")
    login.sendline(account.email)
    login.expect_exact("Password: ")
    login.sendline(account.password)
    login.expect_exact(f"Logged in as {account.email}")
    assert isinstance(login.before, str)
    assert account.password not in login.before
    _, code = ended(login)
    assert code == 0


def test_the_last_email_is_offered_again(terminal: Terminal, keyturn: Cli, account: Account) -> None:
    keyturn.log_in(account)
    login = terminal("login", "-i")
    login.expect_exact(f"Email [{account.email}]: ")
    login.sendline("")
    login.expect_exact("Password: ")
    login.sendline(account.password)
    login.expect_exact(f"Logged in as {account.email}")
    assert ended(login)[1] == 0


def test_a_wrong_password_is_refused_and_stores_nothing(keyturn: Cli, account: Account, home: Path) -> None:
    done = keyturn("login", "-i", input=f"{account.email}\nnot the password at all\n")
    assert (done.out, done.code) == ("", 4)
    assert "the e-mail or the password is wrong" in done.err
    assert not (home / ".netrc").exists()


@pytest.mark.parametrize("typed", ["", "me@example.com\n"])
def test_input_that_ends_early_is_a_cancelled_login(typed: str, keyturn: Cli) -> None:
    done = keyturn("login", "-i", input=typed)
    assert done.code == 1
    assert "no e-mail and password" in done.err


def test_a_login_can_be_made_to_end_earlier(keyturn: Cli, account: Account) -> None:
    keyturn.log_in(account, "--expires-in", "3600")
    assert "token will expire " in keyturn("auth:token").err
    own = next(item for item in json.loads(keyturn("authorizations", "--json").out) if item["current"])
    assert 3500 < own["access_token"]["expires_in"] <= 3600


def test_the_server_of_a_login_is_remembered(
    keyturn_at: Callable[[str], Cli], server: Server, account: Account
) -> None:
    nowhere = keyturn_at("")
    nowhere.log_in(account, "--host", server.url)
    assert nowhere("whoami").out == f"{account.email}\n"
    assert nowhere("auth:token", "--host", "other.example").code == 4
    assert nowhere("whoami").out == f"{account.email}\n"


def test_a_server_that_the_variable_names_is_not_remembered(
    keyturn: Cli, keyturn_at: Callable[[str], Cli], account: Account
) -> None:
    keyturn.log_in(account)
    assert "not logged in to heroku.com" in keyturn_at("")("auth:token").err


def test_a_login_with_the_variable_set_is_stored_and_told_what_still_wins(
    keyturn: Cli, account: Account, home: Path
) -> None:
    done = keyturn("login", "-i", input=f"{account.email}\n{account.password}\n", env={"HEROKU_API_KEY": "other"})
    assert done.code == 0
    assert "HEROKU_API_KEY is set, and still wins over this login; to use the login: unset HEROKU_API_KEY" in done.err
    stored = netrc.read(str(home / ".netrc"))[0].password
    assert keyturn("auth:token", env={"HEROKU_API_KEY": "other"}).out == "other\n"
    assert keyturn("auth:token").out == f"{stored}\n"


def test_somebody_elses_port_less_entry_survives_login_and_logout(keyturn: Cli, account: Account, home: Path) -> None:
    before = "machine localhost login root password database\n"
    (home / ".netrc").write_text(before)
    done = keyturn("login", "-i", input=f"{account.email}\n{account.password}\n")
    assert done.code == 0
    assert "machine localhost` for something else" in done.err
    assert before in (home / ".netrc").read_text()
    assert keyturn("logout").code == 0
    assert (home / ".netrc").read_text() == before


def test_a_login_that_cannot_be_stored_is_ended_again(keyturn: Cli, server: Server, home: Path) -> None:
    account = server.new_account()
    keyturn.log_in(account)
    works = (home / ".netrc").read_text()
    (home / ".netrc").unlink()
    (home / ".netrc").mkdir()
    done = keyturn("login", "-i", input=f"{account.email}\n{account.password}\n")
    assert done.code == 1
    assert "cannot store the login" in done.err
    assert "was ended again" in done.err
    (home / ".netrc").rmdir()
    (home / ".netrc").write_text(works)
    assert len(json.loads(keyturn("sessions", "--json").out)) == 1


def tokens_alive(server: Server, *tokens: str) -> list[bool]:
    return [server.call("GET", "/account", token).status_code == 200 for token in tokens]


def test_logging_in_again_ends_the_login_that_nobody_holds_any_more(
    keyturn: Cli, server: Server, stored: Callable[[], str]
) -> None:
    account = server.new_account()
    keyturn.log_in(account)
    first, elsewhere = stored(), server.token(account)
    done = keyturn("login", "-i", input=f"{account.email}\n{account.password}\n")
    assert done.code == 0
    assert "Warning" not in done.err
    assert tokens_alive(server, first, stored(), elsewhere) == [False, True, True]


def test_what_is_no_login_or_is_still_used_is_not_ended_by_logging_in(
    keyturn: Cli, server: Server, home: Path, stored: Callable[[], str]
) -> None:
    account = server.new_account()
    machines = [f"localhost:{server.port}", "localhost"]
    keyturn.log_in(account)
    used = stored()
    typed = f"{account.email}\n{account.password}\n"
    assert keyturn("login", "-i", input=typed, env={"HEROKU_API_KEY": used}).code == 0
    assert tokens_alive(server, used) == [True]
    tool = keyturn("authorizations:create", "--short").out.strip()
    netrc.write(str(home / ".netrc"), machines, account.email, tool)
    keyturn.log_in(account)
    assert tokens_alive(server, used, tool) == [True, True]


def test_it_is_said_when_another_account_takes_the_place_of_the_one_before(
    keyturn: Cli, server: Server, account: Account, stored: Callable[[], str]
) -> None:
    keyturn.log_in(account)
    first, other = stored(), server.new_account()
    done = keyturn("login", "-i", input=f"{other.email}\n{other.password}\n")
    assert (done.out, done.code) == (f"Logged in as {other.email}\n", 0)
    assert f"until now this machine was logged in to localhost:{server.port} as {account.email}" in done.err
    assert tokens_alive(server, first, stored()) == [True, True]
