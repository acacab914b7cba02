"""`keyturn git:remote` and `git:clone`: git's side of an app."""

from __future__ import annotations

import subprocess
import sys

from keyturn.cli import app_named, say
from keyturn.cli.asking import Server
from keyturn.cli.git_helpers import git_url
from keyturn.cli.options import Parser
from keyturn.client.errors import KeyturnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from keyturn.client.hosts import Host


def remote(words: Sequence[str]) -> int:
    """Let this folder's git push to an app."""
    parser = Parser("git:remote", "Add an app as a git remote of this folder, or point the remote there.")
    _add_options(parser)
    options = parser.parse(words)
    options.command = "git:remote"
    name = options.remote or app_named.REMOTE
    _inside_a_repository()
    with Server(options.host) as server:
        app = _exists(server, app_named.chosen(options, server.host))
    url = url_of(server.host, app, ssh=_ssh_port(options))
    point(name, url)
    say.data(f"set git remote {name} to {url}")
    return 0


def clone(words: Sequence[str]) -> int:
    """Get an app's code."""
    parser = Parser("git:clone", "Clone an app's repository.")
    _add_options(parser)
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="where to (default: the app's name)")
    options = parser.parse(words)
    options.command = "git:clone"
    with Server(options.host) as server:
        app = _exists(server, app_named.chosen(options, server.host))
    url, name = url_of(server.host, app, ssh=_ssh_port(options)), options.remote or app_named.REMOTE
    sys.stdout.flush()
    done = subprocess.run(["git", "clone", "-o", name, "--", url, options.folder or app], check=False)
    if done.returncode:
        raise KeyturnError("git could not clone it; what it said is above", "keyturn auth:doctor")
    return 0


def _add_options(parser: Parser) -> None:
    app_named.add_options(parser)
    parser.add_argument(
        "--ssh", action="store_true", help="over SSH, with an SSH key, instead of over HTTP with a token"
    )
    parser.add_argument("--ssh-port", type=int, metavar="N", help="where the server takes SSH, when that is not 22")


def _ssh_port(options: argparse.Namespace) -> int | None:
    if not (options.ssh or options.ssh_port):
        return None
    return options.ssh_port or 22


def _exists(server: Server, app: str) -> str:
    """Its name."""
    return app_named.checked(str(app_named.ask(server, "GET", app).get("name")))


def url_of(host: Host, app: str, *, ssh: int | None = None) -> str:
    """Where git finds the app: over HTTP, or over SSH at that port."""
    if ssh is None:
        return f"{git_url(host)}/{app}.git"
    name = host.name if "://" in host.text else host.machines[-1]
    shown = f"[{name}]" if ":" in name else name
    return f"ssh://git@{shown}{'' if ssh == 22 else f':{ssh}'}/{app}.git"


def point(name: str, url: str) -> None:
    """Adds the remote, or points the one of that name there. Raises KeyturnError with what git said."""
    if name.startswith("-"):  # git would take it, and then for an option wherever it is named
        raise KeyturnError(f"{name!r} is not a valid remote name", "git remote -v")
    known = name in _git("remote").stdout.split()
    done = _git("remote", "set-url" if known else "add", "--", name, url)
    if done.returncode:
        raise KeyturnError(f"git: {say.clean(done.stderr.strip() or 'it failed')}", "git remote -v")


def offer(host: Host, app: str, name: str) -> str | None:
    """Adds the remote where that is plainly right: in a repository that has none of the name. What it is called, or None."""
    try:
        if _git("rev-parse", "--git-dir").returncode or name in _git("remote").stdout.split():
            return None
        point(name, url_of(host, app))
    except KeyturnError as wrong:  # the app is made all the same
        say.warn(wrong.message)
        return None
    return name


def _inside_a_repository() -> None:
    if _git("rev-parse", "--git-dir").returncode:
        raise KeyturnError("this folder is no git repository", "git init")


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        raise KeyturnError("git is not installed", "install git and try again") from None
