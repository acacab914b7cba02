"""Law: a logout ends exactly this login, at the server and on this machine; out of reach, the server is told later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyturn.client import Client, NotFound, Unauthorized, netrc
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Account, Cli, Server


def test_a_logout_ends_this_login_and_no_other(
    keyturn: Cli, account: Account, home: Path, server: Server, stored: Callable[[], str]
) -> None:
    (home / ".netrc").write_text("# mine\nmachine example.org login a password b\n")
    other = server.token(account)
    keyturn.log_in(account)
    ours = stored()
    done = keyturn("logout")
    assert (done.out, done.err, done.code) == ("", "Logging out... done\n", 0)
    assert (home / ".netrc").read_text() == "# mine\nmachine example.org login a password b\n"
    with Client(server.url, ours) as dead, pytest.raises(Unauthorized) as refused:
        dead.account()
    assert refused.value.reason == "logged_out"
    with Client(server.url, other) as alive:
        assert alive.account().email == account.email
    assert keyturn("auth:token").code == 4


def test_a_login_that_cannot_be_taken_out_of_netrc_is_told_to_have_ended(
    keyturn_at: Callable[[str], Cli], fresh_server: Server, home: Path
) -> None:
    keyturn = keyturn_at(fresh_server.url)
    keyturn.log_in(fresh_server.new_account())
    ours = keyturn("auth:token").out.strip()
    (home / ".netrc.lock").mkdir()  # what nobody, not even root, can write through
    done = keyturn("logout")
    assert (done.out, done.code) == ("", 1)
    assert "cannot remove the login from netrc" in done.err
    assert "the login itself was ended at the server" in done.err
    assert fresh_server.call("GET", "/account", ours).status_code == 401
    fresh_server.process.terminate()
    fresh_server.process.wait()
    unreached = keyturn("logout")
    assert unreached.code == 1
    assert "nor has the server ended it yet" in unreached.err


def test_without_a_login_a_logout_has_nothing_to_do(keyturn: Cli) -> None:
    done = keyturn("logout")
    assert done.code == 0
    assert "there was no login" in done.err


def test_a_login_that_had_ended_already_is_explained_and_removed(
    keyturn: Cli, account: Account, server: Server, stored: Callable[[], str]
) -> None:
    keyturn.log_in(account)
    with Client(server.url, stored()) as client:
        client.sessions.logout()
    done = keyturn("logout")
    assert done.code == 0
    assert "it had ended already: " in done.err
    assert "logged out on" in done.err
    assert keyturn("auth:token").code == 4


def test_a_token_that_is_no_login_is_removed_here_alone_with_the_command_that_ends_it(
    keyturn: Cli, account: Account, home: Path, server: Server, stored: Callable[[], str]
) -> None:
    keyturn.log_in(account)
    with Client(server.url, stored()) as client:
        made = client.authorizations.create("a tool")
    assert made.access_token
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}", "localhost"], account.email, made.access_token.token)
    done = keyturn("logout")
    assert done.code == 0
    assert "what was stored is an authorization" in done.err
    assert f"keyturn authorizations:revoke {made.id}" in done.err
    assert netrc.read(str(home / ".netrc")) == []
    with Client(server.url, made.access_token.token) as alive:
        assert alive.account().email == account.email


def test_the_variable_is_neither_ended_nor_forgotten(
    keyturn: Cli, account: Account, server: Server, stored: Callable[[], str]
) -> None:
    keyturn.log_in(account)
    with Client(server.url, stored()) as client:
        made = client.authorizations.create("for the variable")
    assert made.access_token
    done = keyturn("logout", env={"HEROKU_API_KEY": made.access_token.token})
    assert "HEROKU_API_KEY is still set" in done.err
    assert keyturn("whoami", env={"HEROKU_API_KEY": made.access_token.token}).out == f"{account.email}\n"
    assert keyturn("auth:token").code == 4


def test_a_logout_out_of_reach_is_completed_by_the_next_command_that_reaches_the_server(
    keyturn_at: Callable[[str], Cli], fresh_server: Server, home: Path
) -> None:
    account = fresh_server.new_account()
    keyturn = keyturn_at(fresh_server.url)
    keyturn.log_in(account)
    token = keyturn("auth:token").out.strip()
    other = {"HEROKU_API_KEY": keyturn("authorizations:create", "-S").out}
    fresh_server.process.terminate()
    fresh_server.process.wait()
    done = keyturn("logout")
    assert done.code == 0
    assert "It was removed here; the server is told by the next keyturn command" in done.err
    assert token not in done.err
    assert keyturn("auth:token").code == 4
    fresh_server.start(fresh_server.port)
    with Client(fresh_server.url, token) as client:
        assert client.account().email == account.email  # nobody has told the server yet
        assert keyturn("whoami", env=other).out == f"{account.email}\n"
        with pytest.raises(Unauthorized) as refused:
            client.account()
    assert refused.value.reason == "logged_out"
    assert not (home / ".config" / "keyturn" / "revocations").exists()


def test_of_two_servers_on_one_name_each_keeps_its_login(
    keyturn: Cli, keyturn_at: Callable[[str], Cli], fresh_server: Server, server: Server, account: Account, home: Path
) -> None:
    other_account, other = fresh_server.new_account(), keyturn_at(fresh_server.url)
    keyturn.log_in(account)
    assert other("whoami").code == 4  # and was not shown the first one's token: it would have said why
    other.log_in(other_account)
    assert keyturn("whoami").out == f"{account.email}\n"
    assert other("whoami").out == f"{other_account.email}\n"
    assert keyturn("logout").code == 0
    assert other("whoami").out == f"{other_account.email}\n"
    left = [entry.machine for entry in netrc.read(str(home / ".netrc"))]
    assert left in ([f"localhost:{fresh_server.port}", "localhost"], ["localhost", f"localhost:{fresh_server.port}"])
    assert server.port != fresh_server.port


def test_a_malformed_stored_token_is_removed_without_asking_anybody(keyturn: Cli, home: Path, server: Server) -> None:
    cut = grammar.make("login", lambda count: b"x" * count)[:-3]
    (home / ".netrc").write_text(f'machine localhost:{server.port} login a password "{cut} "\n')
    done = keyturn("logout")
    assert done.code == 0
    assert "it was removed here alone" in done.err
    assert cut not in done.err
    assert netrc.read(str(home / ".netrc")) == []


def test_the_library_tells_a_token_that_is_no_login(
    server: Server, account: Account, keyturn: Cli, stored: Callable[[], str]
) -> None:
    keyturn.log_in(account)
    with Client(server.url, stored()) as client:
        made = client.authorizations.create("x")
    assert made.access_token
    with Client(server.url, made.access_token.token) as client, pytest.raises(NotFound) as refused:
        client.sessions.logout()
    assert refused.value.resource == "session"
