"""Which token speaks for whoever runs this: HEROKU_API_KEY, else the netrc entry of the host.

An entry without a port may belong to another server on the same name: it is passed over when an entry with that other
server's port holds the very same token. So of two servers on one name neither is shown, nor loses, the other's token.

Every start of the command line imports this, so it imports next to nothing.
"""

from __future__ import annotations

import sys

from keyturn.client import netrc
from keyturn.client.errors import StorageFailed
from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

    from keyturn.client.hosts import Host
    from keyturn.client.netrc import Entry

VARIABLE: Final = "HEROKU_API_KEY"


class Credential:
    """A token, and where it came from: ``source`` is HEROKU_API_KEY, a netrc's path, or ``argument``."""

    __slots__ = ("login", "machine", "source", "token")

    def __init__(self, token: str, source: str, machine: str = "", login: str = "") -> None:
        self.token, self.source, self.machine, self.login = token, source, machine, login

    @property
    def stored(self) -> bool:
        """Whether it is in netrc, so that a login or a logout of ours replaces it."""
        return bool(self.machine)

    def __repr__(self) -> str:
        return f"Credential(source={self.source!r}, machine={self.machine!r})"  # never the token


def from_environment(environ: Mapping[str, str]) -> Credential | None:
    """HEROKU_API_KEY, unless it is empty."""
    token = environ.get(VARIABLE, "").rstrip("\r\n")  # what `$(cat FILE)` would take off
    return Credential(token, VARIABLE) if token.strip() else None


def from_netrc(host: Host, environ: Mapping[str, str]) -> Credential | None:
    """The stored login of ``host``. Raises StorageFailed when the file is there but cannot be used."""
    try:
        path = netrc.path(environ, sys.platform)
        for machine in host.lookups:
            entry = netrc.find(path, [machine])
            if entry is None or not entry.password:
                continue
            if (
                machine == host.name
                and len(host.machines) == len(host.lookups)
                and is_anothers(entry, netrc.read(path), host)
            ):
                continue
            return Credential(entry.password, path, machine, entry.login or "")
    except netrc.NetrcError as wrong:
        raise StorageFailed(str(wrong)) from wrong
    return None


def find(host: Host, environ: Mapping[str, str]) -> Credential | None:
    """The credential that wins. Raises StorageFailed."""
    return from_environment(environ) or from_netrc(host, environ)


def netrc_entries(environ: Mapping[str, str]) -> tuple[str, list[Entry]]:
    """The netrc's path and its entries; none when there is no file. Raises StorageFailed."""
    path = netrc.path(environ, sys.platform)
    try:
        return path, netrc.read(path)
    except netrc.NetrcError as wrong:
        raise StorageFailed(str(wrong)) from wrong


def machines_to_write(entries: Sequence[Entry], host: Host) -> tuple[list[str], list[Entry]]:
    """The machines that a login writes, and the entries that stand in the way of the others.

    An entry without a port that holds no token of ours is somebody's for something else: it is left alone.
    """
    tokens = {entry.password for entry in entries if _is(entry, host.machines[0])}
    wanted, foreign = [], []
    for machine in host.machines:
        held = next((entry for entry in entries if _is(entry, machine) and entry.password), None)
        if (
            held
            and machine in host.lookups[1:]
            and not grammar.kind_of(held.password or "")
            and held.password not in tokens
        ):
            foreign.append(held)
        else:
            wanted.append(machine)
    return wanted, foreign


def machines_to_remove(entries: Sequence[Entry], host: Host, token: str) -> list[str]:
    """What a logout takes out of netrc: the host's machines, but a port-less one only when it holds ``token``."""
    return [
        machine
        for machine in host.machines
        if machine not in host.lookups[1:] or any(_is(entry, machine) and entry.password == token for entry in entries)
    ]


def is_anothers(entry: Entry, entries: Sequence[Entry], host: Host) -> bool:
    """Whether a port-less entry holds the token of a server on another port of the same name."""
    prefix = f"[{host.name}]:" if ":" in host.name else f"{host.name}:"
    return any(
        other.password == entry.password and _name(other).startswith(prefix) and _name(other) not in host.machines
        for other in entries
    )


def _is(entry: Entry, machine: str) -> bool:
    return _name(entry) == machine


def _name(entry: Entry) -> str:
    return (entry.machine or "").lower()
