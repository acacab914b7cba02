"""What a push leads to, and what stops one: rules, events, rivals, limits, and everything that breaks in the middle."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from standardwebhooks.webhooks import Webhook
from tests.conftest import BIN, Server, environment, run
from tests.support.gits import Checkout, checkout, env_of, gits, pusher
from tests.support.receivers import HttpReceiver

from keyturn.actions import git_access

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.gits import Pusher

SECRET = "whsec_" + "A" * 43 + "="
NONE = "0" * 40

# The operator's rule: keeps what it was told, waits when it is told to, refuses when it is told to.
RULE = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "asked.json").write_text(sys.stdin.read())
(folder / "began").touch()
while (folder / "wait").exists():
    time.sleep(0.02)
if (folder / "refuse").exists():
    print((folder / "refuse").read_text())
    sys.exit(1)
"""
# The operator's command: fails the first time.
TOLD = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
with (folder / "told").open("a") as file:
    file.write(sys.stdin.read() + "\\n")
sys.exit(0 if (folder / "told").read_text().count("\\n") > 1 else 7)
"""


class Platform:
    """A server with everything that an operator can set up, and the handles to it."""

    def __init__(self, folder: Path, receiver: HttpReceiver) -> None:
        self.folder, self.receiver = folder, receiver
        for name, text in (("rule.py", RULE), ("told.py", TOLD)):
            (folder / name).write_text(text)
        rule, told = (shlex.join([sys.executable, str(folder / name), str(folder)]) for name in ("rule.py", "told.py"))
        self.server = Server(
            folder / "server", "--pre-receive", rule, "--post-receive", told, "--git-push-mb", "2", "--git-push-refs", "20",
            "--upkeep-seconds", "1", variables={"KEYTURN_WEBHOOK_URL": receiver.url, "KEYTURN_WEBHOOK_SECRET": SECRET},
        )  # fmt: skip

    def tell(self, name: str, text: str = "") -> None:
        """Sets a handle of the rule."""
        (self.folder / name).write_text(text)

    def clear(self) -> None:
        """Sets all back."""
        for name in ("wait", "refuse", "began"):
            (self.folder / name).unlink(missing_ok=True)

    def began(self) -> None:
        """Waits until the rule is asked."""
        until((self.folder / "began").exists)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Waits for something that comes about by itself."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with HttpReceiver() as receiver:
        made = Platform(tmp_path_factory.mktemp("platform"), receiver)
        yield made
        made.clear()
        made.server.stop()


@pytest.fixture
def platform(running: Platform) -> Iterator[Platform]:
    running.clear()
    yield running
    running.clear()


@pytest.fixture
def ada(platform: Platform) -> Pusher:
    return pusher(platform.server)


@pytest.fixture
def work(tmp_path: Path) -> Checkout:
    return checkout(tmp_path / "work")


def posted(platform: Platform, app: str) -> list[dict[str, Any]]:
    """The webhooks about an app, verified."""
    seen = [Webhook(SECRET).verify(each.body, each.headers) for each in platform.receiver.posted]
    return [event for event in seen if event["type"] == "git.push" and event["data"]["app"]["id"] == app]


def test_a_push_is_in_the_trail_the_webhook_and_the_command(platform: Platform, ada: Pusher, work: Checkout) -> None:
    head = work.head()
    work.git("push", "-q", ada.url(), "main", "main:x")
    (event,) = ada.audit()
    refs = [{"ref": f"refs/heads/{name}", "old": NONE, "new": head, "change": "created"} for name in ("main", "x")]
    assert (event.outcome, event.details["refs"], event.details["refs_count"]) == ("ok", refs, 2)
    assert event.agent.startswith("git/")
    with env_of(platform.server) as env, env.store.reading() as tx:
        app = tx.app(ada.app.id)
    assert app is not None
    assert app.released_at is not None
    assert ada.app.created_at < app.released_at <= event.at
    assert (
        app.repo_size
        == event.details["bytes"]
        == sum(f.stat().st_size for f in ada.repository.rglob("*") if f.is_file())
    )
    until(lambda: posted(platform, ada.app.id))
    (told,) = posted(platform, ada.app.id)
    assert told["data"]["refs"] == refs
    assert told["data"]["account"]["email"] == ada.account.email
    assert told["data"]["app"] == {"id": ada.app.id, "name": ada.app.name}
    assert told["data"]["credential"]["id"] == event.grant_id
    assert ada.token not in json.dumps(told)
    asked = json.loads((platform.folder / "asked.json").read_text())
    assert asked == told["data"]
    # the command ended with 7 the first time, and is told again, of the same
    until(lambda: (platform.folder / "told").exists() and ada.app.id in (platform.folder / "told").read_text())
    until(lambda: len((platform.folder / "told").read_text().splitlines()) > 1)
    first, second, *_ = (json.loads(line) for line in (platform.folder / "told").read_text().splitlines())
    assert first == second
    assert first["type"] == "git.push"
    assert first["data"] == told["data"]


def test_the_operators_rule_refuses_in_its_own_words(platform: Platform, ada: Pusher, work: Checkout) -> None:
    platform.tell("refuse", "No pushes on Fridays.\nAsk \x1b[31mops.")
    done = work.git("push", ada.url(), "main", check=False)
    assert done.code == 1
    lines = [line.rstrip() for line in done.err.splitlines()]
    assert lines[:2] == ["remote: No pushes on Fridays.", "remote: Ask  [31mops."]
    assert " ! [remote rejected] main -> main (pre-receive hook declined)" in lines
    assert ada.refs() == {}
    ada.fsck()
    (event,) = ada.audit()
    assert (event.outcome, event.reason) == ("refused", "pre_receive")


def test_a_token_revoked_while_the_push_went_on_changes_nothing(
    platform: Platform, ada: Pusher, work: Checkout
) -> None:
    made = platform.server.call("POST", "/oauth/authorizations", ada.token, json={"description": "ci"}).json()
    platform.tell("wait")
    pushing = work.start("push", ada.url(made["access_token"]["token"]), "main")
    platform.began()
    assert platform.server.call("DELETE", f"/oauth/authorizations/{made['id']}", ada.token).status_code == 200
    platform.clear()
    out, _ = pushing.communicate(timeout=60)
    assert pushing.returncode == 1
    assert "remote: This authorization “ci” was revoked by its owner on " in out
    assert f"remote: Next: keyturn authorizations:create --like {made['id']}" in out
    assert ada.refs() == {}
    ada.fsck()
    assert [(event.outcome, event.reason) for event in ada.audit()] == [("refused", "revoked_by_owner")]


def test_a_suspended_account_pushes_no_more(platform: Platform, ada: Pusher, work: Checkout) -> None:
    platform.tell("wait")
    pushing = work.start("push", ada.url(), "main")
    platform.began()
    with env_of(platform.server) as env, env.store.writing() as tx:
        account = tx.account_by_email(ada.account.email)
        assert account is not None
        tx.change_account(account.id, suspended_at=env.clock())
    platform.clear()
    out, _ = pushing.communicate(timeout=60)
    assert "remote: This account was suspended on " in out
    assert ada.refs() == {}


def test_of_two_pushes_to_one_branch_one_wins_and_the_other_is_told(
    platform: Platform, ada: Pusher, work: Checkout, tmp_path: Path
) -> None:
    work.git("push", "-q", ada.url(), "main")
    work.git("clone", "-q", ada.url(), str(tmp_path / "other"))
    other = Checkout(tmp_path / "other")
    heads = {work.commit("a"), other.commit("b")}
    platform.clear()
    platform.tell("wait")
    both = [each.start("push", ada.url(), "main") for each in (work, other)]
    platform.began()
    until(lambda: len(list(ada.repository.glob("objects/tmp_objdir-incoming-*"))) == 2)
    platform.clear()
    outs = [each.communicate(timeout=60)[0] for each in both]
    assert sorted(each.returncode for each in both) == [0, 1]
    loser = outs[0] if both[0].returncode else outs[1]
    assert "! [remote rejected] main -> main" in loser or "! [rejected]" in loser, loser
    assert ada.refs()["refs/heads/main"] in heads
    assert len([event for event in ada.audit() if event.outcome == "ok"]) == 2
    ada.fsck()


def test_a_push_whose_pusher_is_killed_leaves_the_repository_as_it_was(
    platform: Platform, ada: Pusher, work: Checkout
) -> None:
    work.git("push", "-q", ada.url(), "main")
    before = ada.refs()
    work.commit()
    platform.clear()
    platform.tell("wait")
    pushing = work.start("push", ada.url(), "main")
    platform.began()
    os.killpg(pushing.pid, signal.SIGKILL)
    pushing.communicate()
    until(lambda: not list(ada.repository.glob("objects/tmp_objdir-incoming-*")))
    platform.clear()
    assert ada.refs() == before
    ada.fsck()
    work.git("push", "-q", ada.url(), "main")
    assert ada.refs()["refs/heads/main"] == work.head()


def test_a_body_that_stops_half_way_leaves_the_repository_as_it_was(ada: Pusher, work: Checkout) -> None:
    import socket

    head = work.head()
    commands = f"{NONE} {head} refs/heads/main\0 report-status side-band-64k".encode()
    start = b"%04x%b0000PACK\0\0\0\2\0\0\0\3" % (len(commands) + 4, commands)
    with socket.create_connection(("localhost", ada.server.port)) as line:
        line.sendall(
            f"POST /{ada.app.name}.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.token}\r\n"
            f"Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 9000\r\n\r\n".encode()
            + start
        )
        until(lambda: list(ada.repository.glob("objects/tmp_objdir-incoming-*")))
    until(lambda: not list(ada.repository.glob("objects/tmp_objdir-incoming-*")))
    assert ada.refs() == {}


def test_a_push_over_the_limit_is_told(ada: Pusher, work: Checkout) -> None:
    (work.folder / "noise").write_bytes(os.urandom(3_000_000))
    work.git("add", "noise")
    work.git("commit", "-q", "-m", "noise")
    done = work.git("push", ada.url(), "main", check=False)
    assert done.code == 1
    assert "remote: fatal: pack exceeds maximum allowed size" in done.err
    assert "remote: This server takes pushes of 2 MiB at most." in done.err
    assert ada.refs() == {}
    ada.fsck()


def test_too_many_refs_at_once_are_told(ada: Pusher, work: Checkout) -> None:
    done = work.git("push", ada.url(), *(f"main:b{number}" for number in range(21)), check=False)
    assert "remote: One push may change 20 refs at most; this one changes 21. Push fewer at a time." in done.err
    assert ada.refs() == {}


@pytest.mark.parametrize("ref", ["refs/keyturn/x", "refs/pull/1/head", "refs/x"])
def test_refs_elsewhere_are_refused(ada: Pusher, work: Checkout, ref: str) -> None:
    done = work.git("push", ada.url(), f"main:{ref}", check=False)
    assert f"remote: Only branches, tags and notes can be pushed, not '{ref}'." in done.err
    assert ada.refs() == {}


@pytest.mark.parametrize("name", ["next\u0085line", "line\u2028separator", "left\u202eright"])
def test_a_name_that_a_terminal_would_not_show_as_it_is_is_refused(ada: Pusher, work: Checkout, name: str) -> None:
    done = work.git("push", ada.url(), f"main:refs/heads/{name}", check=False)
    assert "remote: A ref's name has 250 printable characters at most." in done.err
    assert ada.refs() == {}


def test_a_name_of_many_parts_is_refused(ada: Pusher, work: Checkout) -> None:
    """Each is a folder on the server's disk, and counted by nobody."""
    deep = "refs/heads/" + "a/" * 13
    done = work.git("push", ada.url(), f"main:{deep}b/c", check=False)
    assert "remote: A ref's name has 16 parts at most, between slashes." in done.err
    assert ada.refs() == {}
    work.git("push", ada.url(), f"main:{deep}b")
    assert list(ada.refs()) == [f"{deep}b"]


def test_a_name_that_is_no_text_is_refused(ada: Pusher, work: Checkout) -> None:
    """Two of them would look alike to the operator's rule and in the trail."""
    command: list[str | bytes] = ["git", "-C", str(work.folder), "push", ada.url(), b"main:refs/heads/\xff\xfe"]
    done = subprocess.run(command, env=gits(), capture_output=True, check=False)
    assert b"remote: A ref's name must be UTF-8." in done.stderr
    assert ada.refs() == {}


def test_a_clone_of_what_was_pushed_from_another_branch_than_main_has_files(
    ada: Pusher, work: Checkout, tmp_path: Path
) -> None:
    work.git("push", "-q", ada.url(), "main:topic", "main:master", "main:early")
    work.git("clone", "-q", ada.url(), str(tmp_path / "copy"))
    copy = Checkout(tmp_path / "copy")
    assert copy.git("symbolic-ref", "HEAD").out == "refs/heads/master\n"
    assert copy.head() == work.head()
    work.git("push", "-q", ada.url(), "main")  # once there is a branch to check out, it stays
    assert (ada.repository / "HEAD").read_text() == "ref: refs/heads/master\n"


def test_broken_objects_are_refused(ada: Pusher, work: Checkout) -> None:
    tree = work.git("rev-parse", "HEAD^{tree}").out.strip()
    text = f"tree {tree}\nauthor nobody <a@b> 1 +0000\ncommitter no\0body <a@b> 1 +0000\n\nbad\n"
    bad = work.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", input=text).out.strip()
    done = work.git("push", ada.url(), f"{bad}:refs/heads/main", check=False)
    assert done.code == 1
    assert "remote: fatal: fsck error in pack" in done.err or "remote: error: object" in done.err, done.err
    assert ada.refs() == {}


def test_a_pack_that_was_tampered_with_is_refused(ada: Pusher, work: Checkout) -> None:
    head = work.head()
    pack = bytearray(work_pack(work))
    pack[-25] ^= 0xFF
    commands = f"{NONE} {head} refs/heads/main\0 report-status".encode()
    done = requests.post(
        ada.url(None) + "/git-receive-pack", b"%04x%b0000%b" % (len(commands) + 4, commands, bytes(pack)), timeout=60,
        headers={"Content-Type": "application/x-git-receive-pack-request", "Authorization": f"Bearer {ada.token}"},
    )  # fmt: skip
    assert b"unpack " in done.content
    assert b"unpack ok" not in done.content
    assert ada.refs() == {}
    ada.fsck()


def work_pack(work: Checkout) -> bytes:
    command = ["git", "-C", str(work.folder), "pack-objects", "--revs", "--stdout", "-q"]
    return subprocess.run(command, input=b"HEAD\n", env=gits(), capture_output=True, check=True).stdout


def test_a_bomb_of_zeros_stops_at_the_limit(ada: Pusher) -> None:
    bomb = zlib.compressobj(9, wbits=31)
    body = bomb.compress(bytes(80 << 20)) + bomb.flush()
    done = requests.post(
        ada.url(None) + "/git-upload-pack", body, timeout=60, auth=("x", ada.token),
        headers={"Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip"},
    )  # fmt: skip
    assert done.status_code == 200
    assert b"ERR " in done.content


def test_hooks_that_cannot_be_run_let_no_push_through(platform: Platform, ada: Pusher, work: Checkout) -> None:
    hook = platform.server.data / "repositories" / ".keyturn" / "hooks" / "pre-receive"
    hook.chmod(0o600)
    try:
        done = work.git("push", ada.url(), "main", check=False)
    finally:
        hook.chmod(0o700)
    assert done.code != 0
    assert ada.refs() == {}


def test_a_hook_that_nobody_answers_refuses(platform: Platform, ada: Pusher, work: Checkout) -> None:
    hook = platform.server.data / "repositories" / ".keyturn" / "hooks" / "pre-receive"
    for descriptor in ("9<&-", "9</dev/null", "9>/dev/null"):
        done = subprocess.run(
            ["sh", "-c", f'echo "{NONE} {work.head()} refs/heads/main" | "$1" {descriptor}', "sh", str(hook)],
            env=gits(), capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1, descriptor


def test_what_nobody_saw_the_end_of_is_told_by_the_upkeep(platform: Platform, ada: Pusher, work: Checkout) -> None:
    work.git("push", "-q", ada.url(), "main")
    (event,) = ada.audit()
    with env_of(platform.server) as env:
        from tests.support.gits import principal

        from keyturn.actions.env import By
        from keyturn.core.push import Change

        who = principal(env, ada.token)
        happened, not_happened = (
            [Change(NONE, work.head(), "refs/heads/main")],
            [Change(NONE, work.head(), "refs/heads/never")],
        )
        assert env.repositories is not None
        noted = []
        for changes in (happened, not_happened):
            key = env.repositories.note(git_access._written(By(who, "192.0.2.1", "git/2"), who, ada.app.id, changes))
            file = platform.server.data / "repositories" / ".keyturn" / "pushes" / key
            os.utime(file, (1, 1))
            noted.append(file)
    until(lambda: len(ada.audit()) == 2)
    until(lambda: not any(file.exists() for file in noted))
    told = ada.audit()[0]
    assert (told.address, told.grant_id, told.details["refs"]) == ("192.0.2.1", event.grant_id, event.details["refs"])


def test_what_a_killed_worker_changed_is_told_before_the_next_push_changes_it_again(
    platform: Platform, ada: Pusher, work: Checkout
) -> None:
    first = work.head()
    work.git("push", "-q", ada.url(), "main")
    with env_of(platform.server) as env:
        from tests.support.gits import principal

        from keyturn.actions.env import By
        from keyturn.core.push import Change

        who = principal(env, ada.token)
        assert env.repositories is not None
        changes = [Change(NONE, first, "refs/heads/main")]
        key = env.repositories.note(git_access._written(By(who, "192.0.2.1", "git/2"), who, ada.app.id, changes))
    host, pid, started, rest = key.rsplit(".", 3)
    assert (pid, started.isdigit()) == (str(os.getpid()), True)
    pushes = platform.server.data / "repositories" / ".keyturn" / "pushes"
    (pushes / "unreadable").write_text("{")
    os.utime(pushes / "unreadable", (1, 1))
    (pushes / key).rename(pushes / ".hidden")  # in one step, so that nobody sees it before
    (pushes / ".hidden").rename(pushes / f"{host}.{pid}.{int(started) - 1}.{rest}")
    second = work.commit()
    work.git("push", "-q", ada.url(), "main")
    told = [[(ref["old"], ref["new"]) for ref in each.details["refs"]] for each in ada.audit()]
    assert told == [[(first, second)], [(NONE, first)], [(NONE, first)]]
    assert ada.audit()[1].address == "192.0.2.1"


def test_no_push_is_left_noted_and_no_process_runs_on(platform: Platform, ada: Pusher, work: Checkout) -> None:
    work.git("push", "-q", ada.url(), "main")
    work.git("ls-remote", ada.url())
    noted = (platform.server.data / "repositories" / ".keyturn" / "pushes").iterdir()
    assert ada.app.id not in [json.loads(file.read_text())["app"] for file in noted]
    server = platform.server.process.pid
    until(lambda: not Path(f"/proc/{server}/task/{server}/children").read_text().split())


@pytest.mark.parametrize("flag", ["--pre-receive", "--post-receive"])
def test_a_program_that_there_is_not_keeps_the_server_from_starting(tmp_path: Path, flag: str) -> None:
    for command in ("no-such-program --strict", str(tmp_path / "none"), str(tmp_path)):
        line = [str(BIN / "keyturn"), "serve", "--data", str(tmp_path / "data"), "--port", "0", flag, command]
        done = run(line, None, environment(tmp_path))
        program = command.split()[0]
        assert done.err.endswith(f"keyturn serve: {flag}: there is no program {program!r} here that can be run\n")
        assert (done.out, done.code) == ("", 1)


def test_a_rule_that_vanished_is_logged_for_the_operator(tmp_path: Path, work: Checkout) -> None:
    rule = tmp_path / "rule"
    rule.write_text("#!/bin/sh\n")
    rule.chmod(0o700)
    running = Server(tmp_path / "server", "--pre-receive", str(rule))
    try:
        ada = pusher(running)
        rule.unlink()
        done = work.git("push", ada.url(), "main", check=False)
        assert "The server's rule for pushes cannot be asked" in done.err
        assert "the program that judges pushes cannot be started: [Errno 2]" in running.log()
    finally:
        running.stop()
