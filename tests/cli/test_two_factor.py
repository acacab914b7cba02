"""Law: two-factor authentication is turned on and off at a terminal alone, and every command asks for the code that it takes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import ended
from tests.client.stub import Stub, answer
from tests.support.app_codes import App, turn_on

from keyturn.client import Client, Invalid, TwoFactorRequired, netrc
from keyturn.core import recovery
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pexpect
    from tests.cli.conftest import Terminal
    from tests.conftest import Account, Cli, Server

KEY = r"[Tt]ype this key into .*?:\s+((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})\s"
CODE = re.compile(r"^[0-9a-z]{4}(?:-[0-9a-z]{4}){3}\r?$", re.MULTILINE)
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA test"
DISMISSED = ["auth:2fa:enable", "auth:2fa:recovery", "auth:2fa:disable"]


@dataclass
class Proven:
    """An account with two-factor authentication, and an authorization of it, which is asked for a code each time."""

    account: Account
    token: str
    app: App
    recovery_codes: list[str]


@pytest.fixture(scope="module")
def proven(server: Server) -> Proven:
    """Made once; who turns it off makes one of their own."""
    return make(server)


def make(server: Server) -> Proven:
    account = server.new_account()
    with Client(server.url, server.token(account)) as client:
        made = client.authorizations.create("a script")
    assert made.access_token is not None
    app, codes = turn_on(server.url, made.access_token.token, account.password, App)
    return Proven(account, made.access_token.token, app, list(codes))


def with_key(proven: Proven) -> dict[str, str]:
    return {"HEROKU_API_KEY": proven.token}


def write_public_key(folder: Path) -> Path:
    import subprocess

    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", folder / "id"], check=True)
    return folder / "id.pub"


def begin_enabling(started: pexpect.spawn[str], password: str) -> str:
    """Gives the password; the key that is shown."""
    started.expect_exact("Password: ")
    started.sendline(password)
    started.expect(KEY)
    assert isinstance(started.match, re.Match)
    return str(started.match[1])


def test_it_is_enabled_at_a_terminal_with_the_codes_on_stdout(
    keyturn: Cli, server: Server, home: Path, terminal: Terminal
) -> None:
    account = server.new_account()
    token = server.token(account)
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}", "localhost"], account.email, token)
    status = keyturn("auth:2fa")
    assert (status.out, status.code) == ("Two-factor authentication is not enabled\n", 0)
    assert "keyturn auth:2fa:enable" in status.err

    enabling = terminal("auth:2fa:enable", "--name", "My phone")
    key = begin_enabling(enabling, account.password)
    shown = str(enabling.before)
    assert account.password not in shown
    assert "Scan this with an authenticator app" in shown
    assert "\x1b[38;5;231;48;5;16m" in shown
    assert shown.count("█") > 100
    app = App(key)
    enabling.expect_exact("The code that the app shows: ")
    enabling.sendline(app.wrong())
    enabling.expect_exact("That is not the code of now")
    enabling.expect_exact("The code that the app shows: ")
    enabling.sendline(app.code())
    rest, code = ended(enabling)
    assert code == 0, rest
    codes = CODE.findall(rest)
    assert len(codes) == recovery.COUNT
    assert "They are not shown again" in rest

    for words in (["auth:2fa"], ["2fa"], ["twofactor"], ["auth", "2fa"]):
        status = keyturn(*words)
        assert status.out.startswith("Two-factor authentication is enabled\n"), status
        assert "My phone" in status.out
        assert "authenticator app" in status.out
    told = json.loads(keyturn("auth:2fa", "--json").out)
    assert (told["enabled"], told["recovery_codes_left"]) == (True, recovery.COUNT)
    login = terminal("login", "-i")
    login.expect(r"Email.*: ")
    login.sendline(account.email)
    login.expect_exact("Password: ")
    login.sendline(account.password)
    login.expect_exact("Two-factor code: ")
    login.sendline(codes[0].strip())
    login.expect_exact(f"Logged in as {account.email}")
    assert ended(login)[1] == 0


def test_the_qr_code_is_plain_without_colours_and_left_out_where_it_does_not_fit(
    server: Server, terminal: Terminal
) -> None:
    account = server.new_account()
    token = server.token(account)
    env = {"HEROKU_API_KEY": token}
    plain = terminal("auth:2fa:enable", env=env | {"NO_COLOR": "1"})
    begin_enabling(plain, account.password)
    assert str(plain.before).count("█") > 100
    assert "\x1b[" not in str(plain.before)
    plain.sendintr()
    ended(plain)
    for more, narrow in (({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, False), ({}, True)):
        without = terminal("auth:2fa:enable", env=env | more)
        if narrow:
            without.setwinsize(24, 30)
        begin_enabling(without, account.password)
        assert "█" not in str(without.before)
        assert "Scan" not in str(without.before)
        without.sendintr()
        ended(without)
    assert "not enabled" in terminal("auth:2fa", env=env).read()


def test_a_wrong_password_changes_nothing(server: Server, account: Account, token: str, terminal: Terminal) -> None:
    enabling = terminal("auth:2fa:enable", env={"HEROKU_API_KEY": token})
    enabling.expect_exact("Password: ")
    enabling.sendline("not the password of anybody")
    rest, code = ended(enabling)
    assert code == 1
    assert "the current password is wrong; nothing was changed" in rest
    with Client(server.url, token) as client:
        assert client.two_factor.status().enabled is False


def test_three_wrong_codes_turn_nothing_on(server: Server, account: Account, token: str, terminal: Terminal) -> None:
    enabling = terminal("auth:2fa:enable", env={"HEROKU_API_KEY": token})
    app = App(begin_enabling(enabling, account.password))
    for _ in range(3):
        enabling.expect_exact("The code that the app shows: ")
        enabling.sendline(app.wrong())
    rest, code = ended(enabling)
    assert code == 1
    assert "next: keyturn auth:2fa:enable" in rest
    with Client(server.url, token) as client:
        assert client.two_factor.status().enabled is False


@pytest.mark.parametrize("command", DISMISSED)
def test_without_a_terminal_nothing_is_asked_and_nothing_changes(
    command: str, logged_in: Cli, account: Account
) -> None:
    done = logged_in(command, input=f"{account.password}\n123456\n")
    assert (done.out, done.code) == ("", 2)
    assert "there is no terminal to ask at" in done.err


def test_new_recovery_codes_take_password_and_code(proven: Proven, terminal: Terminal) -> None:
    asking = terminal("2fa:recovery", env=with_key(proven))
    asking.expect_exact("Password: ")
    asking.sendline(proven.account.password)
    asking.expect_exact("Two-factor code: ")
    asking.sendline(proven.app.code())
    rest, code = ended(asking)
    assert code == 0, rest
    codes = [found.strip() for found in CODE.findall(rest)]
    assert len(codes) == recovery.COUNT
    assert set(codes).isdisjoint(proven.recovery_codes)
    assert "The recovery codes before these work no more." in rest
    proven.recovery_codes = codes


def test_a_wrong_code_is_asked_for_again_wherever_one_is_taken(
    proven: Proven, server: Server, terminal: Terminal, tmp_path: Path
) -> None:
    path = write_public_key(tmp_path)
    adding = terminal("keys:add", str(path), env=with_key(proven))
    adding.expect_exact("Two-factor code: ")
    adding.sendline(proven.app.wrong())
    adding.expect_exact("That code is wrong, or was used already")
    adding.expect_exact("Two-factor code: ")
    right = proven.app.code()
    adding.sendline(right)
    rest, code = ended(adding)
    assert code == 0, rest
    assert right not in rest
    assert "SSH key... done" in rest
    with Client(server.url, proven.token) as client:
        (key,) = client.keys.list()
        client.keys.remove(key.id)


def test_three_wrong_codes_are_a_refusal(proven: Proven, server: Server, terminal: Terminal, tmp_path: Path) -> None:
    adding = terminal("keys:add", str(write_public_key(tmp_path)), env=with_key(proven))
    for _ in range(3):
        adding.expect_exact("Two-factor code: ")
        adding.sendline(proven.app.wrong())
    rest, code = ended(adding)
    assert code == 4
    assert "That code is wrong" in rest
    assert "Heroku-Two-Factor-Code" not in rest
    with Client(server.url, proven.token) as client:
        assert client.keys.list() == []


def test_a_login_with_the_password_asks_for_the_code_until_it_is_right(proven: Proven, terminal: Terminal) -> None:
    login = terminal("login", "-i")
    login.expect_exact("Email: ")
    login.sendline(proven.account.email)
    login.expect_exact("Password: ")
    login.sendline(proven.account.password)
    for text in (proven.app.wrong(), proven.app.wrong(), proven.app.code()):
        login.expect_exact("Two-factor code: ")
        login.sendline(text)
    login.expect_exact(f"Logged in as {proven.account.email}")
    assert ended(login)[1] == 0


def test_without_a_terminal_a_call_that_takes_a_code_is_refused_with_what_to_do(
    proven: Proven, keyturn: Cli, tmp_path: Path
) -> None:
    done = keyturn("keys:add", str(write_public_key(tmp_path)), env=with_key(proven))
    assert done.code == 4
    assert "This takes a two-factor code." in done.err
    assert "next: run it at a terminal" in done.err
    done = keyturn("login", "-i", input=f"{proven.account.email}\n{proven.account.password}\n")
    assert done.code == 4
    assert "This takes a two-factor code." in done.err


def test_why_says_that_a_request_takes_a_code(proven: Proven, keyturn: Cli) -> None:
    refused = keyturn("auth:why", "POST", "/account/keys", env=with_key(proven))
    assert refused.code == 4
    assert "refused with 403: This takes a two-factor code." in refused.out
    noted = keyturn("auth:why", "PATCH", "/account", env=with_key(proven))
    assert noted.code == 0
    assert "With some contents this request takes a two-factor code as well." in noted.err


def test_it_is_turned_off_once_that_is_agreed_to(server: Server, keyturn: Cli, terminal: Terminal) -> None:
    own = make(server)
    leaving = terminal("auth:2fa:disable", env=with_key(own))
    leaving.expect_exact("The password alone will sign in then: 1 second factor, the recovery codes")
    leaving.expect_exact("Turn two-factor authentication off? [y/N] ")
    leaving.sendline("")
    rest, code = ended(leaving)
    assert (code, "nothing was changed" in rest) == (1, True)
    leaving = terminal("auth:2fa:disable", "--yes", env=with_key(own))
    leaving.expect_exact("Password: ")
    leaving.sendline(own.account.password)
    leaving.expect_exact("Two-factor code: ")
    leaving.sendline(own.recovery_codes[0])
    rest, code = ended(leaving)
    assert code == 0, rest
    assert "the password alone signs in" in rest
    status = keyturn("auth:2fa", env=with_key(own))
    assert status.out == "Two-factor authentication is not enabled\n"
    again = terminal("auth:2fa:disable", env=with_key(own))
    rest, code = ended(again)
    assert (code, "there is nothing to turn off" in rest) == (0, True)
    none = terminal("auth:2fa:recovery", env=with_key(own))
    rest, code = ended(none)
    assert (code, "next: keyturn auth:2fa:enable" in rest) == (1, True)


# The library.


def test_the_library_raises_for_want_of_a_code_and_takes_one(proven: Proven, server: Server) -> None:
    line = f"ssh-rsa {'A' * 4}"
    with Client(server.url, proven.token) as client:
        with pytest.raises(TwoFactorRequired):
            client.keys.add(line)
        with pytest.raises(TwoFactorRequired, match="wrong"):
            client.keys.add(line, code=proven.app.wrong())
        with pytest.raises(Invalid):  # the code was right: it is the key that is none
            client.keys.add(line, code=proven.app.code())
        with pytest.raises(ValueError, match="ASCII"):
            client.keys.add(line, code="12\n34")
        assert client.why("POST", "/account/keys").reason == "two_factor"
        assert client.why("PATCH", "/account").note is not None


def test_the_library_sets_up_renews_removes_and_turns_off(server: Server) -> None:
    own = make(server)
    password = own.account.password
    with Client(server.url, own.token) as client:
        with pytest.raises(TwoFactorRequired):
            client.two_factor.begin(password)
        second = client.two_factor.begin(password, name="tablet", code=own.app.code())
        assert second.uri.startswith("otpauth://totp/")
        assert (second.key not in repr(second), second.uri not in repr(second)) == (True, True)
        assert client.two_factor.confirm(second.id, password, App(second.key).code()) == ()
        status = client.two_factor.status()
        assert [factor.name for factor in status.factors] == ["test app", "tablet"]
        assert client.two_factor.remove(second.id, password, code=own.app.code()).id == second.id
        codes = client.two_factor.new_recovery_codes(password, code=own.recovery_codes[0])
        assert len(codes) == recovery.COUNT
        with pytest.raises(Invalid) as wrong:
            client.two_factor.turn_off("not the password", code=codes[0])
        assert wrong.value.field == "password"
        off = client.two_factor.turn_off(password, code=codes[1])
        assert (off.enabled, off.factors) == (False, ())


# Servers that are not ours, or say strange things.


@pytest.fixture
def stub() -> Iterator[list[Stub]]:
    running: list[Stub] = []
    yield running
    for server in running:
        server.shutdown()
        server.server_close()


TOKEN = grammar.make("login", lambda count: b"s" * count)
MISSING = answer({"id": "not_found", "message": "The requested API endpoint was not found."}, 404)
PASSKEYS = answer(
    {
        "id": "device_trust_required",
        "message": "This account's second factor is a passkey, which works in the browser alone.",
        "next": "keyturn login",
    },
    403,
)


def test_a_plain_server_tells_no_more_than_whether_it_is_on(stub: list[Stub], keyturn: Cli, terminal: Terminal) -> None:
    on = answer({"email": "me@example.com", "two_factor_authentication": True})
    stub.append(Stub(MISSING, on, MISSING, on))
    env = {"HEROKU_HOST": stub[0].url, "HEROKU_API_KEY": TOKEN}
    status = keyturn("2fa", env=env)
    assert (status.out, status.code) == ("Two-factor authentication is enabled\n", 0)
    rest, code = ended(terminal("auth:2fa:enable", env=env))
    assert code == 1
    assert "use its pages in the browser" in rest


def test_an_account_with_passkeys_alone_is_sent_to_the_browser(
    stub: list[Stub], terminal: Terminal, tmp_path: Path
) -> None:
    stub.append(Stub(PASSKEYS, PASSKEYS))
    login = terminal("login", "-i", env={"HEROKU_HOST": stub[0].url})
    login.expect_exact("Email: ")
    login.sendline("me@example.com")
    login.expect_exact("Password: ")
    login.sendline("a password of mine")
    rest, code = ended(login)
    assert code == 4
    assert "works in the browser alone" in rest
    assert "next: keyturn login" in rest
    assert "Two-factor code" not in rest
    adding = terminal(
        "keys:add", str(write_public_key(tmp_path)), env={"HEROKU_HOST": stub[0].url, "HEROKU_API_KEY": TOKEN}
    )
    rest, code = ended(adding)
    assert code == 4
    assert "next: unset HEROKU_API_KEY; keyturn login" in rest


def test_a_picture_that_would_steer_the_terminal_is_not_shown(stub: list[Stub], terminal: Terminal) -> None:
    off = answer({"enabled": False, "factors": []})
    begun = answer({"id": "1", "key": "ABCD\x1b[2J", "qr": "█\x1b[2J\n"}, 201)
    stub.append(Stub(off, begun))
    enabling = terminal("auth:2fa:enable", env={"HEROKU_HOST": stub[0].url, "HEROKU_API_KEY": TOKEN})
    enabling.expect_exact("Password: ")
    enabling.sendline("x")
    enabling.expect_exact("The code that the app shows: ")
    assert "\x1b[2J" not in str(enabling.before)
    assert "ABCD?[2J" in str(enabling.before)
    enabling.sendintr()
    assert ended(enabling)[1] == 130
