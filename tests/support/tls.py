"""Certificates of a test's own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def openssl(*words: str) -> None:
    """Runs it."""
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    """A certificate authority of a test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self._key = folder, folder / "ca.pem", folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                "/CN=An authority", "-keyout", str(self._key), "-out", str(self.file))  # fmt: skip

    def issue(self, serial: int, certificate: Path, key: Path) -> None:
        """A certificate for localhost, with its key, over what is there."""
        asked, made, extra = self.folder / "asked", self.folder / "made", self.folder / "extra"
        extra.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        new = self.folder / "new.key"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-keyout",
                str(new), "-out", str(asked))  # fmt: skip
        openssl("x509", "-req", "-in", str(asked), "-CA", str(self.file), "-CAkey", str(self._key), "-set_serial", str(serial),
                "-days", "2", "-extfile", str(extra), "-out", str(made))  # fmt: skip
        made.replace(certificate)
        new.replace(key)

    def trusting(self) -> dict[str, str]:
        """The variables that make curl, git, requests and our command line trust it."""
        return dict.fromkeys(
            ("CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(self.file)
        )
