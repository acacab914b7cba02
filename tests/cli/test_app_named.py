"""Law: which app a command is about: told, or found by the git remotes of the folder, of which none can fool it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyturn.cli import app_named
from keyturn.client import hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Cli, Server


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("{server}/my-app.git", True), ("{server}/my-app", True), ("{server}/my-app.git/", True),
        ("http://heroku:secret@localhost:8420/my-app.git", True), ("HTTP://LOCALHOST:8420/my-app.git", True),
        ("ssh://git@localhost/my-app.git", True), ("ssh://git@localhost:2222/my-app.git", True),
        ("git@localhost:my-app.git", True), ("git@localhost:/my-app.git", True), ("git@localhost:my-app", True),
        ("http://localhost/my-app.git", False), ("https://localhost:8420/my-app.git", False),
        ("http://localhost:8421/my-app.git", False), ("http://localhost.example.com:8420/my-app.git", False),
        ("https://github.com/my-app.git", False), ("git@github.com:my-app.git", False), ("git@localhost:team/my-app.git", False),
        ("{server}/team/my-app.git", False), ("{server}/../my-app.git", False), ("{server}/My-App.git", False),
        ("{server}/--upload-pack=touch.git", False), ("http://localhost:99999/my-app.git", False), ("http://[/my-app.git", False),
        ("file:///my-app.git", False), ("/srv/my-app.git", False), ("ext::sh -c touch% /tmp/x", False), ("", False),
        ("{server}/my-app.git?x=y#z", True), ("git@localhost:my-app.git\n", False), ("{server}/\x1b[2J.git", False),
    ],
)  # fmt: skip
def test_which_remotes_lead_to_an_app(url: str, ours: bool) -> None:
    host = hosts.parse("http://localhost:8420")
    assert app_named.app_of(url.format(server="http://localhost:8420"), host) == ("my-app" if ours else None)


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example.com/my-app.git", "https://api.example.com/my-app.git", "git@git.example.com:my-app.git",
        "ssh://git@git.example.com/my-app.git", "https://git.example.com:443/my-app.git",
    ],
)  # fmt: skip
def test_a_host_with_a_git_name_of_its_own(url: str) -> None:
    assert app_named.app_of(url, hosts.parse("example.com")) == "my-app"
    assert app_named.app_of(url, hosts.parse("example.org")) is None


def test_one_remote_names_the_app_and_several_must_be_told_apart(
    logged_in: Cli, app: str, server: Server, repository: Callable[..., str]
) -> None:
    none = logged_in("apps:info")
    assert (none.out, none.code) == ("", 2)
    assert "next: keyturn apps:info -a APP" in none.err
    repository("remote", "add", "origin", "https://github.com/example/thing.git")
    repository("remote", "add", "staging", f"{server.url}/{app}.git")
    repository("remote", "add", "again", f"git@localhost:{app}.git")
    assert logged_in("apps:info").code == 0
    repository("remote", "add", "keyturn", f"{server.url}/another-app.git")
    several = logged_in("apps:info")
    assert several.code == 2
    assert f"git remotes here lead to several apps: another-app, {app}" in several.err
    assert "next: keyturn apps:info -a another-app" in several.err
    assert logged_in("apps:info", "-r", "staging", env={"HEROKU_APP": "another-app"}).code == 0
    missing = logged_in("apps:info", "-r", "origin")
    assert missing.code == 2
    assert "there is no git remote origin here that leads to an app of localhost" in missing.err


def test_a_hostile_configuration_of_git_names_no_app(logged_in: Cli, repository: Callable[..., str]) -> None:
    config = Path(".git/config")
    config.write_text(
        config.read_text()
        + '[remote "x\x1b[31m"]\n\turl = http://localhost/\x1b[2Jaaa.git\n'
        + '[remote "-c"]\n\turl = --upload-pack=x\n[remote "nul"]\n\turl\n'
    )
    done = logged_in("apps:info")
    assert done.code == 2
    assert "\x1b" not in done.out + done.err
    config.write_text("[remote\nbroken")
    assert logged_in("apps:info").code == 2
