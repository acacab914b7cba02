"""Law: what is wrong with git over SSH is found where a remote goes that way, with the command that mends it, and nothing is said
where none does.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import BIN, Server
from tests.support.gits import pusher
from tests.support.sshs import SshPusher, add, make_key, remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Cli


@pytest.fixture
def here(ada: SshPusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, in which the doctor looks, with a remote that leads to Ada's app over SSH."""
    folder = tmp_path / "here"
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    monkeypatch.chdir(folder)
    lead(ada.url)
    return folder


def lead(url: str) -> None:
    subprocess.run(["git", "remote", "remove", "keyturn"], check=False, capture_output=True)
    subprocess.run(["git", "remote", "add", "keyturn", url], check=True)


@pytest.fixture
def found(ada: SshPusher, here: Path, keyturn_at: Callable[[str], Cli]) -> Callable[..., dict[str, str]]:
    """What the doctor finds, asked as Ada: what it is called, and what mends it."""
    keyturn = keyturn_at(ada.who.server.url)

    def look(*words: str, **more: str) -> dict[str, str]:
        done = keyturn("auth:doctor", "--json", *words, env={"HEROKU_API_KEY": ada.who.token} | more)
        report: dict[str, Any] = json.loads(done.out)
        assert done.code == (0 if report["ok"] else 1)
        assert all(finding["what"] and finding["why"] for finding in report["findings"])
        return {finding["id"]: finding["mend"] for finding in report["findings"]}

    return look


def put(ada: SshPusher, home: Path, name: str = "id_ed25519", *, halves: str = "both") -> Path:
    """Ada's key pair in ~/.ssh, or one half of it."""
    folder = home / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / name
    if halves in ("both", "private"):
        shutil.copy(ada.key.file, file)
        file.chmod(0o600)
    if halves in ("both", "public"):
        shutil.copy(ada.key.file.with_suffix(".pub"), f"{file}.pub")
    return file


def test_with_a_key_that_ssh_offers_all_is_well(
    ada: SshPusher, home: Path, found: Callable[..., dict[str, str]]
) -> None:
    put(ada, home)
    assert found() == {}


def test_a_private_key_whose_public_half_is_not_there_may_be_the_one(
    ada: SshPusher, home: Path, found: Callable[..., dict[str, str]]
) -> None:
    put(ada, home, halves="private")
    assert found() == {}


@pytest.mark.parametrize("halves", ["none", "public"])
def test_a_key_that_is_elsewhere(halves: str, ada: SshPusher, home: Path, found: Callable[..., dict[str, str]]) -> None:
    put(ada, home, halves=halves)  # the public half alone proves nothing
    other = make_key(home / "other").file  # one that ssh offers, and that is no account's
    for ending in ("", ".pub"):
        shutil.copy(f"{other}{ending}", home / ".ssh" / f"id_rsa{ending}")
    assert found() == {"ssh-key-elsewhere": "keyturn keys:add"}
    assert found("--offline") == {}


def test_a_key_that_ssh_does_not_offer_is_offered_once_the_agent_has_it(
    ada: SshPusher, home: Path, found: Callable[..., dict[str, str]], agent: str
) -> None:
    file = put(ada, home, "work")
    assert found(SSH_AUTH_SOCK=agent) == {"ssh-key-not-offered": f"ssh-add {file}"}
    subprocess.run(["ssh-add", "-q", str(file)], env={"SSH_AUTH_SOCK": agent, "PATH": "/usr/bin:/bin"}, check=True)
    assert found(SSH_AUTH_SOCK=agent) == {}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """An ssh-agent of the test's own."""
    place = str(tmp_path / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()  # it listens by now
    yield place
    process.terminate()
    process.communicate()


def test_an_account_without_a_key(ada: SshPusher, home: Path, found: Callable[..., dict[str, str]]) -> None:
    put(ada, home)
    remove(ada.who, ada.key)
    assert found() == {"ssh-no-key": "keyturn keys:add"}


@pytest.mark.parametrize("variable", ["GIT_SSH_COMMAND", "GIT_SSH", "core.sshCommand"])
def test_where_git_is_told_how_to_come_its_keys_are_its_own_affair(
    variable: str, found: Callable[..., dict[str, str]]
) -> None:
    assert found().keys() == {"ssh-key-elsewhere"}
    if "." in variable:
        subprocess.run(["git", "config", variable, "ssh -i elsewhere"], check=True)
        assert found() == {}
    else:
        assert found(**{variable: "ssh"}) == {}


def test_a_token_that_may_not_see_the_keys_is_no_trouble(ada: SshPusher, found: Callable[..., dict[str, str]]) -> None:
    made = ada.who.server.call(
        "POST", "/oauth/authorizations", ada.who.token, json={"description": "narrow", "scope": ["identity"]}
    )
    assert found(HEROKU_API_KEY=made.json()["access_token"]["token"]) == {}


def test_a_folder_whose_remotes_lead_elsewhere_or_over_http_is_left_alone(
    ada: SshPusher, here: Path, found: Callable[..., dict[str, str]]
) -> None:
    for url in (
        f"{ada.who.server.url}/{ada.who.app.name}.git", "git@github.example:ada/repository.git",
        "ssh://git@github.example/ada/repository.git", f"ssh://git@github.example:9/{ada.who.app.name}.git",
    ):  # fmt: skip
        lead(url)
        assert found() == {}, url


def test_a_port_at_which_nothing_speaks_ssh(ada: SshPusher, home: Path, found: Callable[..., dict[str, str]]) -> None:
    put(ada, home)
    name = ada.who.app.name
    with socket.create_server(("127.0.0.1", 0)) as dumb:  # takes whoever comes, and says nothing
        for port in (9, dumb.getsockname()[1], ada.who.server.port):
            lead(f"ssh://git@localhost:{port}/{name}.git")
            assert found() == {"ssh-silent": f"keyturn git:remote -a {name} -r keyturn --ssh"}
        assert (
            found(HEROKU_API_KEY="nonsense")["ssh-silent"]
            == f"keyturn git:remote -a {name} -r keyturn, to go over HTTP"
        )


def test_a_server_that_serves_no_ssh(server: Server, here: Path, keyturn_at: Callable[[str], Cli]) -> None:
    who = pusher(server)
    lead(f"ssh://git@localhost:9/{who.app.name}.git")
    done = keyturn_at(server.url)("auth:doctor", env={"HEROKU_API_KEY": who.token})
    assert done.code == 1
    assert "nothing speaks SSH at localhost, port 9, where the git remote keyturn leads" in done.out
    assert f"keyturn git:remote -a {who.app.name} -r keyturn, to go over HTTP" in done.out


def test_ssh_at_another_name_than_the_server_s(
    tmp_path: Path, here: Path, keyturn_at: Callable[[str], Cli], home: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as dumb:
        place = f"ssh://git@127.0.0.1:{dumb.getsockname()[1]}"
        running = Server(tmp_path / "elsewhere", "--ssh-url", place)
        who = pusher(running)
        lead(f"{place}/{who.app.name}.git")
        done = keyturn_at(running.url)("auth:doctor", "--json", env={"HEROKU_API_KEY": who.token})
        assert [finding["id"] for finding in json.loads(done.out)["findings"]] == ["ssh-silent"]
        running.stop()


def test_a_proxy_of_ssh_s_own_is_not_gone_around(
    ada: SshPusher, home: Path, found: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    put(ada, home)
    real = shutil.which("ssh")
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {real} -o ProxyCommand="nc %h %p" "$@"\n')
    program.chmod(0o755)
    lead(f"ssh://git@localhost:9/{ada.who.app.name}.git")
    assert found(PATH=f"{program.parent}:{BIN}:/usr/bin:/bin") == {}


def test_a_machine_without_ssh(ada: SshPusher, tmp_path: Path, found: Callable[..., dict[str, str]]) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    git = shutil.which("git")
    assert git is not None
    (folder / "git").symlink_to(git)
    mend = f"install OpenSSH's client, or: keyturn git:remote -a {ada.who.app.name} -r keyturn"
    assert found(PATH=str(folder)) == {"no-ssh": mend}


def test_more_keys_than_one_are_counted(
    ada: SshPusher, tmp_path: Path, keyturn_at: Callable[[str], Cli], here: Path
) -> None:
    add(ada.who, make_key(tmp_path / "more"))
    done = keyturn_at(ada.who.server.url)("auth:doctor", env={"HEROKU_API_KEY": ada.who.token})
    assert "none of the account's 2 SSH keys is on this machine" in done.out
