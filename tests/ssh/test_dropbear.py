"""dropbear's client, which is found on small machines."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tests.conftest import run
from tests.support.gits import checkout, gits, pusher
from tests.support.sshs import Key, add, port_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Server


def test_dropbears_client_pushes_and_clones(ssh_server: Server, tmp_path: Path) -> None:
    who, port = pusher(ssh_server), port_of(ssh_server)
    for kind in ("ed25519", "rsa"):
        file = tmp_path / kind
        made = run(["dropbearkey", "-t", kind, "-f", str(file)], None, gits())
        assert made.code == 0, made
        line = next(line for line in made.out.splitlines() if line.startswith("ssh-"))
        file.with_suffix(".pub").write_text(line)
        add(who, Key(file))
        work = checkout(tmp_path / f"work-{kind}")
        work.more["GIT_SSH_COMMAND"] = shlex.join(["dbclient", "-y", "-y", "-i", str(file)])
        work.more["GIT_SSH_VARIANT"] = "ssh"
        url = f"ssh://git@localhost:{port}/{who.app.name}.git"
        pushed = work.git("push", url, f"main:refs/heads/{kind}")
        assert f"Pushed to {who.app.name} as {who.account.email}." in pushed.err
        assert who.refs()[f"refs/heads/{kind}"] == work.head()
        work.git("clone", "-q", "-b", kind, url, str(tmp_path / f"copy-{kind}"))
        greeted = run(["dbclient", "-y", "-y", "-T", "-i", str(file), "-p", str(port), "git@localhost"], None, gits())
        assert who.account.email in greeted.err
        assert greeted.code == 1
