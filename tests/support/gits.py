"""A real git in a test's own home, apps to push to, and what both left behind."""

from __future__ import annotations

import os
import secrets
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.conftest import Account, Result, environment, run

from keyturn import settings
from keyturn.actions import accounts, apps
from keyturn.actions.authenticate import authenticate
from keyturn.actions.env import By
from keyturn.adapters.git import Git
from keyturn.core.credential import App, Principal
from keyturn.environment import environment as over

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.conftest import Server

    from keyturn.actions.env import Env

NOBODY = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "init.defaultBranch",
    "GIT_CONFIG_VALUE_0": "main",
}


@contextmanager
def env_of(server: Server) -> Iterator[Env]:
    """An Env over a running server's data, in this process."""
    env = over(settings.database_url(server.data), repositories=Git(server.data / "repositories"))
    try:
        yield env
    finally:
        env.store.close()


def principal(env: Env, token: str) -> Principal:
    """Who the token speaks for."""
    found = authenticate(env, token)
    assert isinstance(found, Principal)
    return found


@dataclass
class Pusher:
    """An account with a token and an app of its own."""

    server: Server
    account: Account
    token: str
    app: App

    def url(self, token: str | None = "", user: str = "heroku", name: str = "") -> str:
        """The app's, with the token in it, another, or None."""
        host = self.server.url.partition("//")[2]
        secret = self.token if token == "" else token
        return f"http://{f'{user}:{secret}@' if secret is not None else ''}{host}/{name or self.app.name}.git"

    @property
    def repository(self) -> Path:
        """Where the server has it."""
        return self.server.data / "repositories" / f"{self.app.id}.git"

    def refs(self) -> dict[str, str]:
        """What it has, as git reads it."""
        done = run(
            ["git", "--git-dir", str(self.repository), "for-each-ref", "--format=%(refname) %(objectname)"],
            None,
            gits(),
        )
        return dict(line.split() for line in done.out.splitlines())

    def fsck(self) -> None:
        """The repository is whole, and no half of a push lies about."""
        done = run(["git", "--git-dir", str(self.repository), "fsck", "--full", "--strict"], None, gits())
        assert done.code == 0, done
        assert not [f for f in self.repository.rglob("*") if "incoming" in f.name or f.name.endswith(".lock")]

    def audit(self, action: str = "git.push") -> list[Any]:
        """The trail's events of that action about this app, newest first."""
        with env_of(self.server) as env, env.store.reading() as tx:
            events = tx.audit_events(limit=10**5)
        return [event for event in events if event.action == action and event.details.get("app") == self.app.id]


def pusher(server: Server, name: str = "") -> Pusher:
    """Somebody new, with an app."""
    account = Account(f"{secrets.token_hex(5)}@example.com", f"tall oaks from {secrets.token_hex(4)} grow")
    with env_of(server) as env:
        accounts.create(env, By(), email=account.email, new_password=account.password)
        token = server.token(account)
        who = principal(env, token)
        made = apps.create(env, By(who), who, name=name or f"app-{secrets.token_hex(6)}")
    return Pusher(server, account, token, made.app)


def gits(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of git in the test's home."""
    from pathlib import Path

    return environment(Path(os.environ["HOME"])) | NOBODY | dict(more or {})


@dataclass
class Checkout:
    """A working copy."""

    folder: Path
    more: dict[str, str] = field(default_factory=dict)

    def git(self, *words: str, check: bool = True, input: str | None = None) -> Result:  # noqa: A002
        """Runs git in it, to its end."""
        done = run(["git", "-C", str(self.folder), *words], input, gits(self.more))
        assert not check or done.code == 0, done
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Runs git in it, meanwhile."""
        return subprocess.Popen(
            ["git", "-C", str(self.folder), *words], env=gits(self.more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def commit(self, name: str = "file", text: str | None = None) -> str:
        """Writes a file and commits it; the commit's name."""
        (self.folder / name).write_text(secrets.token_hex(20) if text is None else text)
        self.git("add", name)
        self.git("commit", "-q", "-m", f"change {name}")
        return self.head()

    def head(self) -> str:
        """The commit that it is at."""
        return self.git("rev-parse", "HEAD").out.strip()


def checkout(folder: Path) -> Checkout:
    """A new working copy, with one commit."""
    folder.mkdir(parents=True)
    made = Checkout(folder)
    made.git("init", "-q", "-b", "main")
    made.commit()
    return made
