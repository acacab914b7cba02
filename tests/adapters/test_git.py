"""Repositories on the disk, and how git is started for one."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support import loops

from keyturn.actions.env import Undelivered
from keyturn.actions.git_access import GitLimits
from keyturn.adapters.commands import CommandCourier, CommandPolicy
from keyturn.adapters.git import Git, _quoted
from keyturn.core.gitcmd import FETCH, PUSH
from keyturn.core.push import Change
from keyturn.store.interface import Outgoing

if TYPE_CHECKING:
    from pathlib import Path

APP = str(uuid.UUID(int=5))
NONE = "0" * 40


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / 'a folder with "quotes" and a \\', GitLimits(push_bytes=12345))


def files(folder: Path) -> set[str]:
    """What is there, by name, but what is the server's own."""
    return {entry.name for entry in folder.iterdir()} - {".keyturn"}


def test_a_repository_is_made_once_whole_and_removed_whole(git: Git) -> None:
    git.make(APP)
    path = git.path(APP)
    (path / "HEAD").write_text("ref: refs/heads/other\n")
    git.make(APP)
    assert (path / "HEAD").read_text() == "ref: refs/heads/other\n"
    assert files(path.parent) == {f"{APP}.git"}
    done = subprocess.run(["git", "--git-dir", str(path), "fsck"], capture_output=True, check=False)
    assert done.returncode == 0
    assert git.size(APP) > 0
    git.remove(APP)
    git.remove(APP)
    assert files(path.parent) == set()
    assert git.size(APP) == 0


def test_what_an_interrupted_making_or_removing_left_is_cleared_at_the_start(git: Git) -> None:
    root = git.path(APP).parent
    git.make(APP)
    for name in (".trash-1", ".new-2"):
        (root / name / "objects").mkdir(parents=True)
    git.clear_trash()
    assert files(root) == {f"{APP}.git"}


@pytest.mark.parametrize("identity", ["", "..", "../x", "app", APP + "/../x", "--help", APP + "\n.git"])
def test_only_an_id_becomes_a_path(git: Git, identity: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        git.make(identity)


@pytest.mark.parametrize("text", ["plain", 'a "b" c', "back\\slash", "semi;hash#", " spaces ", "new\nline"])
def test_a_setting_is_read_by_git_as_it_was(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(f"[a]\n\tb = {_quoted(text)}\n")
    done = subprocess.run(["git", "config", "-z", "-f", str(file), "a.b"], capture_output=True, text=True, check=True)
    assert done.stdout == text + "\0"


def test_git_is_started_with_nothing_of_ours(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYTURN_WEBHOOK_SECRET", "whsec_secret")
    git.make(APP)
    assert not any("secret" in value for value in git._env.values())

    async def advertised() -> bytes:
        process = git.start(FETCH, APP, version=2, stateless=True, advertise=True)
        told = b""
        while chunk := await process.read():
            told += chunk
        assert await process.wait() == 0
        await process.finish()
        return told

    assert loops.run(advertised()).startswith(b"000eversion 2\n")


def test_a_push_without_hooks_does_not_start(git: Git) -> None:
    git.make(APP)

    async def start() -> None:
        with pytest.raises(PermissionError, match="hooks"):
            git.start(PUSH, APP)
        with pytest.raises(FileNotFoundError):
            git.start(FETCH, str(uuid.UUID(int=6)))

    loops.run(start())


def test_a_process_that_is_stopped_is_gone_with_all_it_started(git: Git) -> None:
    git.make(APP)

    async def stopped() -> int:
        process = git.start(FETCH, APP, stateless=True)
        await process.finish()
        return process.pid

    pid = loops.run(stopped())
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


def test_noted_pushes_are_found_after_a_while_and_struck_once(git: Git) -> None:
    now = datetime.now(UTC)
    key = git.note({"app": APP})
    assert git.noted(now - timedelta(minutes=5)) == []
    assert git.noted(now + timedelta(minutes=5)) == [(key, {"app": APP})]
    assert [git.strike(key), git.strike(key)] == [True, False]
    assert git.noted(now + timedelta(minutes=5)) == []


def test_which_changes_came_about(git: Git) -> None:
    git.make(APP)
    path = str(git.path(APP))
    tree = (
        subprocess.run(["git", "--git-dir", path, "mktree"], input=b"", capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )
    made = subprocess.run(
        ["git", "--git-dir", path, "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-m", "x"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    subprocess.run(["git", "--git-dir", path, "update-ref", "refs/heads/a", made], check=True)
    there, gone = Change(NONE, made, "refs/heads/a"), Change(made, NONE, "refs/heads/b")
    assert git.happened(APP, [there, gone, Change(NONE, made, "refs/heads/b"), Change(made, NONE, "refs/heads/a")]) == [
        there,
        gone,
    ]
    assert git.count_refs(APP) == 1
    git.gc(APP)
    assert git.count_refs(APP) == 1
    assert git.happened(str(uuid.UUID(int=6)), [there]) == []


def test_a_repository_is_packed_when_much_lies_about_and_left_alone_otherwise(git: Git) -> None:
    git.make(APP)
    path = git.path(APP)
    assert not git.tidy(APP)
    marks = "commit refs/heads/main\ncommitter a <a@b> 0 +0000\ndata 1\nx\n" + "".join(
        f"M 100644 inline {n}\ndata {len(str(n))}\n{n}\n" for n in range(9000)
    )
    subprocess.run(
        ["git", "--git-dir", path, "-c", "fastimport.unpackLimit=100000", "fast-import", "--quiet"],
        input=marks.encode(), check=True,
    )  # fmt: skip
    loose = sum(1 for _ in (path / "objects").glob("??/*"))
    assert loose > 8000
    assert git.tidy(APP)
    assert sum(1 for _ in (path / "objects").glob("??/*")) == 0
    assert not git.tidy(APP)


def test_a_packing_that_takes_too_long_is_ended_with_all_it_started(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git.make(APP)
    below = tmp_path / "below"
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > '{below}'\nwait\n")
    program.chmod(0o700)
    monkeypatch.setattr(git, "_program", str(program))
    monkeypatch.setattr("keyturn.adapters.git.GC_SECONDS", 2)
    monkeypatch.setattr("keyturn.adapters.git.LOOSE", -1)
    with pytest.raises(OSError, match="could not be packed"):
        git.tidy(APP)
    for _ in range(100):
        try:
            os.kill(int(below.read_text()), 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)  # until somebody has reaped it
    else:
        pytest.fail("what git had started is there still")


def test_of_several_workers_one_packs(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    git.make(APP)
    monkeypatch.setattr("keyturn.adapters.git.LOOSE", -1)
    with (git._own / "packing").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not git.tidy(APP)
    assert git.tidy(APP)


def test_what_killed_pushes_left_is_removed_once_none_can_be_at_it(git: Git) -> None:
    for app_id in (APP, str(uuid.UUID(int=7))):
        git.make(app_id)
        for name, age in (("old", git.limits.seconds + 700), ("new", 0)):
            left = git.path(app_id) / f"objects/tmp_objdir-incoming-{name}"
            (left / "pack").mkdir(parents=True)
            os.utime(left, (time.time() - age,) * 2)
    assert git.sweep() == 2
    assert [left.name for left in git.path(APP).glob("objects/tmp*")] == ["tmp_objdir-incoming-new"]
    assert git.sweep() == 0


def rule(code: str, seconds: float = 30) -> str | None:
    """What a rule of the operator's says."""
    return CommandPolicy([sys.executable, "-c", code], seconds).refusal({"app": {"name": "x"}})


def test_a_rule_allows_by_status_0_alone_and_refuses_in_its_own_words() -> None:
    assert rule("import json, sys; assert json.load(sys.stdin)['app']['name'] == 'x'") is None
    assert rule("print('not on Fridays'); raise SystemExit(3)") == "not on Fridays"
    assert rule("raise SystemExit(3)") == "The server's rule for pushes refused this one, and did not say why."
    assert rule("import time; time.sleep(60)", 0.3) == (
        "The server's rule for pushes gave no answer within 0.3 seconds. Try again."
    )
    missing = CommandPolicy(["/nowhere/rule"]).refusal({})
    assert missing == "The server's rule for pushes cannot be asked: No such file or directory. Tell its operator."


def test_a_command_that_fails_is_told_again_by_the_outbox() -> None:
    now = datetime.now(UTC)
    item = Outgoing("7", "command", "", "git.push", json.dumps({"type": "git.push"}), now)
    code = "import json, sys; assert json.load(sys.stdin) == {'id': '7', 'type': 'git.push'}"
    CommandCourier([sys.executable, "-c", code]).send(item, now)
    with pytest.raises(Undelivered, match="ended with status 4: oh"):
        CommandCourier([sys.executable, "-c", "print('oh'); raise SystemExit(4)"]).send(item, now)
    with pytest.raises(Undelivered, match="longer than"):
        CommandCourier([sys.executable, "-c", "import time; time.sleep(60)"], 0.3).send(item, now)
    with pytest.raises(Undelivered, match="cannot be started"):
        CommandCourier(["/nowhere/rule"]).send(item, now)
