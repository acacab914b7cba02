"""Law: git's side of an app is set up by one command, over HTTP and over SSH, and what git refuses is passed on."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import ended
from tests.support.gits import NOBODY, Checkout

from keyturn.cli import asking
from keyturn.cli.git_remote import address, renamed, url_of
from keyturn.client import KeyturnError, hosts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Terminal
    from tests.conftest import Cli, Server


def test_a_remote_is_added_and_pointed_elsewhere(
    logged_in: Cli, app: str, server: Server, repository: Callable[..., str]
) -> None:
    done = logged_in("git:remote", "-a", app)
    assert (done.out, done.code) == (f"set git remote keyturn to {server.url}/{app}.git\n", 0)
    assert repository("remote", "get-url", "keyturn") == f"{server.url}/{app}.git"
    again = logged_in("git:remote", "--ssh")  # the app is known by its remote now
    assert (again.out, again.code) == ("", 1)
    assert f"localhost:{server.port} serves no git over SSH" in again.err
    assert f"next: keyturn git:remote -a {app}" in again.err
    port = logged_in("git:remote", "-a", app, "-r", "staging", "--ssh-port", "2222")
    assert port.out == f"set git remote staging to ssh://git@localhost:2222/{app}.git\n"
    assert repository("remote").split() == ["keyturn", "staging"]


@pytest.mark.parametrize(
    ("host", "http", "ssh", "other_port"),
    [
        ("example.com", "https://git.example.com/a.git", "ssh://git@git.example.com/a.git", "ssh://git@git.example.com:2222/a.git"),
        (
            "https://keyturn.example.com:8443", "https://keyturn.example.com:8443/a.git",
            "ssh://git@keyturn.example.com/a.git", "ssh://git@keyturn.example.com:2222/a.git",
        ),
        ("http://[::1]:8420", "http://[::1]:8420/a.git", "ssh://git@[::1]/a.git", "ssh://git@[::1]:2222/a.git"),
    ],
)  # fmt: skip
def test_where_git_finds_an_app(host: str, http: str, ssh: str, other_port: str) -> None:
    found = hosts.parse(host)
    assert (url_of(found, "a"), url_of(found, "a", ssh=22), url_of(found, "a", ssh=2222)) == (http, ssh, other_port)


GITHUB = "https://me:ghp_secret@github.com/me/thing.git"


def test_a_remote_that_leads_elsewhere_is_not_taken_unless_that_is_meant(
    logged_in: Cli, app: str, server: Server, repository: Callable[..., str], terminal: Terminal
) -> None:
    repository("remote", "add", "origin", GITHUB)
    done = logged_in("git:remote", "-a", app, "-r", "origin")
    assert (done.out, done.code) == ("", 2)
    assert "git remote origin leads to https://github.com/me/thing.git, which is no app of this server" in done.err
    assert f"next: keyturn git:remote -a {app} -r origin --force" in done.err
    asked = terminal("git:remote", "-a", app, "-r", "origin")
    asked.expect_exact("Let it lead to the app instead? [y/N] ")
    asked.sendline("")
    assert ended(asked)[1] == 1
    assert repository("remote", "get-url", "origin") == GITHUB
    forced = logged_in("git:remote", "-a", app, "-r", "origin", "--force")
    assert (forced.out, forced.code) == (f"set git remote origin to {server.url}/{app}.git\n", 0)
    assert "before, it led to https://github.com/me/thing.git" in forced.err
    assert "ghp_secret" not in done.err + forced.err
    other = logged_in("git:remote", "-a", app, "-r", "origin", "--ssh-port", "2222")  # from app to app nobody is asked
    assert other.code == 0
    assert f"before, it led to {server.url}/{app}.git" in other.err


def test_a_clone_of_an_app_is_not_cloned_into_itself(
    logged_in: Cli, app: str, repository: Callable[..., str], tmp_path: Path
) -> None:
    logged_in("git:remote", "-a", app)
    done = logged_in("git:clone", env=NOBODY)
    assert (done.out, done.code) == ("", 2)
    assert f"this folder is a clone of {app} itself" in done.err
    assert f"next: keyturn git:clone -a {app} ../{app}-2" in done.err
    assert not (tmp_path / "work" / app).exists()
    assert logged_in("git:clone", "../copy", env=NOBODY).code == 0  # where to is said
    assert (tmp_path / "copy" / ".git").is_dir()


@pytest.mark.parametrize(
    "told",
    [
        "ssh://git@-oProxyCommand=x/a-name.git",
        "ext::sh -c x",
        "ssh://git@h/other.git",
        "ssh://x@h/a-name.git",
        "ssh://git@h\n/a-name.git",
        7,
    ],
)
def test_an_address_of_ssh_that_is_none_is_not_used(told: object) -> None:
    options = argparse.Namespace(ssh=True, ssh_port=None, command="git:remote")
    with asking.Server("http://localhost:9") as asked, pytest.raises(KeyturnError, match="no address of git over SSH"):
        address(asked, {"name": "a-name", "ssh_url": told}, options)


def test_a_server_that_tells_no_address_of_ssh_has_it_where_ssh_is() -> None:
    options = argparse.Namespace(ssh=True, ssh_port=None, command="git:remote")
    with asking.Server("example.com") as asked:
        assert address(asked, {"name": "a-name"}, options) == "ssh://git@git.example.com/a-name.git"


@pytest.mark.parametrize("name", ["--mirror=fetch", "bad name", "../x", "a..b"])
def test_a_remotes_name_that_git_refuses_is_passed_on(
    logged_in: Cli, app: str, repository: Callable[..., str], name: str
) -> None:
    done = logged_in("git:remote", "-a", app, f"--remote={name}")
    assert (done.out, done.code) == ("", 1)
    assert "is not a valid remote name" in done.err
    assert repository("remote") == ""


def test_a_folder_that_is_no_repository_is_told(
    logged_in: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = logged_in("git:remote", "-a", "my-app")
    assert (done.out, done.code) == ("", 1)
    assert "this folder is no git repository" in done.err
    assert "next: git init" in done.err


def test_code_is_pushed_with_netrc_and_cloned(
    logged_in: Cli, app: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    work = Checkout(tmp_path / "work")
    work.git("checkout", "-q", "-b", "main")
    head = work.commit()
    work.git("push", "-q", f"{server.url}/{app}.git", "main")
    done = logged_in("git:clone", "-a", app, env=NOBODY)
    assert done.code == 0, done
    copy = Checkout(tmp_path / app)
    assert copy.head() == head
    assert copy.git("remote", "get-url", "keyturn").out == f"{server.url}/{app}.git\n"
    assert logged_in("git:clone", "-a", app, "-r", "origin", "elsewhere", env=NOBODY).code == 0
    assert Checkout(tmp_path / "elsewhere").git("remote").out == "origin\n"
    again = logged_in("git:clone", "-a", app, env=NOBODY)
    assert again.code == 1
    assert "already exists and is not an empty directory" in again.err
    assert "git could not clone it; what it said is above" in again.err


def test_a_folder_that_looks_like_an_option_is_a_folder(
    logged_in: Cli, app: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = logged_in("git:clone", "-a", app, "--", "--upload-pack=touch x", env=NOBODY)
    assert done.code == 0, done
    assert (tmp_path / "--upload-pack=touch x" / ".git").is_dir()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("http://localhost:8420/git.git", "http://localhost:8420/new.git"),
        ("https://git.example.com/git.git/", "https://git.example.com/new.git/"),
        ("ssh://git@git.example.com:2222/git.git", "ssh://git@git.example.com:2222/new.git"),
        ("git@git.example.com:git.git", "git@git.example.com:new.git"),
        ("https://git.example.com/git", "https://git.example.com/new"),
    ],
)
def test_a_remote_follows_its_app_whatever_else_is_called_like_it(before: str, after: str) -> None:
    assert renamed(before, "git", "new") == after
