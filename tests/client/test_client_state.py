"""Law: the hints hold no secret, are about one very token, and no damage to them stops a command."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from keyturn.client import state
from keyturn.core import token as grammar

HOST = "http://localhost:8420"
DAY = 24 * 3600


def secret(number: int = 1) -> str:
    return grammar.make("login", lambda count: bytes([number]) * count)


@pytest.fixture
def folder(home: Path) -> Path:
    return home / ".config" / "keyturn"


def test_a_login_is_remembered_with_its_host_and_expiry_and_not_with_its_token(folder: Path) -> None:
    state.remember(os.environ, HOST, secret(), email="me@example.com", expires_at=1_795_000_000)
    known = state.read(os.environ)
    login = known.logins[HOST]
    assert (known.chosen, login.email, login.kind, login.expires_at) == (HOST, "me@example.com", "login", 1_795_000_000)
    written = (folder / "hosts").read_text()
    assert secret() not in written
    assert secret()[10:-5] not in written


def test_a_hint_speaks_of_the_token_it_was_noted_for_alone(folder: Path) -> None:
    for token, other in [(secret(1), secret(2)), ("HRKU-0123", "HRKU-0124")]:
        state.remember(os.environ, HOST, token, email="me@example.com", expires_at=None)
        login = state.read(os.environ).logins[HOST]
        assert login.speaks_of(token)
        assert not login.speaks_of(other)
        assert token not in (folder / "hosts").read_text()


def test_the_last_login_chooses_and_forgetting_keeps_the_choice() -> None:
    state.remember(os.environ, "a.example", secret(1), email="a@example.com", expires_at=None)
    state.remember(os.environ, "b.example", secret(2), email="b@example.com", expires_at=5)
    state.forget(os.environ, "b.example")
    known = state.read(os.environ)
    assert (known.chosen, list(known.logins)) == ("b.example", ["a.example"])
    assert known.logins["a.example"].expires_at is None


def test_the_files_are_for_their_owner_alone(folder: Path) -> None:
    state.remember(os.environ, HOST, secret(), email="me@example.com", expires_at=None)
    state.queue_revocation(os.environ, HOST, secret(), 1000)
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in [*folder.iterdir(), folder]}
    assert modes == {"hosts": 0o600, "lock": 0o600, "revocations": 0o600, "keyturn": 0o700}


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"login\n", b"login\ta\tb\tc\td\te\nchosen\n", b"\t\t\t\n" * 1000]
)
def test_damaged_hints_are_no_hints(folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True)
    (folder / "hosts").write_bytes(content)
    (folder / "revocations").write_bytes(content)
    assert state.read(os.environ).chosen is None
    assert state.revocations(os.environ, HOST) == []


def test_a_fifo_in_the_place_of_the_hints_does_not_hang(folder: Path) -> None:
    folder.mkdir(parents=True)
    os.mkfifo(folder / "hosts")
    assert state.read(os.environ).logins == {}


def test_an_email_cannot_forge_a_line(folder: Path) -> None:
    state.remember(os.environ, HOST, secret(), email="a\nchosen\tevil.example\n\tb", expires_at=None)
    known = state.read(os.environ)
    assert (known.chosen, list(known.logins)) == (HOST, [HOST])


def test_a_login_may_leave_the_choice_as_it_is() -> None:
    state.remember(os.environ, "a.example", secret(1), email="a@example.com", expires_at=None)
    state.remember(os.environ, "b.example", secret(2), email="b@example.com", expires_at=None, choose=False)
    known = state.read(os.environ)
    assert (known.chosen, sorted(known.logins)) == ("a.example", ["a.example", "b.example"])


def test_a_queued_revocation_stays_until_it_is_settled_or_too_old(folder: Path) -> None:
    for number, at in [(1, 0), (2, 6 * DAY), (3, 7 * DAY)]:
        state.queue_revocation(os.environ, HOST, secret(number), at)
    state.queue_revocation(os.environ, "b.example", secret(4), 7 * DAY)
    assert state.revocations(os.environ, HOST) == [secret(1), secret(2), secret(3)]
    state.settle_revocations(os.environ, [secret(3)], 7 * DAY)
    assert state.revocations(os.environ, HOST) == [secret(2)]
    assert state.revocations(os.environ, "b.example") == [secret(4)]
    state.settle_revocations(os.environ, [secret(2), secret(4)], 7 * DAY)
    assert not (folder / "revocations").exists()


def test_logins_at_the_same_time_are_all_remembered(folder: Path) -> None:
    def log_in(number: int) -> None:
        state.remember(os.environ, f"h{number}.example", secret(number), email="me@example.com", expires_at=number)
        state.queue_revocation(os.environ, HOST, secret(number), 0)

    threads = [threading.Thread(target=log_in, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(state.read(os.environ).logins) == [f"h{number}.example" for number in range(8)]
    assert len(state.revocations(os.environ, HOST)) == 8
    assert sorted(entry.name for entry in folder.iterdir()) == ["hosts", "lock", "revocations"]


@pytest.mark.parametrize(
    ("environ", "platform", "folder"),
    [
        ({"HOME": "/h"}, "linux", "/h/.config/keyturn"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "darwin", "/x/keyturn"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}, "linux", "/h/.config/keyturn"),
        ({"HOME": "/h", "APPDATA": "/roaming"}, "win32", "/roaming/keyturn"),
    ],
)
def test_the_folder_is_where_the_platform_has_such_things(environ: dict[str, str], platform: str, folder: str) -> None:
    assert Path(state.folder(environ, platform)) == Path(folder)
