"""The credential helpers that git would ask for a server's password, from git's own configuration."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyturn.client.hosts import Host


class Helper:
    """``about``: the URL that it is configured for, or empty for every server. ``key``: the setting's name."""

    __slots__ = ("about", "key", "name")

    def __init__(self, key: str, about: str, name: str) -> None:
        self.key, self.about, self.name = key, about, name


def git_url(host: Host) -> str:
    """Where git finds the server."""
    return host.api_url if "://" in host.text else f"https://{host.machines[-1]}"


def configured(host: Host) -> list[Helper]:
    """Those that git asks about the host before ours, in its order; none without git. Ours always has an answer, if only
    that git is to stop: whoever comes after it is never asked.
    """
    found: list[Helper] = []
    answered = False
    for key, about, value in settings(host):
        if not value:
            found, answered = [], False  # an empty one resets the list (gitcredentials)
        elif is_ours(value):
            answered = True
        elif not answered:
            found.append(Helper(key, about, _named(value)))
    return found


def is_ours(value: str) -> bool:
    """Whether a helper, as it is set up, is this program."""
    return "keyturn" in value and "git:credentials" in value


def own(host: Host) -> str | None:
    """The program of ours that git asks about the host, as it is set up; None: none is."""
    import shlex

    found = None
    for _, _, value in settings(host):
        if not value:
            found = None
        elif is_ours(value):
            try:
                found = (shlex.split(value.removeprefix("!")) or [""])[0]
            except ValueError:
                found = ""
    return found


def settings(host: Host) -> Iterator[tuple[str, str, str]]:
    """Key, URL and value of each setting of a helper that is about the host."""
    import subprocess
    from urllib.parse import urlsplit

    command = ["git", "config", "--null", "--get-regexp", r"^credential\.(.*\.)?helper$"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=10, env=os.environ)
    except (OSError, subprocess.TimeoutExpired):
        return
    wanted = urlsplit(git_url(host)).netloc
    for setting in done.stdout.decode("utf-8", "replace").split("\0"):
        key, _, value = setting.partition("\n")
        about = key.removeprefix("credential").removesuffix("helper").strip(".")
        if key and (not about or _is(about, wanted)):
            yield key, about, value


def _is(url: str, netloc: str) -> bool:
    from urllib.parse import urlsplit

    try:
        return urlsplit(url if "://" in url else f"https://{url}").netloc.rpartition("@")[2].lower() == netloc
    except ValueError:
        return False


def _named(value: str) -> str:
    """Never the whole of it: a helper written out as a command may hold the password itself."""
    if value.startswith("!"):
        return "a shell command"
    return os.path.basename(value.split(maxsplit=1)[0]) if value.split() else "an unnamed one"
