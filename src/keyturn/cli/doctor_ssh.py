"""The doctor's checks of git over SSH, where a remote of this folder goes that way: whether SSH answers there, and whether ssh
would offer one of the account's keys.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time

from keyturn.cli import app_named, say
from keyturn.cli.asking import transport
from keyturn.cli.doctor_finding import Finding
from keyturn.cli.keys_add import found_in
from keyturn.client.errors import KeyturnError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

    from keyturn.cli.doctor_finding import Situation

_PATIENCE: Final = 3.0
"""Seconds for a server to say that it speaks SSH, and for a program of this machine to answer."""
_MOST_SAID: Final = 4096
_SCP: Final = re.compile(r"git@([^:/]+):")
_OURS_PERHAPS: Final = re.compile(r"ssh://git@[^/]+/([a-z][a-z0-9-]{1,28}[a-z0-9])\.git")
"""As servers name the address of an app; one at another name than the server's own may be its as well."""
_CHOSEN: Final = ("GIT_SSH_COMMAND", "GIT_SSH")


class Way:
    """A remote that leads to an app over SSH. ``port`` None: ssh's own choice."""

    __slots__ = ("app", "host", "port", "remote", "url")

    def __init__(self, remote: str, app: str, url: str, place: tuple[str, int | None]) -> None:
        self.remote, self.app, self.url = remote, app, url
        self.host, self.port = place


def all_checks(here: Situation, *, alive: bool) -> Iterator[Finding]:
    """What is wrong. ``alive``: whether the server can be asked with the token in use."""
    found = list(ways(here, alive=alive))
    if not found:
        return
    chosen = _chosen_by_git(here.environ)
    if not chosen and shutil.which("ssh") is None:
        yield Finding(
            "no-ssh", f"the git remote {found[0].remote} goes over SSH, and there is no ssh on this machine",
            "git cannot reach the app that way", f"install OpenSSH's client, or: {_over_http(found[0])}",
        )  # fmt: skip
        return
    answered = None
    for way in {(way.host, way.port): way for way in reversed(found)}.values():
        settings = _settings(way)
        if _goes_straight(settings) and not _speaks_ssh(settings):
            yield _silent(here, way, settings, alive=alive)
        else:
            answered = answered or settings
    if alive and answered is not None and not chosen:
        yield from _keys(here, found[0], answered)


def ways(here: Situation, *, alive: bool) -> Iterator[Way]:
    """The remotes of this folder that lead to apps of the server over SSH: at its own name, or where it says that it is."""
    for remote, url in app_named.urls():
        place = _place(url)
        if place is None:
            continue
        app = app_named.app_of(url, here.host)
        elsewhere = _OURS_PERHAPS.fullmatch(url)
        if app is None and alive and elsewhere and _ssh_url(here, elsewhere[1]) == url:
            app = elsewhere[1]
        if app is not None:
            yield Way(remote, app, url, place)


def _place(url: str) -> tuple[str, int | None] | None:
    """Host and port of an address of git over SSH; None: it is none."""
    from urllib.parse import urlsplit

    scp = _SCP.match(url)
    if scp:
        return scp[1].lower(), None
    try:
        parts = urlsplit(url)
        return (parts.hostname, parts.port) if parts.scheme == "ssh" and parts.hostname else None
    except ValueError:
        return None


def _whole(place: tuple[str, int | None]) -> tuple[str, int]:
    return place[0], place[1] or 22


def _chosen_by_git(environ: Mapping[str, str]) -> bool:
    """Whether git is told how to come by SSH: which keys are offered then is not known here."""
    return any(environ.get(name) for name in _CHOSEN) or bool(_says("git", "config", "--get", "core.sshCommand"))


def _says(*command: str) -> str:
    """What a program of this machine prints; nothing where it cannot."""
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=_PATIENCE, encoding="utf-8", errors="replace",
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _settings(way: Way) -> dict[str, list[str]]:
    """What ssh would do, by the names of its options: its configuration may name another host, a proxy, keys."""
    port = [] if way.port is None else ["-p", str(way.port)]
    found: dict[str, list[str]] = {}
    for line in _says("ssh", "-G", *port, "--", f"git@{way.host}").splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name.lower(), []).append(value)
    return {"hostname": [way.host], "port": [str(way.port or 22)]} | found


def _goes_straight(settings: Mapping[str, list[str]]) -> bool:
    return all(settings.get(name, ["none"]) == ["none"] for name in ("proxycommand", "proxyjump"))


def _speaks_ssh(settings: Mapping[str, list[str]]) -> bool:
    """Whether a server there says that it speaks SSH [RFC 4253 4.2], perhaps after some lines of something else."""
    said, until = b"", time.monotonic() + _PATIENCE
    try:
        with socket.create_connection((settings["hostname"][0], int(settings["port"][0])), _PATIENCE) as line:
            while len(said) < _MOST_SAID and time.monotonic() < until:
                some = line.recv(_MOST_SAID)
                if not some:
                    return False
                said += some
                if re.search(rb"^SSH-", said, re.MULTILINE):
                    return True
    except (OSError, ValueError):
        pass
    return False


def _silent(here: Situation, way: Way, settings: Mapping[str, list[str]], *, alive: bool) -> Finding:
    told = _ssh_url(here, way.app) if alive else None
    mend = f"{_over_http(way)}, to go over HTTP"
    if told is not None and _whole(_place(told) or ("", None)) != _whole((way.host, way.port)):
        mend = f"{_over_http(way)} --ssh"
    place = f"{settings['hostname'][0]}, port {settings['port'][0]}"
    return Finding(
        "ssh-silent", f"nothing speaks SSH at {say.clean(place)}, where the git remote {way.remote} leads",
        "git cannot reach the app that way", mend,
    )  # fmt: skip


def _over_http(way: Way) -> str:
    return f"keyturn git:remote -a {way.app} -r {way.remote}"


def _ask(here: Situation, path: str, *, pages: bool = False) -> Any:
    """What the server answers; None where it does not, or may not be asked."""
    if here.winner is None:
        return None
    with transport(here.host, here.winner.token, timeout=10) as asking:
        try:
            return list(asking.pages(path)) if pages else asking.request("GET", path).body
        except KeyturnError:
            return None


def _ssh_url(here: Situation, app: str) -> str | None:
    """Where the server says that the app is found over SSH."""
    found = _ask(here, app_named.path(app))
    told = found.get("ssh_url") if isinstance(found, dict) else None
    return told if isinstance(told, str) else None


def _keys(here: Situation, way: Way, settings: Mapping[str, list[str]]) -> Iterator[Finding]:
    known = _ask(here, "/account/keys", pages=True)
    if known is None:
        return
    ours = {_blob(str(key.get("public_key"))) for key in known if isinstance(key, dict)} - {""}
    why = "git over SSH is let in by such a key alone"
    if not ours:
        yield Finding(
            "ssh-no-key", f"the git remote {way.remote} goes over SSH, and the account has no SSH key", why,
            "keyturn keys:add",
        )  # fmt: skip
        return
    offered = _offered(settings)
    if offered is None or ours & offered:
        return
    for public in found_in(os.path.join(os.path.expanduser("~"), ".ssh")):
        private = public.removesuffix(".pub")
        if os.path.isfile(private) and _blob(_first_line(public)) in ours:
            yield Finding(
                "ssh-key-not-offered", f"{private} is a key of the account, but ssh does not offer it: no agent has it, and "
                "ssh tries files of other names", why, f"ssh-add {private}",
            )  # fmt: skip
            return
    many = "the account's SSH key is not" if len(ours) == 1 else f"none of the account's {len(ours)} SSH keys is"
    yield Finding("ssh-key-elsewhere", f"{many} on this machine, and the git remote {way.remote} goes over SSH", why,
                  "keyturn keys:add")  # fmt: skip


def _offered(settings: Mapping[str, list[str]]) -> set[str] | None:
    """The keys that ssh would offer, by their public halves; None where that cannot be told."""
    if settings.get("pkcs11provider", ["none"]) != ["none"]:
        return None
    usable, named = set(), set()
    for file in settings.get("identityfile", []):
        path = os.path.expanduser(file)
        public = path if path.endswith(".pub") else f"{path}.pub"
        if os.path.isfile(public):
            named.add(_blob(_first_line(public)))
            if os.path.isfile(path) and path != public:
                usable.add(_blob(_first_line(public)))
        elif os.path.isfile(path):
            return None  # its public half is inside, and nothing here opens a private key
    held = {_blob(line) for line in _says("ssh-add", "-L").splitlines()}
    alone = settings.get("identitiesonly") == ["yes"]
    return (usable | (held & named if alone else held)) - {""}


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline(1 << 16)
    except OSError:
        return ""


def _blob(line: str) -> str:
    """The key itself in a line TYPE BASE64 COMMENT; empty where there is none."""
    words = line.split(None, 2)
    return words[1] if len(words) > 1 and words[1].startswith("AAAA") else ""
