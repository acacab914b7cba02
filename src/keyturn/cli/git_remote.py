"""`keyturn git:remote` and `git:clone`: git's side of an app."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from keyturn.cli import app_named, say
from keyturn.cli.asking import Server
from keyturn.cli.failures import Cancelled, UsageError
from keyturn.cli.git_helpers import git_url
from keyturn.cli.options import Parser
from keyturn.client.errors import KeyturnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any, Final

    from keyturn.client.hosts import Host

_SSH_URL: Final = re.compile(r"ssh://git@([a-z0-9][a-z0-9.-]*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?/[a-z0-9-]+\.git")


def remote(words: Sequence[str]) -> int:
    """Let this folder's git push to an app."""
    parser = Parser("git:remote", "Add an app as a git remote of this folder, or point the remote there.")
    _add_options(parser)
    parser.add_argument("-f", "--force", action="store_true", help="take a remote that leads elsewhere, without asking")
    options = parser.parse(words)
    options.command = "git:remote"
    name = options.remote or app_named.REMOTE
    _inside_a_repository()
    with Server(options.host) as server:
        app = _asked_for(server, options)
        url = address(server, app, options)
    before = _led_to(name)
    if before and before != url and not options.force and app_named.app_of(before, server.host) is None:
        _agree(name, before, f"keyturn git:remote -a {app['name']} -r {name} --force")
    point(name, url)
    say.data(f"set git remote {name} to {url}")
    if before and before != url:
        say.note(f"before, it led to {_without_secrets(before)}")
    return 0


def clone(words: Sequence[str]) -> int:
    """Get an app's code."""
    parser = Parser("git:clone", "Clone an app's repository.")
    _add_options(parser)
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="where to (default: the app's name)")
    options = parser.parse(words)
    options.command = "git:clone"
    with Server(options.host) as server:
        if not (options.app or options.folder or os.environ.get(app_named.VARIABLE, "").strip()):
            here = app_named.chosen(options, server.host)  # by a remote: this is a copy of its code already
            raise UsageError(
                f"this folder is a clone of {here} itself; name another folder to have a second one",
                f"keyturn git:clone -a {here} ../{here}-2",
            )
        app = _asked_for(server, options)
        url = address(server, app, options)
    name = options.remote or app_named.REMOTE
    sys.stdout.flush()
    done = subprocess.run(["git", "clone", "-o", name, "--", url, options.folder or app["name"]], check=False)
    if done.returncode:
        raise KeyturnError("git could not clone it; what it said is above", "keyturn auth:doctor")
    return 0


def _led_to(remote: str) -> str:
    """The URL of a remote as it is set; empty where there is none."""
    return _git("config", "--get", f"remote.{remote}.url").stdout.strip()


def _agree(remote: str, before: str, meant: str) -> None:
    """Has the person agree to lose a remote that is no app's. Raises Cancelled; UsageError where nobody is there to ask."""
    from keyturn.cli import terminal

    said = f"git remote {remote} leads to {_without_secrets(before)}, which is no app of this server"
    if not terminal.is_interactive():
        raise UsageError(f"{said}; that it is to lead elsewhere must be meant", meant)
    say.warn(said)
    if not terminal.agrees("Let it lead to the app instead?", default=False):
        raise Cancelled("nothing was changed", meant.replace(f" -r {remote} --force", " -r ANOTHERNAME"))


def _without_secrets(url: str) -> str:
    """What may be shown of a URL: no password, which some write into one."""
    return re.sub(r"//[^/@]*@", "//", url) if "://" in url and not url.startswith("ssh://") else url


def _add_options(parser: Parser) -> None:
    app_named.add_options(parser)
    parser.add_argument(
        "--ssh", action="store_true", help="over SSH, with an SSH key, instead of over HTTP with a token"
    )
    parser.add_argument("--ssh-port", type=int, metavar="N", help="the same at a port of your own choice")


def _asked_for(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    """The app that is meant, with a name that can be one."""
    app = app_named.ask(server, "GET", app_named.chosen(options, server.host))
    app["name"] = app_named.checked(str(app.get("name")))
    return app


def address(server: Server, app: Mapping[str, Any], options: argparse.Namespace) -> str:
    """Where git is to find the app: over HTTP, or over SSH, where the server takes that. Raises KeyturnError."""
    name = str(app["name"])
    if not (options.ssh or options.ssh_port):
        return url_of(server.host, name)
    told = app.get("ssh_url")
    if options.ssh_port:  # whoever names a port knows of a way that the server need not know of
        return url_of(server.host, name, ssh=options.ssh_port)
    if "ssh_url" not in app:  # a server that does not tell
        return url_of(server.host, name, ssh=22)
    if told is None:
        raise KeyturnError(f"{server.host.label} serves no git over SSH", f"keyturn {options.command} -a {name}")
    if not isinstance(told, str) or not _SSH_URL.fullmatch(told) or not told.endswith(f"/{name}.git"):
        raise KeyturnError(f"{server.host.label} names no address of git over SSH that can be used")
    return told


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


def branch() -> str:
    """The branch that this folder is on, or what one is mostly called."""
    return _git("symbolic-ref", "--quiet", "--short", "HEAD").stdout.strip() or "main"


def renamed(url: str, name: str, new: str) -> str:
    """A remote's URL that leads to the app ``name``, leading to ``new`` in the same form."""
    return re.sub(rf"(?<=[/:]){re.escape(name)}(?=(?:\.git)?/?$)", new, url)


def _inside_a_repository() -> None:
    if _git("rev-parse", "--git-dir").returncode:
        raise KeyturnError("this folder is no git repository", "git init")


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        raise KeyturnError("git is not installed", "install git and try again") from None
