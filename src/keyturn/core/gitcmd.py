"""What git asks for, over HTTP and over SSH, by one parser: which service, of which app. Everything else is refused."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from keyturn.core import apps

FETCH: Final = "git-upload-pack"
PUSH: Final = "git-receive-pack"
SERVICES: Final = (FETCH, PUSH)
LONGEST: Final = 200

# git quotes the path for a shell; a name needs none of what quoting could bring in.
_COMMAND: Final = re.compile(
    r"git[- ](?P<service>upload-pack|receive-pack) +(?P<quote>['\"]?)(?P<path>[^'\"\s]{1,120})(?P=quote) *"
)
_PATH: Final = re.compile(rf"/?(?P<name>{apps.NAME.pattern})(?:\.git)?/?")


class Wanted(NamedTuple):
    """``service`` of SERVICES, ``app`` by its name."""

    service: str
    app: str


def app_of(path: str) -> str | None:
    """The app that a path names: ``NAME``, ``NAME.git``, with or without slashes around it; None for anything else."""
    found = _PATH.fullmatch(path) if len(path) <= LONGEST else None
    return found["name"] if found else None


def command(text: str) -> Wanted | None:
    """What a command that came over SSH asks for; None for anything but git's two services of one app [gitprotocol-pack]."""
    found = _COMMAND.fullmatch(text) if len(text) <= LONGEST and text.isprintable() else None
    name = app_of(found["path"]) if found else None
    return Wanted(f"git-{found['service']}", name) if found and name else None


def version(protocol: str) -> int:
    """Of git's protocol, as the header Git-Protocol or the variable GIT_PROTOCOL asks for it: the highest known, or 0; unknown
    keys and versions are left out [gitprotocol-v2].
    """
    words = protocol.split(":")
    return max((number for number in (0, 1, 2) if f"version={number}" in words), default=0)
