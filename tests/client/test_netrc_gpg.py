from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

from keyturn.client import netrc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEW = "machine h\n  login L\n  password s3cret\n"


@pytest.fixture(scope="module")
def keyring() -> Iterator[str]:
    """A throw-away key in a folder whose name is short, as the agent's socket needs it."""
    home = tempfile.mkdtemp(prefix="kt")
    environ = {**os.environ, "GNUPGHOME": home}
    make = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "me@example.com", "future-default"]
    subprocess.run(make, env=environ, check=True, capture_output=True)
    yield home
    subprocess.run(["gpgconf", "--kill", "all"], env=environ, check=True)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def file(tmp_path: Path, keyring: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GNUPGHOME", keyring)
    return tmp_path / "netrc"


def encrypt(path: Path, text: str) -> None:
    command = ["gpg", "-a", "--batch", "--default-recipient-self", "-e"]
    path.write_bytes(subprocess.run(command, input=text.encode(), check=True, capture_output=True).stdout)


def decrypt(path: Path) -> str:
    command = ["gpg", "--batch", "--quiet", "--decrypt", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_encrypted_file_is_read_instead_of_the_plain_one(file: Path) -> None:
    file.write_text("machine h login plain password x\n")
    encrypt(file.with_name("netrc.gpg"), "# c\nmachine h login a password b\n")
    assert netrc.read(str(file)) == [netrc.Entry("h", "a", "b", 2)]
    assert netrc.find(str(file), ["h"]) == netrc.Entry("h", "a", "b", 2)


def test_the_encrypted_file_is_edited_and_the_plain_one_left_alone(file: Path) -> None:
    secret = file.with_name("netrc.gpg")
    file.write_text("machine h login plain password x\n")
    encrypt(secret, "# c\n")
    secret.chmod(0o644)
    assert netrc.write(str(file), ["h"], "L", "s3cret") == [
        f"{secret} could be read by other users (mode 0644): it is 0600 now"
    ]
    assert secret.read_bytes().startswith(b"-----BEGIN PGP MESSAGE-----")
    assert b"s3cret" not in secret.read_bytes()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert decrypt(secret) == "# c\n" + NEW
    assert netrc.remove(str(file), ["h"]) == ["h"]
    assert decrypt(secret) == "# c\n"
    assert file.read_text() == "machine h login plain password x\n"
    assert sorted(os.listdir(file.parent)) == ["netrc", "netrc.gpg"]


def test_an_error_inside_names_the_encrypted_file(file: Path) -> None:
    encrypt(file.with_name("netrc.gpg"), '\nmachine h password "s3cret\n')
    with pytest.raises(netrc.NetrcError, match=r"netrc\.gpg, line 2: a quote is opened"):
        netrc.write(str(file), ["h"], "L", "P")


def test_what_gpg_cannot_decrypt_is_an_error_with_its_reason_and_the_file_stays(file: Path) -> None:
    secret = file.with_name("netrc.gpg")
    secret.write_text(NEW)
    for attempt in (lambda: netrc.read(str(file)), lambda: netrc.write(str(file), ["h"], "L", "P")):
        with pytest.raises(netrc.NetrcError, match=r"cannot decrypt .*netrc\.gpg: .+: try `gpg --decrypt") as refused:
            attempt()
        assert "s3cret" not in str(refused.value)
    assert secret.read_text() == NEW


def test_without_a_key_to_encrypt_for_the_file_stays(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = file.with_name("netrc.gpg")
    encrypt(secret, "# c\n")
    before = secret.read_bytes()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "gpg"  # decrypts, but has no key to encrypt for
    script.write_text(f'#!/bin/sh\ncase "$*" in *--decrypt*) exec {shutil.which("gpg")} "$@";; esac\nexec {shutil.which("gpg")} '
                      f'--homedir {tmp_path} "$@"\n')  # fmt: skip
    script.chmod(0o755)
    tmp_path.chmod(0o700)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=os.pathsep)
    with pytest.raises(netrc.NetrcError, match=r"cannot encrypt .*netrc\.gpg: "):
        netrc.write(str(file), ["h"], "L", "s3cret")
    assert secret.read_bytes() == before


def test_without_gpg_the_error_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encrypt(file.with_name("netrc.gpg"), NEW)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(netrc.NetrcError, match=r"gpg does not start .*: install GnuPG"):
        netrc.find(str(file), ["h"])


def test_no_secret_is_in_gpgs_arguments(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encrypt(file.with_name("netrc.gpg"), NEW)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "gpg"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/seen\nexec {shutil.which("gpg")} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(bin_folder), prepend=os.pathsep)
    netrc.write(str(file), ["h"], "L", "other-s3cret")
    assert (tmp_path / "seen").read_text() == "--batch --quiet --decrypt\n-a --batch --default-recipient-self -e\n"
