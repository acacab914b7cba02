"""Law: HEROKU_API_KEY wins over netrc, and of two servers on one name neither gets, nor loses, the other's token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyturn.client import credentials, netrc
from keyturn.client.errors import StorageFailed
from keyturn.client.hosts import parse
from keyturn.core import token as grammar

if TYPE_CHECKING:
    from pathlib import Path

A = parse("http://localhost:8420")
B = parse("http://localhost:9000")


def secret(number: int) -> str:
    return grammar.make("login", lambda count: bytes([number]) * count)


@pytest.fixture
def file(home: Path) -> Path:
    return home / ".netrc"


def lines(*entries: tuple[str, str]) -> str:
    return "".join(f"machine {machine} login me password {password}\n" for machine, password in entries)


def found(file: Path, host: str, **environ: str) -> str | None:
    credential = credentials.find(parse(host), {"HOME": str(file.parent), **environ})
    return credential.token if credential else None


def test_the_environment_wins_unless_it_is_empty(file: Path) -> None:
    file.write_text(lines(("api.example.com", "stored")))
    assert found(file, "example.com", HEROKU_API_KEY="given\n") == "given"
    assert found(file, "example.com", HEROKU_API_KEY="  ") == "stored"
    assert found(file, "example.com") == "stored"


def test_the_api_entry_alone_speaks_for_a_domain(file: Path) -> None:
    file.write_text(lines(("git.example.com", "git"), ("example.com", "bare")))
    assert found(file, "example.com") is None


def test_the_entry_with_the_port_counts_before_the_one_without(file: Path) -> None:
    file.write_text(lines(("localhost", "without"), ("localhost:8420", "with")))
    assert found(file, "http://localhost:8420") == "with"
    assert found(file, "http://localhost:9000") == "without"


@pytest.mark.parametrize("other", ["http://localhost:9000", "http://localhost", "https://localhost"])
def test_a_port_less_entry_with_another_ports_token_is_passed_over(file: Path, other: str) -> None:
    file.write_text(lines(("localhost:8420", "a"), ("localhost", "a")))
    assert found(file, "http://localhost:8420") == "a"
    assert found(file, other) is None


def test_machine_names_ignore_case(file: Path) -> None:
    file.write_text(lines(("LocalHost:8420", "a"), ("LOCALHOST", "a")))
    assert found(file, "http://localhost:8420") == "a"
    assert found(file, "http://localhost:9000") is None


def test_an_entry_without_a_password_is_no_credential(file: Path) -> None:
    file.write_text('machine localhost:8420 login me password ""\nmachine localhost login me password there\n')
    assert found(file, "http://localhost:8420") == "there"


def test_a_netrc_that_cannot_be_read_is_said_by_name(file: Path) -> None:
    file.mkdir()
    with pytest.raises(StorageFailed, match=r"\.netrc"):
        found(file, "example.com")


def test_a_credential_does_not_show_its_token() -> None:
    assert "sesame" not in repr(credentials.Credential("sesame", "argument"))


def test_a_login_leaves_somebody_elses_port_less_entry_alone(file: Path) -> None:
    file.write_text(lines(("localhost", "database-password")))
    machines, foreign = credentials.machines_to_write(netrc.read(str(file)), A)
    assert machines == ["localhost:8420"]
    assert [entry.password for entry in foreign] == ["database-password"]


@pytest.mark.parametrize("stored", [[], [("localhost", secret(1))], [("localhost:8420", "odd"), ("localhost", "odd")]])
def test_a_login_writes_both_entries_where_the_port_less_one_is_free_or_ours(
    file: Path, stored: list[tuple[str, str]]
) -> None:
    file.write_text(lines(*stored))
    assert credentials.machines_to_write(netrc.read(str(file)), A) == (["localhost:8420", "localhost"], [])


def test_logging_out_of_one_server_leaves_the_other_servers_entries(file: Path) -> None:
    file.write_text(lines(("localhost:8420", "a"), ("localhost:9000", "b"), ("localhost", "b")))
    entries = netrc.read(str(file))
    assert credentials.machines_to_remove(entries, A, "a") == ["localhost:8420"]
    assert credentials.machines_to_remove(entries, B, "b") == ["localhost:9000", "localhost"]


def test_logging_out_of_a_domain_removes_both_its_machines(file: Path) -> None:
    file.write_text(lines(("api.example.com", "a"), ("git.example.com", "older")))
    removed = credentials.machines_to_remove(netrc.read(str(file)), parse("example.com"), "a")
    assert removed == ["api.example.com", "git.example.com"]
