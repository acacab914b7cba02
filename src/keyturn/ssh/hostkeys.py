"""The server's own keys, by which clients know it again: made at the first start, one Ed25519 and one RSA."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

import asyncssh

KEYS: Final[tuple[tuple[str, str, dict[str, int]], ...]] = (
    ("host_ed25519", "ssh-ed25519", {}),
    ("host_rsa", "ssh-rsa", {"key_size": 3072}),
)
"""File, type, and how to make it. RSA for clients from before 2014."""


class BadHostKey(Exception):
    """A host key cannot be used; the message names the file and says what to do."""


def open_or_make(folder: Path) -> list[asyncssh.SSHKey]:
    """The keys in ``folder``, the preferred first. Raises BadHostKey, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, kind, options in KEYS:
        file = folder / name
        if not os.path.lexists(file):
            made = asyncssh.generate_private_key(kind, comment="keyturn", **options)
            _write(file, made.export_private_key())
            _write(folder / f"{name}.pub", made.export_public_key())
    return [_read(folder / name, kind) for name, kind, _ in KEYS]


def _write(file: Path, text: bytes) -> None:
    """Whole or not at all; whoever was quicker wins."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".new-")  # 0600
    try:
        with open(handle, "wb") as opened:  # noqa: PTH123 - a descriptor
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(name, file)
        except FileExistsError:
            if file.suffix == ".pub":  # of a key that was taken away
                Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


def _read(file: Path, kind: str) -> asyncssh.SSHKey:
    again = "move it away, and a new one is made at the next start; clients then warn that the server has changed"
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not hold up the start
        with open(handle, "rb") as opened:  # noqa: PTH123 - a descriptor
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise BadHostKey(f"{file}: no file; {again}")
            if facts.st_mode & 0o077:
                raise BadHostKey(f"{file}: others can read this key; if nobody did: chmod 600 {file}; else {again}")
            if facts.st_uid not in (os.geteuid(), 0):
                raise BadHostKey(f"{file}: the key belongs to another user; {again}")
            text = opened.read(64 * 1024)
    except OSError as fault:
        raise BadHostKey(f"{file}: cannot be read: {fault.strerror}") from None
    try:
        key = asyncssh.import_private_key(text)
    except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as wrong:
        if "passphrase" in str(wrong).lower():
            raise BadHostKey(
                f"{file}: the key is encrypted; the server needs it without a passphrase: ssh-keygen -p -f {file}"
            ) from None
        raise BadHostKey(f"{file}: no private key; {again}") from None
    if key.get_algorithm() != kind:
        raise BadHostKey(f"{file}: the key is of type {key.get_algorithm()}, not {kind}; {again}")
    return key
