"""Law: one rule of names holds everywhere, and what git asks for is read by one parser that knows nothing else."""

from __future__ import annotations

import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyturn.core import apps, gitcmd
from keyturn.core.gitcmd import Wanted


@pytest.mark.parametrize("name", ["abc", "a1b", "my-app", "a" + "b" * 28 + "c", "a--b", "x-1"])
def test_these_are_names(name: str) -> None:
    assert apps.what_is_wrong(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "ab",
        "a" * 31,
        "1ab",
        "-ab",
        "ab-",
        "aB1",
        "a_b",
        "a.b",
        "a/b",
        "..",
        "a b",
        "abc\n",
        "äbc",
        "a\u200bbc",
        "abc.git",
    ],
)
def test_these_are_no_names_and_it_is_said_why(name: str) -> None:
    assert apps.what_is_wrong(name)


def test_a_made_name_is_a_name_and_hardly_comes_twice() -> None:
    made = [apps.make_name(secrets.token_bytes) for _ in range(300)]
    assert all(apps.what_is_wrong(name) is None for name in made)
    assert len(set(made)) > 290


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], ("view",)),
        (["view"], ("view",)),
        (["deploy"], ("view", "deploy")),
        (["manage", "view"], ("view", "deploy", "operate", "manage")),
    ],
)
def test_a_permission_brings_those_below_it(asked: list[str], found: tuple[str, ...]) -> None:
    assert apps.normalize(asked) == found


def test_an_unknown_permission_is_named() -> None:
    with pytest.raises(
        ValueError, match=re.escape("unknown permission 'own'; the valid ones are view, deploy, operate, manage")
    ):
        apps.normalize(["view", "own"])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("git-upload-pack 'my-app.git'", Wanted(gitcmd.FETCH, "my-app")),
        ("git-upload-pack '/my-app.git'", Wanted(gitcmd.FETCH, "my-app")),
        ("git-receive-pack 'my-app'", Wanted(gitcmd.PUSH, "my-app")),
        ("git receive-pack '/my-app.git/'", Wanted(gitcmd.PUSH, "my-app")),
        ('git-receive-pack "my-app.git"', Wanted(gitcmd.PUSH, "my-app")),
        ("git-receive-pack my-app.git", Wanted(gitcmd.PUSH, "my-app")),
    ],
)
def test_what_git_sends_over_ssh_is_understood(text: str, wanted: Wanted) -> None:
    assert gitcmd.command(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ls",
        "git-upload-archive 'my-app.git'",
        "git-upload-pack",
        "git-upload-pack ''",
        "git-upload-pack 'my-app.git",
        "git-upload-pack 'my-app.git\"",
        "git-upload-pack '../my-app.git'",
        "git-upload-pack '/etc/my-app.git'",
        "git-upload-pack 'my-app.git' 'other.git'",
        "git-upload-pack --strict 'my-app.git'",
        "git-upload-pack '--upload-pack=id'",
        "git-upload-pack 'my-app.git'; id",
        "git-upload-pack 'my-app.git'\nid",
        "git-upload-pack $(id)",
        "git-upload-pack 'my-app.git.git'",
        "git-upload-pack 'my-app/x.git'",
        "git-upload-pack '//my-app.git'",
        "GIT-UPLOAD-PACK 'my-app.git'",
        "git-shell -c \"git-upload-pack 'my-app.git'\"",
        "git-upload-pack 'my-app.git'\x00",
        "git-upload-pack 'My-App.git'",
        "git-upload-pack '" + "a" * 300 + "'",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    assert gitcmd.command(text) is None


@given(st.text(max_size=60), st.sampled_from(gitcmd.SERVICES))
def test_only_names_come_out_whatever_goes_in(text: str, service: str) -> None:
    for found in (gitcmd.app_of(text), (gitcmd.command(f"{service} '{text}'") or Wanted("", "abc")).app):
        assert found is None or apps.what_is_wrong(found) is None
