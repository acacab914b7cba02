"""OpenSSH's own sshd in front: it asks us whose a key is, and runs us for git."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import BIN, Result, Server, environment, run
from tests.support.gits import checkout, env_of, gits
from tests.support.sshs import SshPusher, make_key, options, remove, ssh_pusher

from keyturn.actions import accounts
from keyturn.actions.env import By
from keyturn.adapters.turns import FileSlots
from keyturn.openssh import TURNS
from keyturn.web.limits import GIT, GIT_FILE, Limit

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = getpass.getuser()
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "sshd"


def keyturn(*words: str) -> str:
    """The command line that sshd runs: env belongs to root, as sshd wants it."""
    return " ".join(["/usr/bin/env", f"PATH={os.environ['PATH']}", str(BIN / "keyturn"), *words])


RULE = """\
import json, sys
for each in json.load(sys.stdin)["refs"]:
    if each["ref"] == "refs/heads/forbidden":
        sys.exit("No branch is called so here.")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One whose limits and rule are known from its flags alone."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "rule").write_text(RULE)
    (folder / "told").write_text(f"import sys\nopen({str(folder / 'log of pushes')!r}, 'a').write(sys.stdin.read())\n")
    rule, told = (shlex.join([sys.executable, str(folder / name)]) for name in ("rule", "told"))
    running = Server(folder, "--git-push-mb", "4", "--pre-receive", rule, "--post-receive", told)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def sshd(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port."""
    folder = tmp_path_factory.mktemp("sshd")
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host")], None, gits())
    (folder / "variables").write_text("# of the server\nexport KEYTURN_PRE_RECEIVE='/bin/sh -c true'\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    asks = keyturn(
        "ssh:authorized-keys",
        "--data",
        str(server.data),
        "--env-file",
        str(folder / "variables"),
        "--user",
        USER,
        "%u %t %k",
    )
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile {folder / 'pid'}\nUsePAM no\n"
        f"AuthorizedKeysFile none\nAuthorizedKeysCommand {asks}\nAuthorizedKeysCommandUser {USER}\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin forced-commands-only\n"
        "AcceptEnv GIT_PROTOCOL\nStrictModes no\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"sshd did not start:\n{(folder / 'log').read_text()}")
            time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(20)


class Through(SshPusher):
    """Somebody who comes by way of sshd."""

    sshd = 0

    @property
    def port(self) -> int:
        return self.sshd

    @property
    def url(self) -> str:
        return f"ssh://{USER}@127.0.0.1:{self.sshd}/{self.who.app.name}.git"

    def greeted(self, *words: str) -> Result:
        """What ssh says."""
        return run(["ssh", *options(self.key), "-p", str(self.sshd), f"{USER}@127.0.0.1", *words], None, gits())


@pytest.fixture
def ada(server: Server, sshd: int, tmp_path: Path) -> Through:
    made = ssh_pusher(server, tmp_path / "keys")
    somebody = Through(made.who, made.key)
    somebody.sshd = sshd
    return somebody


def test_push_clone_and_who_it_was(ada: Through, tmp_path: Path) -> None:
    work = checkout(tmp_path / "work")
    work.more |= ada.git()
    pushed = work.git("push", ada.url, "main")
    assert f"remote: Pushed to {ada.who.app.name} as {ada.who.account.email}." in pushed.err
    assert ada.who.refs() == {"refs/heads/main": work.head()}
    work.more["GIT_TRACE_PACKET"] = "1"
    assert "< version 2" in work.git("ls-remote", ada.url).err
    work.git("clone", "-q", ada.url, str(tmp_path / "copy"))
    (event,) = ada.who.audit()
    assert (event.grant_id, event.address, event.agent) == (ada.key.id, "127.0.0.1", "OpenSSH")
    with env_of(ada.who.server) as env, env.store.reading() as tx:
        (token,) = tx.tokens_of(ada.key.id)
        assert sum(use.count for use in tx.uses([token.id])[token.id]) == 3


def test_without_a_command_one_is_greeted(ada: Through) -> None:
    done = ada.greeted("-T")
    assert done.code == 1
    assert f"You are {ada.who.account.email}, by the SSH key ada@laptop ({ada.key.sha256})." in done.err
    for words in (["ls"], ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:1"]):
        assert ada.greeted(*words).code != 0


def test_a_dead_key_is_told_why_and_a_strange_one_nothing(ada: Through, tmp_path: Path) -> None:
    work = checkout(tmp_path / "work")
    work.more |= ada.git()
    remove(ada.who, ada.key)
    done = work.git("push", ada.url, "main", check=False)
    assert "This SSH key “ada@laptop” was revoked by its owner on " in done.err
    assert "Next: keyturn keys:add" in done.err
    work.more |= ada.git(make_key(tmp_path / "strange"))
    done = work.git("push", ada.url, "main", check=False)
    assert "Permission denied (publickey)." in done.err
    assert ada.who.refs() == {}


def test_a_suspended_account_pushes_nothing(ada: Through, tmp_path: Path) -> None:
    with env_of(ada.who.server) as env:
        accounts.suspend(env, By(), ada.who.account.email)
    work = checkout(tmp_path / "work")
    work.more |= ada.git()
    assert "account was suspended on" in work.git("push", ada.url, "main", check=False).err


def test_the_limits_that_the_server_was_started_with_hold_here(ada: Through, tmp_path: Path) -> None:
    work = checkout(tmp_path / "work")
    work.more |= ada.git()
    (work.folder / "big").write_bytes(secrets.token_bytes(6 << 20))
    work.git("add", "big")
    work.git("commit", "-q", "-m", "big")
    assert work.git("push", ada.url, "main", check=False).code != 0
    assert ada.who.refs() == {}
    ada.who.fsck()


def test_the_rule_that_the_server_was_started_with_judges_here(ada: Through, tmp_path: Path) -> None:
    work = checkout(tmp_path / "work")
    work.more |= ada.git()
    done = work.git("push", ada.url, "main:forbidden", check=False)
    assert "No branch is called so here." in done.err
    assert ada.who.refs() == {}
    work.git("push", "-q", ada.url, "main")
    told = ada.who.server.home.parent / "log of pushes"
    deadline = time.monotonic() + 60
    while not told.exists() or ada.who.app.name not in told.read_text():
        assert time.monotonic() < deadline, ada.who.server.log()
        time.sleep(0.1)


@pytest.mark.parametrize("left", [None, "", "{}", '{"git": {"limits": {"surprise": 1}}}'])
def test_where_the_servers_rules_are_not_known_nothing_is_pushed(
    ada: Through, tmp_path: Path, left: str | None
) -> None:
    work = checkout(tmp_path / "work")
    work.more |= ada.git()
    written = ada.who.server.data / "server.json"
    before = written.read_text()
    try:
        written.unlink()
        if left is not None:
            written.write_text(left)
        done = work.git("push", ada.url, "main", check=False)
        assert "The server's rules for pushes are not known here, so nothing can be pushed." in done.err
        assert ada.who.refs() == {}
        assert work.git("ls-remote", ada.url).code == 0
    finally:
        written.write_text(before)
        written.chmod(0o600)
    work.git("push", "-q", ada.url, "main")


def test_what_the_server_writes_down_is_for_its_user_alone_and_has_no_secret(server: Server) -> None:
    written = server.data / "server.json"
    assert written.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(written.read_text())) == {"public_url", "git", "policy", "webhook_host"}


def test_fetches_and_pushes_an_hour_are_counted_with_the_servers(ada: Through, tmp_path: Path) -> None:
    work = checkout(tmp_path / "work")
    work.more |= ada.git()
    work.git("push", "-q", ada.url, "main")
    later = time.time() + 3000  # the limit is a bucket that runs empty
    counted = Limit(GIT, file=ada.who.server.data / GIT_FILE)
    while not counted.take(ada.who.app.owner_id, later)[1]:
        pass
    for url in (ada.url, ada.who.url()):
        done = work.git("ls-remote", url, check=False)
        assert done.code != 0
        assert "limit" in done.err or "429" in done.err, done


def test_processes_of_sshd_take_turns(ada: Through, tmp_path: Path) -> None:
    work = checkout(tmp_path / "work")
    work.more |= ada.git()
    turns = FileSlots(ada.who.server.data / TURNS, 16)
    for place in range(4):  # a quarter: all that the account may have
        own = 1 + int.from_bytes(hashlib.sha256(ada.who.app.owner_id.encode()).digest()[:5], "big")
        fcntl.lockf(turns._file, fcntl.LOCK_EX, 1, own * 1024 + place)
    try:
        done = work.git("ls-remote", ada.url, check=False)
        assert "Too many fetches and pushes at the same time" in done.err
    finally:
        turns.close()
    assert work.git("ls-remote", ada.url).code == 0


def asked(server: Server, *words: str) -> Result:
    """`keyturn ssh:authorized-keys` as sshd runs it."""
    command = [str(BIN / "keyturn"), "ssh:authorized-keys", "--data", str(server.data), *words]
    return run(command, None, environment(Path(os.environ["HOME"])))


def test_what_sshd_is_answered(server: Server, tmp_path: Path) -> None:
    ada = ssh_pusher(server, tmp_path / "keys")
    kind, blob, _ = ada.key.line.split()
    told = asked(server, "git", kind, blob)
    assert told == Result(
        f'restrict,command="{BIN / "keyturn"} ssh:serve --key {ada.key.sha256} --data {server.data}" {kind} {blob}\n',
        "",
        0,
    )
    nothing = Result("", "", 0)
    assert asked(server, "root", kind, blob) == nothing
    assert asked(server, "--user", "root", "git", kind, blob) == nothing
    strange = make_key(tmp_path / "strange").line.split()
    assert asked(server, "git", strange[0], strange[1]) == nothing
    assert asked(server, "git", "ssh-ed25519-cert-v01@openssh.com", blob) == nothing
    assert asked(server, "git", kind, "no base64!").code == 1
    remove(ada.who, ada.key)
    assert asked(server, "git", kind, blob) == told  # to be told why, once sshd has seen the signature


def test_names_with_spaces_and_quotes_reach_the_forced_command_whole(tmp_path: Path) -> None:
    server = Server(tmp_path / 'a "b" \\c $d', "--ssh-port", "0")
    ada = ssh_pusher(server, tmp_path / "keys")
    kind, blob, _ = ada.key.line.split()
    line = asked(server, "git", kind, blob).out
    command = line.partition('command="')[2].rpartition(f'" {kind}')[0].replace('\\"', '"')
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=environment(server.home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    server.stop()
    assert f"You are {ada.who.account.email}" in done.stderr, done


def test_a_client_that_keeps_its_end_open_does_not_keep_the_command(server: Server, tmp_path: Path) -> None:
    ada = ssh_pusher(server, tmp_path / "keys")
    variables = environment(tmp_path) | {"SSH_ORIGINAL_COMMAND": f"git-receive-pack '{ada.who.app.name}.git'"}
    command = [str(BIN / "keyturn"), "ssh:serve", "--data", str(server.data), "--key", ada.key.sha256]
    with subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"0000")
        process.stdin.flush()
        assert process.wait(60) == 0


def test_what_is_wrong_is_said(server: Server, tmp_path: Path) -> None:
    bad = tmp_path / "variables"
    bad.write_text("KEYTURN_X=1\nnonsense\n")
    for words, said in (
        (["--env-file", str(bad)], f"keyturn ssh:authorized-keys: --env-file {bad}, line 2: not NAME=VALUE\n"),
        (["--env-file", str(tmp_path / "none")], "cannot be read"),
        (["--data", str(tmp_path)], "there is no store at"),
        (["--database-url", "mysql://x"], "keeps its store in SQLite"),
    ):
        done = asked(server, *words, "git", "ssh-ed25519", "AAAA")
        assert done.code == 1
        assert said in done.err
        assert "Traceback" not in done.err
