"""Law: a policy file is read once at the start; a bad one stops the start, with all that is wrong with it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from tests.conftest import BIN, Result, Server, environment, run
from tests.support.world import new_database

from keyturn import settings
from keyturn.core.overrides import BadPolicy
from keyturn.core.policy import DAY, DEFAULT, Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Cli

GOOD = '[lifetimes.login]\ndefault = "30 days"\n[ends.password_change]\nauthorization = "dies"\n'
BAD = 'retention = "9999 days"\n\n[lifetimes.login]\nlongest = "400 days"\n'


def run_keyturn(home: Path, *words: str) -> Result:
    return run([str(BIN / "keyturn"), *words], None, environment(home))


@pytest.mark.parametrize("where", ["data folder", "flag"])
def test_the_rules_of_a_file_are_in_force(where: str, tmp_path: Path, keyturn_at: Callable[[str], Cli]) -> None:
    data = tmp_path / "server" / "data"
    data.mkdir(parents=True, mode=0o700)
    file = data / "policy.toml" if where == "data folder" else tmp_path / "elsewhere.toml"
    file.write_text(GOOD)
    server = Server(tmp_path / "server", *(["--policy", str(file)] if where == "flag" else []))
    try:
        keyturn = keyturn_at(server.url)
        account = server.new_account()
        keyturn.log_in(account)
        (session,) = json.loads(keyturn("sessions", "--json").out)
        assert 29 * DAY < session["expires_in"] <= 30 * DAY
        assert "login                  30 days              365 days" in keyturn("policy").out.splitlines()
        seen = server.admin(*(["--policy", str(file)] if where == "flag" else []), "policy")
        assert seen.out == keyturn("policy").out
    finally:
        server.stop()


def test_the_flag_wins_over_the_variable_and_both_over_the_data_folder(tmp_path: Path) -> None:
    lives = {"folder": 10, "variable": 20, "flag": 30}
    for where, days in lives.items():
        name = "policy.toml" if where == "folder" else f"{where}.toml"
        (tmp_path / name).write_text(f'lifetimes.login.default = "{days} days"')
    words, environ = ["--data", str(tmp_path)], {"KEYTURN_POLICY": str(tmp_path / "variable.toml")}
    flag = [*words, "--policy", str(tmp_path / "flag.toml")]
    found = [settings.read(words, {}), settings.read(words, environ), settings.read(flag, environ)]
    assert [in_force.rules.lives[Kind.LOGIN].default for in_force in found] == [10 * DAY, 20 * DAY, 30 * DAY]


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["admin", "accounts"], ["admin", "policy"]])
def test_a_bad_file_stops_the_start_with_all_findings(command: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    new_database(data).chmod(0o600)
    file = data / "policy.toml"
    file.write_text(BAD)
    done = run_keyturn(tmp_path, command[0], "--data", str(data), *command[1:])
    program = f"keyturn {command[0]}"
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        f"{program}: {file}, line 1: retention: 9999 days is more than the largest allowed, 400 days",
        f"{program}: {file}, line 4: lifetimes.login.longest: 400 days is more than the largest allowed, 365 days",
    ]


def test_what_repairs_a_store_needs_no_good_policy(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    new_database(data).chmod(0o600)
    (data / "policy.toml").write_text(BAD)
    (data / "policy.toml").chmod(0o600)
    for words in (["check"], ["backup", str(tmp_path / "copy")], ["migrate"]):
        assert run_keyturn(tmp_path, "admin", "--data", str(data), *words).code == 0


def test_a_file_is_checked_before_it_is_used(tmp_path: Path) -> None:
    for text, code in ((GOOD, 0), (BAD, 2)):
        file = tmp_path / "new.toml"
        file.write_text(text)
        done = run_keyturn(tmp_path, "admin", "policy", "--check", str(file))
        assert (done.code, done.out) == (code, "")
        assert ("is good" in done.err) == (code == 0)


def findings(data: Path, file: Path | None = None) -> str:
    with pytest.raises(BadPolicy) as wrong:
        settings.rules(data, file)
    return str(wrong.value)


def test_a_file_that_was_asked_for_and_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert settings.rules(tmp_path, None) is DEFAULT
    assert findings(tmp_path, tmp_path / "none.toml").endswith("none.toml: there is no such file")
    assert "cannot be read" in findings(tmp_path, tmp_path)
    (tmp_path / "policy.toml").symlink_to(tmp_path / "gone")
    assert findings(tmp_path).endswith("policy.toml: there is no such file")


def test_files_of_other_bytes_are_answered_too(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(b"# caf\xc3\xa9\n# caf\xe9\n")
    assert findings(tmp_path).endswith("policy.toml, line 2: not UTF-8")
    file.write_bytes(b"#" * (settings.LARGEST_POLICY + 1))
    assert findings(tmp_path).endswith("the file is larger than 1 MiB")
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())  # as an editor on Windows writes it
    assert settings.rules(tmp_path, None).lives[Kind.LOGIN].default == 30 * DAY


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_not_left_out_in_silence(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(GOOD)
    (tmp_path / "policy.toml").chmod(0)
    assert "cannot be read: Permission denied" in findings(tmp_path)
