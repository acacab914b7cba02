"""SSH keys of a test's own, the real ssh and git over it, and a raw client that says what no real one would."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.conftest import Result, run
from tests.support.gits import Pusher, env_of, gits, principal, pusher

from keyturn.actions import keys
from keyturn.actions.env import By

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.conftest import Server


def port_of(server: Server) -> int:
    """Where it takes SSH."""
    found = re.search(r"git over SSH is at ssh://git@\S+:(\d+)", server.log())
    assert found is not None, server.log()
    return int(found[1])


@dataclass
class Key:
    """A key pair in files."""

    file: Path
    id: str = ""
    """Where it is some account's."""

    @property
    def line(self) -> str:
        """The public half."""
        return self.file.with_suffix(".pub").read_text().strip()

    @property
    def sha256(self) -> str:
        """Its fingerprint, as ssh-keygen prints it."""
        return run(["ssh-keygen", "-l", "-f", str(self.file)], None, gits()).out.split()[1]


def make_key(folder: Path, kind: str = "ed25519", comment: str = "ada@laptop", *more: str) -> Key:
    """A new pair, by the real ssh-keygen."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"id{len(list(folder.iterdir()))}"
    done = run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(file), *more], None, gits())
    assert done.code == 0, done
    return Key(file)


def add(who: Pusher, key: Key, expires_in: int | None = None) -> Key:
    """Makes the key the account's."""
    with env_of(who.server) as env:
        by = principal(env, who.token)
        key.id = keys.add(env, By(by), by, key.line, expires_in=expires_in).key.id
    return key


def remove(who: Pusher, key: Key) -> None:
    """The account gives it up."""
    with env_of(who.server) as env:
        by = principal(env, who.token)
        keys.remove(env, By(by), by, key.id)


@dataclass
class SshPusher:
    """An account with an app and a key, at a server with SSH."""

    who: Pusher
    key: Key

    @property
    def port(self) -> int:
        return port_of(self.who.server)

    @property
    def url(self) -> str:
        """The app's, over SSH."""
        return f"ssh://git@localhost:{self.port}/{self.who.app.name}.git"

    def git(self, key: Key | None = None) -> dict[str, str]:
        """What git needs in its environment to come with the key."""
        return {"GIT_SSH_COMMAND": shlex.join(["ssh", *options(key or self.key)])}

    def ssh(self, *words: str, key: Key | None = None, more: Mapping[str, str] | None = None, **given: Any) -> Result:
        """The real ssh, with options and a command."""
        flags = [word for word in words if word.startswith("-")]
        command = [word for word in words if not word.startswith("-")]
        line = ["ssh", *options(key or self.key), *flags, "-p", str(self.port), "git@localhost", *command]
        return run(line, given.get("input"), gits(more))


def options(key: Key) -> list[str]:
    """Of ssh: nobody's configuration, nobody's agent, one key, and any host."""
    return [
        "-F", "none", "-i", str(key.file), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
        "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={key.file.parent / 'known'}",
    ]  # fmt: skip


def ssh_pusher(server: Server, folder: Path, kind: str = "ed25519", *more: str) -> SshPusher:
    """Somebody new, with an app and a key."""
    who = pusher(server)
    return SshPusher(who, add(who, make_key(folder, kind, "ada@laptop", *more)))
