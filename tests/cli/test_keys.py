"""Law: public keys are added, listed and removed; a private key never leaves the machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.dialogue import ended

from keyturn.cli.keys_add import looks_like_key, read_public_key
from keyturn.client import Client, KeyturnError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Terminal
    from tests.conftest import Account, Cli, Server


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a key pair with ssh-keygen; gives the private key's path."""

    def make(comment: str) -> Path:
        path = tmp_path_factory.mktemp("ssh") / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], check=True)
        return path

    return make


@pytest.fixture
def logged_in(logged_in: Cli, server: Server, token: str) -> Cli:
    """Logged in to an account without keys."""
    with Client(server.url, token) as client:
        for key in client.keys.list():
            client.keys.remove(key.id)
    return logged_in


def into_ssh(home: Path, *pairs: Path) -> None:
    (home / ".ssh").mkdir(exist_ok=True)
    for number, path in enumerate(pairs):
        (home / ".ssh" / f"id{number}.pub").write_bytes(path.with_suffix(".pub").read_bytes())


def test_a_key_is_added_listed_and_removed_by_any_of_its_names(
    logged_in: Cli, made: Callable[[str], Path], account: Account
) -> None:
    path = made("me@laptop").with_suffix(".pub")
    for name in ("comment", "fingerprint"):
        done = logged_in("keys:add", str(path))
        assert (done.out, done.err, done.code) == ("", f"Uploading {path} SSH key... done\n", 0)
        kind, material, comment = path.read_text().split()
        assert (
            logged_in("keys").out == f"=== {account.email} keys\n{kind} {material[:10]}...{material[-10:]} {comment}\n"
        )
        assert logged_in("keys", "-l").out.splitlines()[1] == f"{kind} {material} {comment}"
        key = json.loads(logged_in("keys", "--json").out)[0]
        done = logged_in("keys:remove", key[name])
        assert (done.err, done.code) == (f"Removing {key[name]} SSH key... done\n", 0)
        done = logged_in("keys")
        assert (done.out, done.code) == ("", 0)
        assert "You have no SSH keys" in done.err


def test_a_private_key_is_never_sent(made: Callable[[str], Path], keyturn: Cli, tmp_path: Path) -> None:
    private = made("x")
    done = keyturn("keys:add", str(private), env={"HEROKU_HOST": "http://localhost:9"})
    assert done.code == 1
    assert f"{private} is a private key: it stays on this machine" in done.err
    assert f"next: keyturn keys:add {private}.pub" in done.err
    alone = tmp_path / "alone"
    alone.write_bytes(private.read_bytes())
    assert f"ssh-keygen -y -f {alone} > {alone}.pub" in keyturn("keys:add", str(alone)).err


@pytest.mark.parametrize("command", ["keys:add", "keys:remove"])
@pytest.mark.parametrize("how", ["whole", "in words", "its body alone", "a line of it"])
def test_a_private_key_that_is_pasted_is_neither_sent_nor_repeated(
    command: str, how: str, made: Callable[[str], Path], keyturn: Cli
) -> None:
    text = made("x").read_text()
    lines = text.splitlines()
    words = {
        "whole": [text],
        "in words": text.split(),
        "its body alone": ["".join(lines[1:-1])],
        "a line of it": [lines[1]],
    }
    done = keyturn(command, *words[how], env={"HEROKU_HOST": "http://localhost:9"})
    assert (done.out, done.code) == ("", 1)
    assert "that is a private key: it was not sent" in done.err
    assert "next: write the public one with ssh-keygen -y -f FILE > FILE.pub" in done.err
    assert "better make a new key" in done.err
    assert not any(line[8:40] in done.err for line in lines)


def test_a_private_key_at_stdin_is_neither_sent_nor_repeated(made: Callable[[str], Path], keyturn: Cli) -> None:
    text = made("x").read_text()
    done = keyturn("keys:add", "-", input=text, env={"HEROKU_HOST": "http://localhost:9"})
    assert (done.out, done.code) == ("", 1)
    assert "what stdin has is a private key: it stays on this machine" in done.err
    assert text.splitlines()[2][:40] not in done.err


def test_something_long_that_is_pasted_is_not_repeated(keyturn: Cli) -> None:
    for pasted in ("two\nlines", "x" * 3000):
        done = keyturn("keys:add", pasted)
        assert done.code == 1
        assert "there is no such file, and it is no SSH public key" in done.err
        assert pasted not in done.err
    cut = keyturn("keys:add", "ssh-ed25519 AAAAC3NzaC1lZDI1 me@laptop")
    assert (cut.code, "AAAAC3" in cut.err) == (2, False)
    assert "give one key" in cut.err


@pytest.mark.parametrize("how", ["one word", "words", "stdin"])
def test_a_public_key_is_taken_as_it_is_pasted(how: str, logged_in: Cli, made: Callable[[str], Path]) -> None:
    line = made("pasted here").with_suffix(".pub").read_text()
    words = {"one word": [line], "words": line.split(), "stdin": ["-"]}[how]
    done = logged_in("keys:add", *words, input=line)
    assert (done.out, done.err, done.code) == ("", "Uploading pasted here SSH key... done\n", 0)
    assert [key["public_key"].strip() for key in json.loads(logged_in("keys", "--json").out)] == [line.strip()]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello\n", b"\xff\xfe\x00", b"ssh-ed25519\n", b"ssh-ed25519 AAAA x\n", b"ssh-rsa AAAAC3NzaC1lZDI1NTE5 x\n",
        b"# only a comment\n", b"PuTTY-User-Key-File-3: ssh-ed25519\n", b"x" * (1 << 17),
    ],
)  # fmt: skip
def test_a_file_that_is_no_public_key_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(KeyturnError):
        read_public_key(str(tmp_path / "key"))


def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, tmp_path / "missing", Path("/dev/zero")):
        with pytest.raises(KeyturnError, match=path.name or "zero"):
            read_public_key(str(path))


def test_a_file_with_two_keys_is_refused(made: Callable[[str], Path], tmp_path: Path) -> None:
    one = made("a").with_suffix(".pub").read_text()
    (tmp_path / "both").write_text(f"# mine\n\n{one}")
    assert read_public_key(str(tmp_path / "both")) == one.strip()
    (tmp_path / "both").write_text(one + one)
    with pytest.raises(KeyturnError, match="2 keys"):
        read_public_key(str(tmp_path / "both"))


def test_a_key_names_its_own_type(made: Callable[[str], Path]) -> None:
    line = made("a").with_suffix(".pub").read_text().strip()
    assert looks_like_key(line)
    assert not looks_like_key(line.replace("ssh-ed25519 ", "ssh-rsa "))


def test_the_one_key_in_the_home_folder_is_offered(
    logged_in: Cli, made: Callable[[str], Path], home: Path, terminal: Terminal
) -> None:
    done = logged_in("keys:add")
    assert done.code == 1
    assert "ssh-keygen -t ed25519" in done.err
    into_ssh(home, made("offered"))
    done = logged_in("keys:add")
    assert done.code == 2
    assert "keyturn keys:add --yes" in done.err
    asked = terminal("keys:add")
    asked.expect_exact("Would you like to upload it to Keyturn? [Y/n] ")
    asked.sendline("n")
    assert ended(asked)[1] == 1
    assert json.loads(logged_in("keys", "--json").out) == []
    asked = terminal("keys:add")
    asked.expect_exact("[Y/n] ")
    asked.sendline("")
    assert ended(asked)[1] == 0
    assert [key["comment"] for key in json.loads(logged_in("keys", "--json").out)] == ["offered"]


def test_of_several_keys_one_is_chosen(
    logged_in: Cli, made: Callable[[str], Path], home: Path, terminal: Terminal
) -> None:
    into_ssh(home, made("first"), made("second"))
    done = logged_in("keys:add", "--yes")
    assert done.code == 2
    assert f"keyturn keys:add {home / '.ssh' / 'id1.pub'}" in done.err
    asked = terminal("keys:add")
    asked.expect_exact("Which SSH key would you like to upload? [1-2] ")
    asked.sendline("2")
    assert ended(asked)[1] == 0
    assert [key["comment"] for key in json.loads(logged_in("keys", "--json").out)] == ["second"]


def test_a_comment_that_several_keys_have_removes_none(logged_in: Cli, made: Callable[[str], Path]) -> None:
    for _ in range(2):
        assert logged_in("keys:add", str(made("twin").with_suffix(".pub"))).code == 0
    done = logged_in("keys:remove", "twin")
    assert done.code == 2
    keys = json.loads(logged_in("keys", "--json").out)
    assert len(keys) == 2
    assert all(f"keyturn keys:remove {key['fingerprint']}" in done.err for key in keys)
    done = logged_in("keys:remove", "nobody")
    assert done.code == 1
    assert "Found keys: twin, twin" in done.err


def test_all_keys_are_removed_only_when_that_is_meant(
    logged_in: Cli, made: Callable[[str], Path], terminal: Terminal
) -> None:
    for comment in ("one", "two"):
        logged_in("keys:add", str(made(comment).with_suffix(".pub")))
    assert logged_in("keys:clear").code == 2
    assert [line.split()[-1] for line in logged_in("keys:clear", "--dry-run").out.splitlines()] == ["one", "two"]
    asked = terminal("keys:clear")
    asked.expect_exact("Remove these 2 keys? [y/N] ")
    asked.sendline("")
    assert ended(asked)[1] == 1
    assert len(json.loads(logged_in("keys", "--json").out)) == 2
    asked = terminal("keys:clear")
    asked.expect_exact("[y/N] ")
    asked.sendline("y")
    assert ended(asked)[1] == 0
    assert json.loads(logged_in("keys", "--json").out) == []


def test_a_key_pair_is_made_where_there_is_none(logged_in: Cli, home: Path) -> None:
    added = logged_in("keys:add", "--yes", "--expires-in", "30d")
    assert added.code == 0, added.err
    assert "This key expires in 30 days" in added.err
    private = home / ".ssh" / "id_ed25519"
    assert private.stat().st_mode & 0o777 == 0o600
    [key] = json.loads(logged_in("keys", "--json").out)
    assert key["public_key"].split()[:2] == private.with_suffix(".pub").read_text().split()[:2]
    assert key["expires_at"]
    assert "expires" in logged_in("keys").out


def test_a_private_half_without_its_public_one_is_left_alone(logged_in: Cli, home: Path) -> None:
    private = home / ".ssh" / "id_ed25519"
    private.parent.mkdir(mode=0o700)
    private.write_text("mine")
    refused = logged_in("keys:add", "--yes")
    assert refused.code == 1
    assert "ssh-keygen -y -f" in refused.err
    assert private.read_text() == "mine"
