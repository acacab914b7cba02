"""What our login writes, as other programs read it: curl, Python's netrc, requests."""

from __future__ import annotations

import json
import netrc
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Account, Cli, Server

pytestmark = pytest.mark.interop


def curl(url: str, *options: str) -> tuple[int, dict[str, object]]:
    """`curl -n`, with nothing said about the credential."""
    done = subprocess.run(
        ["curl", "-n", "-s", "-S", "-w", "\n%{http_code}", *options, url],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), dict(json.loads(body))


def test_curl_is_logged_in_after_our_login_and_told_why_not_after_our_logout(
    server: Server, account: Account, keyturn: Cli
) -> None:
    keyturn.log_in(account)
    status, body = curl(f"{server.url}/account")
    assert (status, body["email"]) == (200, account.email)
    kept = (keyturn.home / ".netrc").read_bytes()
    assert keyturn("logout").code == 0
    status, body = curl(f"{server.url}/account")
    assert status == 401
    (keyturn.home / ".netrc").write_bytes(kept)  # a copy of the file, on another machine perhaps
    status, body = curl(f"{server.url}/account")
    assert (status, body["reason"]) == (401, "logged_out")


def test_python_reads_the_entries_with_and_without_the_port(server: Server, account: Account, keyturn: Cli) -> None:
    keyturn.log_in(account)
    path = keyturn.home / ".netrc"
    token = keyturn("auth:token").out.strip()
    for machine in (f"localhost:{server.port}", "localhost"):
        assert netrc.netrc(path).authenticators(machine) == (account.email, "", token)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_requests_is_logged_in_through_netrc(server: Server, account: Account, keyturn: Cli) -> None:
    keyturn.log_in(account)
    answer = requests.get(f"{server.url}/account", timeout=60)
    assert (answer.status_code, answer.json()["email"]) == (200, account.email)


def test_the_password_in_netrc_is_refused_with_a_sentence_that_says_so(
    server: Server, account: Account, home: Path
) -> None:
    path = home / ".netrc"
    path.write_text(f'machine localhost login {account.email} password "{account.password}"\n')
    path.chmod(0o600)
    status, body = curl(f"{server.url}/account")
    assert (status, body["id"], body["reason"]) == (401, "unauthorized", "password_as_token")
    assert "never the account's own password" in str(body["message"])


def test_other_entries_and_comments_are_kept_and_curl_still_finds_them(
    server: Server, account: Account, keyturn: Cli
) -> None:
    path = keyturn.home / ".netrc"
    before = "# mine\nmachine example.com\n  login me\n  password secret # not a comment\n\ndefault login anonymous password x\n"
    path.write_text(before)
    path.chmod(0o600)
    keyturn.log_in(account)
    assert curl(f"{server.url}/account")[0] == 200
    assert keyturn("logout").code == 0
    assert path.read_text() == before
