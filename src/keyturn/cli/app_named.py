"""Which app a command is about: named by ``-a``, by ``-r``, by HEROKU_APP, or by a git remote of the folder that one is in."""

from __future__ import annotations

import os
import re
import subprocess
from urllib.parse import quote

from keyturn.cli.failures import UsageError
from keyturn.cli.git_helpers import git_url
from keyturn.client.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

    from keyturn.cli.asking import Server
    from keyturn.cli.options import Parser
    from keyturn.client.hosts import Host

VARIABLE: Final = "HEROKU_APP"
REMOTE: Final = "keyturn"
"""What ``git:remote`` calls ours, unless told otherwise."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PORTS: Final = {"http": 80, "https": 443}


def add_options(parser: Parser) -> None:
    """``-a APP`` and ``-r REMOTE``."""
    parser.add_argument(
        "-a", "--app", metavar="APP", help=f"the app (default: {VARIABLE}, or the git remote of this folder)"
    )
    parser.add_argument("-r", "--remote", metavar="REMOTE", help="the git remote that names the app")


def add_positional(parser: Parser) -> None:
    """``APP``, for a command that takes it so as well."""
    parser.add_argument("name", nargs="?", metavar="APP", help="the same as -a")


def named_once(options: argparse.Namespace, command: str) -> None:
    """Makes the two ways to name the app one. Raises UsageError where they name two."""
    if options.app and options.name and options.app != options.name:
        raise UsageError(f"two apps are named, {options.app[:40]} and {options.name[:40]}", f"keyturn {command} -a APP")
    options.app, options.command = options.app or options.name, command


def chosen(options: argparse.Namespace, host: Host) -> str:
    """The app's name, or its id. Raises UsageError when nothing names one, or when remotes name several."""
    if options.app:
        return checked(options.app, or_id=True)
    found = {name: app for name, (app, _) in remotes(host).items()}
    if options.remote:
        if options.remote not in found:
            raise UsageError(
                f"there is no git remote {options.remote} here that leads to an app of {host.label}",
                f"keyturn git:remote -a APP -r {options.remote}",
            )
        return found[options.remote]
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        return checked(named, or_id=True)
    names = sorted(set(found.values()))
    if not names:
        raise UsageError("no app is named, and no git remote here leads to one", f"keyturn {options.command} -a APP")
    if len(names) > 1:
        raise UsageError(
            f"git remotes here lead to several apps: {', '.join(names)}", f"keyturn {options.command} -a {names[0]}"
        )
    return names[0]


def checked(name: str, *, or_id: bool = False, next: str = "keyturn apps") -> str:  # noqa: A002 - as in KeyturnError
    """The name, when it can be one: it goes into paths and into git's words. Raises UsageError; ``next``: what to type
    instead, where ``NAME`` stands for the nearest name that can be one.
    """
    if not _NAME.fullmatch(name) and not (or_id and _ID.fullmatch(name)):
        raise UsageError(
            f"{name[:40]!r} is no app's name: 3 to 30 small letters, digits and dashes, a letter first",
            next.replace("NAME", nearest(name)),
        )
    return name


def nearest(name: str) -> str:
    """A name that can be one, like that one: ``my-app`` for ``My_App``; NAME where too little is left of it."""
    like = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789")[:30].rstrip("-")
    return like if _NAME.fullmatch(like) else "NAME"


def ask(server: Server, method: str, name: str, *more: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A request about the app. Raises NotFound with what to do about it."""
    try:
        return server.ask(method, path(name, *more), body)
    except NotFound as missing:
        raise _with_next(missing, name) from None


def ask_all(server: Server, name: str, *more: str) -> list[dict[str, Any]]:
    """All items of one of the app's lists. Raises NotFound with what to do about it."""
    try:
        return server.ask_all(path(name, *more))
    except NotFound as missing:
        raise _with_next(missing, name) from None


def _with_next(missing: NotFound, name: str) -> NotFound:
    of_app = missing.resource != "collaborator"
    missing.next = missing.next or ("keyturn apps" if of_app else f"keyturn access -a {name}")
    return missing


def path(name: str, *more: str) -> str:
    """The app's path in the API."""
    return "/".join(["/apps", quote(name, safe=""), *more])


def remotes(host: Host) -> dict[str, tuple[str, str]]:
    """Git remotes of this folder that lead to apps of the host, over HTTP or SSH: by name, the app and the URL; none without
    git.
    """
    return {name: (app, url) for name, url in urls() if (app := app_of(url, host))}


def urls() -> Iterator[tuple[str, str]]:
    """Git remotes of this folder, wherever they lead, with their URLs; none without git."""
    command = ["git", "config", "--null", "--get-regexp", r"^remote\..*\.url$"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return
    for setting in done.stdout.decode("utf-8", "replace").split("\0"):
        key, _, url = setting.partition("\n")
        if key:
            yield key.removeprefix("remote.").removesuffix(".url"), url


def app_of(url: str, host: Host) -> str | None:
    """The app that a remote's URL leads to, where it is one of the host: the very origin over HTTP, its name over SSH."""
    from urllib.parse import urlsplit

    origins = {git_url(host), host.api_url}
    names = {urlsplit(origin).hostname for origin in origins}
    scp = re.fullmatch(r"git@([^:/]+):/?([^/]+?)(?:\.git)?/?", url)
    if scp:
        ours, name = scp[1].lower() in names, scp[2]
    else:
        try:
            parts = urlsplit(url)
            there, port = parts.hostname or "", parts.port
        except ValueError:
            return None
        name = parts.path.strip("/").removesuffix(".git")
        shown = f"[{there}]" if ":" in there else there
        if port is not None and port != _PORTS.get(parts.scheme):
            shown += f":{port}"
        ours = there in names if parts.scheme == "ssh" else f"{parts.scheme}://{shown}" in origins
    return name if ours and _NAME.fullmatch(name) else None
