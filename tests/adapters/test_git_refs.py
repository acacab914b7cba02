"""What is put together after a change is, to the byte, what git itself says."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

from keyturn.adapters.git import CONFIG, Git
from keyturn.adapters.git_refs import NEW, amended
from keyturn.core.gitcmd import FETCH, PUSH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

APP = str(uuid.UUID(int=5))
SERVICES = (FETCH, PUSH)


class Repository:
    """A bare one as the server makes it, and git's own words of it."""

    def __init__(self, git: Git) -> None:
        git.make(APP)
        self.path = git.path(APP)
        home = self.path.parent / ".keyturn" / "home"
        self._env = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}

    def run(self, *words: str, given: str = "") -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        command = ["git", "--git-dir", str(self.path), *who, *words]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=True, env=self._env)
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        return self.run("commit-tree", self.run("mktree"), "-m", message)

    def names(self) -> list[str]:
        return self.run("for-each-ref", "--format=%(refname)").split()

    def says(self, service: str, version: int = 0) -> bytes:
        command = ["git", service.removeprefix("git-"), "--stateless-rpc", "--advertise-refs", str(self.path)]
        env = self._env | ({"GIT_PROTOCOL": f"version={version}"} if version else {})
        return subprocess.run(command, capture_output=True, check=True, env=env).stdout

    def amended(self, service: str, said: bytes) -> bytes | None:
        return amended(service, said, str(self.path), CONFIG.encode())


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(Git(tmp_path / "repositories"))
    made.run("update-ref", "refs/heads/main", made.commit("one"))
    made.run("update-ref", "refs/heads/side/branch", made.commit("two"))
    made.run("tag", "-a", "-m", "x", "v1", "main")
    return made


TOLD: dict[str, Callable[[Repository], object]] = {
    "nothing": Repository.names,
    "a branch that moves": lambda it: it.run("update-ref", "refs/heads/main", it.commit("next")),
    "a new branch": lambda it: it.run("update-ref", "refs/heads/a-b/c", it.commit("next")),
    "a branch at what another is at": lambda it: it.run("update-ref", "refs/heads/same", "main"),
    "a branch that goes": lambda it: it.run("update-ref", "-d", "refs/heads/side/branch"),
    "a light tag": lambda it: it.run("tag", "light", "main"),
    "a tag of a file": lambda it: it.run("tag", "file", it.run("hash-object", "-w", "--stdin", given="text")),
    "a second name of an annotated tag": lambda it: it.run("update-ref", "refs/tags/v1-again", "v1"),
    "a branch at what a tag is of": lambda it: (
        it.run("update-ref", "refs/heads/main", it.commit("on")),
        it.run("update-ref", "refs/heads/old", "v1^{}"),
    ),
    "a tag that goes": lambda it: it.run("tag", "-d", "v1"),
    "what is packed": lambda it: it.run("pack-refs", "--all"),
    "what is packed and changed after": lambda it: (
        it.run("pack-refs", "--all"),
        it.run("update-ref", "refs/heads/main", it.commit("next")),
        it.run("update-ref", "-d", "refs/heads/side/branch"),
    ),
    "names in other letters": lambda it: it.run("update-ref", "refs/heads/größer/日本", it.commit("next")),
    "one that is being changed": lambda it: (it.path / "refs/heads/main.lock").write_text("half"),
    "a gc of known objects": lambda it: it.run("gc", "--quiet"),
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("change", TOLD.values(), ids=TOLD)
def test_it_is_what_git_says(repository: Repository, service: str, change: Callable[[Repository], object]) -> None:
    before = repository.says(service)
    change(repository)
    assert repository.amended(service, before) == repository.says(service)


ASKED: dict[str, Callable[[Repository], object]] = {
    "no refs at all": lambda it: [it.run("update-ref", "-d", name) for name in it.names()],
    "a symbolic ref": lambda it: it.run("symbolic-ref", "refs/heads/alias", "refs/heads/main"),
    "a ref to an object that is not there": lambda it: (it.path / "refs/heads/gone").write_text("12" * 20 + "\n"),
    "a ref to nothing": lambda it: (it.path / "refs/heads/null").write_text("0" * 40 + "\n"),
    "a file that is no ref": lambda it: (it.path / "refs/heads/empty").touch(),
    "a ref with a name that is none": lambda it: (it.path / "refs/heads/main~").write_text(it.run("rev-parse", "main") + "\n"),
    "a packed ref with a name that is none": lambda it: _packed(it, "{main} refs/heads/a..b\n"),
    "a packed ref with a space behind its name": lambda it: _packed(it, "{main} refs/heads/space \n"),
    "a packed ref to nothing that has a length": lambda it: _packed(it, " refs/heads/short\n"),
    "a packed ref that was written by halves": lambda it: _packed(it, "{main} refs/heads/half"),
    "packed refs with an empty line": lambda it: _packed(it, "\n{main} refs/heads/x\n"),
    "packed refs with an empty line behind all": lambda it: _packed(it, "\n"),
    "an object whose file is damaged": lambda it: _damage(it, "damaged"),
    "a setting of the operator's": lambda it: it.run("config", "transfer.hideRefs", "refs/heads/side"),
    "new objects in a pack": lambda it: (it.run("update-ref", "refs/heads/main", it.commit("next")), it.run("gc", "--quiet")),
    "more new objects than one looks at": lambda it: [
        it.run("update-ref", f"refs/heads/b{number}", it.commit(str(number))) for number in range(NEW + 1)
    ],
    "a repository that is gone": lambda it: shutil.rmtree(it.path),
}  # fmt: skip


def _damage(repository: Repository, name: str) -> None:
    value = repository.commit(name)
    repository.run("update-ref", f"refs/heads/{name}", value)
    file = repository.path / "objects" / value[:2] / value[2:]
    file.chmod(0o600)
    file.write_bytes(b"\x00" * 50)


def _packed(repository: Repository, more: str) -> None:
    """By somebody's hand."""
    repository.run("pack-refs", "--all")
    with (repository.path / "packed-refs").open("a") as file:
        file.write(more.format(main=repository.run("rev-parse", "main")))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("change", ASKED.values(), ids=ASKED)
def test_what_cannot_be_told_for_certain_is_asked_of_git(
    repository: Repository, service: str, change: Callable[[Repository], object]
) -> None:
    before = repository.says(service)
    change(repository)
    assert repository.amended(service, before) is None


FETCH_ALONE: dict[str, Callable[[Repository], object]] = {
    "another HEAD": lambda it: it.run("symbolic-ref", "HEAD", "refs/heads/side/branch"),
    "a HEAD that names nothing": lambda it: it.run("symbolic-ref", "HEAD", "refs/heads/none"),
    "a HEAD that names no ref": lambda it: it.run("update-ref", "--no-deref", "HEAD", "refs/heads/side/branch"),
    "the branch of HEAD goes": lambda it: it.run("update-ref", "-d", "refs/heads/main"),
    "a new annotated tag": lambda it: it.run("tag", "-a", "-m", "x", "v2", "main"),
}


@pytest.mark.parametrize("change", FETCH_ALONE.values(), ids=FETCH_ALONE)
def test_what_a_push_is_not_told_is_asked_of_git_for_a_fetch_alone(
    repository: Repository, change: Callable[[Repository], object]
) -> None:
    fetch, push = repository.says(FETCH), repository.says(PUSH)
    change(repository)
    assert repository.amended(FETCH, fetch) is None
    assert repository.amended(PUSH, push) == repository.says(PUSH)


def test_a_head_may_have_named_nothing_all_along(repository: Repository) -> None:
    repository.run("symbolic-ref", "HEAD", "refs/heads/none")
    before = repository.says(FETCH)
    repository.run("update-ref", "refs/heads/main", repository.commit("next"))
    assert repository.amended(FETCH, before) == repository.says(FETCH)
    repository.run("update-ref", "refs/heads/none", "refs/heads/main")  # what the capabilities tell from now on
    assert repository.amended(FETCH, before) is None


def test_a_head_that_was_written_by_hand_may_have_spaces_behind_it(repository: Repository) -> None:
    repository.run("symbolic-ref", "HEAD", "refs/heads/none")
    before = repository.says(FETCH)
    (repository.path / "HEAD").write_text("ref: refs/heads/main \n")
    assert b"symref=HEAD:refs/heads/main" in repository.says(FETCH)
    assert repository.amended(FETCH, before) is None


def test_a_head_that_peels(repository: Repository) -> None:
    repository.run("symbolic-ref", "HEAD", "refs/tags/v1")
    before = repository.says(FETCH)
    repository.run("update-ref", "refs/heads/main", repository.commit("next"))
    assert b" HEAD^{}\n" in before
    assert repository.amended(FETCH, before) == repository.says(FETCH)


@pytest.mark.parametrize("said", [b"", b"0000", b"0000000", b"garbage", b"version 1\n0000"])
def test_of_what_git_did_not_say_so_nothing_is_made(repository: Repository, said: bytes) -> None:
    assert repository.amended(FETCH, said) is None


@pytest.mark.parametrize("service", SERVICES)
def test_an_empty_repository_is_asked_for_its_first_refs(tmp_path: Path, service: str) -> None:
    repository = Repository(Git(tmp_path / "repositories"))
    before = repository.says(service)
    repository.run("update-ref", "refs/heads/main", repository.commit("one"))
    assert repository.amended(service, before) is None


def test_to_a_push_there_is_no_protocol_2(repository: Repository) -> None:
    assert repository.says(PUSH, version=2) == repository.says(PUSH)


@pytest.mark.parametrize("seed", range(3))
def test_after_any_changes_it_is_what_git_says_or_git_is_asked(repository: Repository, seed: int) -> None:
    """A walk of a hundred changes, amended again and again; most of them it can tell."""
    chance = random.Random(seed)
    said = {service: repository.says(service) for service in SERVICES}
    told = 0
    for number in range(100):
        _change(repository, chance, number)
        for service in SERVICES:
            now = repository.says(service)
            found = repository.amended(service, said[service])
            assert found in (now, None)
            told += found is not None
            said[service] = now if found is None else found
    assert told > 100


def _change(repository: Repository, chance: random.Random, number: int) -> None:
    names = repository.names()
    one = chance.choice(names)
    deed = chance.choice(("move", "move", "new", "new", "delete", "tag", "light", "pack", "head"))
    if deed == "move" and one.startswith("refs/heads/"):
        repository.run("update-ref", one, repository.commit(str(number)))
    elif deed == "new":
        repository.run("update-ref", f"refs/heads/{chance.choice('abc')}-{number}/x", one + "^{}")
    elif deed == "delete" and len(names) > 3:
        repository.run("update-ref", "-d", one)
    elif deed == "tag":
        repository.run("tag", "-a", "-m", "x", f"t{number}", one)
    elif deed == "light":
        repository.run("tag", f"l{number}", one)
    elif deed == "pack":
        repository.run("pack-refs", "--all")
    elif deed == "head":
        repository.run("symbolic-ref", "HEAD", chance.choice([*names, "refs/heads/none"]))
