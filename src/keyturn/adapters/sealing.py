"""Sealing: what must be read again (seeds of authenticator apps) is encrypted with a key outside the database.

A copy of the database alone, as a backup is, opens nothing (docs/decisions/0013). The keys stand in a file of the data
folder, ``secret.keys``: a line a key, its id and 32 bytes in base64, the newest first; lines that begin with # are notes.

    sealed = 0x01 | key id (4 bytes) | nonce (12 bytes) | AES-256-GCM ciphertext and tag

The version, the key's id and ``about`` are authenticated too, so no byte of them can be changed, and what was sealed
about one thing does not open as another's. Nonces are random: good for 2**32 seals a key [NIST SP 800-38D 8.3].
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyturn.actions.env import CannotUnseal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION: Final = 1
KEY_BYTES: Final = 32
ID_BYTES: Final = 4
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
FILE_LONGEST: Final = 64 * 1024

_HEAD: Final = 1 + ID_BYTES
_NOTE: Final = """\
# The keys with which this server seals secrets that it must read again (two-factor seeds). Newest first.
# Keep a copy away from the backups of the database: without this file the secrets cannot be read,
# and with both anybody can.
"""


class BadKeys(Exception):
    """The file of keys cannot be used: the message says why and what to do, and shows no key."""


class Sealer:
    """actions.env.Sealer over AES-256-GCM, with the keys of one file."""

    def __init__(self, path: Path, keys: Mapping[bytes, bytes], random_bytes: Callable[[int], bytes]) -> None:
        self._path = path
        self._keys = dict(keys)  # by id, newest first
        self._random_bytes = random_bytes

    def seal(self, plain: bytes, about: str) -> bytes:
        """Encrypts with the newest key. ``about`` says whose it is and what, and must be given again to read it."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - start-up stays quick

        key_id, key = next(iter(self._keys.items()))
        head = bytes([VERSION]) + key_id
        nonce = self._random_bytes(NONCE_BYTES)
        return head + nonce + AESGCM(key).encrypt(nonce, plain, head + about.encode())

    def unseal(self, sealed: bytes, about: str) -> bytes:
        """What was sealed. Raises CannotUnseal."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        if len(sealed) < _HEAD + NONCE_BYTES + TAG_BYTES or sealed[0] != VERSION:
            raise CannotUnseal("this was not sealed by this version of Keyturn")
        head, nonce, rest = sealed[:_HEAD], sealed[_HEAD : _HEAD + NONCE_BYTES], sealed[_HEAD + NONCE_BYTES :]
        try:
            return AESGCM(self._key(head[1:])).decrypt(nonce, rest, head + about.encode())
        except InvalidTag:
            raise CannotUnseal("it was changed after it was sealed, or is about something else") from None

    def outdated(self, sealed: bytes) -> bool:
        """Whether it was sealed with another key than the newest, and should be sealed again when it is next read."""
        return sealed[:_HEAD] != bytes([VERSION]) + next(iter(self._keys))

    def _key(self, key_id: bytes) -> bytes:
        if key_id not in self._keys:  # another process may have begun to use a key that was added since we read
            try:
                self._keys = _parse(_read(self._path), self._path)
            except (BadKeys, FileNotFoundError) as error:
                raise CannotUnseal(f"it was sealed with key {key_id.hex()}, but {error}") from None
        if key_id not in self._keys:
            raise CannotUnseal(
                f"it was sealed with key {key_id.hex()}, which {self._path} does not have: put back that file as it was"
            )
        return self._keys[key_id]


def open_or_make(path: Path, random_bytes: Callable[[int], bytes]) -> Sealer:
    """The sealer with the keys in ``path``; makes the file, with a first key, where there is none. Raises BadKeys.

    Several processes may do so at once: one makes it, all use the same.
    """
    try:
        text = _read(path)
    except FileNotFoundError:
        _make(path, random_bytes)
        try:
            text = _read(path)
        except FileNotFoundError:
            raise BadKeys(f"{path} leads nowhere: remove the link, or put the file of keys where it leads") from None
    return Sealer(path, _parse(text, path), random_bytes)


def add_key(path: Path, random_bytes: Callable[[int], bytes]) -> str:
    """Adds a new key before the others, which stay for what they have sealed. Its id. Raises BadKeys."""
    path = Path(os.path.realpath(path))  # a link stays a link
    beside = path.with_name(path.name + ".new")
    try:
        # made by one alone; whoever comes next reads what that one has written
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadKeys(f"another key is being added; or, if that was interrupted, remove {beside}") from None
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        try:
            text = _read(path)
            keys = _parse(text, path)
            line = _new_line(random_bytes, keys)
            lines = text.splitlines()
            first = next(at for at, known in enumerate(lines) if _is_key(known))
            _fill(fd, "\n".join([*lines[:first], line, *lines[first:], ""]))
        finally:
            os.close(fd)
        beside.replace(path)
    except FileNotFoundError:
        beside.unlink(missing_ok=True)
        raise BadKeys(f"there is no {path}: the server makes it when it first starts") from None
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _unwritable(path, error) from None
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _settle(path.parent)
    return line.split()[0]


def _make(path: Path, random_bytes: Callable[[int], bytes]) -> None:
    """The file, whole from its first moment. Where another process was first, its file stays."""
    beside = path.with_name(f"{path.name}.{random_bytes(8).hex()}")
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            try:
                _fill(fd, _NOTE + _new_line(random_bytes, {}) + "\n")
            finally:
                os.close(fd)
            with suppress(FileExistsError):
                os.link(beside, path)  # unlike a rename, it replaces nothing
        finally:
            beside.unlink()
    except OSError as error:
        raise _unwritable(path, error) from None
    _settle(path.parent)


def _new_line(random_bytes: Callable[[int], bytes], keys: Mapping[bytes, bytes]) -> str:
    key_id = random_bytes(ID_BYTES)
    if key_id in keys:
        raise BadKeys("the new key's id is taken: add it once more")
    return f"{key_id.hex()} {base64.b64encode(random_bytes(KEY_BYTES)).decode()}"


def _fill(fd: int, text: str) -> None:
    if sys.platform != "win32":
        os.fchmod(fd, 0o600)  # whatever the umask took away
    rest = memoryview(text.encode())
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.fsync(fd)


def _settle(folder: Path) -> None:
    """Makes a new name last through a power cut, where the file system can."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _read(path: Path) -> str:
    """The file's text, once it is seen to be ours alone. Raises FileNotFoundError and BadKeys."""
    # What was opened is what is looked at: nobody can swap it in between. A pipe must not make us wait.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no {path}") from None
    except OSError as error:
        raise BadKeys(f"cannot read {path}: {error.strerror}") from None
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise BadKeys(f"{path} is no file: remove it, or put the file of keys there")
        if sys.platform != "win32":
            if facts.st_uid != os.geteuid():
                raise BadKeys(f"{path} belongs to somebody else: make it the server's own (chown), if you trust it")
            if facts.st_mode & 0o077:
                raise BadKeys(f"others can read or write {path}: run chmod 600 on it; and if they may have, add a key")
        data = b""
        while len(data) <= FILE_LONGEST and (more := os.read(fd, FILE_LONGEST + 1 - len(data))):
            data += more
    except OSError as error:
        raise BadKeys(f"cannot read {path}: {error.strerror}") from None
    finally:
        os.close(fd)
    if len(data) > FILE_LONGEST:
        raise BadKeys(f"{path} is too large for a file of keys")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise BadKeys(f"{path} is no text: put back the file of keys as it was") from None


def _is_key(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _parse(text: str, path: Path) -> dict[bytes, bytes]:
    """The keys by id, as they stand. Raises BadKeys, which names the line and never shows it."""
    keys: dict[bytes, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not _is_key(line):
            continue
        try:
            name, encoded = line.split()
            key_id, key = bytes.fromhex(name), base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            key_id, key = b"", b""
        if len(key_id) != ID_BYTES or len(key) != KEY_BYTES:
            raise BadKeys(f"{path}, line {number}: this is no key (8 hex digits, a space, 32 bytes in base64)")
        if key_id in keys:
            raise BadKeys(f"{path}, line {number}: a key with this id stands above already")
        keys[key_id] = key
    if not keys:
        raise BadKeys(f"{path} has no key: put it back as it was; or, if nothing was ever sealed, remove it")
    return keys


def _unwritable(path: Path, error: OSError) -> BadKeys:
    return BadKeys(f"cannot write {path}: {error.strerror}")
