"""Law: apps are made, shown, renamed, handed on and destroyed from the command line, and found by a folder's git remotes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.dialogue import ended

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Terminal
    from tests.conftest import Account, Cli, Server


from tests.cli.conftest import unused


def test_an_app_is_made_and_git_can_push_to_it(logged_in: Cli, server: Server, repository: Callable[..., str]) -> None:
    name = unused()
    done = logged_in("apps:create", name)
    assert (done.out, done.code) == (f"{name} | {server.url}/{name}.git\n", 0)
    assert f"Creating {name}... done" in done.err
    assert "git remote keyturn set; to push: git push keyturn main" in done.err
    assert repository("remote", "get-url", "keyturn") == f"{server.url}/{name}.git"


def test_a_remote_that_is_there_is_left_alone(logged_in: Cli, repository: Callable[..., str]) -> None:
    repository("remote", "add", "keyturn", "https://example.com/other.git")
    name = unused()
    done = logged_in("apps:create", name)
    assert f"to push from a repository: keyturn git:remote -a {name}" in done.err
    assert repository("remote", "get-url", "keyturn") == "https://example.com/other.git"
    repository("symbolic-ref", "HEAD", "refs/heads/trunk")
    other = logged_in("apps:create", unused(), "-r", "staging")
    assert "git remote staging set; to push: git push staging trunk" in other.err


def test_outside_a_repository_and_without_git_an_app_is_made_all_the_same(
    logged_in: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = logged_in("apps:create")
    name = done.out.partition(" ")[0]
    assert done.code == 0
    assert f"keyturn git:remote -a {name}" in done.err
    bare = subprocess.run(
        [sys.executable, "-m", "keyturn.cli.main", "apps:create", "--json"], env=logged_in.env({"PATH": "/nowhere"}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    owner = json.loads(logged_in("apps:info", name, "-j").out)["owner"]
    assert (bare.returncode, json.loads(bare.stdout)["owner"]) == (0, owner)
    assert "git is not installed" in bare.stderr


@pytest.mark.parametrize("name", ["Ab", "my_app", "--x", "../etc", "a" * 31, "\x1b[31mred"])
def test_a_name_that_is_none_is_2_before_anything_is_asked(keyturn: Cli, name: str) -> None:
    for words in (["apps:create", "--", name], ["apps:info", "--", name], ["git:remote", f"--app={name}"]):
        done = keyturn(*words)
        assert (done.out, done.code) == ("", 2), done
        assert "is no app's name: 3 to 30 small letters, digits and dashes, a letter first" in done.err
        assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [("My_App", "my-app"), ("9lives!", "lives"), ("x", "NAME"), ("é", "NAME"), ("a" * 31, "a" * 30)],
)
def test_a_name_that_can_be_one_is_suggested(keyturn: Cli, typed: str, suggested: str) -> None:
    for command in ("apps:create", "apps:rename"):
        done = keyturn(command, typed)
        assert done.code == 2
        assert done.err.splitlines()[-1].endswith(f"next: keyturn {command} {suggested}")


@pytest.mark.parametrize("command", ["apps:info", "apps:destroy"])
def test_two_names_are_one_too_many(logged_in: Cli, app: str, command: str) -> None:
    more = ["--confirm", app] if command == "apps:destroy" else []
    done = logged_in(command, "-a", app, *more, "another-app")
    assert (done.out, done.code) == ("", 2)
    assert f"two apps are named, {app} and another-app" in done.err
    assert logged_in("apps:info", "-a", app, app).code == 0


def test_a_taken_name_is_told(logged_in: Cli, app: str) -> None:
    done = logged_in("apps:create", app)
    assert (done.out, done.code) == ("", 1)
    assert f"Name {app} is already taken" in done.err
    assert "next: keyturn apps:create ANOTHERNAME" in done.err


def test_apps_are_listed(keyturn: Cli, server: Server) -> None:
    keyturn.log_in(server.new_account())
    empty = keyturn("apps")
    assert (empty.out, empty.code) == ("No apps.\n", 0)
    assert "to make one: keyturn apps:create NAME" in empty.err
    assert json.loads(keyturn("apps", "--json").out) == []
    names = sorted(unused() for _ in range(2))
    for name in reversed(names):
        keyturn("apps:create", name, "-n")
    lines = keyturn("apps").out.splitlines()
    assert lines[0].split() == ["Name", "Owner", "You", "may", "Last", "push"]
    assert [line.split()[0] for line in lines[2:]] == names
    assert lines[2].endswith("view, deploy, operate, manage  never")
    assert [item["name"] for item in json.loads(keyturn("apps", "--json").out)] == names


def test_an_app_is_shown_by_option_word_and_id(logged_in: Cli, app: str, account: Account, server: Server) -> None:
    shown = logged_in("apps:info", "-a", app)
    fields = dict(line.split(":", 1) for line in shown.out.splitlines())
    assert fields["Name"].strip() == app
    assert fields["Owner"].strip() == account.email
    assert fields["Git"].strip() == f"{server.url}/{app}.git"
    assert fields["Last push"].strip() == "never"
    assert logged_in("apps:info", app).out == shown.out
    told = json.loads(logged_in("apps:info", app, "--json").out)
    assert [m["role"] for m in told["collaborators"]] == ["owner"]
    assert logged_in("apps:info", told["id"]).out == shown.out
    assert logged_in("apps:info", env={"HEROKU_APP": app}).out == shown.out


MISSING = [
    ["apps:info", "-a", "no-such-app"], ["apps:rename", "new-name", "-a", "no-such-app"],
    ["apps:destroy", "-a", "no-such-app", "-c", "no-such-app"], ["apps:transfer", "x@example.com", "-a", "no-such-app"],
    ["access", "-a", "no-such-app"], ["access:add", "x@example.com", "-a", "no-such-app"],
    ["access:update", "x@example.com", "-p", "view", "-a", "no-such-app"], ["access:remove", "~", "-a", "no-such-app"],
    ["git:remote", "-a", "no-such-app"], ["git:clone", "-a", "no-such-app"],
]  # fmt: skip


@pytest.mark.parametrize("words", MISSING, ids=lambda words: words[0])
def test_an_app_that_is_not_there_is_1_and_said_so(
    words: list[str], logged_in: Cli, repository: Callable[..., str]
) -> None:
    done = logged_in(*words)
    assert (done.out, done.code) == ("", 1), done
    assert "Couldn't find that app." in done.err
    assert "next: keyturn apps" in done.err


LOGIN_NEEDED = [
    ["apps"], ["apps:create"], ["apps:transfers"], ["apps:transfer:accept", "x"], ["apps:transfer:cancel", "x"], *MISSING,
]  # fmt: skip


@pytest.mark.parametrize("words", LOGIN_NEEDED, ids=lambda words: words[0])
def test_without_a_login_it_is_4_and_the_command_to_run(
    words: list[str], keyturn: Cli, repository: Callable[..., str]
) -> None:
    done = keyturn(*words)
    assert (done.out, done.code) == ("", 4)
    assert "next: keyturn login" in done.err


def test_a_renamed_apps_remotes_follow_in_their_own_form(
    logged_in: Cli, app: str, server: Server, repository: Callable[..., str]
) -> None:
    repository("remote", "add", "keyturn", f"{server.url}/{app}.git")
    repository("remote", "add", "ssh", f"ssh://git@localhost:2222/{app}.git")
    repository("remote", "add", "scp", f"git@localhost:{app}.git")
    repository("remote", "add", "other", f"https://example.com/{app}.git")
    new = unused()
    done = logged_in("apps:rename", new)
    assert (done.out, done.code) == (f"{new} | {server.url}/{new}.git\n", 0)
    assert done.err.count("follows") == 3
    assert repository("remote", "get-url", "keyturn") == f"{server.url}/{new}.git"
    assert repository("remote", "get-url", "ssh") == f"ssh://git@localhost:2222/{new}.git"
    assert repository("remote", "get-url", "scp") == f"git@localhost:{new}.git"
    assert repository("remote", "get-url", "other") == f"https://example.com/{app}.git"
    taken = logged_in("apps:rename", new, "-a", new, "--json")
    assert json.loads(taken.out)["name"] == new


def test_destroying_takes_the_name_once_more(logged_in: Cli, app: str, terminal: Terminal) -> None:
    bare = logged_in("apps:destroy", "-a", app)
    assert (bare.out, bare.code) == ("", 2)
    assert f"next: keyturn apps:destroy -a {app} --confirm {app}" in bare.err
    wrong = logged_in("apps:destroy", "-a", app, "--confirm", "other")
    assert wrong.code == 1
    assert "nothing was destroyed" in wrong.err
    asked = terminal("apps:destroy", app)
    asked.expect_exact(f"To go on, type {app}: ")
    asked.sendline("no")
    assert "nothing was destroyed" in ended(asked)[0]
    assert logged_in("apps:info", app).code == 0
    asked = terminal("apps:destroy", app)
    asked.expect_exact(f"To go on, type {app}: ")
    asked.sendline(app)
    assert ended(asked)[1] == 0
    assert logged_in("apps:info", app).code == 1


def test_a_destroyed_apps_remotes_are_named(
    logged_in: Cli, app: str, server: Server, repository: Callable[..., str]
) -> None:
    repository("remote", "add", "keyturn", f"{server.url}/{app}.git")
    done = logged_in("apps:destroy", "--confirm", app, "--json")
    assert (json.loads(done.out)["name"], done.code) == (app, 0)
    assert "to remove it: git remote remove keyturn" in done.err


def test_an_app_is_handed_on(logged_in: Cli, app: str, server: Server, keyturn_at: Any) -> None:
    other = server.new_account()
    theirs = {"HEROKU_API_KEY": server.token(other)}
    offered = logged_in("apps:transfer", other.email, "-a", app)
    assert (offered.out, offered.code) == ("", 0)
    assert f"{other.email} is told; until they accept, nothing changes" in offered.err
    lines = logged_in("apps:transfers").out.splitlines()
    assert any(line.split()[0] == app and line.split()[2:] == [other.email, "pending"] for line in lines)
    assert logged_in("apps:transfer:accept", app).code == 1
    assert logged_in("apps:transfer:cancel", app).code == 0
    logged_in("apps:transfer", other.email, "-a", app)
    assert keyturn_at(server.url)("apps:transfer:decline", app, env=theirs).code == 0
    made = json.loads(logged_in("apps:transfer", other.email, "-a", app, "--json").out)
    taken = logged_in("apps:transfer:accept", made["id"], "--json", env=theirs)
    assert json.loads(taken.out)["state"] == "accepted"
    assert json.loads(logged_in("apps:info", app, "-j").out)["owner"]["email"] == other.email
    assert [t["state"] for t in json.loads(logged_in("apps:transfers", "-j", env=theirs).out)] == [
        "declined",
        "accepted",
    ]
    gone = logged_in("apps:transfer:accept", app)
    assert gone.code == 1
    assert "Couldn't find that app transfer." in gone.err
    assert "next: keyturn apps:transfers" in gone.err


def test_nobody_to_hand_on_to_and_no_transfers(logged_in: Cli, app: str, server: Server) -> None:
    done = logged_in("apps:transfer", "nobody@example.com", "-a", app)
    assert done.code == 1
    assert "nobody has an account with nobody@example.com" in done.err
    fresh = logged_in("apps:transfers", env={"HEROKU_API_KEY": server.token(server.new_account())})
    assert (fresh.out, fresh.code) == ("No transfers.\n", 0)


def test_too_little_is_4_with_whom_to_ask(logged_in: Cli, app: str, server: Server, account: Account) -> None:
    other = server.new_account()
    logged_in("access:add", other.email, "-a", app, "-p", "deploy")
    done = logged_in("apps:rename", unused(), "-a", app, env={"HEROKU_API_KEY": server.token(other)})
    assert done.code == 4
    assert f"This takes the permission to manage on {app}." in done.err
    assert f"next: ask {account.email}, who owns the app, for the permission to manage" in done.err
