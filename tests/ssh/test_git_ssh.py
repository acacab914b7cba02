"""git over SSH with the real git and the real ssh: everything that people do with a repository."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.conftest import run
from tests.support.gits import gits
from tests.support.sshs import port_of, ssh_pusher

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Server
    from tests.support.gits import Checkout
    from tests.support.sshs import SshPusher


def test_push_and_clone(ada: SshPusher, work: Checkout, tmp_path: Path) -> None:
    pushed = work.git("push", "origin", "main")
    assert f"remote: Pushed to {ada.who.app.name} as {ada.who.account.email}." in pushed.err
    assert ada.who.refs() == {"refs/heads/main": work.head()}
    work.git("clone", "-q", ada.url, str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "file").read_text() == (work.folder / "file").read_text()
    ada.who.fsck()


def test_force_tags_and_deletion(ada: SshPusher, work: Checkout) -> None:
    work.git("push", "-q", "origin", "main")
    work.git("commit", "-q", "--amend", "-m", "otherwise")
    refused = work.git("push", "origin", "main", check=False)
    assert refused.code == 1
    assert "rejected" in refused.err
    work.git("tag", "-a", "v1", "-m", "one")
    work.git("push", "-q", "--force", "origin", "main", "v1")
    assert ada.who.refs().keys() == {"refs/heads/main", "refs/tags/v1"}
    assert ada.who.refs()["refs/heads/main"] == work.head()
    work.git("push", "-q", "origin", ":v1")
    assert ada.who.refs() == {"refs/heads/main": work.head()}


def test_shallow_and_partial_clones_and_their_deepening(ada: SshPusher, work: Checkout, tmp_path: Path) -> None:
    for _ in range(3):
        work.commit()
    work.git("push", "-q", "origin", "main")
    work.git("clone", "-q", "--depth", "1", ada.url, str(tmp_path / "shallow"))
    shallow = type(work)(tmp_path / "shallow", work.more)
    assert shallow.git("rev-list", "--count", "HEAD").out.strip() == "1"
    shallow.git("fetch", "-q", "--unshallow")
    assert shallow.git("rev-list", "--count", "HEAD").out.strip() == "4"
    work.git("clone", "-q", "--filter=blob:none", "--no-checkout", ada.url, str(tmp_path / "partial"))
    partial = type(work)(tmp_path / "partial", work.more)
    assert partial.git("show", "HEAD~2:file").out


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_protocol_version_that_git_asks_for(ada: SshPusher, work: Checkout, version: int) -> None:
    work.git("push", "-q", "origin", "main")
    traced = work.git("-c", f"protocol.version={version}", "ls-remote", "origin")
    assert work.head() in traced.out
    work.more |= {"GIT_TRACE_PACKET": "1"}
    told = work.git("-c", f"protocol.version={version}", "ls-remote", "origin").err
    assert ("< version 2" in told) == (version == 2)
    assert ("< version 1" in told) == (version == 1)


def test_more_than_all_buffers_both_ways(ada: SshPusher, work: Checkout, tmp_path: Path) -> None:
    (work.folder / "big").write_bytes(os.urandom(30 << 20))
    work.git("add", "big")
    work.git("commit", "-q", "-m", "big")
    work.git("push", "-q", "origin", "main")
    ada.who.fsck()
    work.git("clone", "-q", ada.url, str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "big").read_bytes() == (work.folder / "big").read_bytes()


def test_keys_are_exchanged_anew_in_the_middle_of_a_push_and_a_fetch(
    ada: SshPusher, work: Checkout, tmp_path: Path
) -> None:
    (work.folder / "big").write_bytes(os.urandom(8 << 20))
    work.git("add", "big")
    work.git("commit", "-q", "-m", "big")
    work.more["GIT_SSH_COMMAND"] += " -o RekeyLimit=1M -o LogLevel=VERBOSE"
    work.git("push", "-q", "origin", "main")
    work.git("clone", "-q", ada.url, str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "big").read_bytes() == (work.folder / "big").read_bytes()


def test_of_concurrent_pushes_to_a_branch_one_wins_and_the_others_are_told(
    ada: SshPusher, work: Checkout, tmp_path: Path
) -> None:
    work.git("push", "-q", "origin", "main")
    copies = []
    for number in range(4):
        work.git("clone", "-q", ada.url, str(tmp_path / f"copy{number}"))
        copies.append(type(work)(tmp_path / f"copy{number}", work.more))
        copies[-1].commit()
    running = [copy.start("push", "origin", "main") for copy in copies]
    ended = [(process.communicate(timeout=60)[0], process.returncode) for process in running]
    winners = [copy for copy, (_, code) in zip(copies, ended, strict=True) if code == 0]
    assert len(winners) == 1, ended
    assert ada.who.refs() == {"refs/heads/main": winners[0].head()}
    assert all("rejected" in said for said, code in ended if code)
    ada.who.fsck()


@pytest.mark.parametrize(
    ("kind", "more"), [("ed25519", ()), ("ecdsa", ("-b", "256")), ("ecdsa", ("-b", "521")), ("rsa", ("-b", "3072"))]
)
def test_every_type_of_key(ssh_server: Server, tmp_path: Path, kind: str, more: tuple[str, ...]) -> None:
    somebody = ssh_pusher(ssh_server, tmp_path / "keys", kind, *more)
    greeted = somebody.ssh()
    assert f"You are {somebody.who.account.email}" in greeted.err, greeted


def test_all_forms_of_the_address(ada: SshPusher, work: Checkout) -> None:
    work.git("push", "-q", "origin", "main")
    name, port = ada.who.app.name, ada.port
    work.more["GIT_SSH_COMMAND"] += f" -p {port}"
    for url in (
        f"git@localhost:{name}.git", f"git@localhost:{name}", f"git@localhost:/{name}.git/", f"somebody@localhost:{name}",
        f"ssh://git@localhost/{name}", f"ssh://git@127.0.0.1:{port}/{name}.git", f"ssh://localhost:{port}/{name}.git/",
    ):  # fmt: skip
        assert work.head() in work.git("ls-remote", url).out, url


def test_who_pushed_by_which_key_is_written_down(ada: SshPusher, work: Checkout) -> None:
    work.git("push", "-q", "origin", "main")
    (event,) = ada.who.audit()
    assert (event.grant_id, event.outcome, event.address) == (ada.key.id, "ok", event.address)
    assert event.address in ("127.0.0.1", "::1")
    assert event.agent.startswith("OpenSSH_")


def test_both_host_keys_stay_from_start_to_start(fresh_server: Server, ssh_server: Server) -> None:
    def scan() -> list[str]:
        done = run(
            ["ssh-keyscan", "-t", "ed25519,rsa,ecdsa", "-p", str(port_of(ssh_server)), "localhost"], None, gits()
        )
        return sorted(line.split(" ", 1)[1] for line in done.out.splitlines() if not line.startswith("#"))

    found = scan()
    assert [line.split()[0] for line in found] == ["ssh-ed25519", "ssh-rsa"]
    published = sorted(" ".join(file.read_text().split()[:2]) for file in (ssh_server.data / "ssh").glob("*.pub"))
    assert found == published
    assert {file.stat().st_mode & 0o777 for file in (ssh_server.data / "ssh").iterdir()} == {0o600}
    assert (ssh_server.data / "ssh").stat().st_mode & 0o777 == 0o700
