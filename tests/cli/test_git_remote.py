"""Law: git's side of an app is set up by one command, over HTTP and over SSH, and what git refuses is passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.gits import NOBODY, Checkout

from keyturn.cli.git_remote import url_of
from keyturn.client import hosts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Cli, Server


def test_a_remote_is_added_and_pointed_elsewhere(
    logged_in: Cli, app: str, server: Server, repository: Callable[..., str]
) -> None:
    done = logged_in("git:remote", "-a", app)
    assert (done.out, done.code) == (f"set git remote keyturn to {server.url}/{app}.git\n", 0)
    assert repository("remote", "get-url", "keyturn") == f"{server.url}/{app}.git"
    again = logged_in("git:remote", "--ssh")  # the app is known by its remote now
    assert again.out == f"set git remote keyturn to ssh://git@localhost/{app}.git\n"
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
