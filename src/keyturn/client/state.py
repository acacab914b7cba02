"""What this machine remembers of its logins, beside netrc: hints without secrets, and revocations still to be sent.

Two files in ``$XDG_CONFIG_HOME/keyturn`` (else ``~/.config/keyturn``; on Windows ``%APPDATA%\\keyturn``), mode 0600
in a folder 0700, lines of fields separated by tabs, so that they are read without a parser at every start:

    hosts          chosen HOST | login HOST EMAIL KIND EXPIRY MARK   (EXPIRY: seconds since 1970, or `-`)
    revocations    HOST SECONDS TOKEN                                (logged out while the server could not be reached)

A lost ``hosts`` loses hints only. MARK tells which token the line speaks of, without being it.
"""

from __future__ import annotations

import os
import sys

from keyturn.core import token as grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Final

KEEP_REVOCATIONS: Final = 7 * 24 * 3600
"""Seconds for which a revocation that could not be sent is kept."""

_HEADER: Final = (
    "# What keyturn knows of this machine's logins. There is no secret in here; without it only hints are lost.\n"
)
_LIMIT: Final = 1 << 20


class Known:
    """What is known of the token that a login stored. ``expires_at``: seconds since 1970, None for never or unknown."""

    __slots__ = ("email", "expires_at", "kind", "mark")

    def __init__(self, email: str, kind: str, expires_at: int | None, mark: str) -> None:
        self.email, self.kind, self.expires_at, self.mark = email, kind, expires_at, mark

    def speaks_of(self, token: str) -> bool:
        """Whether this is about ``token``, and not about one put in its place since."""
        return self.mark == mark(token)


class State:
    """``chosen``: the host that the last ``login --host`` named, or None. ``logins``: by the host's text."""

    __slots__ = ("chosen", "logins")

    def __init__(self) -> None:
        self.chosen: str | None = None
        self.logins: dict[str, Known] = {}


def mark(token: str) -> str:
    """What recognizes a token without telling it: our mask, or a CRC-32 of another server's."""
    if len(token) == grammar.LENGTH and grammar.kind_of(token):
        return grammar.mask(token)
    import binascii

    return f"crc32:{binascii.crc32(token.encode('utf-8', 'surrogatepass')):08x}"


def folder(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Where the two files are."""
    if platform == "win32":
        base = environ.get("APPDATA") or os.path.join(os.path.expanduser("~"), "AppData", "Roaming")
    else:
        base = environ.get("XDG_CONFIG_HOME", "")
        if not os.path.isabs(base):  # the XDG Base Directory Specification ignores relative ones
            base = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return os.path.join(base, "keyturn")


def read(environ: Mapping[str, str]) -> State:
    """The hints. Whatever cannot be read or understood is as if it were not there."""
    state = State()
    for fields in _lines(os.path.join(folder(environ), "hosts")):
        if fields[0] == "chosen" and len(fields) == 2:
            state.chosen = fields[1]
        elif fields[0] == "login" and len(fields) == 6:
            _, host, email, kind, expiry, of = fields
            state.logins[host] = Known(email, kind, int(expiry) if _is_number(expiry) else None, of)
    return state


def remember(
    environ: Mapping[str, str], host: str, token: str, *, email: str, expires_at: int | None, choose: bool = True
) -> None:
    """Note a new login, and unless told otherwise choose its host for the time to come. Raises OSError."""
    with _locked(environ) as where:
        state = read(environ)
        if choose:
            state.chosen = host
        state.logins[host] = Known(email, grammar.kind_of(token) or "login", expires_at, mark(token))
        _write_hosts(where, state)


def forget(environ: Mapping[str, str], host: str) -> None:
    """Drop what is known of a host's login; the host stays chosen. Raises OSError."""
    if host not in read(environ).logins:
        return
    with _locked(environ) as where:
        state = read(environ)
        state.logins.pop(host, None)
        _write_hosts(where, state)


def queue_revocation(environ: Mapping[str, str], host: str, token: str, now: int) -> None:
    """Keep a token that is to be ended at its server as soon as that can be reached. Raises OSError."""
    with _locked(environ) as where:
        path = os.path.join(where, "revocations")
        kept = [*_lines(path), [host, str(now), token]]
        _write(path, "".join("\t".join(fields) + "\n" for fields in kept))


def revocations(environ: Mapping[str, str], host: str) -> list[str]:
    """The tokens of ``host`` still to be ended."""
    path = os.path.join(folder(environ), "revocations")
    return [fields[2] for fields in _lines(path) if len(fields) == 3 and fields[0] == host]


def waiting(environ: Mapping[str, str]) -> list[tuple[str, int]]:
    """The host of every revocation still to be sent, and since when it waits, in seconds since 1970."""
    lines = _lines(os.path.join(folder(environ), "revocations"))
    return [(fields[0], int(fields[1]) if _is_number(fields[1]) else 0) for fields in lines if len(fields) == 3]


def settle_revocations(environ: Mapping[str, str], done: list[str], now: int) -> None:
    """Forget the tokens that are ended now, and every one that has waited too long. Raises OSError."""
    with _locked(environ) as where:
        path = os.path.join(where, "revocations")
        kept = [
            fields
            for fields in _lines(path)
            if len(fields) == 3
            and fields[2] not in done
            and _is_number(fields[1])
            and now - int(fields[1]) < KEEP_REVOCATIONS
        ]
        if kept:
            _write(path, "".join("\t".join(fields) + "\n" for fields in kept))
        elif os.path.exists(path):
            os.unlink(path)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _lines(path: str) -> Iterator[list[str]]:
    try:
        # A FIFO in the file's place must not hang us.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return
    try:
        text = os.read(handle, _LIMIT).decode("utf-8", "replace")
    except OSError:
        return
    finally:
        os.close(handle)
    for line in text.split("\n"):
        if line and not line.startswith("#"):
            yield line.rstrip("\r").split("\t")


def _write_hosts(where: str, state: State) -> None:
    lines = [_HEADER]
    if state.chosen:
        lines.append(f"chosen\t{state.chosen}\n")
    for host, known in sorted(state.logins.items()):
        expiry = "-" if known.expires_at is None else str(known.expires_at)
        email = "".join(character if character.isprintable() else "?" for character in known.email)
        lines.append(f"login\t{host}\t{email}\t{known.kind}\t{expiry}\t{known.mark}\n")
    _write(os.path.join(where, "hosts"), "".join(lines))


def _write(path: str, text: str) -> None:
    """Replace a file by a private one, wholly or not at all."""
    temporary = f"{path}.{os.getpid()}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _locked(environ: Mapping[str, str]) -> AbstractContextManager[str]:
    """Hold the folder against other processes of ours; gives its path."""
    from contextlib import contextmanager

    @contextmanager
    def hold() -> Iterator[str]:
        where = folder(environ)
        os.makedirs(where, mode=0o700, exist_ok=True)
        handle = os.open(os.path.join(where, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
            else:
                import fcntl

                fcntl.flock(handle, fcntl.LOCK_EX)
            yield where
        finally:
            os.close(handle)

    return hold()
