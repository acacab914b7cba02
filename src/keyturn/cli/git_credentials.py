"""`keyturn git:credentials`: git asks it for the token [gitcredentials(7), git-credential(1)].

It answers for its own server alone; says when the token ends, so that git does not use it after that; logs in again, where
somebody sits at a terminal, instead of giving a dead one; and forgets a token that the server says is dead. ``--install``
sets it up, and takes helpers that would answer with something older out of the way for this server.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time

from keyturn.cli import say
from keyturn.cli.asking import transport
from keyturn.cli.failures import UsageError
from keyturn.cli.git_helpers import git_url, is_ours, settings
from keyturn.cli.here import chosen_host, no_server, not_a_token
from keyturn.cli.options import Parser
from keyturn.client import credentials, state
from keyturn.client.errors import KeyturnError, NotLoggedIn, Unauthorized
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO, Final

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
        if is_about(read(sys.stdin.buffer), host):
            _answer(host)
    elif options.operation == "erase":
        asked = read(sys.stdin.buffer)
        if is_about(asked, host):
            _erase(host, asked.get("password", ""))
    return 0  # store: the login has stored it already


def read(lines: BinaryIO) -> dict[str, str]:
    """What git says: ``key=value`` lines up to an empty one; the last of a name counts."""
    found = {}
    left = _LONGEST
    while left > 0 and (raw := lines.readline(left)):
        left -= len(raw)
        name, equals, value = raw.decode("utf-8", "replace").rstrip("\r\n").partition("=")
        if not name:
            break
        if equals:
            found[name] = value
    return found


def is_about(asked: dict[str, str], host: Host) -> bool:
    """Whether git asks about this very server: scheme, name and port."""
    scheme, _, there = git_url(host).partition("://")
    named = asked.get("host", "").lower().removesuffix(":443" if scheme == "https" else ":80")
    return asked.get("protocol") == scheme and named == there


def _answer(host: Host) -> None:
    found = credentials.find(host, os.environ)
    wrong = grammar.misfit(found.token) if found is not None and not found.stored else None
    if found is not None and wrong is not None:  # no login would mend the variable, nor is a line of it git's to read
        refused = not_a_token(found, wrong)
        say.failure(refused.message, refused.next)
        sys.stdout.write("quit=1\n")
        return
    dead = _dead(host, found)
    if dead is not None:
        found = _log_in(host, dead)
    if found is None:
        sys.stdout.write("quit=1\n")  # or git would ask for a name and a password, of which there are none
        return
    name = found.login if found.login.isprintable() else ""
    lines = [f"username={name or USER}", f"password={found.token}"]
    ends = _end_of(host, found)
    if ends is not None:
        lines.append(f"password_expiry_utc={ends}")
    sys.stdout.write("\n".join(lines) + "\n")


def _dead(host: Host, found: Credential | None) -> KeyturnError | None:
    """Why there is no token to give, or none that is alive, and what mends it. Of HEROKU_API_KEY the server says that to git
    itself.
    """
    login = f"keyturn login --host {host.text}"  # git runs wherever a repository is, for whatever server that is of
    if found is None:
        return NotLoggedIn(f"not logged in to {host.label}", login)
    if not found.stored:
        return None
    ends = _end_of(host, found)
    try:
        _check(host, found, timeout=5)
    except (Unauthorized, NotLoggedIn) as dead:
        if dead.next is None or dead.next.startswith("keyturn "):  # any living token will do for git
            dead.next = login
        return dead
    except KeyturnError:  # not to be reached: then git says so
        return NotLoggedIn("the login has expired", login) if ends is not None and ends <= time.time() else None
    return None


def _check(host: Host, found: Credential, *, timeout: float) -> None:
    with transport(host, found.token, timeout=timeout) as asking:
        asking.request("GET", "/account")


def _end_of(host: Host, found: Credential | None) -> int | None:
    """When the token ends, as far as that is known here."""
    known = state.read(os.environ).logins.get(host.text)
    return known.expires_at if known and found and known.speaks_of(found.token) else None


def _log_in(host: Host, dead: KeyturnError) -> Credential | None:
    """A new login, when somebody sits at the terminal that git runs on; None, with a word about it, when nobody does."""
    terminal = _terminal()
    if terminal is None:
        say.failure(dead.message, dead.next)
        return None
    from contextlib import redirect_stdout

    from keyturn.cli.login import log_in

    for stream in (0, 2):  # git's own question is read already; and what is asked must be seen
        os.dup2(terminal, stream)
    os.close(terminal)
    sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 - for the rest of this process
    signal.signal(signal.SIGINT, _fall_silent)
    say.warn(f"{dead.message.rstrip('.')}; logging in again")
    try:
        with redirect_stdout(sys.stderr):  # git reads what this prints
            return log_in(host)
    except KeyturnError as wrong:
        say.failure(wrong.message, wrong.next)
        return None


def _fall_silent(_number: int, _frame: object) -> None:
    """At Ctrl-C git ends too, and the shell has its prompt on the terminal before us: what comes after it is in the way."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    raise KeyboardInterrupt


def _terminal() -> int | None:
    """The terminal that git runs on, unless nobody is to be asked there."""
    if os.name == "nt" or os.environ.get("GIT_TERMINAL_PROMPT", "").lower() in ("0", "false", "no", "off"):
        return None
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    if os.tcgetpgrp(terminal) != os.getpgrp():  # in the background it would be stopped at the first question
        os.close(terminal)
        return None
    return terminal


def _erase(host: Host, refused: str) -> None:
    """git was refused with the token: takes it out of netrc, if it is ours, and the server says itself that it is dead."""
    found = credentials.from_netrc(host, os.environ)
    if found is None or not refused or found.token != refused:
        return
    try:
        _check(host, found, timeout=10)
    except Unauthorized as dead:
        from keyturn.cli.logout import forget

        forget(host, found)
        say.failure(dead.message, dead.next or "keyturn login")
    except KeyturnError:
        pass  # not to be reached: no reason to forget anything


def install(host: Host) -> None:
    """Sets git up for the server: first an empty helper, which resets those that are set for all servers."""
    if host.by_default:
        say.warn(no_server(host))
    key = _key(host)
    command = f"!{shlex.quote(_program())} git:credentials --host {shlex.quote(host.text)}"
    _git("config", "--global", "--replace-all", key, "")
    _git("config", "--global", "--add", key, command)
    _remove_the_old(host)
    say.note(f"git asks keyturn for the token of {git_url(host)} from now on")


def _key(host: Host) -> str:
    """The setting. The slash at the end makes no difference to git, but another name: under the one without it the Heroku
    CLI sets its own helper, and fails where two values stand.
    """
    return f"credential.{git_url(host)}/.helper"


def _remove_the_old(host: Host) -> None:
    """Takes away what an earlier version set under the name that is the Heroku CLI's; that one's own setting stays."""
    key = f"credential.{git_url(host)}.helper"
    if any(name == key and is_ours(value) for name, _, value in settings(host)):
        _git("config", "--global", "--unset-all", key, "^$|keyturn.*git:credentials", fine=(0, 5))


def _program() -> str:
    """This very program, wherever git will be run from."""
    import shutil

    here = shutil.which(sys.argv[0]) if os.path.basename(sys.argv[0]).startswith("keyturn") else None
    return os.path.abspath(here).replace(os.sep, "/") if here else "keyturn"


def uninstall(host: Host) -> None:
    """Takes the set-up back."""
    _git("config", "--global", "--unset-all", _key(host), fine=(0, 5))  # 5: there is none
    _remove_the_old(host)
    say.note(f"git does not ask keyturn about {git_url(host)} any more")


def _git(*words: str, fine: Iterable[int] = (0,)) -> None:
    import subprocess

    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        raise KeyturnError("git is not installed", "install git and try again") from None
    if done.returncode not in fine:
        raise KeyturnError(f"git: {say.clean(done.stderr.strip() or 'it failed')}", "git config --global --list")
