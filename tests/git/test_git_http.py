"""The real git against a real server, over HTTP: everything that it does with a repository."""

from __future__ import annotations

import gzip
import os
import time
from typing import TYPE_CHECKING

import pytest
import requests
from tests.support.gits import Checkout, checkout, gits, pusher

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Server
    from tests.support.gits import Pusher


@pytest.fixture
def ada(server: Server) -> Pusher:
    return pusher(server)


@pytest.fixture
def work(tmp_path: Path) -> Checkout:
    return checkout(tmp_path / "work")


def test_what_is_pushed_is_cloned(ada: Pusher, work: Checkout, tmp_path: Path) -> None:
    done = work.git("push", ada.url(), "main")
    assert f"remote: Pushed to {ada.app.name} as {ada.account.email}." in done.err
    work.git("clone", "-q", ada.url(), str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "file").read_text() == (work.folder / "file").read_text()
    assert ada.refs() == {"refs/heads/main": work.head()}
    ada.fsck()


def test_an_empty_repository_can_be_cloned(ada: Pusher, work: Checkout, tmp_path: Path) -> None:
    done = work.git("clone", ada.url(), str(tmp_path / "copy"))
    assert "empty repository" in done.err
    assert Checkout(tmp_path / "copy").git("symbolic-ref", "HEAD").out == "refs/heads/main\n"


def test_branches_tags_forced_pushes_and_deletions(ada: Pusher, work: Checkout) -> None:
    first = work.head()
    work.git("tag", "-a", "v1", "-m", "one")
    work.git("push", "-q", ada.url(), "main", "main:feature/x", "v1")
    assert set(ada.refs()) == {"refs/heads/main", "refs/heads/feature/x", "refs/tags/v1"}
    work.commit()
    work.git("push", "-q", ada.url(), "main")
    work.git("reset", "-q", "--hard", first)
    rewritten = work.commit("other")
    refused = work.git("push", ada.url(), "main", check=False)
    assert refused.code == 1
    assert "non-fast-forward" in refused.err or "fetch first" in refused.err
    work.git("push", "-q", "--force", ada.url(), "main")
    work.git("push", "-q", ada.url(), "--delete", "feature/x")
    assert ada.refs()["refs/heads/main"] == rewritten
    assert "refs/heads/feature/x" not in ada.refs()


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_every_version_of_the_protocol(ada: Pusher, work: Checkout, tmp_path: Path, version: str) -> None:
    chosen = ("-c", f"protocol.version={version}")
    work.git(*chosen, "push", "-q", ada.url(), "main")
    work.git(*chosen, "clone", "-q", ada.url(), str(tmp_path / "copy"))
    head = work.commit()
    work.git(*chosen, "push", "-q", ada.url(), "main")
    copy = Checkout(tmp_path / "copy")
    copy.git(*chosen, "pull", "-q")
    assert copy.head() == head
    traced = Checkout(copy.folder, {"GIT_TRACE_PACKET": "1"}).git(*chosen, "ls-remote", "origin")
    assert ("< version 2" in traced.err) == (version == "2")


@pytest.mark.parametrize("version", ["0", "2"])
def test_what_is_told_of_a_quiet_repository_is_new_after_a_push(ada: Pusher, work: Checkout, version: str) -> None:
    def seen() -> dict[str, str]:
        listed = work.git("-c", f"protocol.version={version}", "ls-remote", ada.url()).out
        return {name: value for value, name in (line.split() for line in listed.splitlines())}

    for _ in range(3):
        head = work.commit()
        work.git("push", "-q", ada.url(), "main")
        for file in [ada.repository, *ada.repository.rglob("*")]:  # as if that had been an hour ago: answers are kept
            os.utime(file, (time.time() - 3600,) * 2)
        assert seen() == seen() == {"HEAD": head, "refs/heads/main": head}
        work.git("push", "-q", ada.url(), "main")  # there is nothing new, by what is kept
    assert ada.refs() == {"refs/heads/main": head}


def test_shallow_and_partial_clones(ada: Pusher, work: Checkout, tmp_path: Path) -> None:
    for _ in range(5):
        work.commit()
    work.git("push", "-q", ada.url(), "main")
    work.git("clone", "-q", "--depth=2", ada.url(), str(tmp_path / "shallow"))
    shallow = Checkout(tmp_path / "shallow")
    assert shallow.git("rev-list", "--count", "HEAD").out == "2\n"
    shallow.git("fetch", "-q", "--unshallow")
    assert shallow.git("rev-list", "--count", "HEAD").out == "6\n"
    work.git("clone", "-q", "--filter=blob:none", "--no-checkout", ada.url(), str(tmp_path / "partial"))
    partial = Checkout(tmp_path / "partial")
    missing = partial.git("rev-list", "--objects", "--missing=print", "HEAD").out
    assert missing.count("?") == 6
    partial.git("checkout", "-q", "main")  # fetches the one blob that it takes
    assert (partial.folder / "file").read_text() == (work.folder / "file").read_text()


def test_a_fetch_whose_request_is_gzip(ada: Pusher, work: Checkout, tmp_path: Path) -> None:
    work.git("push", "-q", ada.url(), "main")
    work.git("clone", "-q", ada.url(), str(tmp_path / "copy"))
    copy = Checkout(tmp_path / "copy")
    for number in range(30):  # enough to ask for that git packs its request
        work.commit(text=str(number))
        work.git("tag", f"t{number}")
    work.git("push", "-q", "--tags", ada.url(), "main")
    traced = Checkout(copy.folder, {"GIT_CURL_VERBOSE": "1"}).git("fetch", "--tags", "origin")
    assert "Content-Encoding: gzip" in traced.err
    assert copy.git("rev-parse", "origin/main", "t29").out.split() == [work.head()] * 2


def test_a_push_in_chunks(ada: Pusher, work: Checkout) -> None:
    import random

    (work.folder / "noise").write_bytes(random.Random(5).randbytes(3_000_000))
    work.git("add", "noise")
    work.git("commit", "-q", "-m", "noise")
    traced = Checkout(work.folder, {"GIT_CURL_VERBOSE": "1"}).git(
        "-c", "http.postBuffer=65536", "push", ada.url(), "main"
    )
    assert "Transfer-Encoding: chunked" in traced.err
    assert ada.refs() == {"refs/heads/main": work.head()}
    ada.fsck()


def test_a_body_that_curl_announces_with_expect(ada: Pusher, work: Checkout) -> None:
    work.git("push", "-q", ada.url(), "main")
    body = b"0014command=ls-refs\n0000"
    done = requests.post(
        ada.url(None) + "/git-upload-pack", gzip.compress(body), auth=("x", ada.token), timeout=20,
        headers={
            "Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip", "Git-Protocol": "version=2",
            "Expect": "100-continue",
        },
    )  # fmt: skip
    assert done.status_code == 200
    assert done.headers["Content-Type"] == "application/x-git-upload-pack-result"
    assert done.headers["Cache-Control"] == "no-store"
    assert work.head() in done.text


def test_many_refs(ada: Pusher, work: Checkout) -> None:
    head = work.head()
    lines = "".join(f"create refs/tags/t{number} {head}\n" for number in range(900))
    work.git("update-ref", "--stdin", input=lines)
    work.git("push", "-q", "--tags", ada.url())
    assert len(ada.refs()) == 900
    assert len(work.git("ls-remote", ada.url()).out.splitlines()) == 900
    assert len(work.git("-c", "protocol.version=0", "ls-remote", ada.url()).out.splitlines()) == 900


def test_the_repository_is_the_servers_alone_and_has_no_foreign_hook(ada: Pusher) -> None:
    assert ada.repository.stat().st_mode & 0o777 == 0o700
    assert not (ada.repository / "hooks").exists()
    assert (ada.repository / "HEAD").read_text() == "ref: refs/heads/main\n"


def test_the_machines_git_configuration_does_not_count(tmp_path: Path) -> None:
    from tests.conftest import Server

    foreign = {
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "receive.denyDeletes",
        "GIT_CONFIG_VALUE_0": "true",
    }
    running = Server(tmp_path / "server", variables=foreign)
    try:
        (running.home / ".gitconfig").write_text("[receive]\n\tdenyDeletes = true\n[http]\n\treceivepack = false\n")
        ada, work = pusher(running), checkout(tmp_path / "work")
        work.git("push", "-q", ada.url(), "main", "main:x")
        work.git("push", "-q", ada.url(), "--delete", "x")
        assert not (tmp_path / "trace").exists()
    finally:
        running.stop()
    assert gits()["HOME"] != str(running.home)
