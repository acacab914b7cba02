"""git's first words are kept only as long as git itself would say the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from keyturn.adapters.git import Git
from keyturn.adapters.git_told import LOOSE, SETTLED, Advertisements, state_of
from keyturn.core.gitcmd import FETCH, PUSH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

APP, OTHER = str(uuid.UUID(int=5)), str(uuid.UUID(int=6))


@pytest.fixture
def git(tmp_path: Path) -> Git:
    made = Git(tmp_path / "repositories")
    for app in (APP, OTHER):
        made.make(app)
        run(made.path(app), "update-ref", "refs/heads/main", commit(made.path(app), "one"))
        run(made.path(app), "update-ref", "refs/heads/side/branch", commit(made.path(app), "one"))
        settle(made.path(app))
    return made


def run(repository: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    return subprocess.run(
        ["git", "--git-dir", str(repository), *who, *words], input="", capture_output=True, text=True, check=True
    ).stdout.strip()


def run_bytes(repository: Path) -> bytes:
    """What git tells a push first."""
    command = ["git", "receive-pack", "--stateless-rpc", "--advertise-refs", str(repository)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def commit(repository: Path, message: str) -> str:
    return run(repository, "commit-tree", run(repository, "mktree"), "-m", message)


def settle(repository: Path) -> None:
    """As if nothing had touched it for a while."""
    long_ago = time.time_ns() - int(10 * SETTLED * 1e9)
    for folder, folders, names in os.walk(repository):
        for name in (*folders, *names):
            os.utime(os.path.join(folder, name), ns=(long_ago, long_ago))


def known(git: Git, service: str = PUSH, app: str = APP, version: int = 0) -> bytes | None:
    return git.told(service, app, version).answer


CHANGES: dict[str, Callable[[Path], object]] = {
    "a ref that moves": lambda path: run(path, "update-ref", "refs/heads/main", commit(path, "two")),
    "a new ref": lambda path: run(path, "update-ref", "refs/tags/v1", "main"),
    "a new ref in a new folder": lambda path: run(path, "update-ref", "refs/heads/a/b/c", "main"),
    "a ref that goes": lambda path: run(path, "update-ref", "-d", "refs/heads/side/branch"),
    "refs that are packed": lambda path: run(path, "pack-refs", "--all"),
    "a repository that is packed": lambda path: run(path, "gc", "--quiet"),
    "another HEAD": lambda path: run(path, "symbolic-ref", "HEAD", "refs/heads/side/branch"),
    "another setting": lambda path: run(path, "config", "transfer.hideRefs", "refs/heads/side"),
    "a ref that is written in place": lambda path: (path / "refs/heads/main").write_text(commit(path, "3") + "\n"),
    "a history that is cut off": lambda path: (path / "shallow").write_text(run(path, "rev-parse", "main") + "\n"),
    "objects lent from elsewhere": lambda path: (path / "objects/info/alternates").write_text("/nowhere\n"),
    "a repository that is gone": shutil.rmtree,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_it_is_seen(git: Git, change: Callable[[Path], object]) -> None:
    git.told(PUSH, APP, 0).keep(b"old")
    assert known(git) == b"old"
    change(git.path(APP))
    assert known(git) is None


def test_a_change_by_two_pushes_within_one_tick_is_seen(git: Git) -> None:
    """The second leaves every time as the first did, and may leave the numbers as well: so nothing is kept so soon."""
    path = git.path(APP)
    run(path, "update-ref", "refs/heads/main", commit(path, "two"))
    git.told(PUSH, APP, 0).keep(b"between the two")
    assert known(git) is None


def test_after_a_change_it_is_amended_and_kept_once_nothing_moves(git: Git) -> None:
    path = git.path(APP)
    said = run_bytes(path)
    git.told(PUSH, APP, 0).keep(said)
    run(path, "update-ref", "refs/heads/main", commit(path, "two"))
    first = run_bytes(path)
    assert known(git) == first != said
    run(path, "update-ref", "refs/heads/main", commit(path, "three"))  # within the same tick, perhaps
    second = run_bytes(path)
    assert known(git) == second != first
    settle(path)
    git.told(PUSH, APP, 0).keep(second)
    assert known(git, version=2) == second  # to a push there is no protocol 2
    assert known(git, version=1) is None


def test_what_cannot_be_amended_is_not_tried_again(tmp_path: Path) -> None:
    """Of many refs git's answer may be too long to be kept; trying takes the time of all who wait."""
    folder = tmp_path / "x.git"
    (folder / "refs").mkdir(parents=True)
    kept = Advertisements()
    tried: list[bytes] = []

    def amend(said: bytes) -> None:
        tried.append(said)

    settle(folder)
    kept.look("key", str(tmp_path), str(folder)).keep(b"old")
    (folder / "packed-refs").touch()
    for _ in range(2):
        assert kept.look("key", str(tmp_path), str(folder), amend).answer is None
    assert tried == [b"old"]


ELSEWHERE: dict[str, Callable[[Path], object]] = {
    "refs in tables": lambda path: (path / "reftable").mkdir(),
    "refs in another folder": lambda path: (path / "commondir").write_text("../common\n"),
    "objects, and tips, of another repository": lambda path: (path / "objects/info/alternates").write_text("/x\n"),
}


@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE)
def test_of_what_is_not_looked_at_nothing_is_kept(git: Git, change: Callable[[Path], object]) -> None:
    change(git.path(APP))
    settle(git.path(APP))
    git.told(PUSH, APP, 0).keep(b"as of now")
    assert known(git) is None


def test_by_other_settings_nothing_is_amended(git: Git) -> None:
    path = git.path(APP)
    git.told(PUSH, APP, 0).keep(run_bytes(path))
    run(path, "config", "transfer.hideRefs", "refs/heads/side")
    assert known(git) is None
    settle(path)
    run(path, "update-ref", "refs/heads/main", commit(path, "two"))
    assert known(git) is None
    git.told(PUSH, APP, 0).keep(run_bytes(path))  # the settings have been so for a while
    run(path, "update-ref", "refs/heads/main", commit(path, "three"))
    assert known(git) is None


def test_what_changes_while_git_is_asked_is_not_taken_for_what_was_before(git: Git) -> None:
    told = git.told(PUSH, APP, 0)
    run(git.path(APP), "update-ref", "refs/heads/main", commit(git.path(APP), "two"))
    told.keep(b"one of the two")
    settle(git.path(APP))
    assert known(git) is None


def test_packed_refs_are_told_apart(git: Git) -> None:
    path = git.path(APP)
    run(path, "pack-refs", "--all")
    settle(path)
    git.told(PUSH, APP, 0).keep(b"packed")
    run(path, "update-ref", "-d", "refs/heads/side/branch")
    assert known(git) is None


def test_apps_services_and_versions_are_kept_apart(git: Git) -> None:
    git.told(PUSH, APP, 0).keep(b"push")
    git.told(FETCH, APP, 0).keep(b"fetch")
    assert (known(git), known(git, FETCH)) == (b"push", b"fetch")
    assert known(git, app=OTHER) is None
    assert known(git, FETCH, version=1) is None
    git.told(FETCH, APP, 2).keep(b"what git can do")
    assert known(git, FETCH, OTHER, 2) == b"what git can do"
    assert known(git, PUSH, OTHER, 2) is None


def test_another_git_is_asked_anew(git: Git, tmp_path: Path) -> None:
    program = tmp_path / "git"
    program.write_text("one")
    kept = Advertisements()
    kept.look("key", str(program), None).keep(b"as the old one says")
    assert kept.look("key", str(program), None).answer == b"as the old one says"
    os.utime(program, ns=(5, 5))
    assert kept.look("key", str(program), None).answer is None
    assert kept.look("key", str(tmp_path / "none"), None).answer is None


def test_no_more_is_kept_than_may_be_and_what_is_used_stays(tmp_path: Path) -> None:
    program = str(tmp_path)
    kept = Advertisements(most=30)
    for name in ("a", "b", "c"):
        kept.look(name, program, None).keep(name.encode() * 10)
    assert kept.look("a", program, None).answer
    kept.look("b", program, None).keep(b"B" * 10)  # again
    kept.look("d", program, None).keep(b"d" * 10)
    assert [name for name in "abcd" if kept.look(name, program, None).answer] == ["a", "b", "d"]
    kept.look("e", program, None).keep(b"e" * 31)
    assert [name for name in "abcde" if kept.look(name, program, None).answer] == []


def test_where_looking_costs_more_than_asking_nothing_is_kept(git: Git) -> None:
    path = git.path(APP)
    head = run(path, "rev-parse", "main")
    for number in range(LOOSE):
        (path / f"refs/tags/t{number}").write_text(head + "\n")
    settle(path)
    assert state_of("/", str(path)) == (None, None)
    run(path, "pack-refs", "--all")
    settle(path)
    assert None not in state_of("/", str(path))


def test_no_more_folders_are_looked_at_than_refs(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of 250 characters makes a hundred of them; all who wait for the event loop would wait for each."""
    path = git.path(APP)
    for number in range(5):
        (path / f"refs/heads/{number}/{'a/' * 100}").mkdir(parents=True)
    settle(path)
    looks = 0
    real = os.scandir

    def counting(folder: str) -> object:
        nonlocal looks
        looks += 1
        return real(folder)

    monkeypatch.setattr(os, "scandir", counting)
    assert state_of("/", str(path)) == (None, None)
    assert looks <= LOOSE
