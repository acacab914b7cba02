"""Which app a command is about: named by ``-a``, by HEROKU_APP, or by a git remote of the folder that one is in."""

from __future__ import annotations

import os
import re
import subprocess
from urllib.parse import quote

from keyturn.cli.failures import UsageError
from keyturn.cli.git_helpers import git_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Final

    from keyturn.cli.options import Parser
    from keyturn.client.hosts import Host

VARIABLE: Final = "HEROKU_APP"
REMOTE: Final = "keyturn"
"""What ``git:remote`` calls ours, unless told otherwise."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")


def add_options(parser: Parser) -> None:
    """``-a APP`` and ``-r REMOTE``."""
    parser.add_argument(
        "-a", "--app", metavar="APP", help=f"the app (default: {VARIABLE}, or the git remote of this folder)"
    )
    parser.add_argument("-r", "--remote", metavar="REMOTE", help="the git remote that names the app")


def chosen(options: argparse.Namespace, host: Host) -> str:
    """The app's name. Raises UsageError when nothing names one, or when remotes name several."""
    named = options.app or os.environ.get(VARIABLE, "").strip()
    if named:
        return checked(named)
    found = remotes(host)
    if options.remote:
        if options.remote not in found:
            raise UsageError(
                f"there is no git remote {options.remote} here that leads to an app of {host.label}",
                f"keyturn git:remote -a APP -r {options.remote}",
            )
        return found[options.remote]
    names = sorted(set(found.values()))
    if not names:
        raise UsageError("no app is named, and no git remote here leads to one", f"keyturn {options.command} -a APP")
    if len(names) > 1:
        raise UsageError(
            f"git remotes here lead to several apps: {', '.join(names)}", f"keyturn {options.command} -a {names[0]}"
        )
    return names[0]


def checked(name: str) -> str:
    """The name, when it can be one: it goes into paths and into git's words. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:40]!r} is no app's name: 3 to 30 small letters, digits and dashes, a letter first", "keyturn apps"
        )
    return name


def path(name: str, *more: str) -> str:
    """The app's path in the API."""
    return "/".join(["/apps", quote(name, safe=""), *more])


def remotes(host: Host) -> dict[str, str]:
    """Git remotes of this folder that lead to apps of the host, by name, over HTTP or SSH; none without git."""
    command = ["git", "config", "--null", "--get-regexp", r"^remote\..*\.url$"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = {}
    for setting in done.stdout.decode("utf-8", "replace").split("\0"):
        key, _, url = setting.partition("\n")
        app = app_of(url, host)
        if key and app:
            found[key.removeprefix("remote.").removesuffix(".url")] = app
    return found


def app_of(url: str, host: Host) -> str | None:
    """The app that a remote's URL leads to, where it is one of the host."""
    from urllib.parse import urlsplit

    scp = re.fullmatch(r"git@([^:/]+):/?([^/]+?)(?:\.git)?/?", url)
    if scp:
        there, name = scp[1], scp[2]
    else:
        try:
            parts = urlsplit(url)
            there, name = parts.hostname or "", parts.path.strip("/").removesuffix(".git")
        except ValueError:
            return None
        if parts.scheme not in ("http", "https", "ssh"):
            return None
    ours = {urlsplit(git_url(host)).hostname, host.name, host.name.removeprefix("api.")}
    return name if there.lower() in ours and _NAME.fullmatch(name) else None
