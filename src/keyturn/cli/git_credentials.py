"""`keyturn git:credentials`: git asks it for the token [gitcredentials(7), git-credential(1)].

It answers for its own server alone; says when the token ends, so that git does not use it after that; logs in again when
there is nobody to wait for; and forgets a token that the server says is dead. ``--install`` sets it up, and takes helpers
that would answer with something older out of the way for this server.
"""

from __future__ import annotations

import os
import shlex
import sys
import time

from keyturn.cli import say
from keyturn.cli.asking import transport
from keyturn.cli.failures import UsageError
from keyturn.cli.git_helpers import git_url
from keyturn.cli.here import chosen_host
from keyturn.cli.options import Parser
from keyturn.client import credentials, state
from keyturn.client.errors import KeyturnError, Unauthorized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final, TextIO

    from keyturn.client.credentials import Credential
    from keyturn.client.hosts import Host

USER: Final = "keyturn"
_LONGEST: Final = 64 * 1024  # of what git says


def run(words: Sequence[str]) -> int:
    """Answer git, or set it up."""
    parser = Parser(
        "git:credentials", "Answer git's questions for a password with the token. git runs it; --install sets it up."
    )
    parser.add_argument(
        "operation",
        nargs="?",
        choices=("get", "store", "erase"),
        help="what git asks for; what it knows is on standard input",
    )
    parser.add_argument(
        "--install", action="store_true", help="make git ask this for the server's token, and nobody else"
    )
    parser.add_argument("--uninstall", action="store_true", help="take that back")
    options = parser.parse(words)
    if options.install + options.uninstall + (options.operation is not None) != 1:
        raise UsageError("give one of get, store, erase, --install, --uninstall", "keyturn git:credentials --install")
    host = chosen_host(options.host)
    if options.install:
        install(host)
    elif options.uninstall:
        uninstall(host)
    elif options.operation == "get":
        asked = read(sys.stdin)
        if is_about(asked, host):
            _answer(host)
    elif options.operation == "erase":
        asked = read(sys.stdin)
        if is_about(asked, host):
            _erase(host, asked.get("password", ""))
    return 0  # store: the login has stored it already


def read(lines: TextIO) -> dict[str, str]:
    """What git says: ``key=value`` lines up to an empty one; the last of a name counts."""
    found = {}
    for line in lines.read(_LONGEST).splitlines():
        if not line:
            break
        name, equals, value = line.partition("=")
        if equals:
            found[name] = value
    return found


def is_about(asked: dict[str, str], host: Host) -> bool:
    """Whether git asks about this very server: scheme, name and port."""
    scheme, _, there = git_url(host).partition("://")
    return asked.get("protocol") == scheme and asked.get("host", "").lower() == there


def _answer(host: Host) -> None:
    found = credentials.find(host, os.environ)
    ends = _end_of(host, found)
    if found is None or (found.stored and ends is not None and ends <= time.time()):
        found = _log_in(host, found)
        if found is None:
            return
        ends = _end_of(host, found)
    lines = [f"username={found.login or USER}", f"password={found.token}"]
    if ends is not None:
        lines.append(f"password_expiry_utc={ends}")
    sys.stdout.write("\n".join(lines) + "\n")


def _end_of(host: Host, found: Credential | None) -> int | None:
    """When the token ends, as far as that is known here."""
    known = state.read(os.environ).logins.get(host.text)
    return known.expires_at if known and found and known.speaks_of(found.token) else None


def _log_in(host: Host, old: Credential | None) -> Credential | None:
    """A new login, when somebody sits at the terminal that git runs on; None, with a word about it, when nobody does."""
    why = "the login has expired" if old else f"there is no login for {host.label}"
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        say.failure(why, "keyturn login")
        return None
    from contextlib import redirect_stdout

    from keyturn.cli.login import log_in

    os.dup2(terminal, 0)  # git's own question is read already
    os.close(terminal)
    sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 - for the rest of this process
    say.warn(f"{why}; logging in again")
    try:
        with redirect_stdout(sys.stderr):  # git reads what this prints
            return log_in(host)
    except KeyturnError as wrong:
        say.failure(wrong.message, wrong.next)
        return None


def _erase(host: Host, refused: str) -> None:
    """git was refused with the token: takes it out of netrc, if it is ours, and the server says itself that it is dead."""
    found = credentials.from_netrc(host, os.environ)
    if found is None or not refused or found.token != refused:
        return
    try:
        with transport(host, found.token, timeout=10) as asking:
            asking.request("GET", "/account")
    except Unauthorized as dead:
        from keyturn.cli.logout import forget

        forget(host, found)
        say.failure(dead.message, dead.next or "keyturn login")
    except KeyturnError:
        pass  # not to be reached: no reason to forget anything


def install(host: Host) -> None:
    """Sets git up for the server: first an empty helper, which resets those that are set for all servers."""
    key = f"credential.{git_url(host)}.helper"
    command = f"!keyturn git:credentials --host {shlex.quote(host.text)}"
    _git("config", "--global", "--replace-all", key, "")
    _git("config", "--global", "--add", key, command)
    say.note(f"git asks keyturn for the token of {git_url(host)} from now on")


def uninstall(host: Host) -> None:
    """Takes the set-up back."""
    key = f"credential.{git_url(host)}.helper"
    _git("config", "--global", "--unset-all", key, fine=(0, 5))  # 5: there is none
    say.note(f"git does not ask keyturn about {git_url(host)} any more")


def _git(*words: str, fine: Iterable[int] = (0,)) -> None:
    import subprocess

    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        raise KeyturnError("git is not installed", "install git and try again") from None
    if done.returncode not in fine:
        raise KeyturnError(f"git: {say.clean(done.stderr.strip() or 'it failed')}", "git config --global --list")
