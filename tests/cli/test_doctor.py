"""Law: every trouble a machine's credentials can have is found, with the command that mends it; the safe ones are mended."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from keyturn.client import Client, netrc, state
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Account, Cli, Server

NOWHERE = "http://localhost:9"
TOKEN = grammar.make("login", lambda count: b"t" * count)
OTHER = grammar.make("login", lambda count: b"o" * count)
KEY = grammar.make("authorization", lambda count: b"k" * count)
ENTRY = f"machine localhost:9 login a password {TOKEN}\n"
GIT_TOO = f"machine localhost login a password {TOKEN}\n"


def examined(keyturn: Cli, *words: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    done = keyturn("auth:doctor", "--json", *words, env=env)
    report: dict[str, Any] = json.loads(done.out)
    assert done.code == (0 if report["ok"] else 1), done
    for finding in report["findings"]:
        assert all(finding[name] for name in ("what", "why", "mend")), finding
    for secret in (TOKEN, OTHER, KEY):
        assert secret not in done.out + done.err
    return report


def ids(report: dict[str, Any]) -> list[str]:
    return [finding["id"] for finding in report["findings"]]


@pytest.fixture
def nowhere(keyturn_at: Callable[[str], Cli]) -> Cli:
    return keyturn_at(NOWHERE)


@pytest.mark.parametrize(
    ("entries", "env", "found"),
    [
        (ENTRY, {}, []),
        (ENTRY + GIT_TOO, {}, []),
        ("", {}, ["no-login"]),
        ("", {"HEROKU_API_TOKEN": KEY}, ["misnamed-variable", "no-login"]),
        ("", {"HEROKU_API_KEY": KEY}, []),
        (ENTRY, {"HEROKU_API_KEY": ""}, ["empty-variable"]),
        (ENTRY, {"HEROKU_API_KEY": "  "}, ["empty-variable"]),
        (ENTRY, {"HEROKU_API_KEY": TOKEN}, []),
        (ENTRY, {"HEROKU_API_KEY": KEY}, ["shadowing-variable"]),
        (ENTRY, {"HEROKU_API_KEY": KEY, "CI": "true"}, []),
        (ENTRY, {"CI": "true"}, ["login-in-ci"]),
        ("", {"HEROKU_API_KEY": f"Bearer {KEY}"}, ["malformed-variable"]),
        ("", {"HEROKU_API_KEY": f"'{KEY}'"}, ["malformed-variable"]),
        ("", {"HEROKU_API_KEY": grammar.mask(KEY)}, ["malformed-variable"]),
        ("", {"HEROKU_API_KEY": "hunter2!"}, ["password-variable"]),
        ("", {"HEROKU_API_KEY": "HRKU-01234567-89ab-cdef-0123-456789abcdef"}, []),
        ("machine localhost:9 login a password hunter2!\n", {}, ["password-entry"]),
        (f"machine localhost:9 login a password {TOKEN[:-1]}\n", {}, ["malformed-entry"]),
        (f'machine localhost:9 login a password "Bearer {TOKEN}"\n', {}, ["malformed-entry"]),
        (ENTRY + ENTRY, {}, ["duplicate-entry"]),
        (ENTRY + f"machine localhost login a password {OTHER}\n", {}, ["entry-at-odds"]),
        (ENTRY + "machine localhost login a password of-the-printer\n", {}, []),
        (ENTRY + f"machine localhost login a password {OTHER}\nmachine localhost:8 login a password {OTHER}\n", {}, []),
        (f"default login a password b\n{ENTRY}", {}, ["shadowing-default"]),
        (f"{ENTRY}default login a password b\n", {}, []),
        ("default login a password b\n", {}, ["no-login"]),
        ("machine a password \"b\n", {}, ["unreadable-netrc", "no-login"]),
    ],
)  # fmt: skip
def test_what_is_found_offline(entries: str, env: dict[str, str], found: list[str], nowhere: Cli, home: Path) -> None:
    netrc_file = home / ".netrc"
    netrc_file.write_text(entries)
    netrc_file.chmod(0o600)
    assert ids(examined(nowhere, "--offline", env=env)) == found


@pytest.mark.parametrize(
    ("host", "found"), [("http://far.example", ["plain-http"]), ("https://far.example", []), ("http://127.0.0.1:9", [])]
)
def test_a_plain_connection_to_another_machine(host: str, found: list[str], keyturn_at: Callable[[str], Cli]) -> None:
    assert ids(examined(keyturn_at(host), "--offline", env={"HEROKU_API_KEY": KEY})) == found


def test_an_api_entry_and_a_git_entry_that_differ(keyturn_at: Callable[[str], Cli], home: Path) -> None:
    (home / ".netrc").write_text(
        f"machine api.far.example login a password {TOKEN}\nmachine git.far.example login a password {OTHER}\n"
    )
    (home / ".netrc").chmod(0o600)
    assert ids(examined(keyturn_at("far.example"), "--offline")) == ["entry-at-odds"]


@pytest.mark.parametrize(("left", "found"), [(-60, ["expired"]), (3600, ["expires-soon"]), (30 * 86400, [])])
def test_an_end_that_is_known_here(left: int, found: list[str], nowhere: Cli, home: Path) -> None:
    netrc.write(str(home / ".netrc"), ["localhost:9"], "a", TOKEN)
    state.remember(os.environ, NOWHERE, TOKEN, email="a", expires_at=int(time.time()) + left)
    assert ids(examined(nowhere, "--offline")) == found


def test_modes_are_found_and_mended(nowhere: Cli, home: Path) -> None:
    netrc.write(str(home / ".netrc"), ["localhost:9"], "a", TOKEN)
    state.remember(os.environ, NOWHERE, TOKEN, email="a", expires_at=None)
    opened = {
        home / ".netrc": 0o644,
        home / ".config" / "keyturn": 0o755,
        home / ".config" / "keyturn" / "hosts": 0o640,
    }
    for path, mode in opened.items():
        path.chmod(mode)
    report = examined(nowhere, "--offline")
    assert sorted(ids(report)) == ["netrc-mode", "state-mode", "state-mode"]
    assert any(finding["mend"] == f"chmod 600 {home}/.netrc" for finding in report["findings"])
    done = nowhere("auth:doctor", "--offline", "--fix")
    assert done.code == 0
    assert f"fixed: made {home}/.netrc private (mode 0600)" in done.out
    assert "3 problems, 3 fixed" in done.out
    assert {path.stat().st_mode & 0o777 for path in opened} == {0o600, 0o700}
    assert ids(examined(nowhere, "--offline")) == []


def test_a_folder_in_netrcs_place_is_not_mended_by_a_mode(nowhere: Cli, home: Path) -> None:
    (home / ".netrc").mkdir(mode=0o755)
    done = nowhere("auth:doctor", "--offline", "--fix")
    assert done.code == 1
    assert "chmod" not in done.out + done.err
    assert (home / ".netrc").stat().st_mode & 0o777 == 0o755
    assert "is not a regular file" in done.out


def test_double_entries_are_mended_in_favour_of_the_first(nowhere: Cli, home: Path) -> None:
    (home / ".netrc").write_text(
        f"{ENTRY}# mine\nmachine localhost:9 login b password {OTHER}\nmachine x login y password z\n"
    )
    assert "duplicate-entry" in ids(examined(nowhere, "--offline", "--fix"))
    assert [(entry.machine, entry.password) for entry in netrc.read(str(home / ".netrc"))] == [
        ("localhost:9", TOKEN),
        ("x", "z"),
    ]
    assert ids(examined(nowhere, "--offline")) == []


def test_an_entry_at_odds_is_mended_only_when_the_other_lives(
    keyturn: Cli, server: Server, account: Account, token: str, home: Path
) -> None:
    file = home / ".netrc"
    for stored, alive in ((OTHER, False), (token, True)):
        netrc.write(str(file), [f"localhost:{server.port}"], account.email, stored)
        netrc.write(str(file), ["localhost"], account.email, TOKEN)
        report = examined(keyturn, "--fix")
        finding = next(finding for finding in report["findings"] if finding["id"] == "entry-at-odds")
        assert bool(finding["fixed"]) is alive
        assert report["ok"] is alive
        assert {entry.password for entry in netrc.read(str(file))} == ({token} if alive else {OTHER, TOKEN})
    assert ids(examined(keyturn)) == []


def test_logouts_that_wait_are_found_and_sent(
    keyturn: Cli, server: Server, account: Account, token: str, home: Path
) -> None:
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}"], account.email, token)
    waiting = server.token(account)
    state.queue_revocation(os.environ, server.url, waiting, int(time.time()) - 3600)
    assert ids(examined(keyturn, "--offline")) == []
    state.settle_revocations(os.environ, [waiting], int(time.time()))
    state.queue_revocation(os.environ, server.url, waiting, int(time.time()) - 2 * 86400)
    report = examined(keyturn, "--offline")
    assert ids(report) == ["queued-logouts"]
    assert examined(keyturn, "--fix")["ok"]
    assert state.waiting(os.environ) == []
    with Client(server.url, waiting) as client:
        why = client.why()
    assert (why.alive, why.reason) == (False, "logged_out")


def test_logouts_that_cannot_be_sent_remain(nowhere: Cli, home: Path) -> None:
    netrc.write(str(home / ".netrc"), ["localhost:9"], "a", TOKEN)
    state.queue_revocation(os.environ, NOWHERE, OTHER, int(time.time()) - 2 * 86400)
    done = nowhere("auth:doctor", "--offline", "--fix")
    assert done.code == 1
    assert "could not mend it" in done.err
    assert state.waiting(os.environ) != []


def test_helpers_of_git_are_found(nowhere: Cli, home: Path) -> None:
    netrc.write(str(home / ".netrc"), ["localhost:9", "localhost"], "a", TOKEN)
    for key, value in (
        ("credential.helper", "store"),
        (f"credential.{NOWHERE}.helper", "!echo password=hunter2"),
        ("credential.https://elsewhere.example.helper", "cache"),
        (f"credential.{NOWHERE}/.helper", "!keyturn git:credentials"),
    ):
        subprocess.run(["git", "config", "--global", "--add", key, value], check=True, cwd=home)
    report = examined(nowhere, "--offline")
    assert [(finding["id"], finding["level"]) for finding in report["findings"]] == [
        ("git-helper", "notice"),
        ("git-helper", "problem"),
    ]
    assert "hunter2" not in json.dumps(report)
    mend = report["findings"][1]["mend"]
    subprocess.run(shlex.split(mend), check=True, cwd=home)
    assert [finding["level"] for finding in examined(nowhere, "--offline")["findings"]] == ["notice"]
    sources = json.loads(nowhere("auth:status", "--json").out)["sources"]
    assert "git's credential helper store for every server" in [source["source"] for source in sources]


def test_an_encrypted_netrc_without_gpg(nowhere: Cli, home: Path) -> None:
    (home / ".netrc.gpg").write_bytes(b"sealed")
    command = [sys.executable, "-m", "keyturn", "auth:doctor", "--offline", "--json"]
    env = nowhere.env({"HEROKU_API_KEY": KEY}) | {"PATH": str(home)}  # where no gpg is
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert ids(json.loads(done.stdout)) == ["unreadable-netrc", "no-gpg"]


def test_a_server_out_of_reach_is_one_problem(nowhere: Cli) -> None:
    assert ids(examined(nowhere, env={"HEROKU_API_KEY": KEY})) == ["unreachable"]


def test_a_dead_token_is_found_with_its_reason_and_what_mends_it(
    keyturn: Cli, server: Server, account: Account, token: str, home: Path
) -> None:
    with Client(server.url, token) as client:
        made = client.authorizations.create("a tool")
        assert made.access_token
        env = {"HEROKU_API_KEY": made.access_token.token}
        assert ids(examined(keyturn, env=env)) == []
        client.authorizations.revoke(made.id)
    report = examined(keyturn, env=env)
    assert ids(report) == ["dead-revoked_by_owner"]
    assert report["findings"][0]["mend"].startswith(
        f"keyturn authorizations:create --like {made.id}, and unset HEROKU_API_KEY"
    )
    assert ids(examined(keyturn, env={"HEROKU_API_KEY": KEY})) == ["dead-unknown"]
    netrc.write(str(home / ".netrc"), [f"localhost:{server.port}"], account.email, TOKEN)
    assert ids(examined(keyturn)) == ["dead-unknown"]


def test_a_healthy_machine_has_no_problem(keyturn: Cli, account: Account) -> None:
    keyturn.log_in(account)
    done = keyturn("auth:doctor")
    assert done.code == 0
    assert done.out.endswith("the server accepts the token in use\n\nno problem was found\n")
    assert done.err == ""


def test_a_machine_without_a_login_is_told_how_to_have_one(keyturn: Cli) -> None:
    done = keyturn("auth:doctor")
    assert done.code == 1
    assert "  to mend it: keyturn login\n" in done.out
