"""Law: git gets the token of this very server and nothing else, a dead one is replaced, and an older helper never wins."""

from __future__ import annotations

import json
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pexpect
import pytest
from tests.cli.dialogue import decide
from tests.cli.test_login_browser import address_in
from tests.conftest import BIN, run
from tests.support.gits import Checkout, checkout, gits

from keyturn.client import Client, netrc, state
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Account, Cli, Result, Server

DEAD = grammar.make("login", lambda count: b"d" * count)
NOWHERE = "http://localhost:9"


def question(url: str, **more: str) -> str:
    scheme, _, host = url.partition("://")
    return "".join(f"{name}={value}\n" for name, value in ({"protocol": scheme, "host": host} | more).items()) + "\n"


def fill(url: str, env: dict[str, str] | None = None, **more: str) -> Result:
    """What git itself would send: `git credential fill` is the judge."""
    return run(["git", "credential", "fill"], question(url, **more), gits(env))


def answers(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def end(server: Server, token: str) -> None:
    with Client(server.url, token) as client:
        client.sessions.logout()


@pytest.fixture
def here(logged_in: Cli, server: Server, account: Account, token: str) -> Cli:
    """Logged in, with the end of the login known."""
    state.remember(os.environ, server.url, token, email=account.email, expires_at=int(time.time()) + 5000)
    return logged_in


def test_git_is_told_the_token_whose_it_is_and_when_it_ends(
    here: Cli, server: Server, account: Account, token: str
) -> None:
    done = here("git:credentials", "get", input=question(server.url, path="my-app.git"))
    assert (done.err, done.code) == ("", 0)
    told = answers(done.out)
    assert told == {"username": account.email, "password": token, "password_expiry_utc": told["password_expiry_utc"]}
    assert 4000 < int(told["password_expiry_utc"]) - time.time() <= 5000


def test_an_end_that_is_not_known_is_not_told(logged_in: Cli, server: Server, token: str) -> None:
    told = answers(logged_in("git:credentials", "get", input=question(server.url)).out)
    assert (told["password"], "password_expiry_utc" in told) == (token, False)


def test_the_variable_wins(here: Cli, server: Server) -> None:
    told = answers(here("git:credentials", "get", input=question(server.url), env={"HEROKU_API_KEY": DEAD}).out)
    assert told == {"username": "keyturn", "password": DEAD}  # dead or not: the server tells git why


@pytest.mark.parametrize("value", [f"{DEAD}\nhost=github.com", "hunter2 hunter2", f"Bearer {DEAD}"])
def test_a_variable_that_holds_no_token_is_told_and_not_repeated(here: Cli, server: Server, value: str) -> None:
    done = here("git:credentials", "get", input=question(server.url), env={"HEROKU_API_KEY": value})
    assert (done.out, done.code) == ("quit=1\n", 0)
    assert "what HEROKU_API_KEY holds is no token" in done.err
    assert "next: unset HEROKU_API_KEY" in done.err
    assert value not in done.err


@pytest.mark.parametrize(
    "asked",
    [
        "protocol=https\nhost={host}\n\n", "protocol=http\nhost=localhost\n\n", "protocol=http\nhost=localhost:1\n\n",
        "protocol=http\nhost=x{host}\n\n", "protocol=http\nhost={host}.example.com\n\n", "protocol=http\nhost=127.0.0.1:{port}\n\n",
        "protocol=http\nhost=user@{host}\n\n", "host={host}\n\n", "protocol=http\n\n", "\n", "", "nonsense", "=\n=x\n\n",
        "protocol=http\n\nhost={host}\n", "protocol=http\nhost={host}\nhost=github.com\n\n", "PROTOCOL=http\nHOST={host}\n\n",
        "x" * 70_000 + "\nprotocol=http\nhost={host}\n\n", "\0\udcff\x1b[2J\n\n",
    ],
)  # fmt: skip
def test_nobody_else_is_told_anything(here: Cli, server: Server, token: str, asked: str) -> None:
    text = asked.format(host=f"localhost:{server.port}", port=server.port)
    command = [str(BIN / "keyturn"), "git:credentials", "get"]
    done = subprocess.run(
        command, input=text.encode("utf-8", "surrogateescape"), capture_output=True, env=here.env(), check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)


def test_the_question_of_a_port_that_is_the_schemes_own(keyturn_at: Callable[[str], Cli], home: Path) -> None:
    netrc.write(str(home / ".netrc"), ["keyturn.invalid"], "a@example.com", DEAD)
    cli = keyturn_at("https://keyturn.invalid")
    for host in ("keyturn.invalid", "keyturn.invalid:443", "KEYTURN.invalid"):
        done = cli("git:credentials", "get", input=f"protocol=https\nhost={host}\nwwwauth[]=Basic\n\n")
        assert answers(done.out) == {"username": "a@example.com", "password": DEAD}  # it cannot be asked: git will tell


def test_an_empty_line_is_the_end_of_the_question(here: Cli, server: Server, token: str) -> None:
    with subprocess.Popen(
        [str(BIN / "keyturn"), "git:credentials", "get"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=here.env()
    ) as asked:
        assert asked.stdin
        assert asked.stdout
        asked.stdin.write(question(server.url).encode())
        asked.stdin.flush()  # and stays open
        assert token in asked.stdout.read().decode()


@pytest.mark.parametrize("prepare", ["nothing", "dead", "malformed", "expired"])
def test_without_a_live_login_and_a_terminal_git_is_told_to_stop(
    prepare: str, keyturn: Cli, server: Server, home: Path
) -> None:
    url = server.url
    machines = [f"localhost:{server.port}", "localhost"]
    if prepare != "nothing":
        netrc.write(
            str(home / ".netrc"), machines, "a@example.com", "hunter2 hunter2" if prepare == "malformed" else DEAD
        )
    if prepare == "expired":
        url = NOWHERE
        netrc.write(str(home / ".netrc"), ["localhost:9"], "a@example.com", DEAD)
        state.remember(os.environ, NOWHERE, DEAD, email="a@example.com", expires_at=int(time.time()) - 5)
    done = keyturn("git:credentials", "get", "--host", url, input=question(url))
    assert (done.out, done.code) == ("quit=1\n", 0)
    assert f"next: keyturn login --host {url}" in done.err
    said = {
        "nothing": "not logged in to",
        "dead": "Invalid credentials provided.",
        "malformed": "token",
        "expired": "the login has expired",
    }
    assert said[prepare] in done.err
    assert "hunter2" not in done.err


@pytest.mark.parametrize("operation", ["store", "erase"])
def test_what_is_stored_and_erased_is_said_by_nothing(
    operation: str, here: Cli, server: Server, token: str, home: Path
) -> None:
    before = (home / ".netrc").read_bytes()
    for password in ("another password", token):  # the live one is not forgotten for git's asking
        done = here("git:credentials", operation, input=question(server.url, username="x", password=password))
        assert (done.out, done.err, done.code) == ("", "", 0)
    assert (home / ".netrc").read_bytes() == before


def test_a_token_that_the_server_says_is_dead_is_forgotten(
    keyturn: Cli, server: Server, account: Account, home: Path
) -> None:
    token = server.token(account)
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}", "localhost"], account.email, token)
    end(server, token)
    other = keyturn("git:credentials", "erase", input=question(server.url, username="x", password=DEAD))
    assert (other.out, other.err, token in (home / ".netrc").read_text()) == ("", "", True)
    done = keyturn("git:credentials", "erase", input=question(server.url, username="x", password=token))
    assert (done.out, done.code) == ("", 0)
    assert "was logged out on" in done.err
    assert "next: keyturn login" in done.err
    assert token not in (home / ".netrc").read_text()


def test_a_token_of_a_server_that_cannot_be_reached_is_kept(keyturn_at: Callable[[str], Cli], home: Path) -> None:
    netrc.write(str(home / ".netrc"), ["localhost:9"], "a@example.com", DEAD)
    done = keyturn_at(NOWHERE)("git:credentials", "erase", input=question(NOWHERE, username="x", password=DEAD))
    assert (done.out, done.err, done.code) == ("", "", 0)
    assert DEAD in (home / ".netrc").read_text()


@pytest.mark.parametrize("words", [[], ["get", "--install"], ["--install", "--uninstall"], ["approve"]])
def test_wrong_use_is_2(keyturn: Cli, words: list[str]) -> None:
    done = keyturn("git:credentials", *words)
    assert (done.out, done.code) == ("", 2)
    assert "next: keyturn git:credentials" in done.err


# With git.


def test_installed_it_answers_git_and_an_older_helper_does_not(
    here: Cli, server: Server, token: str, home: Path
) -> None:
    old = f"!f() {{ cat >> {home}/heard; echo username=old; echo password=old; }}; f"
    run(["git", "config", "--global", "credential.helper", old], None, gits())
    assert answers(fill(server.url).out)["password"] == "old"
    (home / "heard").unlink()
    for _ in range(2):  # doing it again changes nothing
        done = here("git:credentials", "--install")
        assert (done.out, done.code) == ("", 0)
        assert f"git asks keyturn for the token of {server.url} from now on" in done.err
    told = answers(fill(server.url).out)
    assert told["password"] == token
    for operation in ("approve", "reject"):
        run(["git", "credential", operation], question(server.url, username="x", password=token), gits())
    assert not (home / "heard").exists()  # nor is it told our token
    assert answers(fill("http://localhost:1").out)["password"] == "old"
    assert here("git:credentials", "--uninstall").code == 0
    assert here("git:credentials", "--uninstall").code == 0
    assert answers(fill(server.url).out)["password"] == "old"
    assert "git:credentials" not in (home / ".gitconfig").read_text()


def test_installed_it_works_where_keyturn_is_not_on_the_path(here: Cli, server: Server, token: str) -> None:
    here("git:credentials", "--install")
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != str(BIN))
    assert answers(fill(server.url, {"PATH": path, "HEROKU_HOST": "http://other.invalid"}).out)["password"] == token


def test_installed_and_without_a_login_git_does_not_ask_for_a_password(keyturn: Cli, server: Server) -> None:
    keyturn("git:credentials", "--install")
    done = fill(server.url)
    assert (done.out, done.code) == ("", 128)
    assert "not logged in to localhost" in done.err
    assert "told us to quit" in done.err


def test_what_an_earlier_version_set_up_gives_way_and_the_heroku_clis_own_stays(
    here: Cli, server: Server, token: str, home: Path
) -> None:
    old, settings = f"credential.{server.url}.helper", home / ".gitconfig"
    for word in ("--install", "--uninstall"):
        run(["git", "config", "--global", "--replace-all", old, ""], None, gits())
        run(
            ["git", "config", "--global", "--add", old, f"!/old/keyturn git:credentials --host {server.url}"],
            None,
            gits(),
        )
        assert here("git:credentials", word).code == 0
        assert "/old/keyturn" not in settings.read_text()
        heroku = run(["git", "config", "--global", old, "!heroku git:credentials"], None, gits())  # as it does it
        assert heroku.code == 0, heroku
        if word == "--install":
            assert answers(fill(server.url).out)["password"] == token
        assert here("git:credentials", word).code == 0
        assert run(["git", "config", "--get-all", old], None, gits()).out == "!heroku git:credentials\n"
    assert "keyturn" not in settings.read_text()


def test_the_doctor_says_nothing_of_a_helper_that_ours_leaves_nothing_to_answer(
    here: Cli, server: Server, home: Path
) -> None:
    def found() -> list[str]:
        findings = json.loads(here("auth:doctor", "--json").out)["findings"]
        return [finding["id"] for finding in findings if finding["id"].startswith("git-helper")]

    here("git:credentials", "--install")
    run(["git", "config", "--global", f"credential.{server.url}.helper", "!heroku git:credentials"], None, gits())
    assert found() == []
    here("git:credentials", "--uninstall")
    assert found() == ["git-helper"]


def test_a_settings_file_that_git_cannot_write_is_told(here: Cli, home: Path) -> None:
    (home / ".gitconfig").write_text("[broken\n")
    done = here("git:credentials", "--install")
    assert (done.out, done.code) == ("", 1)
    assert "git: " in done.err
    assert "next: git config --global --list" in done.err


@pytest.fixture
def work(tmp_path: Path) -> Checkout:
    return checkout(tmp_path / "pushed")


def made(cli: Cli) -> str:
    from tests.cli.conftest import unused

    name = unused()
    assert cli("apps:create", name, "--no-remote").code == 0
    return name


def test_a_push_by_the_helper_alone(here: Cli, server: Server, work: Checkout, home: Path, token: str) -> None:
    name = made(here)
    here("git:credentials", "--install")
    netrc.write(str(home / ".netrc"), ["localhost"], "a@example.com", "somebody elses")  # what git finds first
    done = work.git("push", f"{server.url}/{name}.git", "main")
    assert f"Pushed to {name}" in done.err
    assert token in (home / ".netrc").read_text()


def pushed(cli: Cli, work: Checkout, url: str) -> pexpect.spawn[str]:
    """A push at a terminal, as a person types it."""
    env = gits({"HEROKU_HOST": cli.url})
    del env["GIT_TERMINAL_PROMPT"]
    return pexpect.spawn(
        "git",
        ["-C", str(work.folder), "push", url, "main"],
        env=env,
        encoding="utf-8",
        timeout=30,
        dimensions=(40, 200),
    )


@pytest.mark.parametrize("how", ["logged out", "expired"])
def test_at_a_terminal_a_push_with_a_dead_login_logs_in_and_goes_through(
    how: str, keyturn: Cli, server: Server, account: Account, work: Checkout, home: Path
) -> None:
    keyturn.log_in(account, *(["-e", "2"] if how == "expired" else []))
    token = keyturn("auth:token").out.strip()
    name = made(keyturn)
    keyturn("git:credentials", "--install")
    if how == "logged out":
        end(server, token)
    else:
        while server.call("GET", "/account", token).status_code == 200:
            time.sleep(0.1)
    push = pushed(keyturn, work, f"{server.url}/{name}.git")
    push.expect_exact("was logged out on" if how == "logged out" else "expired")
    push.expect_exact("logging in again")
    decide(address_in(push), account)
    push.expect_exact(f"Logged in as {account.email}")
    push.expect_exact(f"Pushed to {name} as {account.email}.")
    push.expect_exact("main -> main")
    push.expect(pexpect.EOF)
    push.close()
    assert push.exitstatus == 0
    assert token not in (home / ".netrc").read_text()
    assert work.git("push", f"{server.url}/{name}.git", "main").err.strip() == "Everything up-to-date"


def test_nothing_is_left_behind_the_prompt_when_the_login_of_a_push_is_interrupted(
    keyturn: Cli, server: Server, account: Account, work: Checkout
) -> None:
    keyturn.log_in(account)
    keyturn("git:credentials", "--install")
    end(server, keyturn("auth:token").out.strip())
    push = pushed(keyturn, work, f"{server.url}/any-app.git")
    push.expect_exact("Waiting for login... ")
    push.sendintr()
    push.expect(pexpect.EOF)
    assert str(push.before).strip() in ("", "^C")


def test_without_a_terminal_a_push_with_a_dead_login_ends_with_the_reason(
    keyturn: Cli, server: Server, account: Account, work: Checkout
) -> None:
    keyturn.log_in(account)
    name = made(keyturn)
    keyturn("git:credentials", "--install")
    end(server, keyturn("auth:token").out.strip())
    done = work.git("push", f"{server.url}/{name}.git", "main", check=False)
    assert done.code == 128
    assert "was logged out on" in done.err
    assert f"next: keyturn login --host {server.url}" in done.err


def test_where_no_login_mends_it_the_servers_own_advice_is_given(keyturn: Cli, server: Server) -> None:
    account = server.new_account()
    keyturn.log_in(account)
    suspended = server.admin("accounts:suspend", account.email)
    assert suspended.code == 0, suspended
    done = keyturn("git:credentials", "get", input=question(server.url))
    assert (done.out, done.code) == ("quit=1\n", 0)
    assert "its account was suspended on" in done.err
    assert "next: ask your administrator" in done.err
    assert "keyturn login" not in done.err


def test_where_git_may_not_ask_neither_does_the_helper(keyturn: Cli, server: Server) -> None:
    keyturn("git:credentials", "--install")
    asking = pexpect.spawn(
        "bash", ["-c", f"printf '{question(server.url)}' | git credential fill"], env=gits(), encoding="utf-8", timeout=30
    )  # fmt: skip
    asking.expect_exact("told us to quit")
    asking.expect(pexpect.EOF)


def test_the_variable_pushes(keyturn: Cli, server: Server, account: Account, work: Checkout) -> None:
    token = server.token(account)
    name = made_with(keyturn, token)
    keyturn("git:credentials", "--install")
    more = Checkout(work.folder, {"HEROKU_API_KEY": token})
    assert f"Pushed to {name}" in more.git("push", f"{server.url}/{name}.git", "main").err
    end(server, token)
    work.commit()
    dead = more.git("push", f"{server.url}/{name}.git", "main", check=False)
    assert dead.code == 128
    assert "remote: This login" in dead.err
    assert "was logged out on" in dead.err


def made_with(cli: Cli, token: str) -> str:
    from tests.cli.conftest import unused

    name = unused()
    assert cli("apps:create", name, "--no-remote", env={"HEROKU_API_KEY": token}).code == 0
    return name


def test_the_doctor_knows_whether_git_asks_us(
    logged_in: Cli, app: str, server: Server, repository: Callable[..., str], home: Path
) -> None:
    def found(*words: str) -> list[str]:
        findings = json.loads(logged_in("auth:doctor", "--json", *words).out)["findings"]
        return [
            f"{f['id']} {f['level']} {f['fixed'] is not None}" for f in findings if f["id"].startswith("git-helper")
        ]

    assert found() == []  # git has nothing to do with the server here
    repository("remote", "add", "keyturn", f"{server.url}/{app}.git")
    assert found() == ["git-helper-missing notice False"]
    logged_in("git:credentials", "--install")
    assert found() == []
    settings = home / ".gitconfig"
    settings.write_text(settings.read_text().replace(str(BIN), "/gone"))
    assert found() == ["git-helper-gone problem False"]
    assert found("--fix") == ["git-helper-gone problem True"]
    assert found() == []
