"""TLS of the server's own: the real git and curl over https, certificates that change, and files that cannot be used."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.conftest import Result, Server, environment, run
from tests.support.gits import Checkout, checkout, pusher
from tests.support.tls import Authority, openssl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> tuple[Path, Path]:
    files = authority.folder / "server.pem", authority.folder / "server.key"
    authority.issue(7, *files)
    return files


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, pair: tuple[Path, Path]) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("tls") / "server", "--tls-cert", str(pair[0]), "--tls-key", str(pair[1]))
    running.url = f"https://localhost:{running.port}"
    yield running
    running.stop()


def serial(server: Server, authority: Authority) -> int:
    """Of the certificate that the server shows."""
    context = ssl.create_default_context(cafile=str(authority.file))
    with (
        socket.create_connection(("localhost", server.port)) as line,
        context.wrap_socket(line, server_hostname="localhost") as tls,
    ):
        shown = tls.getpeercert()
    assert shown
    return int(str(shown["serialNumber"]), 16)


def test_git_pushes_and_clones_over_https(
    secured: Server, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    assert "keyturn is ready at https://localhost:" in secured.log()
    ada = pusher_over_tls(secured, authority)
    work = checkout(tmp_path / "work")
    trusting = Checkout(work.folder, {"GIT_SSL_CAINFO": str(authority.file)})
    trusting.git("push", "-q", ada, "main")
    trusting.git("clone", "-q", ada, str(tmp_path / "copy"))
    assert Checkout(tmp_path / "copy").head() == work.head()
    refused = work.git("push", ada, "main", check=False)
    assert refused.code == 128
    assert "certificate" in refused.err


def pusher_over_tls(server: Server, authority: Authority) -> str:
    """The URL of somebody's app, with their token."""

    class Trusting(Server):
        def __init__(self) -> None:
            self.__dict__.update(server.__dict__)

        def call(self, method: str, path: str, token: str | None = None, **options: object) -> requests.Response:
            return super().call(method, path, token, verify=str(authority.file), **options)

    ada = pusher(Trusting())
    return f"https://x:{ada.token}@localhost:{server.port}/{ada.app.name}.git"


def test_a_new_certificate_is_taken_up_and_a_broken_one_is_not(
    secured: Server, authority: Authority, pair: tuple[Path, Path]
) -> None:
    assert serial(secured, authority) == 7
    good = [file.read_bytes() for file in pair]
    pair[0].write_text("this is no certificate\n")
    wait_for(lambda: "the certificate in force stays" in secured.log())
    assert serial(secured, authority) == 7
    for file, content in zip(pair, good, strict=True):
        file.write_bytes(content)
    authority.issue(8, *pair)
    wait_for(lambda: serial(secured, authority) == 8)


def wait_for(true: object, seconds: float = 60) -> None:
    """Waits for what comes by itself."""
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_plain_http_and_old_tls_get_nothing(secured: Server) -> None:
    with socket.create_connection(("localhost", secured.port)) as line:
        line.settimeout(20)
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert not line.recv(100).startswith(b"HTTP")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("localhost", secured.port)) as line, pytest.raises(ssl.SSLError):
        old.wrap_socket(line, server_hostname="localhost")


def served(tmp_path: Path, *options: str) -> Result:
    """How `keyturn serve` ends that cannot start."""
    command = [sys.executable, "-m", "keyturn", "serve", "--data", str(tmp_path / "data"), "--port", "0", *options]
    return run(command, None, environment(tmp_path))


def test_files_that_cannot_be_used_are_named_at_the_start(
    tmp_path: Path, pair: tuple[Path, Path], authority: Authority
) -> None:
    certificate, key = (str(file) for file in pair)
    one = served(tmp_path, "--tls-cert", certificate)
    assert one.code == 2
    assert "--tls-cert and --tls-key belong together" in one.err
    missing = served(tmp_path, "--tls-cert", certificate, "--tls-key", str(tmp_path / "none"))
    assert (missing.code, missing.err) == (
        1,
        f"keyturn serve: --tls-key {tmp_path / 'none'}: No such file or directory\n",
    )
    other = authority.folder / "ca.key"
    assert served(tmp_path, "--tls-cert", certificate, "--tls-key", str(other)).err.endswith(
        ": the key is not the certificate's\n"
    )
    (tmp_path / "text").write_text("hello\n")
    assert served(tmp_path, "--tls-cert", str(tmp_path / "text"), "--tls-key", key).err.endswith(
        ": not a PEM certificate and its key\n"
    )
    openssl("ec", "-in", key, "-aes256", "-passout", "pass:secret", "-out", str(tmp_path / "locked"))
    assert (
        "the key is encrypted" in served(tmp_path, "--tls-cert", certificate, "--tls-key", str(tmp_path / "locked")).err
    )
