"""TLS of our own: a certificate and its key from files, read again when they change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from keyturn.git_settings import TlsFiles

log = logging.getLogger("keyturn.tls")

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files."""


class BadCertificate(Exception):
    """The files cannot be used; the message names them and says why."""


class Tls:
    """A context for the server's sockets, kept up to date with its files."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises BadCertificate."""
        self._files = files
        self._seen = self._stamp()
        self.context = _context(files)

    async def keep(self) -> None:
        """Looks at the files until it is cancelled. Connections that begin after a change get the new certificate; files that
        cannot be used leave the old one in force.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY)
            stamp = self._stamp()
            if stamp == self._seen:
                continue
            self._seen = stamp
            try:
                _context(self._files)  # both files fit; half a renewal must not spoil what is in force
                _load(self.context, self._files)
            except BadCertificate as wrong:
                log.error("%s; the certificate in force stays", wrong)
            else:
                log.warning("%s was read again", self._files.certificate)

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        found = []
        for file in (self._files.certificate, self._files.key):
            try:
                facts = file.stat()
                found.append((facts.st_ino, facts.st_mtime_ns, facts.st_size))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)


def _context(files: TlsFiles) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    _load(made, files)
    return made


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    for flag, file in (("--tls-cert", files.certificate), ("--tls-key", files.key)):
        try:
            file.read_bytes()
        except OSError as fault:
            raise BadCertificate(f"{flag} {file}: {fault.strerror}") from None
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except ssl.SSLError as wrong:
        why = (
            "the key is not the certificate's"
            if wrong.reason == "KEY_VALUES_MISMATCH"
            else "not a PEM certificate and its key"
        )
        raise BadCertificate(f"--tls-cert {files.certificate} and --tls-key {files.key}: {why}") from None
    except _Encrypted:
        raise BadCertificate(
            f"--tls-key {files.key}: the key is encrypted; give it without: openssl pkey -in {files.key} -out FILE"
        ) from None


class _Encrypted(Exception):
    """The key asks for a password."""


def _no_password() -> NoReturn:
    raise _Encrypted
